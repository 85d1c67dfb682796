"""The jobs that the agent carries out, each in a thread of its own, and how each ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..client import CANCELED, COMPLETE, FAILED, ClaimedJob, Job
from . import safety_hold, uses
from .carrying import Actions, Report
from .devices.interfaces import Device
from .devices.motion import permitted_by
from .display import Display
from .errors import DeviceError, NotStopped, Stopped
from .holds import Holds
from .observatory import Observatory
from .orders import Order, from_job
from .sight import Sight
from .stopping import in_parallel

log = logging.getLogger(__name__)

_STOP_SECONDS = 330.0  # longer than any `abort_seconds`
_TICK_SECONDS = 0.2


@dataclass(eq=False)
class UnderWay:
    """A job that is carried out; `broken` says why the agent itself ends it, if it does."""

    run: ClaimedJob
    order: Order
    keys: frozenset[str] = frozenset()
    broken: str | None = None
    is_stopped: bool = False
    """Whether a stop command that covers the job is carried out."""
    done: threading.Event = field(default_factory=threading.Event)
    """Set once nothing more is asked of devices for the job."""
    halted: threading.Event = field(default_factory=threading.Event)
    """Set once what breaks the job off has returned."""
    over: threading.Event = field(default_factory=threading.Event)
    """Set once the end was reported."""


class JobsUnderWay:
    """Carries jobs out side by side."""

    def __init__(
        self,
        observatory: Observatory,
        actions: Actions,
        sight: Sight,
        holds: Holds,
        display: Display,
        show: Callable[[Job, bytes, str], None],
    ) -> None:
        """Take the devices, what carries out orders, what must hold before one begins, and where it is shown."""
        self._observatory, self._actions, self._sight, self._holds = observatory, actions, sight, holds
        self._display, self._show = display, show
        self._lock = threading.Lock()
        self._jobs: set[UnderWay] = set()

    def begin(self, run: ClaimedJob) -> None:
        """Carry a job out in a thread of its own, which reports its end."""
        job = UnderWay(run, from_job(run.job))
        with self._lock:
            self._jobs.add(job)
        threading.Thread(target=self._work, args=(job,), name=f"{run.device} {run.instance}", daemon=True).start()

    def break_off(self, why: str, spare: Callable[[Order], bool] = lambda _: False) -> list[UnderWay]:
        """Stop what runs and have it end FAILED with a reason; return these jobs, which end after the sight of rest."""
        broken = self.mark(why, spare)
        for job in broken:
            threading.Thread(target=self._stop_and_log, args=(job,), name="break off", daemon=True).start()
        return broken

    def mark(self, why: str, spare: Callable[[Order], bool] = lambda _: False) -> list[UnderWay]:
        """Have what runs end FAILED with a reason, without a stop; return these jobs."""
        with self._lock:
            found = [job for job in self._jobs if job.broken is None and not spare(job.order)]
            for job in found:
                job.broken = why
        return found

    def note_stop(self, stop: Job) -> None:
        """Have the jobs that a stop command covers begin no more moves; called before the stop goes out."""
        with self._lock:
            for job in self._jobs:
                job.is_stopped |= stop.covers(job.run.job)

    def await_end(self, jobs: Iterable[UnderWay], seconds: float) -> bool:
        """Wait until jobs have ended, at most so long; return whether all have."""
        deadline = time.monotonic() + seconds
        return all(job.over.wait(max(0.0, deadline - time.monotonic())) for job in jobs)

    @property
    def running(self) -> list[UnderWay]:
        """Return the jobs that are carried out."""
        with self._lock:
            return list(self._jobs)

    def _work(self, job: UnderWay) -> None:
        try:
            with job.run:
                self._display.begin(job.run.job, 0.0)
                try:
                    status, message = self._end_of(job)
                finally:
                    job.done.set()
                job.run.end(status, message)
                self._display.end(job.run.job, FAILED if job.run.failure else status, job.run.failure or message)
        finally:
            with self._lock:
                self._jobs.discard(job)
            job.over.set()

    def _end_of(self, job: UnderWay) -> tuple[str, str | None]:
        """Carry a job out, and return how it ended."""
        try:
            self._keep(job, self._carry_out(job))
        except DeviceError as error:
            self._keep(job, error.so_far)
            if isinstance(error, Stopped):
                return (FAILED, job.broken) if job.broken else (CANCELED, str(error))
            return FAILED, f"{job.broken}; {error}" if job.broken else str(error)
        return COMPLETE, None

    def _carry_out(self, job: UnderWay) -> Mapping[str, Any]:
        order, site = job.order, self._observatory
        if (why := self._holds.of(safety_hold.HOLDER)) is not None:
            job.broken = job.broken or why
            raise Stopped(why)
        job.keys = self._actions.devices_of(order, site)
        before = uses.before_camera(site, order.kind, order.name)
        self._sight.require(job.keys, lambda: self._check(job))
        with site.holding(*job.keys):
            self._sight.require_rest(before - job.keys)
            job.run.when_canceled(lambda: self._stop(job))
            self._check(job)
            with permitted_by(lambda: self._check(job)):
                return self._actions.carry_out(
                    order, site, self._report_of(job), lambda *shown: self._show_one(job, shown)
                )

    def _report_of(self, job: UnderWay) -> Report:
        def report(status: str, seconds_left: float | None = None, message: str | None = None) -> None:
            self._check(job)
            job.run.report(status, seconds_left, message)
            self._display.go_on(job.run.job, status, seconds_left or 0.0)

        return report

    def _check(self, job: UnderWay) -> None:
        """Raise Stopped when a job is to end."""
        if job.broken or job.is_stopped or job.run.cancel_requested:
            raise Stopped(job.broken or "it was canceled")

    def _show_one(self, job: UnderWay, shown: tuple[bytes, str]) -> None:
        self._show(job.run.job, *shown)

    def _keep(self, job: UnderWay, result: Mapping[str, Any]) -> None:
        try:
            job.run.add_result(**result)
        except ValueError as error:
            log.warning("what came of %s cannot be said: %s", job.run.job, error)

    def _stop(self, job: UnderWay) -> None:
        """Stop a job's own device, and the others that it moves; raise NotStopped when one was not seen at rest.

        What the job began to ask for as the stop went out is stopped as well.
        """
        self._stop_once(job, lambda device: device.key == job.order.key)
        while not job.done.wait(_TICK_SECONDS):
            self._stop_once(job, lambda _: False)

    def _stop_once(self, job: UnderWay, at_any_rate: Callable[[Device], bool]) -> None:
        errors: list[str] = []

        def stop(device: Device) -> None:
            try:
                if at_any_rate(device) or device.is_moving():
                    device.stop()
            except DeviceError as error:
                errors.append(str(error))

        in_parallel([self._observatory.devices[key] for key in job.keys], stop, _STOP_SECONDS)
        if errors:
            raise NotStopped("; ".join(errors))

    def _stop_and_log(self, job: UnderWay) -> None:
        try:
            self._stop(job)
        except DeviceError as error:
            log.warning("%s: %s", job.run.job, error)
        finally:
            job.halted.set()
