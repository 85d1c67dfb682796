"""The reads of jobs: each a function of a connection, which writes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import BigInteger, and_, bindparam, case, func, not_, select

from .. import clock
from ..clock import Now
from ..domain.lifecycle import OVER, UNFINISHED, Phase, Queue
from ..errors import NotFound, shown
from ..storage.database import Database
from ..storage.models import Job, JobEvent
from ..storage.statement import Connection, Statement
from .rows import EventRow, JobRow, event_rows, job_rows
from .sql import (
    EVENT,
    JOB,
    NEWEST_FIRST,
    ON,
    THIS_JOB,
    THIS_SITE,
    ZERO,
    age_by_boot,
    at_most,
    deliverable,
    in_phase,
    literal,
    not_locked_out,
    older_than,
)

PAGE_JOBS = 500
"""How many jobs of a list are read at once, so that memory stays bounded however long the list is."""


def _next_due(queue: Queue) -> Statement:
    """Write how long it is until the first of the jobs that are held back may go, in milliseconds."""
    since_boot, same_boot = age_by_boot(Job.accepted_boot_ms)
    since_wall = bindparam("wall_ms", type_=BigInteger) - Job.accepted_ms
    held = and_(
        THIS_SITE,
        ON[queue].phase == literal(Phase.WAITING),
        Job.hold_ms > ZERO,
        not_(older_than(Job.accepted_ms, Job.accepted_boot_ms, Job.expires_after_ms)),
        not_locked_out(),
    )
    return Statement(select(func.min(Job.hold_ms - case((same_boot, since_boot), else_=since_wall))).where(held))


_ANY_DELIVERABLE = {queue: Statement(select(func.max(Job.is_stop)).where(deliverable(queue))) for queue in Queue}
_NEXT_DUE = {queue: _next_due(queue) for queue in Queue}
_IN_HAND = Statement(select(func.count()).where(THIS_SITE, in_phase(Queue.PRIMARY, *UNFINISHED)))
_CLAIMED = {
    queue: Statement(
        select(*JOB, not_locked_out()).where(THIS_SITE, ON[queue].claim_id == bindparam("claim_id")).order_by(Job.ulid)
    )
    for queue in Queue
}
_NEXT_SITE = Statement(select(func.min(Job.site)).where(Job.site > bindparam("site")))
_JOB = Statement(select(*JOB).where(THIS_JOB))
_JOB_ANYWHERE = Statement(select(*JOB).where(Job.ulid == bindparam("ulid")))
_RECENT = Statement(
    select(*JOB)
    .where(
        THIS_SITE,
        Job.timestamp_ms >= bindparam("from_ms"),
        Job.timestamp_ms <= bindparam("until_ms"),
        (Job.timestamp_ms > bindparam("after_ms"))
        | ((Job.timestamp_ms == bindparam("after_ms")) & (Job.ulid > bindparam("after"))),
    )
    .order_by(Job.timestamp_ms, Job.ulid)
    .limit(at_most("count"))
)
_REASONS = Statement(
    select(JobEvent.job_id, JobEvent.message)
    .join(Job, Job.id == JobEvent.job_id)
    .where(
        THIS_SITE,
        Job.timestamp_ms >= bindparam("from_ms"),
        Job.timestamp_ms <= bindparam("until_ms"),
        in_phase(Queue.PRIMARY, *OVER),
        JobEvent.queue == ZERO,
        JobEvent.status == Job.status,
        JobEvent.message.is_not(None),
    )
    .order_by(JobEvent.seq)
)
_PAGE_BEFORE = Statement(
    select(*JOB)
    .where(
        THIS_SITE,
        Job.timestamp_ms >= bindparam("from_ms"),
        Job.timestamp_ms <= bindparam("before_ms"),
        (Job.timestamp_ms < bindparam("before_ms")) | (Job.ulid < bindparam("before")),
    )
    .order_by(*NEWEST_FIRST)
    .limit(at_most("count"))
)
_HISTORY = Statement(select(*EVENT).where(JobEvent.job_id == bindparam("job_id")).order_by(JobEvent.seq))


def any_deliverable(connection: Connection, site: str, queue: Queue, now: Now) -> bool | None:
    """Whether a stop is among what a poll of a site would get; None when the poll would get nothing."""
    found = connection.rows(_ANY_DELIVERABLE[queue], site=site, wall_ms=now.wall_ms, boot_ms=now.boot_ms)[0][0]
    return None if found is None else bool(found)


def next_due_ms(connection: Connection, site: str, queue: Queue, now: Now) -> int | None:
    """Return in how many ms the first of the jobs that are held back may go; None when there is none."""
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
    return event_rows(connection.rows(_HISTORY, job_id=job_id))


def recent(database: Database, site: str, since_ms: int, page_jobs: int = PAGE_JOBS) -> Iterator[list[JobRow]]:
    """Yield a site's jobs accepted since a time, oldest first, in pages, each read on a connection of its own.

    A job that is dated in the future was not accepted lately.
    """
    after_ms, after, until_ms = since_ms, "", _future_ms()
    while True:
        with database.reading() as connection:
            values = {"site": site, "from_ms": after_ms, "until_ms": until_ms, "count": page_jobs}
            rows = connection.rows(_RECENT, **values, after_ms=after_ms, after=after)
        page = job_rows(rows)
        if page:
            yield page
            after_ms, after = page[-1].timestamp_ms, page[-1].ulid
        if len(page) < page_jobs:
            return


def reasons(database: Database, site: str, since_ms: int) -> dict[int, str]:
    """Return by job what was said of its end, of a site's jobs accepted since a time."""
    with database.reading() as connection:
        return dict(connection.rows(_REASONS, site=site, from_ms=since_ms, until_ms=_future_ms()))


def page(connection: Connection, site: str, since_ms: int, before: str | None, count: int) -> list[JobRow]:
    """List the newest `count` of a site's jobs accepted since a time and earlier than the job `before`, oldest first.

    A job that is dated in the future was not accepted lately.
    Raises NotFound when the site has no such job.
    """
    before_ms = _future_ms() + 1
    if before is not None:
        border = job(connection, site, before)
        if border is None:
            raise NotFound(f"Error: site {shown(site)} has no job {shown(before)}, before which to list")
        before_ms = min(border.timestamp_ms, before_ms)
    values = {"site": site, "from_ms": since_ms, "before_ms": before_ms, "before": before or "", "count": count}
    return job_rows(connection.rows(_PAGE_BEFORE, **values))[::-1]


def _future_ms() -> int:
    """Return from when on a date is of the future: a clock that was set back is behind what was accepted before."""
    return clock.now_ms() + clock.AHEAD_MS
