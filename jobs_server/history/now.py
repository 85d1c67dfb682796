"""What the pages show of a site's present: what runs, what waits, what was last. Read-only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import BigInteger, Select, and_, bindparam, func, literal_column, or_, select, union_all

from .. import clock
from ..domain.lifecycle import UNFINISHED, Phase, Queue
from ..jobs import queries
from ..jobs.rows import JobRow
from ..jobs.sql import JOB, NEWEST_FIRST, THIS_SITE, ZERO, at_most, in_phase, literal
from ..jobs.timing import JobTiming, timing_of
from ..storage.base import aliased
from ..storage.models import Job, JobEvent
from ..storage.statement import Connection, Statement
from .rows import listed, shortened

RUNNING = 12
TAKEN = 50
WAITING = 200
LATEST = 20
_AMONG_NEWEST = (400, 2000)
"""The ended jobs are sought among so many newest ones, and among more when these are few: old software ends none."""
_STOPS_AMONG = 200
_PATIENCE_MS = 5 * 60_000
"""A site that has said nothing for so long of a job that it took may be one that never reports."""
_LISTED_MS = 30 * 60_000
"""Of a site that never reports, what it took is listed for so long; then it stands in the log alone."""


class JobWithTiming(NamedTuple):
    """A job, and when each of its steps was."""

    job: JobRow
    timing: JobTiming


class TakenJob(NamedTuple):
    """A job that the site has taken and has not said to have begun."""

    job: JobRow
    taken_ms: int


class Present(NamedTuple):
    """A site's present."""

    running: list[JobWithTiming]
    """Jobs that have begun and not ended: the job that the site last spoke of goes first."""
    taken: list[TakenJob]
    """Jobs that were handed over and have not begun, in the order in which they were sent; the newest of them."""
    taken_count: int
    waiting: list[JobRow]
    """Jobs in the order in which they will be handed over."""
    waiting_count: int
    latest: list[JobWithTiming]
    """Jobs that have ended, the last one to end first."""
    never_reports: bool = False
    """Whether the site takes jobs and says of none what becomes of it: then of `taken` the newest alone are listed."""


# The first condition is in the words of the partial index.
_HAVE_BEGUN = and_(
    THIS_SITE, in_phase(Queue.PRIMARY, *UNFINISHED), in_phase(Queue.PRIMARY, Phase.RUNNING, Phase.GUARDED)
)
_HAVE_NOT_BEGUN = and_(
    THIS_SITE, in_phase(Queue.PRIMARY, *UNFINISHED), in_phase(Queue.PRIMARY, Phase.RECEIVED, Phase.CLAIMED)
)
_RUNNING = Statement(select(*JOB).where(_HAVE_BEGUN).order_by(Job.heard_ms.desc()).limit(at_most(RUNNING)))
_TAKEN = Statement(
    select(Job.heard_ms, *JOB).where(_HAVE_NOT_BEGUN).order_by(Job.heard_ms.desc()).limit(at_most(TAKEN))
)
_COUNT_TAKEN = Statement(select(func.count()).select_from(Job).where(_HAVE_NOT_BEGUN))
_ALL_WAITING = and_(THIS_SITE, in_phase(Queue.PRIMARY, Phase.WAITING))
_WAITING = Statement(select(*JOB).where(_ALL_WAITING).order_by(Job.rank).limit(literal_column(str(WAITING))))
_COUNT_WAITING = Statement(select(func.count()).select_from(Job).where(_ALL_WAITING))
_RUNS_OR_WAITS = Statement(
    union_all(
        *(
            select(literal_column("1")).select_from(select(Job.id).where(which).limit(at_most(1)).subquery())
            for which in (
                _ALL_WAITING,
                _HAVE_BEGUN,
                and_(_HAVE_NOT_BEGUN, Job.heard_ms > bindparam("since_ms", type_=BigInteger)),
            )
        )
    )
)
# Not what is dated in the future: a day with the clock a year ahead would hide for a year what comes after it.
_UNTIL = bindparam("until_ms", type_=BigInteger)
_UP_TO_NOW = Job.timestamp_ms <= _UNTIL
_newest = aliased(
    Job, select(Job).where(THIS_SITE, _UP_TO_NOW).order_by(*NEWEST_FIRST).limit(bindparam("among")).subquery()
)
_newest_columns = [getattr(_newest, name) for name in JobRow._fields]


def _latest() -> Select[tuple[object, ...]]:
    """Write which jobs ended last: by the site's own word, by the server's, and by falling silent."""
    by_server = [literal(Phase.WITHDRAWN), literal(Phase.LABELLED)]
    ends = (
        select(_newest.id)
        .where(_newest.phase == literal(Phase.ENDED), _newest.heard_ms <= _UNTIL)
        .order_by(_newest.heard_ms.desc()),
        select(_newest.id).where(_newest.phase.in_(by_server)),  # The inner select gives the order.
        select(Job.id)
        .where(THIS_SITE, in_phase(Queue.PRIMARY, Phase.LOST), Job.heard_ms <= _UNTIL)
        .order_by(Job.heard_ms.desc()),
    )
    found = union_all(*(select(end.limit(at_most(LATEST)).subquery().c.id) for end in ends))
    ended_ms = select(func.max(JobEvent.at_ms)).where(JobEvent.job_id == Job.id, JobEvent.queue == ZERO)
    return (
        select(*JOB)
        .where(Job.id.in_(found))
        .order_by(ended_ms.scalar_subquery().desc(), Job.ulid.desc())
        .limit(at_most(LATEST))
    )


