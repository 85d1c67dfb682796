"""What happened, event by event, each with its job as it was then.

Of a job's public values only its statuses, its estimate, the request to cancel and what an edit changes ever change,
and each such change has its event. So a job as of its last event is the row as it stands, and as of an earlier one it
is what the events up to then say, without the edits after it.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    text,
    update,
)

from ..domain.lifecycle import CANCELED, EXPIRED, UNREAD, Mark, Phase, Queue
from ..domain.results import Merged
from ..storage.base import aliased
from ..storage.models import FeedRecord, Job, JobEvent
from ..storage.statement import Connection, Statement
from .pages import JOB_BYTES, PAGE_BYTES, read_rows, within_bytes
from .rows import EventRow, JobRow
from .sql import BY_SITE, EVENT, JOB, after_at_site, at_most


class EventOfJob(NamedTuple):
    """One event, and its job as of that event."""

    event: EventRow
    before: str | None  # the status that the event left, on its queue; none: the job was made
    job: JobRow
    result: str | None = None  # JSON: all that the site had said came of the job, up to that event


class EventPage(NamedTuple):
    """Some of what happened."""

    events: list[EventOfJob]
    more: bool
    """Whether more may have happened."""


class Record(NamedTuple):
    """What is kept of the feed as a whole."""

    epoch: str  # another one when the numbers of events count anew
    pruned_seq: int  # events up to here may have been pruned


class AsOf(NamedTuple):
    """What events can change of a job, as of one of them."""

    status: str = UNREAD
    replica_status: str = UNREAD
    seconds_until_complete: int | None = None
    cancel_requested: int = 0

    def after(self, event: EventRow) -> AsOf:
        """Return how the job stands after its next event."""
        if event.queue == Queue.ALTERNATE.value:
            return self._replace(replica_status=event.status)
        # Only a report has an estimate: without one, this end was put on a job that the site had in hand.
        asked = event.seconds_until_complete is None and (
            event.mark == Mark.CANCEL_REQUESTED or (event.status == CANCELED and self.status != UNREAD)
        )
        return AsOf(
            event.status,
            self.replica_status,
            self.seconds_until_complete if event.seconds_until_complete is None else event.seconds_until_complete,
            int(asked or self.cancel_requested),
        )


_BYTES = JOB_BYTES + func.coalesce(func.octet_length(JobEvent.edit), literal_column("0"))
_LATER, _EARLIER, _SEEN, _TOLD = (aliased(JobEvent) for _ in range(4))
_SEQ: BindParameter[int] = bindparam("seq")
_SITE: BindParameter[str] = bindparam("site")
_LAST: BindParameter[int] = bindparam("last")


def _changes(*where: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    before = (
        select(_EARLIER.status)
        .where(_EARLIER.job_id == JobEvent.job_id, _EARLIER.queue == JobEvent.queue, _EARLIER.seq < JobEvent.seq)
        .order_by(_EARLIER.seq.desc())
        .limit(at_most(1))
    )
    has_later = exists().where(_LATER.job_id == JobEvent.job_id, _LATER.seq > JobEvent.seq)
    has_result = exists().where(_TOLD.job_id == JobEvent.job_id, _TOLD.seq <= JobEvent.seq, _TOLD.result.is_not(None))
    core: Select[tuple[object, ...]] = select(before.scalar_subquery(), has_later, has_result, *EVENT, *JOB)
    return core.join(Job, Job.id == JobEvent.job_id).where(*where).limit(at_most("count"))


_EVERYWHERE_CORE = _changes(JobEvent.seq > _SEQ).order_by(JobEvent.seq)
_EVERYWHERE = Statement(_EVERYWHERE_CORE, on_postgresql=within_bytes(_EVERYWHERE_CORE, _BYTES, "seq"))
_AT_SITE = Statement(
    _changes(JobEvent.seq > _SEQ, JobEvent.site == _SITE).order_by(JobEvent.seq),
    on_postgresql=within_bytes(_changes(*after_at_site()).order_by(*BY_SITE), _BYTES, "seq"),
)


def _histories(*where: ColumnElement[bool]) -> Statement:
    seen = select(_SEEN.job_id).where(_SEEN.seq > _SEQ, _SEEN.seq <= _LAST, *where)
    of_their_jobs = select(JobEvent.job_id, *EVENT).where(JobEvent.seq <= _LAST, JobEvent.job_id.in_(seen))
    return Statement(of_their_jobs.order_by(JobEvent.seq))


_HISTORIES_EVERYWHERE = _histories()
_HISTORIES_AT_SITE = _histories(_SEEN.site == _SITE)
_RESULTS = Statement(
    select(JobEvent.seq, JobEvent.result)
    .where(JobEvent.job_id == bindparam("job_id"), JobEvent.result.is_not(None))
    .order_by(JobEvent.seq)
)
_EDITS = Statement(
    select(JobEvent.seq, JobEvent.edit)
    .where(JobEvent.job_id == bindparam("job_id"), JobEvent.edit.is_not(None))
    .order_by(JobEvent.seq.desc())
)
_NEWEST_EVENT = select(func.max(JobEvent.seq)).scalar_subquery()
# A database whose events are all pruned goes on from what was pruned: positions were given out up to there.
_NEWEST = Statement(
    select(func.max(func.coalesce(_NEWEST_EVENT, 0), FeedRecord.pruned_seq)),
    on_postgresql=select(func.greatest(_NEWEST_EVENT, FeedRecord.pruned_seq)),
)
_LAST_AT_SITE = (
    select(JobEvent.seq)
    .where(JobEvent.site >= _SITE, JobEvent.site <= _SITE)  # See `after_at_site` for why this is no `==`.
    .order_by(*(column.desc() for column in BY_SITE))
    .limit(at_most(1))
    .scalar_subquery()
)
# On SQLite all numbers become visible in order, whichever site's they are, and the newest costs nothing to find.
_LAST_EVENT = Statement(
    select(func.max(func.coalesce(_NEWEST_EVENT, 0), FeedRecord.pruned_seq)),
    on_postgresql=select(func.greatest(_LAST_AT_SITE, FeedRecord.pruned_seq)),
)
_LAST_EVENTS = Statement(  # It is for PostgreSQL alone.
    text(
        "SELECT asked.site, greatest((SELECT seq FROM job_event e WHERE e.site >= asked.site AND e.site <= asked.site"
        " ORDER BY e.site DESC, e.seq DESC LIMIT 1), (SELECT pruned_seq FROM feed_record), 0)"
        ' FROM (SELECT site COLLATE "C" AS site FROM unnest(CAST(:sites AS text[])) AS given (site)) AS asked'
    )
)
_RECORD = Statement(select(FeedRecord.epoch, FeedRecord.pruned_seq))
_EDIT = 3 + EventRow._fields.index("edit")
"""Where a row of `_changes` has what an edit changed, which may be long."""
_NEW_EPOCH = Statement(update(FeedRecord).values({"epoch": bindparam("epoch")}))


def record(connection: Connection) -> Record:
    """Return what is kept of the feed as a whole."""
    return Record._make(connection.rows(_RECORD)[0])


def begin_epoch(connection: Connection) -> None:
    """Make every position given out so far void: the numbers now count other events, as after a restored backup."""
    connection.run(_NEW_EPOCH, epoch=secrets.token_hex(4))


def newest(connection: Connection) -> int:
    """Return the number of the newest event of all, also of one that was pruned since; 0 when there was none."""
    return max(connection.rows(_NEWEST)[0][0] or 0, 0)  # What was imported has numbers below 0.


def last(connection: Connection, site: str) -> int:
    """Return a number up to which all that has happened at a site can be read, and nothing above; 0 at the beginning.

    On PostgreSQL it is that of the site's own newest event: a larger number may be another site's, seen before a
    smaller one of this site. Pruning happens alone, so that nothing below what was pruned is still to come.
    """
    return max(connection.rows(_LAST_EVENT, site=site)[0][0] or 0, 0)


def lasts(connection: Connection, sites: Iterable[str]) -> dict[str, int]:
    """Return by site what `last` does, of many sites at once; on PostgreSQL alone."""
    return dict(connection.rows(_LAST_EVENTS, sites=list(sites)))


def after(
    connection: Connection, seq: int, count: int, site: str | None = None, most_bytes: int = PAGE_BYTES
) -> EventPage:
    """List what happened after an event, oldest first; everywhere, or at one site.

    At most `count`, and no further than so many bytes of their jobs, but at least one.
    """
    width = 3 + len(EVENT)
    statement = _EVERYWHERE if site is None else _AT_SITE
    values: dict[str, object] = {} if site is None else {"site": site}
    values |= {"seq": seq, "count": count}
    rows, cut = read_rows(connection, statement, values, most_bytes, JobRow._fields, before=width, also=_EDIT)
    found = [(row[0], row[1], EventRow._make(row[3:width]), JobRow._make(row[width:])) for row in rows]
    then = _as_of(connection, seq, found[-1][2].seq, site) if any(has_later for _, has_later, *_ in found) else {}
    edits = {job.id: _edits(connection, job.id) for _, has_later, *_, job in found if has_later}
    with_result = {job.id for row, (*_, job) in zip(rows, found, strict=True) if row[2]}
    so_far = _results(connection, with_result, {event.seq: job.id for *_, event, job in found}) if with_result else {}
    changes = [
        EventOfJob(
            event,
            UNREAD if before is None and event.queue == Queue.ALTERNATE.value else before,
            _as_it_was(_before(job, event, edits.get(job.id, ())), then[event.seq])
            if has_later and event.seq in then
            else _without_silence(job),
            so_far.get(event.seq),
        )
        for before, has_later, event, job in found
    ]
    return EventPage(changes, cut or len(rows) >= count)


def _results(connection: Connection, jobs: Iterable[int], wanted: Mapping[int, int]) -> dict[int, str | None]:
    """Return what had come of jobs by the time of each wanted event, which is named by number with its job's id."""
    found: dict[int, str | None] = {}
    for job_id in jobs:
        told = deque(connection.rows(_RESULTS, job_id=job_id))
        whole = Merged()
        for seq in sorted(seq for seq, of_job in wanted.items() if of_job == job_id):
            while told and told[0][0] <= seq:
                whole.add(told.popleft()[1])
            found[seq] = whole.text
    return found


