"""The timing of a job, read from its history: when it was posted, seen, begun and ended, and how it came out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from ..domain.actors import Known
from ..domain.lifecycle import CANCELED, EXPIRED, LOST, Mark, Queue, Report, Result, classify, result_of
from .rows import EventRow

_LABELS = (CANCELED, EXPIRED, LOST)
_PRIMARY = Queue.PRIMARY.value


class JobTiming(NamedTuple):
    """When each step of a job was, in ms since 1970 UTC; None for a step that has not happened."""

    posted_ms: int
    seen_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    word_ms: int | None = None
    """When the site last said something."""
    due_ms: int | None = None
    """When the job will be over by the site's own estimate."""
    result: Result | None = None
    cancel_ms: int | None = None
    """When somebody asked to cancel the job."""
    reason: str | None = None
    """What was said of the end: by the site, or by this server where the server ended the job."""
    held_ms: int = 0
    """For how long after it was posted the job was not to be handed over."""

    @property
    def why(self) -> str:
        """Return why the job did not come out well; blank where the job did, or nobody said why."""
        return "" if self.result is Result.DONE else self.reason or ""

    @property
    def waited_ms(self) -> int | None:
        """Return for how long the job waited, once it might be handed over, until the site saw it."""
        return None if self.seen_ms is None else max(0, self.seen_ms - self.posted_ms - self.held_ms)

    @property
    def ran_ms(self) -> int | None:
        """Return for how long the job ran."""
        if self.started_ms is None or self.ended_ms is None:
            return None
        return max(0, self.ended_ms - self.started_ms)


# A night has tens of thousands of events, and few different statuses.
_report, _result = lru_cache(1024)(classify), lru_cache(1024)(result_of)


def timing_of(posted_ms: int, history: Iterable[EventRow], held_ms: int = 0) -> JobTiming:
    """Read a job's history, oldest first, on the queue that everybody reads; the job may have been held back."""
    seen_ms = started_ms = ended_ms = word_ms = due_ms = cancel_ms = None
    result = reason = end = None
    for event in history:
        if event.queue != _PRIMARY:
            continue
        at_ms, status = event.at_ms, event.status
        if event.mark == Mark.CANCEL_REQUESTED:
            cancel_ms = cancel_ms or at_ms
            continue
        if status in _LABELS and event.actor_known != Known.SITE:
            ended_ms, result, due_ms, reason = at_ms, _result(status), None, event.message
            continue
        kind = _report(status)
        if kind is None:
            continue
        if kind is Report.END and status == end:
            continue  # The site says more of what came of the job: it ended when that was said first.
        seen_ms, word_ms, ended_ms, result, reason = seen_ms or at_ms, at_ms, None, None, None
        end = status if kind is Report.END else None
        if kind is Report.END:
            ended_ms, result, due_ms, reason = at_ms, _result(status), None, event.message
        elif kind is Report.RUNNING:
            seconds = event.seconds_until_complete
            started_ms = started_ms or at_ms
            due_ms = at_ms + seconds * 1000 if seconds is not None and seconds >= 0 else None
    return JobTiming(posted_ms, seen_ms, started_ms, ended_ms, word_ms, due_ms, result, cancel_ms, reason, held_ms)
