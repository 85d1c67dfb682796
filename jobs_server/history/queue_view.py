"""What is to happen at a site, in the order in which it will: running, at the site, waiting, held back. Read-only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, select

from ..clock import END_MS, Now
from ..domain.lifecycle import UNFINISHED, Phase, Queue
from ..jobs import lockouts, pauses, queries
from ..jobs.lockouts import LockoutRow
from ..jobs.pauses import PauseRow
from ..jobs.rows import JobRow
from ..jobs.sql import JOB, THIS_SITE, at_most, in_phase
from ..jobs.timing import timing_of
from ..storage.models import Job
from ..storage.statement import Connection, Statement
from .plan_times import JobTimes, PlanTimes
from .rows import shortened

RUNNING = 12
AT_SITE = 50
WAITING = 200
"""How many jobs of each kind are listed at most."""


class State(StrEnum):
    """How far a job of the queue is."""

    RUNNING = "running"
    AT_SITE = "at the site"  # it was handed over and is not said to have begun
    WAITING = "waiting"
    HELD = "held"  # it was sent to go not before a time that is still to come


class Entry(NamedTuple):
    """One job of the queue, and when it is expected to begin and end."""

    job: JobRow  # as lists show it
    state: State
    begins_ms: int | None
    """When it began, or is expected to; none where what comes before it takes nobody knows how long."""
    ends_ms: int | None
    not_before_ms: int | None
    """When it may be handed over, where that is still to come."""
    expires_ms: int | None
    """When it has waited too long; none once it was handed over."""


class QueueView(NamedTuple):
    """The queue of a site."""

    entries: list[Entry]
    """Jobs in the order in which they will happen."""
    waiting_count: int
    """How many jobs wait, also those that are not listed."""
    pause: PauseRow | None
    lockout: LockoutRow | None
    takes_all: bool
    """Whether the site has jobs by a poll without a claim id: it took all that waited, and nobody can move these."""


# The first condition is in the words of the partial index.
_IN_HAND = and_(THIS_SITE, in_phase(Queue.PRIMARY, *UNFINISHED))
_WAIT = and_(THIS_SITE, in_phase(Queue.PRIMARY, Phase.WAITING))


def _in_hand(count: int, *phases: Phase) -> Statement:
    where: ColumnElement[bool] = and_(_IN_HAND, in_phase(Queue.PRIMARY, *phases))
    newest = select(Job.id).where(where).order_by(Job.heard_ms.desc()).limit(at_most(count)).subquery()
    return Statement(select(*JOB).where(Job.id.in_(select(newest.c.id))).order_by(Job.heard_ms, Job.rank, Job.ulid))


_RUNNING = _in_hand(RUNNING, Phase.RUNNING, Phase.GUARDED)
_AT_SITE = _in_hand(AT_SITE, Phase.RECEIVED, Phase.CLAIMED)
_WAITING = Statement(select(*JOB).where(_WAIT).order_by(Job.rank).limit(at_most(WAITING)))
_COUNT = Statement(select(func.count()).select_from(Job).where(_WAIT))


class _Known(NamedTuple):
    """A job, and how long it takes in ms where that is known."""

    job: JobRow
    takes_ms: int | None


def queue(connection: Connection, site: str, times: PlanTimes, now: Now, *, with_lockout: bool = True) -> QueueView:
    """Read the queue of a site; `times` estimates its jobs. Without the lock-out where that is read beside it."""
    estimates = times.of_jobs(connection, site)
    running = _known(connection, _RUNNING, site, estimates)
    at_site = _known(connection, _AT_SITE, site, estimates)
    waiting = _known(connection, _WAITING, site, estimates)
    begun = [_begun(connection, each, now) for each in running]
    return QueueView(
        entries=[*begun, *_to_come(at_site, waiting, begun, now)],
        waiting_count=len(waiting) if len(waiting) < WAITING else connection.rows(_COUNT, site=site)[0][0],
        pause=pauses.in_force(connection, site),
        lockout=lockouts.in_force(connection, site) if with_lockout else None,
        takes_all=any(each.job.phase == Phase.RECEIVED for each in at_site),
    )


def _known(connection: Connection, statement: Statement, site: str, estimates: JobTimes) -> list[_Known]:
    return [_estimated(JobRow._make(row), estimates) for row in connection.stream(statement, site=site)]


def _estimated(job: JobRow, estimates: JobTimes) -> _Known:
    seconds = 0.0 if job.is_stop else estimates.seconds(job)
    return _Known(shortened(job), None if seconds is None else round(seconds * 1000))


def _begun(connection: Connection, known: _Known, now: Now) -> Entry:
    """Return a job that runs: it ends when the site last said, or else by the catalogue."""
    timing = timing_of(known.job.timestamp_ms, queries.each_event(connection, known.job.id), known.job.hold_ms)
    began_ms = timing.started_ms or timing.seen_ms or known.job.timestamp_ms
    ends_ms = timing.due_ms
    if ends_ms is None and known.takes_ms is not None:
        ends_ms = began_ms + known.takes_ms
    return Entry(known.job, State.RUNNING, began_ms, _foreseen_ms(ends_ms, now.wall_ms), None, None)


def _foreseen_ms(ends_ms: int | None, begins_ms: int) -> int | None:
    """Return when something ends, not before it begins; None where that is so far off that no calendar has the year."""
    return None if ends_ms is None or ends_ms >= END_MS else max(ends_ms, begins_ms)


def _to_come(at_site: Sequence[_Known], waiting: Sequence[_Known], begun: Sequence[Entry], now: Now) -> Iterator[Entry]:
    """Yield what has not begun, one after the other from when what runs ends: stops first, each not before its time."""
    time_ms = _last_end(begun, now)
    left = [*at_site, *sorted(waiting, key=lambda each: not each.job.is_stop)]
    while left:
        next_one = _next_at(left, now.wall_ms if time_ms is None else time_ms, now)
        left.remove(next_one)
        entry = _entry(next_one, time_ms, now)
        yield entry
        if not next_one.job.is_stop:
            time_ms = entry.ends_ms


def _last_end(begun: Iterable[Entry], now: Now) -> int | None:
    """Return when all that runs has ended; None where of one nobody knows."""
    ends = [each.ends_ms for each in begun]
    known = [each for each in ends if each is not None]
    return None if len(known) < len(ends) else max([now.wall_ms, *known])


def _next_at(left: Sequence[_Known], time_ms: int, now: Now) -> _Known:
    """Return the first in the order that may go at a time, or else the first whose time comes."""
    free = (each for each in left if (_not_before_ms(each.job, now) or 0) <= time_ms)
    return next(free, None) or min(left, key=lambda each: _not_before_ms(each.job, now) or 0)


def _entry(known: _Known, time_ms: int | None, now: Now) -> Entry:
    job = known.job
    waits = job.phase == Phase.WAITING
    not_before_ms = _not_before_ms(job, now)
    begins_ms = time_ms
    if job.is_stop:
        begins_ms = max(now.wall_ms, not_before_ms or 0)
    elif time_ms is not None:
        begins_ms = max(time_ms, not_before_ms or 0)
    ends_ms = None
    if begins_ms is not None and known.takes_ms is not None:
        ends_ms = _foreseen_ms(begins_ms + known.takes_ms, begins_ms)
    state = State.HELD if not_before_ms is not None else State.WAITING if waits else State.AT_SITE
    return Entry(
        job, state, begins_ms, ends_ms, not_before_ms, job.accepted_ms + job.expires_after_ms if waits else None
    )


def _not_before_ms(job: JobRow, now: Now) -> int | None:
    """Return when a job may be handed over, where that is still to come."""
    time_ms = job.accepted_ms + job.hold_ms
    return time_ms if job.phase == Phase.WAITING and job.hold_ms and time_ms > now.wall_ms else None
