"""The reads of jobs: each a function of a connection, which writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, case, func, not_, select

from .. import clock
from ..clock import Now
from ..domain.lifecycle import OVER, UNFINISHED, Phase, Queue
from ..errors import NotFound, shown
from ..storage.database import Database
from ..storage.models import Job, JobEvent
from ..storage.statement import Connection, Statement
from . import pages
from .pages import JOB_BYTES, PAGE_BYTES, PAGE_JOBS, Page, within_bytes
from .rows import EventRow, JobRow, ListedJob, event_rows
from .sql import (
    EVENT,
    JOB,
    LISTED_JOB,
    NEWEST_FIRST,
    ON,
    ONE,
    THIS_JOB,
    THIS_SITE,
    ZERO,
    age_by_boot,
    at_most,
    deliverable,
    in_phase,
    literal,
    not_held,
    older_than,
)

FIRST_SEQ = -(2**63)
"""Below the number of every event: what was imported has numbers below 0."""
MOST_SITES = 100
"""How many sites are told apart by when they had a job: anybody can make up site codes."""
PAGE_EVENTS = 500
"""How many events of a job's history are read at once."""


def _next_due(queue: Queue, *which: ColumnElement[bool]) -> Statement:
    """Write how long it is until the first of these jobs that are held back may go, in milliseconds."""
    since_boot, same_boot = age_by_boot(Job.accepted_boot_ms)
    since_wall = bindparam("wall_ms", type_=BigInteger) - Job.accepted_ms
    held = and_(
        THIS_SITE,
        ON[queue].phase == literal(Phase.WAITING),
        Job.hold_ms > ZERO,
        not_(older_than(Job.accepted_ms, Job.accepted_boot_ms, Job.expires_after_ms)),
        not_held(),
        *which,
    )
    return Statement(select(func.min(Job.hold_ms - case((same_boot, since_boot), else_=since_wall))).where(held))


