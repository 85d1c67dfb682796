"""A pretend observatory: it takes jobs as real site software does, and a believable time for each.

Devices work beside each other as they do at a real telescope (`may_run_beside`), each in the order that was asked for.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..client import CANCELED, COMPLETE, FAILED, ClaimedJob, Job, SiteClient, SiteClientError, may_run_beside
from ..client.backoff import Backoff
from ..client.job_loop import Claims
from ..client.plain_reporter import PlainReporter
from ..observatory import durations
from ..observatory.durations import Plan
from .instruments import Instruments
from .outcome import Outcome
from .self_report import SelfReport

LEGACY_POLL_SECONDS = 4.0
_BUSY_POLL_SECONDS = 0.5  # a stop must be seen while something moves
_TICK_SECONDS = 0.25


class Display(Protocol):
    """Where the observatory shows what it does; called from several threads."""

    def say(self, text: str) -> None:
        """Show a line that belongs to no job."""

    def begin(self, job: Job, seconds: float) -> None:
        """Show that a job begins, and how long it will take."""

    def go_on(self, job: Job, status: str, seconds_left: float) -> None:
        """Show the status of a job."""

    def end(self, job: Job, status: str, message: str | None) -> None:
        """Show the end of a job."""


class Fault(Exception):
    """A pretended failure of a device."""


@dataclass
class Observatory:
    """The devices of one pretended site.

    `speed` is how many times as fast as a real one they are; `faults` the share of jobs that go wrong, half of them
    with FAILED, half in silence. `report` is where pictures go; without one none is made.
    """

    display: Display
    speed: float = 1.0
    faults: float = 0.0
    chance: random.Random = field(default_factory=random.Random)
    instruments: Instruments = field(default_factory=Instruments)
    report: SelfReport | None = None

    def carry_out(self, run: ClaimedJob) -> None:
        """Carry a job out and report it, whatever its parameters are."""
        with run:
            try:
                self._do(run)
            except BaseException as error:
                self.display.end(run.job, CANCELED if run.cancel_requested else FAILED, str(error))
                if isinstance(error, durations.BadParameter | Fault):
                    run.end(FAILED, str(error))  # it belongs to the play: no traceback
                    return
                raise

    def stop(self, run: ClaimedJob) -> None:
        """Obey a stop: the jobs that it covers end by themselves, the moment it comes."""
        with run:
            self.display.end(run.job, COMPLETE, "stopped")

    def _do(self, run: ClaimedJob) -> None:
        pose = self.instruments.pose(run.device, run.instance)
        what = (run.device, run.action, run.required_params, run.optional_params)
        plan = durations.plan(*what, pose, time.time())
        self.instruments.check(run, plan.pose)
        self.display.begin(run.job, plan.seconds / self.speed)
        fault_at = self.chance.uniform(0, plan.seconds) if self.chance.random() < self.faults else None
        silent = self.chance.random() < 0.5
        outcome = Outcome(run, self.instruments, self.report, self.chance)
        moved = None
        try:
            if not self._work(run, plan, outcome, fault_at, silent=silent):
                return
            moved = plan.pose
        finally:
            self.instruments.finish(run, moved)
        outcome.tell()
        run.end(COMPLETE)
        self.display.end(run.job, COMPLETE, None)

    def _work(self, run: ClaimedJob, plan: Plan, outcome: Outcome, fault_at: float | None, *, silent: bool) -> bool:
        """Report and wait for the steps of a plan; return False when the job fell silent."""
        done = 0.0
        for number, step in enumerate(plan.steps, 1):
            left = plan.seconds - done
            run.report(step.status, left / self.speed)
            self.instruments.begin(run, step.status, step.seconds / self.speed)
            done += step.seconds
            if fault_at is None or fault_at > done:
                self._wait(run, step, left)
            elif silent:
                run.abandon()
                self.display.end(run.job, "silence", "pretended: nothing more is heard of it")
                return False
            else:
                raise Fault(f"pretended: the {run.device} does not answer")
            outcome.note(step.status, is_last=number == len(plan.steps))
        return True

    def _wait(self, run: ClaimedJob, step: durations.Step, left: float) -> None:
        until = time.monotonic() + step.seconds / self.speed
        end = time.monotonic() + left / self.speed
        while True:
            now = time.monotonic()
            self.display.go_on(run.job, step.status, max(0.0, end - now))
            run.wait(min(_TICK_SECONDS, until - now))
            if time.monotonic() >= until:
                return


def run(client: SiteClient, observatory: Observatory, ledger: Path, stopped: threading.Event | None = None) -> None:
    """Take jobs with claims and carry them out, each in a thread of its own, until stopped.

    Meanwhile it says what the observatory has and how its devices are. What runs when the program is ended is reported
    FAILED.
    """
    running: set[ClaimedJob] = set()
    claims = client.claims(ledger, on_stop=observatory.stop, beside=may_run_beside, poll_seconds=0.5)
    if stopped is not None:
        threading.Thread(target=_close_when, args=(stopped, claims), daemon=True).start()
    with claims, SelfReport(client, observatory.instruments, observatory.display) as observatory.report:
        try:
            while (job := claims.next()) is not None:
                running.add(job)
                _in_a_thread(observatory.carry_out, job, running.discard)
        finally:
            for job in list(running):
                job.end(FAILED, "the pretend observatory was ended while this ran")


def _close_when(stopped: threading.Event, claims: Claims) -> None:
    stopped.wait()
    claims.close()


def run_as_of_old(client: SiteClient, observatory: Observatory, stopped: threading.Event | None = None) -> None:
    """Take jobs with plain polls, as software of the original service does: one at a time, no claim, no fence."""
    stopped = stopped or threading.Event()
    reporter = PlainReporter(client)
    queue: list[Job] = []
    current: list[ClaimedJob] = []
    backoff = Backoff()
    while not stopped.is_set():
        pause = LEGACY_POLL_SECONDS / observatory.speed
        try:
            for job in client.poll():
                if job.is_stop:
                    queue = [waiting for waiting in queue if not job.covers(waiting)]
                    for run in current:
                        run.request_cancel()
                    observatory.stop(reporter.begin(job))
                else:
                    queue.append(job)
            backoff.reset()
        except SiteClientError as error:
            observatory.display.say(f"no jobs can be had, trying again: {error}")
            pause = backoff.pause() or pause
        if queue and not current:
            run = reporter.begin(queue.pop(0))
            current.append(run)
            _in_a_thread(observatory.carry_out, run, current.remove)
        stopped.wait(min(pause, _BUSY_POLL_SECONDS) if queue or current else pause)


def _in_a_thread(
    carry_out: Callable[[ClaimedJob], None], run: ClaimedJob, done: Callable[[ClaimedJob], object]
) -> None:
    def work() -> None:
        try:
            carry_out(run)
        finally:
            done(run)

    threading.Thread(target=work, name=f"{run.device} {run.instance}", daemon=True).start()
