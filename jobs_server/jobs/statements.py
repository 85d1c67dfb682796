"""Every statement that writes a job, built once.

The life of a job (`lifecycle`) stands here as conditions: each statement changes a row only where its step is legal,
and returns the rows that it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from ..clock import AHEAD_MS
from ..domain.lifecycle import (
    CANCELED,
    EXPIRED,
    LABELS,
    LOST,
    RECEIVED,
    STARTED,
    STEPS,
    UNFINISHED,
    WATCHED,
    Phase,
    Queue,
    Report,
)
from ..storage.models import ClockMark, Delivered, Job, JobEvent, Lockout, Reservation
from ..storage.statement import Statement
from .handover import WITHIN_REACH, up_to_first_stop, within_reply
from .reservations import now_at_site
from .rows import JobRow
from .sql import (
    JOB,
    JOB_IN_SHORT,
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

_WALL, _BOOT = bindparam("wall_ms", type_=BigInteger), bindparam("boot_ms", type_=BigInteger)
_CAP = bindparam("cap", type_=BigInteger)
# Written so that no index of sites fits: what is labelled is found by its phase, not in a site's long history.
_FOUND_AT_THIS_SITE = Job.site.concat(literal_column("''")) == bindparam("site")
BY_ULID = and_(Job.ulid == bindparam("ulid"), _FOUND_AT_THIS_SITE)
# Written so that no index of times fits: it would lead through the site's long history.
_AHEAD = _WALL + literal_column(str(AHEAD_MS))
_NOT_AHEAD = Job.timestamp_ms + ZERO <= _AHEAD
_WORK = Job.is_stop == ZERO
_ON_DEVICE = and_(Job.device == bindparam("device"), Job.instance == bindparam("instance"))
# What a stop takes away the site never learns of, or is asked to leave: no stop that stops more may be among it.
_TAKEN = or_(_WORK, and_(bindparam("takes_stops", type_=BigInteger) == ONE, Job.id != bindparam("repeated")))
ALL = and_(true(), _TAKEN)
DEVICE = and_(_ON_DEVICE, Job.covers_site == ZERO, _TAKEN)
ALL_BY_DEVICE = or_(_WORK, DEVICE)
_PLAN_IS_OVER = and_(
    Job.until_after_ms.is_not(None), older_than(Job.accepted_ms, Job.accepted_boot_ms, Job.until_after_ms)
)
REACH_JOBS = 2000
"""How many jobs that no fence holds a stop command reaches: twice as many as may wait at a site."""
_IN_ITS_HANDS = (Phase.RECEIVED, Phase.RUNNING, Phase.GUARDED, Phase.LOST)
"""The phases of a job that the site has and may have begun."""
_SITE = bindparam("site", type_=Job.site.type)
_DELIVERED = ("site", "queue", "newest_ms", "before_ms")
_EVENT_VALUES = (
    *("job_id", "site", "at_ms", "queue", "status", "seconds_until_complete"),
    *("actor_known", "actor_id", "actor_name", "message", "mark", "result"),
)


def _claim(queue: Queue) -> Statement:
    """Hand over all that may be, to a poll that cannot be repeated; for SQLite, where it was seen to fit a reply."""
    return _with_delivered(queue, *[_hand_over(queue, Phase.RECEIVED).where(deliverable(queue))] * 2)


def _claim_some(queue: Queue, phase: Phase) -> Statement:
    """Hand over what is within the reach of one reply (`handover`)."""
    some = _hand_over(queue, phase).where(deliverable(queue))
    within = within_reply(queue, ends_at_stop=phase is Phase.CLAIMED)
    return _with_delivered(queue, some.where(WITHIN_REACH), some.where(within))


def _claim_stops(queue: Queue, phase: Phase) -> Statement:
    """Hand over stop commands alone, within the reach of one reply."""
    stops = _hand_over(queue, phase).where(deliverable(queue), Job.is_stop == ONE)
    within = within_reply(queue, stops_only=True)
    return _with_delivered(queue, stops.where(WITHIN_REACH), stops.where(within))


def _claim_one(queue: Queue, phase: Phase) -> Statement:
    """Hand over one job that somebody chose, as long as no stop command waits before it."""
    one = _hand_over(queue, phase).where(BY_ULID, deliverable(queue), up_to_first_stop(queue))
    return _with_delivered(queue, one, one)


def _with_delivered(queue: Queue, on_sqlite: Update, on_postgresql: Update) -> Statement:
    """Write a claim; on PostgreSQL it does in one round trip what `NOTE_DELIVERED` does on SQLite, in a last column."""
    handed = on_postgresql.returning(*JOB).cte("handed")
    newest = select(_SITE, _number(queue), func.max(handed.c.timestamp_ms), ZERO).having(func.count() > ZERO)
    new = postgresql_insert(Delivered).from_select(_DELIVERED, newest)
    noted = _over_what_was_noted(new, func.greatest).cte("noted")
    return Statement(on_sqlite.returning(*JOB), on_postgresql=select(*handed.c, noted.c.before_ms))


def _note_delivered(queue: Queue) -> Statement:
    """Note the newest time among the jobs of a claim, and return the newest of those before, or 0."""
    values = (_SITE, _number(queue), bindparam("newest_ms", type_=BigInteger), ZERO)
    new = sqlite_insert(Delivered).values(dict(zip(_DELIVERED, values, strict=True))).inline()
    return Statement(_over_what_was_noted(new, func.max))


def _over_what_was_noted(new: Any, larger: Callable[..., ColumnElement[int]]) -> Any:
    # One that is ahead of what clocks are set back by is of a clock that leapt.
    before = case((Delivered.newest_ms <= _AHEAD, Delivered.newest_ms), else_=ZERO)
    values = {"newest_ms": larger(new.excluded.newest_ms, before), "before_ms": before}
    return new.on_conflict_do_update(index_elements=["site", "queue"], set_=values).returning(Delivered.before_ms)


def _number(queue: Queue) -> ColumnElement[int]:
    return literal_column(str(queue.value))


def _carry(queue: Queue) -> Statement:
    this = Job.id == bindparam("job_id", type_=BigInteger)
    return Statement(update(Job).where(this).values({ON[queue].carried_ms: bindparam("time_ms", type_=BigInteger)}))


def _hand_over(queue: Queue, phase: Phase) -> Update:
    on = ON[queue]
    return update(Job).values(
        {
            on.phase: literal(phase),
            on.status: RECEIVED,
            on.claim_id: bindparam("claim_id"),
            on.heard_ms: _WALL,
            on.heard_boot_ms: _BOOT,
        }
    )


def _report(queue: Queue, kind: Report) -> Statement:
    """Write a row of `lifecycle.STEPS`."""
    on = ON[queue]
    steps = {in_phase(queue, before): literal(after) for before, after in STEPS[kind].items()}
    against = in_phase(queue, *LABELS)
    if kind is Report.END:  # one that says what the label says is not against it
        against = and_(against, on.status != bindparam("same_label"))
    values = {
        on.phase: case(*steps.items()),
        on.status: bindparam("new_status"),
        on.seconds_until_complete: bindparam("seconds"),
        on.against_label: case((against, ONE), else_=ZERO),
    }
    if kind is Report.RECEIVED:
        # No word of progress: how long ago the job was handed over must not be forgotten.
        values |= {
            on.heard_ms: func.coalesce(on.heard_ms, _WALL),
            on.heard_boot_ms: func.coalesce(on.heard_boot_ms, _BOOT),
        }
    else:
        values |= {on.heard_ms: _WALL, on.heard_boot_ms: _BOOT}
    return Statement(update(Job).where(THIS_JOB, or_(*steps)).values(values).returning(*JOB))


def _start_fenced(queue: Queue) -> Statement:
    """Let a job start that was handed over with this claim id, not too long ago, and is still to be run.

    A lock-out or a pause that came after it was handed over holds it as well: there may be hands on the telescope.
    What runs by the word of whoever claimed it may start, unless it was to be canceled or runs against a label.
    """
    on = ON[queue]
    too_late = older_than(on.heard_ms, on.heard_boot_ms, bindparam("start_within_ms", type_=BigInteger))
    may_begin = and_(in_phase(queue, Phase.CLAIMED), ~too_late, not_held(), ~_PLAN_IS_OVER)
    has_begun = and_(in_phase(queue, Phase.RUNNING), on.cancel_requested == ZERO, on.against_label == ZERO)
    return Statement(
        update(Job)
        .where(THIS_JOB, on.claim_id == bindparam("claim_id"), or_(may_begin, has_begun))
        .values(
            {
                on.phase: literal(Phase.GUARDED),
                on.status: STARTED,
                on.heard_ms: _WALL,
                on.heard_boot_ms: _BOOT,
                on.seconds_until_complete: bindparam("seconds"),
                on.against_label: ZERO,
            }
        )
        .returning(*JOB)
    )


@dataclass(frozen=True, slots=True)
class Cancel:
    """The steps by which jobs are canceled on one queue.

    What waits, and what was claimed and has not begun, is ended; of the rest the site is asked to end it.
    """

    waiting: Statement
    claimed: Statement
    request: Statement


def _cancel_one(queue: Queue) -> Cancel:
    claimed, begun = in_phase(queue, Phase.CLAIMED), in_phase(queue, *_IN_ITS_HANDS)
    return _cancel(queue, BY_ULID, and_(BY_ULID, claimed), and_(BY_ULID, begun))


def cancel_at_site(queue: Queue, which: ColumnElement[bool], reach_jobs: int = REACH_JOBS) -> Cancel:
    """Write the steps for the jobs of a site in `which`: all that wait or are held by the fence, and the newest others.

    Old software ends no job that it does not report on; what it left unfinished in years must not slow a stop down.
    """
    fenced = and_(_FOUND_AT_THIS_SITE, which, in_phase(queue, *WATCHED))
    begun = [
        select(Job.id).where(fenced, in_phase(queue, Phase.GUARDED)).correlate(None),
        _newest(queue, reach_jobs, which, in_phase(queue, *UNFINISHED)),
        _newest(queue, reach_jobs, which, in_phase(queue, Phase.LOST)),
    ]
    reached = and_(Job.id.in_(union_all(*begun)), in_phase(queue, *_IN_ITS_HANDS))
    return _cancel(queue, and_(THIS_SITE, which), and_(fenced, in_phase(queue, Phase.CLAIMED)), reached)


def _newest(queue: Queue, reach_jobs: int, *which: ColumnElement[bool]) -> Select[tuple[int]]:
    newest = select(Job.id).where(THIS_SITE, *which).order_by(ON[queue].heard_ms.desc()).limit(at_most(reach_jobs))
    return select(newest.correlate(None).subquery().c.id)


def _cancel(
    queue: Queue, which: ColumnElement[bool], claimed: ColumnElement[bool], begun: ColumnElement[bool]
) -> Cancel:
    on = ON[queue]
    request = update(Job).where(begun, on.cancel_requested == ZERO)
    if queue is Queue.ALTERNATE:
        # Whoever only reads that queue along says nothing more of a job that has ended on the other.
        request = request.where(~and_(in_phase(queue, Phase.RECEIVED), in_phase(Queue.PRIMARY, Phase.ENDED)))
    withdrawn = {on.phase: literal(Phase.WITHDRAWN), on.status: CANCELED}
    labelled = {on.phase: literal(Phase.LABELLED), on.status: CANCELED, on.cancel_requested: ONE}
    return Cancel(
        Statement(update(Job).where(which, in_phase(queue, Phase.WAITING)).values(withdrawn).returning(*JOB_IN_SHORT)),
        Statement(update(Job).where(claimed).values(labelled).returning(*JOB_IN_SHORT)),
        Statement(request.values({on.cancel_requested: ONE}).returning(*JOB_IN_SHORT)),
    )


def _repeat_stop() -> Statement:
    """Let the same stop wait anew, where it still waits on both queues, so that nothing later has been handed over.

    Its age goes on, since nobody took it for so long; its time to live counts from now, and never becomes shorter. One
    that is held back is not the same.
    """
    same = ("device", "instance", "action", "required_params", "optional_params", "user_roles")
    since_boot, same_boot = age_by_boot(Job.accepted_boot_ms)
    since_wall = _WALL - Job.accepted_ms
    age = case((and_(same_boot, since_boot > since_wall), since_boot), else_=since_wall)
    expires_after = age + bindparam("life_ms", type_=BigInteger)
    return Statement(
        update(Job)
        .where(THIS_SITE, *(in_phase(queue, Phase.WAITING) for queue in Queue), Job.is_stop == ONE, Job.hold_ms == ZERO)
        .where(*(getattr(Job, name) == bindparam(name) for name in same))
        .where(~older_than(Job.accepted_ms, Job.accepted_boot_ms, Job.expires_after_ms))
        .values(
            expires_after_ms=case((expires_after > Job.expires_after_ms, expires_after), else_=Job.expires_after_ms)
        )
        .returning(*JOB)
    )


def _expire_waiting(queue: Queue) -> Label:
    old = older_than(Job.accepted_ms, Job.accepted_boot_ms, Job.expires_after_ms)
    return _label(queue, EXPIRED, Phase.WITHDRAWN, in_phase(queue, Phase.WAITING), old)


def _expire_claimed(queue: Queue) -> Label:
    """Label what was handed over behind the fence and can start no more."""
    on = ON[queue]
    old = older_than(on.heard_ms, on.heard_boot_ms, bindparam("start_within_ms", type_=BigInteger))
    return _label(queue, EXPIRED, Phase.LABELLED, in_phase(queue, *WATCHED), in_phase(queue, Phase.CLAIMED), old)


def _expire_with_plan(queue: Queue) -> Label:
    """Label what was handed over behind the fence and can start no more, since the time of its plan is over."""
    claimed = in_phase(queue, Phase.CLAIMED)
    return _label(queue, EXPIRED, Phase.LABELLED, in_phase(queue, *WATCHED), claimed, _PLAN_IS_OVER)


def _give_up(queue: Queue) -> Update:
    """End what is unfinished, some at a time: what waits, and what is in the site's hands, whose word still stands."""
    open_jobs = in_phase(queue, Phase.WAITING, *UNFINISHED)
    waited = in_phase(queue, Phase.WAITING)
    some = select(Job.id).where(open_jobs).limit(at_most("count")).correlate(None)
    after = case((waited, literal(Phase.WITHDRAWN)), else_=literal(Phase.LABELLED))
    return update(Job).where(Job.id.in_(some)).values({ON[queue].phase: after, ON[queue].status: EXPIRED})