def _edits(connection: Connection, job_id: int) -> list[tuple[int, str]]:
    """Return the edits of a job, the last first, each with its number."""
    return [(row[0], row[1]) for row in connection.rows(_EDITS, job_id=job_id)]


def _before(job: JobRow, event: EventRow, edits: Sequence[tuple[int, str]]) -> JobRow:
    """Return a job without the edits that came after an event; `edits` has the last first."""
    for seq, edit in edits:
        if seq > event.seq:
            earlier: dict[str, Any] = {
                name: value if name == "instance" else to_json(value).decode()
                for name, value in from_json(edit)["from"].items()
            }
            job = job._replace(**earlier)
    return job


def _as_it_was(job: JobRow, then: AsOf) -> JobRow:
    # The request to cancel is never taken back: what the row does not have, it never had.
    return job._replace(**then._asdict())._replace(cancel_requested=then.cancel_requested & job.cancel_requested)


def _as_of(connection: Connection, seq: int, last: int, site: str | None) -> dict[int, AsOf]:
    """Return, for each event after `seq` up to `last`, how its job stood, from the jobs' whole histories."""
    if site is None:
        rows = connection.stream(_HISTORIES_EVERYWHERE, seq=seq, last=last)
    else:
        rows = connection.stream(_HISTORIES_AT_SITE, seq=seq, last=last, site=site)
    # Not all rows at once: a job has as many events as its site makes reports.
    return {event: as_of for event, as_of in _stands((row[0], EventRow._make(row[1:])) for row in rows) if event > seq}


def _stands(events: Iterable[tuple[int, EventRow]]) -> Iterable[tuple[int, AsOf]]:
    jobs: dict[int, AsOf] = {}
    for job_id, event in events:
        jobs[job_id] = jobs.get(job_id, AsOf()).after(event)
        yield event.seq, jobs[job_id]


def _without_silence(job: JobRow) -> JobRow:
    """Leave out the one change that has no event: on the alternate queue, jobs expire in silence."""
    if job.replica_phase == Phase.WITHDRAWN and job.replica_status == EXPIRED:
        return job._replace(replica_status=UNREAD)
    return job
