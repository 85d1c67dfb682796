"""A job that this site carries out, as the code that moves the telescope sees the job."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from .halts import Halt, Halts
from .job import Job
from .ledger import Entry
from .readings import plain

log = logging.getLogger(__name__)

COMPLETE = "COMPLETE"
FAILED = "FAILED"
CANCELED = "CANCELED"
ENDS = frozenset(
    ("complete", "completed", "failed", "error", "canceled", "cancelled", "aborted", "stopped", "expired", "lost")
)
"""What the service takes for an end, in any case of letters; each other word is a status of a job that goes on."""
_STANDS_STILL = frozenset(("canceled", "cancelled", "aborted", "stopped"))
"""Ends that say that nothing moves any more for this job."""
_FAILURES = frozenset(("failed", "error"))
ABORT_SECONDS = 10.0
_LONGEST_REASON = 240
_LONGEST_MESSAGE = 500
_LONGEST_STATUS = 64
_LARGEST_RESULT = 16 * 1024


class Canceled(Exception):
    """Somebody asked to cancel this job, and it obeys; raised out of the block that carries it out."""


class ReportSink(Protocol):
    """Where the reports of a job go."""

    def progress(self, run: ClaimedJob, status: str, seconds: float | None, message: str | None) -> None:
        """Send the status of a job."""

    def end(self, run: ClaimedJob, status: str, message: str | None) -> None:
        """Keep and send the end of a job."""

    def abandon(self, run: ClaimedJob) -> None:
        """Send nothing more of a job."""


class ClaimedJob:
    """A job that has begun. Carry it out inside `with job:`, which reports its end.

    COMPLETE when the block ends; FAILED with the message when it raises, which goes to the log and no further, so that
    the next job can follow; CANCELED when somebody asked for that and the block obeyed, by `check` or `wait`. CANCELED
    says that what moved stands still. So it is FAILED when an abort (`when_canceled`) or, for a job without one, the
    `on_stop` of the stop that covers the job raised or did not return in time; and when the block raised anything else
    after the cancel, unless that was raised from Canceled, or something halted the job, whose work breaks off then.
    """

    def __init__(self, entry: Entry, sink: ReportSink, abort_seconds: float = ABORT_SECONDS) -> None:
        self.entry = entry
        self.job: Job = entry.job
        self.status = "STARTED"
        self.seconds: float | None = None
        self.reported = time.monotonic()
        """When the job last reported, by the monotonic clock."""
        self.acknowledged = threading.Event()
        """Set once the service knows how the job ended."""
        self._sink = sink
        self._lock = threading.Lock()
        self._cancel = threading.Event()
        self._when_canceled: list[Halt] = []
        self._halts = Halts(abort_seconds)
        self._ended = False
        self._result: dict[str, Any] = {}
        self.failure: str | None = None
        """Why the job failed, once it has."""

    @property
    def ulid(self) -> str:
        """Return the job's id."""
        return self.job.ulid

    @property
    def device(self) -> str:
        """Return the kind of device, such as camera."""
        return self.job.device

    @property
    def instance(self) -> str:
        """Return the device's own name."""
        return self.job.instance

    @property
    def action(self) -> str:
        """Return the name of what is to be done."""
        return self.job.action

    @property
    def required_params(self) -> dict[str, Any]:
        """Return the required parameters."""
        return self.job.required_params

    @property
    def optional_params(self) -> dict[str, Any]:
        """Return the optional parameters."""
        return self.job.optional_params

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody asked to end this job; look often while hardware moves."""
        return self._cancel.is_set()

    def check(self) -> None:
        """Raise Canceled when somebody asked to end this job."""
        if self.cancel_requested:
            raise Canceled(f"job {self.ulid} was canceled")

    def wait(self, seconds: float) -> None:
        """Wait while the hardware works. Raises Canceled the moment that somebody asks to end this job."""
        self._cancel.wait(max(0.0, seconds))
        self.check()

    def when_canceled(self, function: Callable[[], object]) -> None:
        """Call a function once, in a thread of its own, when somebody asks to end this job: abort what moves there.

        The job's end waits until the function has returned (`abort_seconds` at most), so that the function halts this
        job and not the next. After the end the function is not called any more.
        """
        halt = Halt(function)
        with self._lock:
            if not self.cancel_requested:
                self._when_canceled.append(halt)
                return
            if self._ended:
                return
            self._halts.add(halt)
        halt.start()

    def report(self, status: str, seconds: float | None = None, message: object = None) -> None:
        """Report a status; `seconds` is how long the job will still take.

        Never waits and never fails for want of a network: the report goes out as soon as it can. Raises ValueError when
        the status is not 1 to 64 characters without `#`, or `seconds` is no number.
        """
        left, line = _estimate(seconds), _fit(message)
        _checked(status)
        if self._ended:
            return  # a thread of the site's own that comes late: nothing may overtake an end
        self.status, self.seconds, self.reported = status, left, time.monotonic()
        self._sink.progress(self, status, left, line)

    @property
    def result(self) -> dict[str, Any] | None:
        """Return what came of the job, as far as it was said; None while nothing was."""
        with self._lock:
            return dict(self._result) or None

    def add_result(self, **result: Any) -> None:
        """Say what came of the job, such as `files=["m31.fits"]` or `fwhm_arcsec=2.1`; it goes out with the end.

        What is said of a name again replaces what was said of it. What comes after the end is not sent. Raises
        ValueError when all of it together would be more than 16 KiB.
        """
        with self._lock:
            whole = self._result | plain(result)
            if len(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()) > _LARGEST_RESULT:
                raise ValueError(f"what came of a job may be at most {_LARGEST_RESULT} bytes")
            self._result = whole

    def end(self, status: str = COMPLETE, message: object = None) -> None:
        """Report the end, once: what comes after is not sent. The block's own end does this by itself.

        Raises ValueError when the status is none of `ENDS`: to the service the job would go on.
        """
        if status.strip().casefold() not in ENDS:
            raise ValueError(f"{status!r} is no end to the service; these are: {', '.join(sorted(ENDS))}")
        line = _fit(message)
        if self._end_once():
            self._halts.wait()
            status, line = self._as_it_stands(status, line)
            if status.strip().casefold() in _FAILURES:
                self.failure = line or status
            self._sink.end(self, status, line)

    def end_before_begin(self, status: str, message: str) -> None:
        """Report the end of a job that has moved nothing, so that nothing has to halt the job."""
        if self._end_once():
            self._sink.end(self, status, message)

    def abandon(self) -> None:
        """Report nothing more of this job, as a program that hangs: for simulations."""
        if self._end_once():
            self._halts.wait()
            self._sink.abandon(self)

    @property
    def awaits_stop(self) -> bool:
        """Whether a stop may be on its way that is to halt this job."""
        return self._halts.awaits_stop

    def await_no_stop(self) -> None:
        """Note that no stop is on its way."""
        self._halts.await_no_stop()

    def request_cancel(self, stop: Halt | None = None, *, awaits_stop: bool = False) -> None:
        """Note that somebody asked to end this job; `stop` carries out the stop command that asked.

        `awaits_stop` when the service alone says so, and such a command may be on its way.
        """
        with self._lock:
            if stop is not None:
                self._halts.add_stop(stop)
            if self.cancel_requested:
                return
            if awaits_stop:
                self._halts.await_stop()
            halts = [] if self._ended else self._when_canceled
            for halt in halts:  # before anybody sees the cancel: an end that follows it has to wait for them
                self._halts.add(halt)
            self._cancel.set()
        for halt in halts:
            halt.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self.end()
        elif isinstance(error, Canceled):
            self.end(CANCELED)
        elif not isinstance(error, Exception):
            self.end(FAILED, f"the site's program was ended while this ran ({type(error).__name__})")
            return False
        elif self.cancel_requested:
            log.warning("%s broke off after it was canceled", self.job, exc_info=error)
            self._end_broken_off(error)
        else:
            log.error("%s failed", self.job, exc_info=error)
            self.end(FAILED, f"{type(error).__name__}: {error}")
        return True

    def _end_broken_off(self, error: Exception) -> None:
        self._halts.wait()
        if _is_raised_from_cancel(error) or self._halts.succeeded:
            self.end(CANCELED, f"ended when it was canceled: {error}")
        elif self._halts.failure is not None:
            self.end(FAILED, f"{type(error).__name__}: {error}")
        else:
            self.end(FAILED, _not_stopped("it was canceled", f"{type(error).__name__}: {error}"))

    def _as_it_stands(self, status: str, line: str | None) -> tuple[str, str | None]:
        """Return the end that is true when what was to halt the job may not have done so."""
        failure = self._halts.failure
        if failure is None:
            return status, line
        stands_still = status.strip().casefold() in _STANDS_STILL
        return FAILED if stands_still else status, _not_stopped(line or "it was canceled", failure)

    def _end_once(self) -> bool:
        with self._lock:
            first, self._ended = not self._ended, True
        return first


def _is_raised_from_cancel(error: BaseException) -> bool:
    """Whether code says so itself, by `raise ... from` the Canceled that it caught."""
    cause = error.__cause__
    return cause is not None and (isinstance(cause, Canceled) or _is_raised_from_cancel(cause))


def _not_stopped(line: str, failure: str) -> str | None:
    return _fit(f"{line[:_LONGEST_REASON]}; could not be stopped: {failure[:_LONGEST_REASON]}")


def _checked(status: str) -> str:
    if not 1 <= len(status) <= _LONGEST_STATUS or "#" in status or "\0" in status or not status.strip():
        raise ValueError(f"a status is 1 to {_LONGEST_STATUS} characters without #, not {status!r}")
    return status


def _estimate(seconds: float | None) -> float | None:
    """Return a number of any kind as seconds; None for what is not finite, since that is no estimate."""
    left = None if seconds is None else float(seconds)
    return left if left is None or math.isfinite(left) else None


def _fit(message: object) -> str | None:
    """Return a line that the service takes, made of any object, such as an exception with a device's odd reply."""
    if message is None or message == "":
        return None
    text = str(message).replace("\0", "\\0")
    return text.encode("utf-8", "backslashreplace").decode()[:_LONGEST_MESSAGE]  # JSON has no lone surrogates
