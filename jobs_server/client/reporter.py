"""The thread that reports what becomes of jobs, and asks the service whether somebody wants them ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .api import SiteApi
from .backoff import Backoff
from .errors import BadReply, BadRequest, Conflict, NotFound, SiteClientError
from .job import Job
from .running_job import ClaimedJob

log = logging.getLogger(__name__)

_MOST_WAITING = 16  # reports of one job that wait to be sent, before the oldest are left out
_REFUSED_FOR_GOOD = (BadRequest, Conflict, NotFound)


@dataclass(frozen=True, slots=True)
class Report:
    """One status to send. `made` is by the monotonic clock: an estimate shrinks while the report waits."""

    job: Job
    status: str
    seconds: float | None = None
    message: str | None = None
    is_end: bool = False
    made: float = 0.0
    result: Mapping[str, Any] | None = None

    def seconds_left(self) -> float | None:
        """Return the estimate as of now."""
        return None if self.seconds is None else max(0.0, self.seconds - (time.monotonic() - self.made))


class Reporter:
    """Send reports in their order, again until they arrive; ask after running jobs; keep their estimates fresh."""

    def __init__(
        self,
        client: SiteApi,
        acknowledged: Callable[[str], None],
        cancel: Callable[[ClaimedJob, Job], None],
        *,
        look_seconds: float,
        heartbeat_seconds: float,
        alternate_queue: bool,
    ) -> None:
        """Take what to call once the service knows how a job ended, and when it asks for a job's end."""
        self._client = client.with_patience(0)
        self._acknowledged, self._cancel = acknowledged, cancel
        self._look_seconds, self._heartbeat_seconds = look_seconds, heartbeat_seconds
        self._alternate_queue = alternate_queue
        self._changed = threading.Condition()
        self._waiting: dict[str, list[Report]] = {}
        self._running: dict[str, ClaimedJob] = {}
        self._next_look = 0.0
        self._closing_at: float | None = None
        self._thread = threading.Thread(target=self._work, name="reports", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def watch(self, run: ClaimedJob) -> None:
        """Ask the service regularly about a job that has begun."""
        with self._changed:
            self._running[run.ulid] = run
            self._changed.notify()

    def unwatch(self, run: ClaimedJob) -> None:
        """Ask about a job no more."""
        with self._changed:
            self._running.pop(run.ulid, None)

    def send(self, report: Report) -> None:
        """Send a report as soon as possible; after an end that still waits to be sent nothing more is sent."""
        with self._changed:
            waiting = self._waiting.setdefault(report.job.ulid, [])
            if waiting and waiting[-1].is_end:
                return
            waiting.append(report)
            del waiting[: max(0, len(waiting) - _MOST_WAITING)]
            self._changed.notify()

    def look_now(self) -> None:
        """Ask after all running jobs at once: a stop has come."""
        with self._changed:
            self._next_look = 0.0
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """End, when all reports are sent or so much time has gone by."""
        with self._changed:
            self._closing_at = time.monotonic() + seconds
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _work(self) -> None:
        backoff = Backoff(first=0.1, longest=2.0)
        while not self._is_over():
            try:
                if not self._step():
                    self._pause()
                backoff.reset()
            except Exception as error:  # this thread must not die: without it no end is sent and no cancel is noticed
                unforeseen = None if isinstance(error, SiteClientError) else error
                log.warning("cannot report to the service, trying again: %s", error, exc_info=unforeseen)
                self._drop_old_reports()
                with self._changed:
                    self._changed.wait(backoff.pause())

    def _is_over(self) -> bool:
        with self._changed:
            if self._closing_at is None:
                return False
            return not self._waiting or time.monotonic() >= self._closing_at

    def _step(self) -> bool:
        """Do one thing that is due; return False when nothing is."""
        report = self._first()
        if report is not None:
            self._post(report)
        elif time.monotonic() >= self._next_look and self._runs():
            self._next_look = time.monotonic() + self._look_seconds
            self._look(self._runs())
        else:
            return False
        return True

    def _pause(self) -> None:
        with self._changed:
            if not self._waiting and self._closing_at is None:
                self._changed.wait(self._next_look - time.monotonic() if self._running else None)

    def _first(self) -> Report | None:
        with self._changed:
            return next((reports[0] for reports in self._waiting.values()), None)

    def _runs(self) -> list[ClaimedJob]:
        with self._changed:
            return list(self._running.values())

    def _post(self, report: Report) -> None:
        try:
            job = self._client.update(
                report.job,
                report.status,
                seconds_until_complete=report.seconds_left(),
                message=report.message,
                result=report.result,
                alternate_queue=self._alternate_queue,
            )
        except _REFUSED_FOR_GOOD as refusal:
            if isinstance(refusal, BadRequest) and report.is_end and report.message is None and report.result is None:
                raise  # nothing is wrong with it: by its settings the service does not know this site, for now
            log.warning("the service does not take %s for %s: %s", report.status, report.job, refusal)
            if isinstance(refusal, BadRequest) and report.result is not None:
                self._replace(report, replace(report, result=None))  # that it ended matters more than what came of it
                return
            if isinstance(refusal, BadRequest) and report.message is not None:
                self._replace(report, replace(report, message=None))  # that it ended matters more than why
                return
        else:
            self._pass_on_cancel(job)
        self._replace(report, None)
        if report.is_end:
            self._acknowledged(report.job.ulid)

    def _replace(self, report: Report, instead: Report | None) -> None:
        """Remove a report, or put another in its place; the job comes last then, since the jobs take turns."""
        ulid = report.job.ulid
        with self._changed:
            waiting = [instead if each is report else each for each in self._waiting.pop(ulid, [])]
            if left := [each for each in waiting if each is not None]:
                self._waiting[ulid] = left

    def _look(self, runs: Iterable[ClaimedJob]) -> None:
        for run in runs:
            try:
                self._pass_on_cancel(self._client.get(run.job, alternate_queue=self._alternate_queue))
            except (
                NotFound,
                BadReply,
            ):  # an older service does not know the route; a report's reply has the cancel too
                continue
            if self._heartbeat_due(run):
                run.report(run.status, _left(run))

    def _heartbeat_due(self, run: ClaimedJob) -> bool:
        """Whether to refresh an estimate. Past the estimate nothing is sent: a job that hangs must look like one."""
        silent = time.monotonic() - run.reported
        return run.seconds is not None and self._heartbeat_seconds <= silent < run.seconds

    def _pass_on_cancel(self, job: Job) -> None:
        with self._changed:
            run = self._running.get(job.ulid)
        if run is not None and job.cancel_requested:
            self._cancel(run, job)

    def _drop_old_reports(self) -> None:
        """Keep the newest report of each job alone: sent late, the others would look like news. Another job is next."""
        with self._changed:
            for reports in self._waiting.values():
                del reports[:-1]
            for ulid in list(self._waiting)[:1]:
                self._waiting[ulid] = self._waiting.pop(ulid)


def _left(run: ClaimedJob) -> float:
    return max(0.0, (run.seconds or 0.0) - (time.monotonic() - run.reported))
