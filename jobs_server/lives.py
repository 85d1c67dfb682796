"""The life of a job as its history tells it: when it was posted, seen, begun, ended, and how it came out."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from .actors import Known
from .lifecycle import CANCELED, EXPIRED, LOST, Queue, Report, classify
from .queries import EventRow


class Result(StrEnum):
    """How a job came out."""

    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    LOST = "lost"


_RESULTS = {
    **dict.fromkeys(("complete", "completed"), Result.DONE),
    **dict.fromkeys(("failed", "error"), Result.FAILED),
    **dict.fromkeys(("canceled", "cancelled", "aborted", "stopped"), Result.CANCELED),
    "expired": Result.EXPIRED,
    "lost": Result.LOST,
}


class Life(NamedTuple):
    """When each step of a job was, in ms since 1970 UTC; none for what has not happened."""

    posted_ms: int
    seen_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    word_ms: int | None = None
    """When the site last said something."""
    due_ms: int | None = None
    """When it will be over by the site's own estimate."""
    result: Result | None = None
    cancel_ms: int | None = None
    """When somebody asked to cancel it."""

    @property
    def waited_ms(self) -> int | None:
        """Give how long it waited for the site to see it."""
        return None if self.seen_ms is None else max(0, self.seen_ms - self.posted_ms)

    @property
    def ran_ms(self) -> int | None:
        """Give how long it ran."""
        if self.started_ms is None or self.ended_ms is None:
            return None
        return max(0, self.ended_ms - self.started_ms)


def result_of(status: str) -> Result | None:
    """Tell what an end means; None for a status that is no end."""
    return _RESULTS.get(status.strip().casefold())


def life(posted_ms: int, history: Iterable[EventRow]) -> Life:
    """Read a job's history, oldest first, on the queue that everybody reads."""
    told = Life(posted_ms)
    for event in history:
        if event.queue == Queue.PRIMARY.value:
            told = _after(told, event)
    return told


def _after(told: Life, event: EventRow) -> Life:
    if event.mark == "cancel requested":
        return told._replace(cancel_ms=told.cancel_ms or event.at_ms)
    if event.status in (CANCELED, EXPIRED, LOST) and event.actor_known != Known.SITE:
        return told._replace(ended_ms=event.at_ms, result=result_of(event.status), due_ms=None)
    kind = classify(event.status)
    if kind is None:
        return told
    told = told._replace(seen_ms=told.seen_ms or event.at_ms, word_ms=event.at_ms, ended_ms=None, result=None)
    if kind is Report.RECEIVED:
        return told
    if kind is Report.END:
        return told._replace(ended_ms=event.at_ms, result=result_of(event.status), due_ms=None)
    seconds = event.seconds_until_complete
    due_ms = event.at_ms + seconds * 1000 if seconds is not None and seconds >= 0 else None
    return told._replace(started_ms=told.started_ms or event.at_ms, due_ms=due_ms)
