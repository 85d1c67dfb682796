"""The life of a job: which step may follow which, as pure tables.

A job has one phase on each of the two queues. Its status is free text of the site's own; the phase is what the text
means to the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum

UNREAD = "UNREAD"
RECEIVED = "RECEIVED"
STARTED = "STARTED"
CANCELED = "CANCELED"
EXPIRED = "EXPIRED"
LOST = "LOST"

_STOP_ACTIONS = frozenset({"stop", "cancel", "cancel_all_commands"})
_EVERYTHING = "all"


class Result(StrEnum):
    """How a job came out."""

    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    LOST = "lost"


END_WORDS: Mapping[Result, tuple[str, ...]] = {
    Result.DONE: ("complete", "completed"),
    Result.FAILED: ("failed", "error"),
    Result.CANCELED: ("canceled", "cancelled", "aborted", "stopped"),
    Result.EXPIRED: ("expired",),  # usually the server's own label; from a site, an end all the same
    Result.LOST: ("lost",),
}
"""By result, the statuses that end a job with it, in small letters; they are compared without case."""

_LABELS = {Result.CANCELED: CANCELED, Result.EXPIRED: EXPIRED, Result.LOST: LOST}
_RESULTS = {word: result for result, listed in END_WORDS.items() for word in listed}


class Queue(Enum):
    """The two independent queues that every job is in."""

    PRIMARY = 0
    ALTERNATE = 1


class Phase(StrEnum):
    """How far a job has come on one queue."""

    WAITING = "waiting"
    RECEIVED = "received"  # handed over to a plain poll: it may have begun
    CLAIMED = "claimed"  # handed over with a claim id: it has not begun, and begins only through the fence
    RUNNING = "running"
    GUARDED = "guarded"  # running, begun through the fence: its silence means something
    ENDED = "ended"  # by the site's own word: nothing leads on
    WITHDRAWN = "withdrawn"  # ended by the server before it was handed over: nothing leads on
    LABELLED = "labelled"  # canceled or expired by the server after it was handed over: the site's word still stands
    LOST = "lost"  # called lost by the server: the site's word still stands


UNFINISHED = (Phase.RECEIVED, Phase.CLAIMED, Phase.RUNNING, Phase.GUARDED)
"""The phases of a job in the site's hands."""
OVER = (Phase.ENDED, Phase.WITHDRAWN, Phase.LABELLED, Phase.LOST)
"""The phases of a job that has ended, by whose word it may be."""
WATCHED = (Phase.CLAIMED, Phase.GUARDED)
"""The phases in which the server labels a job that it has not heard of for too long."""
LABELS = (Phase.LABELLED, Phase.LOST)
"""The phases of a job that the server ended while it was in the site's hands."""


class Mark(StrEnum):
    """What is special about an event of a job's history."""

    CANCEL_REQUESTED = "cancel requested"  # the status stays: the site is asked to stop
    AGAINST_LABEL = "against the label"  # the site reported on a job that the server had ended
    MOVED = "moved"  # somebody gave a job that waits another place in the order
    EDITED = "edited"  # somebody changed what a job asks for that waits
    REPEATED = "repeated"  # a stop that still waits was sent again: it covers what came since, and waits anew


class Report(Enum):
    """The kinds of what a site can say of a job."""

    RECEIVED = "received"
    RUNNING = "running"
    END = "end"


_ENDS_FROM = (Phase.WAITING, *UNFINISHED, *LABELS)

STEPS: Mapping[Report, Mapping[Phase, Phase]] = {
    Report.RECEIVED: {
        Phase.WAITING: Phase.RECEIVED,
        Phase.RECEIVED: Phase.RECEIVED,
        Phase.CLAIMED: Phase.CLAIMED,
        Phase.RUNNING: Phase.RUNNING,  # A late word of receipt stops nothing that moves already.
        Phase.GUARDED: Phase.GUARDED,
        Phase.LABELLED: Phase.RECEIVED,
        Phase.LOST: Phase.GUARDED,
    },
    Report.RUNNING: {
        Phase.WAITING: Phase.RUNNING,
        Phase.RECEIVED: Phase.RUNNING,
        Phase.CLAIMED: Phase.RUNNING,
        Phase.RUNNING: Phase.RUNNING,
        Phase.GUARDED: Phase.GUARDED,
        Phase.LABELLED: Phase.RUNNING,
        Phase.LOST: Phase.GUARDED,
    },
    Report.END: dict.fromkeys(_ENDS_FROM, Phase.ENDED),
}
"""For each report, the phases it may come in and where it leads; from a phase not named, it is refused."""


def classify(status: str) -> Report | None:
    """Return what a status reported by a site means; None for UNREAD, which only the server sets."""
    word = _plain(status)
    if word == _plain(UNREAD):
        return None
    if word == _plain(RECEIVED):
        return Report.RECEIVED
    return Report.END if word in _RESULTS else Report.RUNNING


def label_like(status: str) -> str:
    """Return the server's label that says the same as an end reported by a site; blank when none does."""
    result = result_of(status)
    return _LABELS.get(result, "") if result else ""


def result_of(status: str) -> Result | None:
    """Return what an end means; None for a status that is no end."""
    return _RESULTS.get(_plain(status))


def same_status(one: str, other: str) -> bool:
    """Whether two statuses are the same word: they are compared without case."""
    return _plain(one) == _plain(other)


def is_stop(action: str, required_params: Mapping[str, object]) -> bool:
    """Whether a command is a stop command."""
    word = _plain(action)
    if word == "run":
        return _plain(str(required_params.get("script"))) == "stopscript"
    return word in _STOP_ACTIONS


def stop_covers_site(device: str, instance: str, action: str) -> bool:
    """Whether a stop command stops the whole site by its own words, and not its own device alone."""
    return _plain(action) == "cancel_all_commands" or _EVERYTHING in (_plain(device), _plain(instance))


def _plain(word: str) -> str:
    return word.strip().casefold()
