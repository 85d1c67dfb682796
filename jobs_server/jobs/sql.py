"""What the statements on jobs are made of: columns, conditions, orders and limits, each written once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, and_, bindparam, literal_column, not_, or_, select, tuple_

from ..clock import BOOT_BITS
from ..domain.lifecycle import Phase, Queue
from ..storage.models import Job, JobEvent, Lockout, QueuePause
from .rows import EventRow, JobRow, ListedJob

_CLOCKS_DIFFER_MS = 60_000
"""How far two machines' clocks may be apart."""


@dataclass(frozen=True, slots=True)
class QueueColumns:
    """The columns of `models.Job` that are kept once for each queue."""

    status: Column[str]
    phase: Column[str]
    claim_id: Column[str | None]
    heard_ms: Column[int | None]
    heard_boot_ms: Column[int | None]
    seconds_until_complete: Column[int | None]
    cancel_requested: Column[int]
    against_label: Column[int]
    carried_ms: Column[int | None]


ZERO: ColumnElement[int] = literal_column("0")
ONE: ColumnElement[int] = literal_column("1")

JOB = tuple(getattr(Job, name) for name in JobRow._fields)
LISTED_JOB = tuple(getattr(Job, name) for name in ListedJob._fields)
JOB_IN_SHORT = tuple(
    literal_column("'{}'").label(name) if name in ("required_params", "optional_params") else getattr(Job, name)
    for name in JobRow._fields
)
"""The columns of a `JobRow` whose parameters are left out, for statements that change any number of jobs at once."""
EVENT = tuple(getattr(JobEvent, name) for name in EventRow._fields)
ON = {
    Queue.PRIMARY: QueueColumns(*(getattr(Job, each.name) for each in fields(QueueColumns))),
    Queue.ALTERNATE: QueueColumns(*(getattr(Job, f"replica_{each.name}") for each in fields(QueueColumns))),
}
"""By queue, the columns that are kept for it."""

THIS_SITE = Job.site == bindparam("site")
THIS_JOB = and_(Job.ulid == bindparam("ulid"), THIS_SITE)
NEWEST_FIRST = (Job.timestamp_ms.desc(), Job.ulid.desc())
BY_SITE = (JobEvent.site, JobEvent.seq)


def after_at_site() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Write for PostgreSQL what came after a number at a site, to be put in the order `BY_SITE`.

    Not `site = ... AND seq > ...` in the order of `seq`: the planner may then read on in the numbers of all sites, and
    would find what is next at a quiet site only after the millions of the others.
    """
    site = bindparam("site", type_=JobEvent.site.type)
    return tuple_(*BY_SITE) > tuple_(site, bindparam("seq", type_=BigInteger)), JobEvent.site <= site


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
    return bindparam(count, type_=BigInteger) + ZERO


def older_than(since_ms: Any, since_boot_ms: Any, limit_ms: Any) -> ColumnElement[bool]:
    """Write that an age has reached a limit by either clock; binds `wall_ms` and `boot_ms`, see `clock.Now`.

    What is from the future by the wall's clock, and of another boot, has an age that nobody knows: it counts as old.
    """
    since_boot, same_boot = age_by_boot(since_boot_ms)
    since_wall = bindparam("wall_ms", type_=BigInteger) - since_ms
    return or_(
        since_wall >= limit_ms,
        and_(same_boot, since_boot >= limit_ms),
        and_(not_(same_boot), since_wall < -_CLOCKS_DIFFER_MS),
    )


def not_held() -> ColumnElement[bool]:
    """Write that a job may move although its site may be locked out, or its queue paused; binds `site`."""
    locked_out = select(Lockout.id).where(Lockout.site == bindparam("site"), Lockout.lifted_ms.is_(None))
    paused = select(QueuePause.id).where(QueuePause.site == bindparam("site"), QueuePause.resumed_ms.is_(None))
    in_force = (held.correlate(None).exists() for held in (locked_out, paused))
    return or_(Job.is_stop == ONE, not_(or_(*in_force)))


def deliverable(queue: Queue) -> ColumnElement[bool]:
    """Write that a job waits, is not too old, and that no lock-out, pause or time of its own holds it back."""
    since_boot, same_boot = age_by_boot(Job.accepted_boot_ms)
    since_wall = bindparam("wall_ms", type_=BigInteger) - Job.accepted_ms
    return and_(
        THIS_SITE,
        ON[queue].phase == literal(Phase.WAITING),
        not_(older_than(Job.accepted_ms, Job.accepted_boot_ms, Job.expires_after_ms)),
        or_(
            Job.hold_ms == ZERO,
            and_(same_boot, since_boot >= Job.hold_ms),
            and_(not_(same_boot), since_wall >= Job.hold_ms),
        ),
        not_held(),
    )


def age_by_boot(since_boot_ms: Any) -> tuple[ColumnElement[int], ColumnElement[bool]]:
    """Write the age of a reading of the clock that nobody can set, and whether it is of the same boot."""
    since = bindparam("boot_ms", type_=BigInteger) - since_boot_ms
    return since, since.between(ZERO, literal_column(str(2**BOOT_BITS - 1)))
