"""Read-only selects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import InstrumentedAttribute

from ..clock import BOOT_BITS, Now
from ..domain.lifecycle import UNFINISHED, Phase, Queue
from ..errors import NotFound, shown
from ..storage.database import Database
from ..storage.models import Job, JobEvent, Lockout
from ..storage.statement import Connection, Statement
from .rows import EventRow, JobRow

_CLOCKS_DIFFER_MS = 60_000  # how far two machines' clocks may be apart
_END_OF_TIME_MS = 2**63 - 1
_PAGE = 500  # jobs read at once: keeps memory bounded however long the list is


@dataclass(frozen=True, slots=True)
class QueueColumns:
    """The columns of `models.Job` that are kept once for each queue."""

    status: InstrumentedAttribute[str]
    phase: InstrumentedAttribute[str]
    claim_id: InstrumentedAttribute[str | None]
    heard_ms: InstrumentedAttribute[int | None]
    heard_boot_ms: InstrumentedAttribute[int | None]


JOB = tuple(getattr(Job, name) for name in JobRow._fields)
EVENT = tuple(getattr(JobEvent, name) for name in EventRow._fields)
ON = {
    Queue.PRIMARY: QueueColumns(*(getattr(Job, each.name) for each in fields(QueueColumns))),
    Queue.ALTERNATE: QueueColumns(*(getattr(Job, f"replica_{each.name}") for each in fields(QueueColumns))),
}


def literal(phase: Phase) -> ColumnElement[str]:
    """Write a phase into the statement itself: bound as a value, it would keep the planner from the partial indexes."""
    return literal_column(f"'{phase}'")


def in_phase(queue: Queue, *phases: Phase) -> ColumnElement[bool]:
    """Write that a job is in one of these phases, in the words of the partial indexes."""
    phase = ON[queue].phase
    if len(phases) == 1:
        return phase == literal(phases[0])
    return phase.in_([literal(each) for each in phases])


def at_most(count: int | str) -> ColumnElement[int]:
    """Write a limit: a number, or the name of a value.

    SQLite looks into a value that is a limit by itself, and so prepares the statement anew each time it is run.
    """
    if isinstance(count, int):
        return literal_column(str(count))
    return bindparam(count, type_=BigInteger) + literal_column("0")


def older_than(since_ms: Any, since_boot_ms: Any, limit_ms: Any) -> ColumnElement[bool]:
    """Write that an age has reached a limit by either clock; binds `wall_ms` and `boot_ms`, see `clock.Now`.

    What is from the future by the wall's clock, and of another boot, has an age that nobody knows: it counts as old.
    """
    since_boot, same_boot = _since_boot(since_boot_ms)
    since_wall = bindparam("wall_ms", type_=BigInteger) - since_ms
    return or_(
        since_wall >= limit_ms,
        and_(same_boot, since_boot >= limit_ms),
        and_(not_(same_boot), since_wall < -_CLOCKS_DIFFER_MS),
    )


def not_locked_out() -> ColumnElement[bool]:
    """Write that a job may move although its site may be locked out; binds `site`."""
    in_force = select(Lockout.id).where(Lockout.site == bindparam("site"), Lockout.lifted_ms.is_(None))
    return or_(Job.is_stop == literal_column("1"), not_(in_force.correlate(None).exists()))


def deliverable(queue: Queue) -> ColumnElement[bool]:
    """Write that a job waits on a queue, is not too old or locked out, and need not be held back any more."""
    since_boot, same_boot = _since_boot(Job.accepted_boot_ms)
    since_wall = bindparam("wall_ms", type_=BigInteger) - Job.accepted_ms
    return and_(
        Job.site == bindparam("site"),
        ON[queue].phase == literal(Phase.WAITING),
        not_(older_than(Job.accepted_ms, Job.accepted_boot_ms, Job.expires_after_ms)),
        or_(
            Job.hold_ms == literal_column("0"),
            and_(same_boot, since_boot >= Job.hold_ms),
            and_(not_(same_boot), since_wall >= Job.hold_ms),
        ),
        not_locked_out(),
    )


def _since_boot(since_boot_ms: Any) -> tuple[ColumnElement[int], ColumnElement[bool]]:
    """Write the time since a reading of the clock that nobody can set, and whether it is of the same boot."""
    since = bindparam("boot_ms", type_=BigInteger) - since_boot_ms
    return since, since.between(literal_column("0"), literal_column(str(2**BOOT_BITS - 1)))


def _next_due(queue: Queue) -> Statement:
    """Write how long it is until the first of the jobs that are held back may go, in milliseconds."""
    since_boot, same_boot = _since_boot(Job.accepted_boot_ms)
    since_wall = bindparam("wall_ms", type_=BigInteger) - Job.accepted_ms
    held = and_(
        Job.site == bindparam("site"),
        ON[queue].phase == literal(Phase.WAITING),
        Job.hold_ms > literal_column("0"),
        not_(older_than(Job.accepted_ms, Job.accepted_boot_ms, Job.expires_after_ms)),
        not_locked_out(),
    )
    return Statement(select(func.min(Job.hold_ms - case((same_boot, since_boot), else_=since_wall))).where(held))


_ANY_DELIVERABLE = {queue: Statement(select(Job.id).where(deliverable(queue)).limit(at_most(1))) for queue in Queue}
_NEXT_DUE = {queue: _next_due(queue) for queue in Queue}
_IN_HAND = Statement(select(func.count()).where(Job.site == bindparam("site"), in_phase(Queue.PRIMARY, *UNFINISHED)))
_CLAIMED = {
    queue: Statement(
        select(*JOB, not_locked_out())
        .where(Job.site == bindparam("site"), ON[queue].claim_id == bindparam("claim_id"))
        .order_by(Job.ulid)
    )
    for queue in Queue
}
_NEXT_SITE = Statement(select(func.min(Job.site)).where(Job.site > bindparam("site")))
_JOB = Statement(select(*JOB).where(Job.ulid == bindparam("ulid"), Job.site == bindparam("site")))
_JOB_ANYWHERE = Statement(select(*JOB).where(Job.ulid == bindparam("ulid")))
_RECENT = Statement(
    select(*JOB)
    .where(
        Job.site == bindparam("site"),
        Job.timestamp_ms >= bindparam("from_ms"),
        (Job.timestamp_ms > bindparam("after_ms"))
        | ((Job.timestamp_ms == bindparam("after_ms")) & (Job.ulid > bindparam("after"))),
    )
    .order_by(Job.timestamp_ms, Job.ulid)
    .limit(at_most("count"))
)
_PAGE_BEFORE = Statement(
    select(*JOB)
    .where(
        Job.site == bindparam("site"),
        Job.timestamp_ms >= bindparam("from_ms"),
        Job.timestamp_ms <= bindparam("before_ms"),
        (Job.timestamp_ms < bindparam("before_ms")) | (Job.ulid < bindparam("before")),
    )
    .order_by(Job.timestamp_ms.desc(), Job.ulid.desc())
    .limit(at_most("count"))
)
_HISTORY = Statement(select(*EVENT).where(JobEvent.job_id == bindparam("job_id")).order_by(JobEvent.seq))

BY_SITE = (JobEvent.site, JobEvent.seq)


def after_at_site() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Write for PostgreSQL what came after a number at a site, to be put in the order `BY_SITE`.

    Not `site = ... AND seq > ...` in the order of `seq`: the planner may then read on in the numbers of all sites, and
    would find what is next at a quiet site only after the millions of the others.
    """
    site = bindparam("site", type_=JobEvent.site.type)
    return tuple_(*BY_SITE) > tuple_(site, bindparam("seq", type_=BigInteger)), JobEvent.site <= site