def _lose(queue: Queue) -> Label:
    """Label what was started through the fence and has been silent for too long, by both clocks.

    Time in which this server was down is not counted: the site could not have reported in it.
    """
    on = ON[queue]
    limit = case(
        (
            on.seconds_until_complete >= ZERO,
            on.seconds_until_complete * 1000 + bindparam("grace_ms", type_=BigInteger),
        ),
        else_=bindparam("silent_start_ms", type_=BigInteger),
    )
    silent = and_(
        _WALL - on.heard_ms >= limit,
        # A reading of an earlier boot is from before this server started, and that bounds the time as well.
        or_(_BOOT - on.heard_boot_ms >= limit, _BOOT - on.heard_boot_ms < ZERO),
        _BOOT - bindparam("started_boot_ms", type_=BigInteger) >= limit,
    )
    return _label(queue, LOST, Phase.LOST, in_phase(queue, *WATCHED), in_phase(queue, Phase.GUARDED), silent)


@dataclass(frozen=True, slots=True)
class Label:
    """A label that the server puts on jobs: the sites at which there is one to label, and the step at one of them."""

    sites: Statement
    step: Statement


def _label(queue: Queue, status: str, phase: Phase, *which: ColumnElement[bool]) -> Label:
    step = update(Job).where(*which).values({ON[queue].phase: literal(phase), ON[queue].status: status})
    return Label(
        Statement(select(Job.site).where(*which)), Statement(step.where(_FOUND_AT_THIS_SITE).returning(*JOB_IN_SHORT))
    )


