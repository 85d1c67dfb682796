"""What the pages show of a site's present: what runs, what waits, what was last. Read-only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import BigInteger, and_, bindparam, func, literal_column, or_, select
from sqlalchemy.orm import aliased

from .. import clock
from ..domain.lifecycle import UNFINISHED, Phase, Queue
from ..jobs import queries
from ..jobs.rows import JobRow, job_rows
from ..jobs.sql import JOB, NEWEST_FIRST, THIS_SITE, in_phase, literal
from ..jobs.timing import JobTiming, timing_of
from ..storage.models import Job
from ..storage.statement import Connection, Statement

IN_HANDS = 12
WAITING = 200
LATEST = 20
_AMONG_NEWEST = 2000  # The ended jobs are sought among so many newest ones, since old software never ends any.
_STOPS_AMONG = 200


class JobWithTiming(NamedTuple):
    """A job, and when each of its steps was."""

    job: JobRow
    timing: JobTiming


class Present(NamedTuple):
    """A site's present."""

    in_hands: list[JobWithTiming]
    """Jobs that were handed over and have not ended: the job that the site last spoke of goes first."""
    more_in_hands: bool
    waiting: list[JobRow]
    """Jobs in the order in which they will be handed over."""
    waiting_count: int
    latest: list[JobWithTiming]
    """Jobs that have ended, newest first."""


_ENDED = (Phase.ENDED, Phase.WITHDRAWN, Phase.LABELLED, Phase.LOST)

_IN_HANDS = Statement(
    select(*JOB)
    .where(THIS_SITE, in_phase(Queue.PRIMARY, *UNFINISHED))
    .order_by(Job.heard_ms.desc())
    .limit(literal_column(str(IN_HANDS + 1)))
)
_ALL_WAITING = and_(THIS_SITE, in_phase(Queue.PRIMARY, Phase.WAITING))
_WAITING = Statement(select(*JOB).where(_ALL_WAITING).order_by(Job.ulid).limit(literal_column(str(WAITING))))
_COUNT_WAITING = Statement(select(func.count()).select_from(Job).where(_ALL_WAITING))
# Not what is dated in the future: a day with the clock a year ahead would hide for a year what comes after it.
_UP_TO_NOW = Job.timestamp_ms <= bindparam("until_ms", type_=BigInteger)
_newest = aliased(
    Job, select(Job).where(THIS_SITE, _UP_TO_NOW).order_by(*NEWEST_FIRST).limit(bindparam("among")).subquery()
)
_newest_columns = [getattr(_newest, name) for name in JobRow._fields]
_LATEST = Statement(
    select(*_newest_columns)
    .where(_newest.phase.in_([literal(phase) for phase in _ENDED]))  # The inner select gives the order.
    .limit(literal_column(str(LATEST)))
)
_STOPS = Statement(
    select(*_newest_columns)
    .where(
        _newest.is_stop == literal_column("1"),
        or_(_newest.accepted_ms >= bindparam("since_ms"), _newest.phase == literal(Phase.WAITING)),
    )
    .limit(literal_column("3"))
)


_LAST_INSTANCE = Statement(
    select(_newest.instance).where(_newest.device == bindparam("device")).limit(literal_column("1"))
)


def present(connection: Connection, site: str) -> Present:
    """Read a site's present."""
    in_hands = job_rows(connection.rows(_IN_HANDS, site=site))
    waiting = job_rows(connection.rows(_WAITING, site=site))
    count = len(waiting) if len(waiting) < WAITING else connection.rows(_COUNT_WAITING, site=site)[0][0]
    latest = job_rows(connection.rows(_LATEST, site=site, among=_AMONG_NEWEST, until_ms=_until_ms()))
    return Present(
        with_timing(connection, in_hands[:IN_HANDS]),
        len(in_hands) > IN_HANDS,
        waiting,
        count,
        with_timing(connection, latest),
    )


def stops(connection: Connection, site: str, since_ms: int) -> list[JobWithTiming]:
    """Return the newest stop commands accepted since a time, or that still wait, newest first."""
    values = {"site": site, "among": _STOPS_AMONG, "since_ms": since_ms, "until_ms": _until_ms()}
    return with_timing(connection, job_rows(connection.rows(_STOPS, **values)))


def last_instance(connection: Connection, site: str, device: str) -> str | None:
    """Return which device of a type was last commanded at a site, among its newest jobs; None when none was."""
    row = connection.row(_LAST_INSTANCE, site=site, device=device, among=_STOPS_AMONG, until_ms=_until_ms())
    return row[0] if row else None


def with_timing(connection: Connection, jobs: Iterable[JobRow]) -> list[JobWithTiming]:
    """Return each job with its timing."""
    return [JobWithTiming(job, timing_of(job.timestamp_ms, queries.history(connection, job.id))) for job in jobs]


def _until_ms() -> int:
    return clock.now_ms() + clock.AHEAD_MS