_NEXT_DUE = {queue: _next_due(queue) for queue in Queue}
_NEXT_STOP_DUE = {queue: _next_due(queue, Job.is_stop == ONE) for queue in Queue}
_IN_HAND = Statement(select(func.count()).where(THIS_SITE, in_phase(Queue.PRIMARY, *UNFINISHED)))
_CLAIMED = {
    queue: Statement(
        select(*JOB, ON[queue].carried_ms, not_held()).where(THIS_SITE, ON[queue].claim_id == bindparam("claim_id"))
    )
    for queue in Queue
}
_DELIVERABLE = {
    queue: select(*LISTED_JOB).where(deliverable(queue)).order_by(Job.rank).limit(at_most("count")) for queue in Queue
}
_NEXT_SITE = Statement(select(func.min(Job.site)).where(Job.site > bindparam("site")))
_NEWEST_OF_SITE = Statement(
    select(Job.timestamp_ms, Job.ulid).where(THIS_SITE).order_by(*NEWEST_FIRST).limit(at_most(1))
)
_OLDEST = Statement(select(Job.accepted_ms).order_by(Job.id).limit(at_most(1)))
_HEARD = Statement(select(Job.id).where(THIS_SITE, Job.heard_ms.is_not(None)).limit(at_most(1)))
_newest = select(Job.id, Job.site).order_by(Job.id.desc()).limit(at_most(2000)).subquery()
_SITES_OF_NEWEST = Statement(
    select(_newest.c.site).group_by(_newest.c.site).order_by(func.max(_newest.c.id).desc()).limit(at_most("count"))
)
_JOB = Statement(select(*JOB).where(THIS_JOB))
_JOB_ANYWHERE = Statement(select(*JOB).where(Job.ulid == bindparam("ulid")))
_OLDEST_FIRST = (Job.timestamp_ms, Job.ulid)
_SINCE = (
    select(*LISTED_JOB)
    .where(
        THIS_SITE,
        Job.timestamp_ms >= bindparam("from_ms"),
        Job.timestamp_ms <= bindparam("until_ms"),
        (Job.timestamp_ms > bindparam("after_ms"))
        | ((Job.timestamp_ms == bindparam("after_ms")) & (Job.ulid > bindparam("after"))),
    )
    .order_by(*_OLDEST_FIRST)
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
_UP_TO = and_(
    Job.timestamp_ms <= bindparam("upto_ms"),
    (Job.timestamp_ms < bindparam("upto_ms")) | (Job.ulid <= bindparam("upto")),
)
_BEFORE = and_(
    THIS_SITE,
    Job.timestamp_ms >= bindparam("from_ms"),
    Job.timestamp_ms <= bindparam("before_ms"),
    (Job.timestamp_ms < bindparam("before_ms")) | (Job.ulid < bindparam("before")),
)
_NEWEST_BEFORE = select(*LISTED_JOB).where(_BEFORE).order_by(*NEWEST_FIRST).limit(at_most("count"))


def _page(core: Select[tuple[object, ...]], *order: str) -> Statement:
    return Statement(core, on_postgresql=within_bytes(core, JOB_BYTES, *order))


_TO_HAND_OVER = {
    queue: Statement(jobs, on_postgresql=within_bytes(jobs, JOB_BYTES, "rank", also=(Job.rank,)))
    for queue, jobs in _DELIVERABLE.items()
}
_RECENT = _page(_SINCE, "timestamp_ms", "ulid")
_RECENT_UP_TO = _page(_SINCE.where(_UP_TO), "timestamp_ms", "ulid")
_PAGE_BEFORE = _page(_NEWEST_BEFORE, "-timestamp_ms", "-ulid")
_PLACES_BEFORE = Statement(
    select(Job.timestamp_ms, Job.ulid).where(_BEFORE).order_by(*NEWEST_FIRST).limit(at_most("count"))
)
_OF_JOB = select(*EVENT).where(JobEvent.job_id == bindparam("job_id")).limit(at_most("count"))
_AFTER = bindparam("after", type_=BigInteger)
# With the bare number PostgreSQL may go through the events of all jobs in its order, up to as many as are asked for.
_NUMBER = JobEvent.seq + ZERO
_HISTORY_AFTER = Statement(
    _OF_JOB.where(JobEvent.seq > _AFTER).order_by(JobEvent.seq),
    on_postgresql=_OF_JOB.where(_NUMBER > _AFTER).order_by(_NUMBER),
)
_NEWEST_EVENTS = Statement(_OF_JOB.order_by(JobEvent.seq.desc()), on_postgresql=_OF_JOB.order_by(_NUMBER.desc()))
_COUNT_EVENTS = Statement(select(func.count()).where(JobEvent.job_id == bindparam("job_id")))
_HISTORY = Statement(select(*EVENT).where(JobEvent.job_id == bindparam("job_id")).order_by(JobEvent.seq))


def to_hand_over(connection: Connection, site: str, queue: Queue, now: Now, count: int) -> list[ListedJob]:
    """List what a poll of a site would be handed over now, in its order; at most `count`, and a page of bytes."""
    return pages.read(connection, _TO_HAND_OVER[queue], count, site=site, **now._asdict()).jobs


def next_due_ms(connection: Connection, site: str, queue: Queue, now: Now, *, stops_only: bool = False) -> int | None:
    """Return in how many ms the first of the jobs (or stops) that are held back may go; None when there is none."""
    statements = _NEXT_STOP_DUE if stops_only else _NEXT_DUE
    due_ms: int | None = connection.rows(statements[queue], site=site, **now._asdict())[0][0]
    return due_ms


def sites(connection: Connection) -> Iterator[str]:
    """List the sites that have jobs, at the cost of a look into the index for each."""
    site = ""
    while site := connection.rows(_NEXT_SITE, site=site)[0][0]:
        yield site


def recent_sites(connection: Connection, count: int) -> list[str]:
    """List the sites that had jobs last: of up to a hundred sites all are looked at, of more the newest jobs alone."""
    known = list(islice(sites(connection), MOST_SITES + 1))
    if len(known) <= count:
        return known
    if len(known) > MOST_SITES:
        return [site for (site,) in connection.rows(_SITES_OF_NEWEST, count=count)]
    newest = {site: connection.rows(_NEWEST_OF_SITE, site=site) for site in known}
    return sorted(known, key=newest.__getitem__, reverse=True)[:count]


def has_jobs(connection: Connection, site: str) -> bool:
    """Whether a site ever had a job that is still kept."""
    return connection.row(_NEWEST_OF_SITE, site=site) is not None


def was_ever_handed_over(connection: Connection, site: str) -> bool:
    """Whether a job that is still kept was ever handed over to the software of a site."""
    return connection.row(_HEARD, site=site) is not None


def oldest_ms(connection: Connection) -> int | None:
    """Return when the oldest job of all that are kept was accepted; None where there is none."""
    row = connection.row(_OLDEST)
    return None if row is None else int(row[0])


def count_in_hand(connection: Connection, site: str) -> int:
    """Count the jobs that were handed over to a site and are not finished."""
    return int(connection.rows(_IN_HAND, site=site)[0][0])


def claimed(connection: Connection, site: str, queue: Queue, claim_id: str) -> list[tuple[JobRow, bool]]:
    """List the jobs that were handed over with a claim id, in the order of that reply and with its times.

    Each with whether it may move, for all lock-outs and pauses.
    """
    rows = connection.rows(_CLAIMED[queue], site=site, claim_id=claim_id)
    found = [(dated(JobRow._make(job), carried_ms), bool(may_move)) for *job, carried_ms, may_move in rows]
    # An id brings jobs twice where a lock-out or a pause held back the first ones: their times tell the replies apart.
    return sorted(found, key=lambda each: (each[0].timestamp_ms, each[0].rank, each[0].ulid))


def dated(job: JobRow, carried_ms: int | None) -> JobRow:
    """Return a job as its copy goes out, with the time that the copy carries; none: its own."""
    return job if carried_ms is None else job._replace(timestamp_ms=carried_ms)


def job(connection: Connection, site: str, ulid: str) -> JobRow | None:
    """Find one job of a site."""
    row = connection.row(_JOB, site=site, ulid=ulid)
    return JobRow._make(row) if row else None


def job_anywhere(connection: Connection, ulid: str) -> JobRow | None:
    """Find one job, whichever site's it is."""
    row = connection.row(_JOB_ANYWHERE, ulid=ulid)
    return JobRow._make(row) if row else None


def each_event(connection: Connection, job_id: int) -> Iterator[EventRow]:
    """Yield what happened to a job, oldest first, and keep none of it: a site may report as often as it likes."""
    return map(EventRow._make, connection.stream(_HISTORY, job_id=job_id))


def history(connection: Connection, job_id: int) -> list[EventRow]:
    """List what happened to a job, oldest first."""
    return event_rows(connection.rows(_HISTORY, job_id=job_id))


def history_page(
    connection: Connection, job_id: int, after: int = FIRST_SEQ, count: int = PAGE_EVENTS
) -> tuple[list[EventRow], bool]:
    """List what happened to a job after an event, oldest first; a page of it, and whether there may be more."""
    events: list[EventRow] = []
    left = PAGE_BYTES
    cursor = connection.each(_HISTORY_AFTER, job_id=job_id, after=after, count=count)
    try:
        for event in map(EventRow._make, cursor):
            events.append(event)
            left -= len(event.actor_name) + len(event.actor_id) + len(event.message or "")
            left -= len(event.result or "") + len(event.edit or "")
            if left < 0:
                return events, True
    finally:
        cursor.close()
    return events, len(events) >= count


def history_pages(database: Database, job_id: int, after: int) -> Iterator[list[EventRow]]:
    """Yield what happened to a job after an event, in pages, each read on a connection of its own."""
    more = True
    while more:
        with database.reading() as connection:
            events, more = history_page(connection, job_id, after)
        if events:
            after = events[-1].seq
            yield events
        del events


def reasons(database: Database, site: str, since_ms: int) -> dict[int, str]:
    """Return by job what was said of its end, of a site's jobs accepted since a time."""
    with database.reading() as connection:
        return dict(connection.rows(_REASONS, site=site, from_ms=since_ms, until_ms=_future_ms()))


def history_ends(connection: Connection, job_id: int, most: int) -> tuple[list[EventRow], int]:
    """List the first and the latest of what happened to a job, half of `most` each, and count what is left out."""
    events, more = history_page(connection, job_id, count=most)
    if not more:
        return events, 0
    latest = event_rows(connection.rows(_NEWEST_EVENTS, job_id=job_id, count=most // 2))[::-1]
    first = [event for event in events[: most // 2] if event.seq < latest[0].seq]
    return first + latest, connection.rows(_COUNT_EVENTS, job_id=job_id)[0][0] - len(first) - len(latest)


class Recent(Iterator[Page[ListedJob]]):
    """A site's jobs accepted since a time, oldest first, in pages, each read on a connection of its own.

    It keeps no page that it has given away, whatever time the reader takes.
    """

    def __init__(
        self,
        database: Database,
        site: str,
        after: Sequence[Any],
        upto: ListedJob | None = None,
        page_jobs: int = PAGE_JOBS,
    ) -> None:
        self._database = database
        self._page_jobs = page_jobs
        self._after_ms, self._after = after
        self._statement = _RECENT
        self._of: dict[str, Any] = {"site": site, "until_ms": _future_ms()}
        if upto is not None:
            self._statement = _RECENT_UP_TO
            self._of |= {"upto_ms": upto.timestamp_ms, "upto": upto.ulid}
        self._ended = False

    def __next__(self) -> Page[ListedJob]:
        """Read the next page."""
        if self._ended:
            raise StopIteration
        place = {"from_ms": self._after_ms, "after_ms": self._after_ms, "after": self._after}
        with self._database.reading() as connection:
            found = pages.read(connection, self._statement, self._page_jobs, **self._of, **place)
        self._ended = not found.more
        if not found.jobs:
            raise StopIteration
        self._after_ms, self._after = found.jobs[-1].timestamp_ms, found.jobs[-1].ulid
        return found


def recent(database: Database, site: str, since_ms: int, page_jobs: int = PAGE_JOBS) -> Recent:
    """Return a site's jobs accepted since a time, oldest first, in pages; none that is dated in the future."""
    return Recent(database, site, (since_ms, ""), page_jobs=page_jobs)


def page(database: Database, site: str, since_ms: int, before: str | None, count: int) -> Iterator[Page[ListedJob]]:
    """Return the newest `count` of a site's jobs accepted since a time and earlier than the job `before`, oldest first.

    One page, or several where the jobs are large: they are found by their places, and then read from the oldest on.
    A job that is dated in the future was not accepted lately. Raises NotFound when the site has no such job.
    """
    with database.reading() as connection:
        values: dict[str, Any] = {"site": site, "from_ms": since_ms, **_border(connection, site, before)}
        found = pages.read(connection, _PAGE_BEFORE, count, **values)
        if len(found.jobs) == count or not found.more:
            return iter([Page(found.jobs[::-1], more=False)])
        newest = found.jobs[0]
        places = connection.rows(_PLACES_BEFORE, **values, count=count + 1)
    return Recent(database, site, places[count] if len(places) > count else (since_ms, ""), newest)


def _border(connection: Connection, site: str, before: str | None) -> dict[str, Any]:
    before_ms = _future_ms() + 1
    if before is None:
        return {"before_ms": before_ms, "before": ""}
    border = job(connection, site, before)
    if border is None:
        raise NotFound(f"Error: site {shown(site)} has no job {shown(before)}, before which to list")
    return {"before_ms": min(border.timestamp_ms, before_ms), "before": before}


def _future_ms() -> int:
    """Return from when on a date is of the future: a clock that was set back is behind what was accepted before."""
    return clock.now_ms() + clock.AHEAD_MS