MEET = Statement(
    select(
        select(func.max(Job.ulid)).scalar_subquery(),
        select(Job.timestamp_ms)
        .where(THIS_SITE, Job.phase == literal(Phase.WAITING), _NOT_AHEAD)
        .order_by(Job.rank.desc())
        .limit(at_most(1))
        .scalar_subquery(),
        select(Lockout.id).where(Lockout.site == bindparam("site"), Lockout.lifted_ms.is_(None)).scalar_subquery(),
        select(literal_column("1"))
        .where(_CAP > ZERO, THIS_SITE, Job.phase == literal(Phase.WAITING))
        .order_by(Job.rank)
        .limit(at_most(1))
        .offset(case((_CAP > ZERO, _CAP - ONE), else_=ZERO))
        .scalar_subquery(),
        select(Reservation.id).where(now_at_site()).limit(at_most(1)).scalar_subquery(),
        select(func.max(ClockMark.wall_ms)).where(ClockMark.wall_ms <= _WALL).scalar_subquery(),
    )
)
"""What a new job meets at a site: the last ULID of all, the timestamp of the last job that waits there (of those that
are not dated further ahead than clocks are set back), the lock-out in force, whether as many jobs wait as may (`cap`;
0: any number), a reservation that is running, and the last moment at which a server took its clock to be right."""

