"""What has happened at a site of which people have alerts of their own sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, literal_column, select

from ..domain.actors import called
from ..domain.lifecycle import UNREAD, Queue, Result, result_of
from ..errors import shown
from ..observatory.describe import describe_job
from ..storage.base import aliased
from ..storage.models import Job, JobEvent, Plan
from ..storage.statement import Connection, Statement
from . import events, plan_sql, queries
from .alert_addresses import OPERATOR, AlertAddressRow, Mark
from .plan_rows import DONE, PAUSED, RUNNING, PlanRow
from .sql import BY_SITE, after_at_site, at_most

MOST_EVENTS = 200
"""So many events are read at once."""
MOST_BEHIND = 20_000
"""What lies further behind is looked at no more: it is too old to wake anybody."""
_LONGEST_REASON = 300
_MOST_PLANS = 50
_NOTHING = Mark(0, 0)
_FAILED = {Result.FAILED: "failed", Result.LOST: "is lost: there was no word from the site", Result.EXPIRED: "expired"}
_PLAN = {PAUSED: "is paused", DONE: "is done", "canceled": "was canceled", "stopped": "was ended by a stop"}


class Matter(NamedTuple):
    """One thing that has happened."""

    choices: tuple[str, ...]
    """The choices of an address of which one is enough to have this sent."""
    site: str
    user_id: str
    """Whose job or plan it is; blank for a stop, which is everybody's."""
    user_name: str
    said: str
    """What a sentence goes on with after the site, and after whose job or plan it is."""
    at_ms: int
    seq: int | None = None
    """The number of the event; None for a plan."""


class _Event(NamedTuple):
    seq: int
    at_ms: int
    status: str
    message: str | None
    before: str | None
    ulid: str
    user_id: str
    user_name: str
    is_stop: int


_EARLIER = aliased(JobEvent)


