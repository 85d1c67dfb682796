"""Read-only selects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement, bindparam, func, literal_column, select

from .db import Connection, Database, Statement
from .lifecycle import Phase, Queue
from .models import Job, JobEvent

_PAGE = 500  # jobs read at once: keeps memory bounded however long the list is


class JobRow(NamedTuple):
    """One row of the table `job`; see `models.Job`."""

    id: int
    ulid: str
    site: str
    device: str
    instance: str
    action: str
    required_params: str
    optional_params: str
    user_name: str
    user_id: str
    user_roles: str
    timestamp_ms: int
    status: str
    phase: str
    replica_status: str
    replica_phase: str
    seconds_until_complete: int | None


class EventRow(NamedTuple):
    """One row of the table `job_event`; see `models.JobEvent`."""

    seq: int
    at_ms: int
    queue: int
    status: str
    seconds_until_complete: int | None
    actor_known: str
    actor_id: str
    message: str | None


JOB = tuple(getattr(Job, name) for name in JobRow._fields)
EVENT = tuple(getattr(JobEvent, name) for name in EventRow._fields)

PHASE = {Queue.PRIMARY: Job.phase, Queue.ALTERNATE: Job.replica_phase}
STATUS = {Queue.PRIMARY: Job.status, Queue.ALTERNATE: Job.replica_status}


def literal(phase: Phase) -> ColumnElement[str]:
    """Write a phase into the statement itself: bound as a value, it would keep the planner from the partial indexes."""
    return literal_column(f"'{phase}'")


WAITING = literal(Phase.WAITING)

_ANY_WAITING = {
    queue: Statement(select(Job.id).where(Job.site == bindparam("site"), PHASE[queue] == WAITING).limit(1))
    for queue in Queue
}
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
    .limit(bindparam("count"))
)
_HISTORY = Statement(select(*EVENT).where(JobEvent.job_id == bindparam("job_id")).order_by(JobEvent.seq))

_LAST_EVENT = Statement(select(func.max(JobEvent.seq)))
_EVENTS_AFTER = Statement(
    select(*EVENT, *JOB)
    .join(Job, Job.id == JobEvent.job_id)
    .where(JobEvent.seq > bindparam("seq"), JobEvent.site == bindparam("site"))
    .order_by(JobEvent.seq)
    .limit(_PAGE)
)


def any_waiting(connection: Connection, site: str, queue: Queue) -> bool:
    """Tell whether a job waits at a site."""
    return connection.row(_ANY_WAITING[queue], site=site) is not None


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


def last_event(connection: Connection) -> int:
    """Give the number of the newest event; 0 when there is none."""
    return connection.rows(_LAST_EVENT)[0][0] or 0


def events_after(connection: Connection, site: str, seq: int) -> list[tuple[EventRow, JobRow]]:
    """List what happened at a site after an event, oldest first, with the job as it is now; at most a page."""
    width = len(EVENT)
    rows = connection.rows(_EVENTS_AFTER, site=site, seq=seq)
    return [(EventRow._make(row[:width]), JobRow._make(row[width:])) for row in rows]