_NEW: dict[str, ColumnElement[Any]] = {name: bindparam(name) for name in JobRow._fields if name != "id"}
INSERT = Statement(insert(Job).values(_NEW).returning(Job.id))
INSERT_NEXT = Statement(insert(Job).values(_NEW | {"is_next": ONE}).returning(Job.id))
EVENT = Statement(insert(JobEvent).values({name: bindparam(name) for name in _EVENT_VALUES}))
EVENT_OF_EDIT = Statement(insert(JobEvent).values({name: bindparam(name) for name in (*_EVENT_VALUES, "edit")}))

CLAIM = {queue: _claim(queue) for queue in Queue}
_HANDED_OVER = (Phase.RECEIVED, Phase.CLAIMED)
CLAIM_SOME = {(queue, phase): _claim_some(queue, phase) for queue in Queue for phase in _HANDED_OVER}
CLAIM_STOPS = {(queue, phase): _claim_stops(queue, phase) for queue in Queue for phase in _HANDED_OVER}
CLAIM_ONE = {(queue, phase): _claim_one(queue, phase) for queue in Queue for phase in _HANDED_OVER}
NOTE_DELIVERED = {queue: _note_delivered(queue) for queue in Queue}
CARRY = {queue: _carry(queue) for queue in Queue}
"""Keep the time that the copy of a job carried, where that is not the job's own."""
REPORT = {(queue, kind): _report(queue, kind) for queue in Queue for kind in Report}
START_FENCED = {queue: _start_fenced(queue) for queue in Queue}


REPEAT_STOP = _repeat_stop()
CANCEL_ONE = {queue: _cancel_one(queue) for queue in Queue}
CANCEL_SITE = {queue: cancel_at_site(queue, ALL) for queue in Queue}
CANCEL_WORK = {queue: cancel_at_site(queue, _WORK) for queue in Queue}
CANCEL_DEVICE = {queue: cancel_at_site(queue, DEVICE) for queue in Queue}
CANCEL_SITE_BY_DEVICE = {queue: cancel_at_site(queue, ALL_BY_DEVICE) for queue in Queue}
"""All work at the site, but of the stops those of one device alone: that device's stop, set to cover the site."""

EXPIRE_WAITING = {queue: _expire_waiting(queue) for queue in Queue}
EXPIRE_CLAIMED = {queue: _expire_claimed(queue) for queue in Queue}
EXPIRE_WITH_PLAN = {queue: _expire_with_plan(queue) for queue in Queue}
LOSE = {queue: _lose(queue) for queue in Queue}
GIVE_UP = {queue: Statement(_give_up(queue).returning(*JOB_IN_SHORT)) for queue in Queue}