def _events(*where: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    before = (
        select(_EARLIER.status)
        .where(_EARLIER.job_id == JobEvent.job_id, _EARLIER.queue == JobEvent.queue, _EARLIER.seq < JobEvent.seq)
        .order_by(_EARLIER.seq.desc())
        .limit(at_most(1))
    )
    columns = (JobEvent.seq, JobEvent.at_ms, JobEvent.status, JobEvent.message, before.scalar_subquery())
    core: Select[tuple[object, ...]] = select(*columns, Job.ulid, Job.user_id, Job.user_name, Job.is_stop)
    is_primary = JobEvent.queue == literal_column(str(Queue.PRIMARY.value))
    return core.join(Job, Job.id == JobEvent.job_id).where(is_primary, *where).limit(at_most("count"))


_SINCE = Statement(
    _events(JobEvent.seq > bindparam("seq"), JobEvent.site == bindparam("site")).order_by(JobEvent.seq),
    on_postgresql=_events(*after_at_site()).order_by(*BY_SITE),
)


_OPEN_PLANS = Statement(
    select(Plan.id, Plan.state, Plan.reason).where(
        plan_sql.IS_OPEN, Plan.site == bindparam("site"), Plan.number <= bindparam("upto", type_=BigInteger)
    )
)


def sites(connection: Connection, marks: Mapping[str, Mark]) -> set[str]:
    """Return the sites at which anything may have happened since; of very many, those that had jobs last."""
    of_plans = {site for site, number in plan_numbers(connection).items() if marks.get(site, _NOTHING)[1] != number}
    return {*queries.recent_sites(connection, queries.MOST_SITES), *of_plans}


def plan_numbers(connection: Connection) -> dict[str, int]:
    """Return by site the number of the last change of a plan."""
    return dict(connection.rows(plan_sql.MARKS))


def of_jobs(connection: Connection, site: str, seq: int) -> tuple[list[Matter], int, bool]:
    """List what has happened to jobs of a site after an event, up to which event, and whether there is more."""
    last = events.last(connection, site)
    seq = max(seq, last - MOST_BEHIND)
    found = [_Event._make(row) for row in connection.rows(_SINCE, site=site, seq=seq, count=MOST_EVENTS)]
    matters = [matter for event in found for matter in _of_event(connection, site, event)]
    more = len(found) == MOST_EVENTS
    return matters, found[-1].seq if more else max(seq, last), more


def _of_event(connection: Connection, site: str, event: _Event) -> Iterator[Matter]:
    """Yield what an event is; an end that is reported once more is none."""
    if event.is_stop:
        if event.before is None and event.status == UNREAD and (line := _line(connection, site, event)):
            said = f"{shown(called(event.user_name))} has sent a stop: {line}"
            yield Matter(("on_stopped",), site, "", "", said, event.at_ms, event.seq)
        return
    result = result_of(event.status)
    if result is None or (event.before is not None and result_of(event.before) is result):
        return
    job = queries.job(connection, site, event.ulid)
    if job is None or (result is not Result.DONE and result not in _FAILED):
        return
    why = f": {shown(event.message, longest=_LONGEST_REASON)}" if event.message else ""
    line = describe_job(job)
    if result is Result.DONE:
        if job.plan is None:  # Of a plan's steps the plan's own end is told.
            yield _of_job(("on_done",), site, event, f"job is done: {line}")
    else:
        yield _of_job(("on_failed",), site, event, f"job {_FAILED[result]}: {line}{why}")


def _of_job(choices: tuple[str, ...], site: str, event: _Event, said: str) -> Matter:
    return Matter(choices, site, event.user_id, event.user_name, said, event.at_ms, event.seq)


def _line(connection: Connection, site: str, event: _Event) -> str:
    job = queries.job(connection, site, event.ulid)
    return describe_job(job) if job else ""


class PlanStates:
    """Remember how plans stood, so that an edit of a paused plan is not told as another pause."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, str | None]] = {}
        self._sites: set[str] = set()

    def of_plans(self, connection: Connection, site: str, number: int, upto: int) -> list[Matter]:
        """List which plans of a site have paused or ended after a change and up to another."""
        if site not in self._sites:
            self._sites.add(site)
            self._known |= {row[0]: row[1:] for row in connection.rows(_OPEN_PLANS, site=site, upto=number)}
        rows = connection.rows(plan_sql.SINCE, site=site, after=number, count=_MOST_PLANS)
        return [matter for row in reversed(rows) for matter in self._of_plan(PlanRow._make(row), upto)]

    def _of_plan(self, plan: PlanRow, upto: int) -> Iterator[Matter]:
        now = plan.state, plan.reason
        if plan.number > upto or self._known.get(plan.id) == now:
            return
        if plan.is_open:
            self._known[plan.id] = now
        else:
            self._known.pop(plan.id, None)
        if plan.state == RUNNING:
            return
        why = f": {shown(plan.reason, longest=_LONGEST_REASON)}" if plan.reason else ""
        said = f"plan {shown(plan.title)} {_PLAN[plan.state]}{why}"
        choices = ("on_plan", "on_done") if plan.state == DONE else ("on_plan",)
        yield Matter(choices, plan.site, plan.user_id, plan.user_name, said, plan.changed_ms)


def sentences(matters: list[Matter], address: AlertAddressRow) -> list[tuple[str, int]]:
    """Return what of all that has happened is to be sent to an address, each with its time."""
    return [(_said(each, address), each.at_ms) for each in matters if _concerns(each, address)]


def _concerns(matter: Matter, address: AlertAddressRow) -> bool:
    was_before = matter.at_ms < address.made_ms if matter.seq is None else matter.seq <= address.since_seq
    if was_before or not any(getattr(address, choice) for choice in matter.choices):
        return False
    if not matter.user_id:
        return address.site == matter.site
    return address.person_id in (OPERATOR, matter.user_id)


def _said(matter: Matter, address: AlertAddressRow) -> str:
    if not matter.user_id:
        return f"{matter.site}: {matter.said}"
    whose = f"{shown(called(matter.user_name))}'s" if address.person_id == OPERATOR else "your"
    return f"{matter.site}: {whose} {matter.said}"


def begin(marks: dict[str, Mark], site: str, addresses: list[AlertAddressRow]) -> Mark:
    """Return from where on the history of a site is to be looked through: never from before the first address."""
    first = min(each.since_seq for each in addresses)
    known = marks.get(site)
    return Mark(first, 0) if known is None else Mark(max(known.seq, first), known.plan_number)