def any_deliverable(connection: Connection, site: str, queue: Queue, now: Now) -> bool:
    """Tell whether a poll of a site would get a job."""
    return connection.row(_ANY_DELIVERABLE[queue], site=site, wall_ms=now.wall_ms, boot_ms=now.boot_ms) is not None


def next_due_ms(connection: Connection, site: str, queue: Queue, now: Now) -> int | None:
    """Tell how long it is until the first of the jobs that are held back may go; None when there is none."""
    due_ms: int | None = connection.rows(_NEXT_DUE[queue], site=site, **now._asdict())[0][0]
    return due_ms


def sites(connection: Connection) -> Iterator[str]:
    """List the sites that have jobs, at the cost of a look into the index for each."""
    site = ""
    while site := connection.rows(_NEXT_SITE, site=site)[0][0]:
        yield site


def count_in_hand(connection: Connection, site: str) -> int:
    """Count the jobs that were handed over to a site and are not finished."""
    return int(connection.rows(_IN_HAND, site=site)[0][0])


def claimed(connection: Connection, site: str, queue: Queue, claim_id: str) -> list[tuple[JobRow, bool]]:
    """List the jobs that were handed over with a claim id, oldest first, each with whether a lock-out lets it move."""
    rows = connection.rows(_CLAIMED[queue], site=site, claim_id=claim_id)
    return [(JobRow._make(job), bool(may_move)) for *job, may_move in rows]


def job(connection: Connection, site: str, ulid: str) -> JobRow | None:
    """Find one job of a site."""
    row = connection.row(_JOB, site=site, ulid=ulid)
    return JobRow._make(row) if row else None


def job_anywhere(connection: Connection, ulid: str) -> JobRow | None:
    """Find one job, whichever site's it is."""
    row = connection.row(_JOB_ANYWHERE, ulid=ulid)
    return JobRow._make(row) if row else None


def history(connection: Connection, job_id: int) -> list[EventRow]:
    """List what happened to a job, oldest first."""
    return [EventRow._make(row) for row in connection.rows(_HISTORY, job_id=job_id)]


def recent(database: Database, site: str, since_ms: int) -> Iterator[list[JobRow]]:
    """List a site's jobs accepted since a time, oldest first, in pages, each read on a connection of its own."""
    after_ms, after = since_ms, ""
    while True:
        with database.reading() as connection:
            rows = connection.rows(_RECENT, site=site, from_ms=after_ms, after_ms=after_ms, after=after, count=_PAGE)
        page = [JobRow._make(row) for row in rows]
        if page:
            yield page
            after_ms, after = page[-1].timestamp_ms, page[-1].ulid
        if len(page) < _PAGE:
            return


def page(connection: Connection, site: str, since_ms: int, before: str | None, count: int) -> list[JobRow]:
    """List the newest `count` of a site's jobs accepted since a time and earlier than the job `before`, oldest first.

    Raises NotFound when the site has no such job.
    """
    before_ms = _END_OF_TIME_MS
    if before is not None:
        border = job(connection, site, before)
        if border is None:
            raise NotFound(f"Error: site {shown(site)} has no job {shown(before)}, before which to list")
        before_ms = border.timestamp_ms
    values = {"site": site, "from_ms": since_ms, "before_ms": before_ms, "before": before or "", "count": count}
    return [JobRow._make(row) for row in reversed(connection.rows(_PAGE_BEFORE, **values))]