_LATEST = Statement(_latest())
_STOPS = Statement(
    select(*_newest_columns)
    .where(
        _newest.is_stop == literal_column("1"),
        or_(_newest.accepted_ms >= bindparam("since_ms"), _newest.phase == literal(Phase.WAITING)),
    )
    .limit(literal_column("3"))
)

_SPEAKS = (Phase.CLAIMED, Phase.RUNNING, Phase.GUARDED, Phase.ENDED, Phase.LOST)
"""Phases of jobs of a site that reports, or that will: whoever claims asks before it begins."""
_SPOKEN_OF = Statement(
    select(_newest.id).where(_newest.phase.in_([literal(phase) for phase in _SPEAKS])).limit(literal_column("1"))
)

_LAST_INSTANCE = Statement(
    select(_newest.instance).where(_newest.device == bindparam("device")).limit(literal_column("1"))
)


def present(connection: Connection, site: str, *, with_waiting: bool = True) -> Present:
    """Read a site's present; without what waits where the queue is read beside it."""
    taken = [
        TakenJob(shortened(JobRow._make(row)), taken_ms) for taken_ms, *row in connection.stream(_TAKEN, site=site)
    ]
    taken_count = len(taken) if len(taken) < TAKEN else connection.rows(_COUNT_TAKEN, site=site)[0][0]
    waiting = listed(connection, _WAITING, site=site) if with_waiting else []
    if never_reports := _never_reports(connection, site, taken):
        taken = [each for each in taken if each.taken_ms > clock.now_ms() - _LISTED_MS]
    return Present(
        running=with_timing(connection, listed(connection, _RUNNING, site=site)),
        taken=sorted(taken, key=lambda each: each.job.ulid),
        taken_count=taken_count,
        waiting=waiting,
        waiting_count=len(waiting) if len(waiting) < WAITING else connection.rows(_COUNT_WAITING, site=site)[0][0],
        latest=_read_latest(connection, site),
        never_reports=never_reports,
    )


def runs_or_waits(connection: Connection, site: str) -> bool:
    """Whether a job waits at a site or is in its hands; not what the site took a while ago and never spoke of."""
    return connection.row(_RUNS_OR_WAITS, site=site, since_ms=clock.now_ms() - _LISTED_MS) is not None


def never_reports(connection: Connection, site: str) -> bool:
    """Whether a site took a job a while ago, and has said of none of its newest jobs what became of it."""
    taken = [TakenJob(JobRow._make(row), taken_ms) for taken_ms, *row in connection.stream(_TAKEN, site=site)]
    return _never_reports(connection, site, taken)


def _never_reports(connection: Connection, site: str, taken: Iterable[TakenJob]) -> bool:
    """Whether a site took a job a while ago, and has said of none of its newest jobs what became of it."""
    if all(each.taken_ms > clock.now_ms() - _PATIENCE_MS for each in taken):
        return False
    return connection.row(_SPOKEN_OF, site=site, among=_STOPS_AMONG, until_ms=_until_ms()) is None


def _read_latest(connection: Connection, site: str) -> list[JobWithTiming]:
    found: list[JobRow] = []
    for among in _AMONG_NEWEST:
        found = listed(connection, _LATEST, site=site, among=among, until_ms=_until_ms())
        if len(found) == LATEST:
            break
    latest = with_timing(connection, found)
    return sorted(latest, key=lambda each: each.timing.ended_ms or each.job.timestamp_ms, reverse=True)


def stops(connection: Connection, site: str, since_ms: int) -> list[JobWithTiming]:
    """Return the newest stop commands accepted since a time, or that still wait, newest first."""
    values = {"site": site, "among": _STOPS_AMONG, "since_ms": since_ms, "until_ms": _until_ms()}
    return with_timing(connection, listed(connection, _STOPS, **values))


def last_instance(connection: Connection, site: str, device: str) -> str | None:
    """Return which device of a type was last commanded at a site, among its newest jobs; None when none was."""
    row = connection.row(_LAST_INSTANCE, site=site, device=device, among=_STOPS_AMONG, until_ms=_until_ms())
    return row[0] if row else None


def with_timing(connection: Connection, jobs: Iterable[JobRow]) -> list[JobWithTiming]:
    """Return each job with its timing."""
    return [
        JobWithTiming(job, timing_of(job.timestamp_ms, queries.each_event(connection, job.id), job.hold_ms))
        for job in jobs
    ]


def _until_ms() -> int:
    return clock.now_ms() + clock.AHEAD_MS
