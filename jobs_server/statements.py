"""Every statement that writes a job, built once.

The life of a job (`lifecycle`) stands here as conditions: each statement changes a row only where its step is legal,
and gives back the rows that it changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from .db import Statement
from .lifecycle import CANCELED, EXPIRED, LOST, RECEIVED, STARTED, STEPS, Phase, Queue, Report
from .models import IdempotencyKey, Job, JobEvent
from .queries import JOB, ON, JobRow, deliverable, literal, older_than

ZERO: ColumnElement[int] = literal_column("0")
ONE: ColumnElement[int] = literal_column("1")

_WALL, _BOOT = bindparam("wall_ms", type_=BigInteger), bindparam("boot_ms", type_=BigInteger)
_THIS_JOB = and_(Job.ulid == bindparam("ulid"), Job.site == bindparam("site"))
_THIS_SITE = Job.site == bindparam("site")
_THIS_DEVICE = and_(_THIS_SITE, Job.device == bindparam("device"), Job.instance == bindparam("instance"))
_REACH = 200  # jobs in a site's hands that a stop command reaches, newest first
_EVENT_VALUES = (
    *("job_id", "site", "at_ms", "queue", "status", "seconds_until_complete"),
    *("actor_known", "actor_id", "actor_name", "message", "mark"),
)


def _claim(queue: Queue) -> Statement:
    """Hand over all that may be."""
    return Statement(_hand_over(queue).where(deliverable(queue)).returning(*JOB))


def _claim_some(queue: Queue) -> Statement:
    """Hand over at most `limit`, stop commands first, and nothing that was posted after a stop if `ends_at_stop`."""
    first_stop = (
        select(func.min(Job.ulid)).where(deliverable(queue), Job.is_stop == ONE).correlate(None).scalar_subquery()
    )
    chosen = (
        select(Job.id)
        .where(
            deliverable(queue),
            or_(bindparam("ends_at_stop") == ZERO, Job.ulid <= func.coalesce(first_stop, literal_column("'~'"))),
        )
        .order_by(Job.is_stop.desc(), Job.ulid)
        .limit(bindparam("limit"))
    )
    return Statement(_hand_over(queue).where(Job.id.in_(chosen.correlate(None))).returning(*JOB))


def _hand_over(queue: Queue) -> Update:
    on = ON[queue]
    return update(Job).values(
        {
            on.phase: literal(Phase.RECEIVED),
            on.status: RECEIVED,
            on.claim_id: bindparam("claim_id"),
            on.heard_ms: _WALL,
            on.heard_boot_ms: _BOOT,
        }
    )


def _report(queue: Queue, kind: Report) -> Statement:
    """Write a row of `lifecycle.STEPS`."""
    on = ON[queue]
    steps = [(on.phase == literal(before), literal(after)) for before, after in STEPS[kind].items()]
    # A word of receipt is no word of progress: how long ago the job was handed over must not be forgotten.
    keep = and_(on.phase == literal(Phase.RECEIVED), literal_column("1" if kind is Report.RECEIVED else "0") == ONE)
    return Statement(
        update(Job)
        .where(_THIS_JOB, or_(*(may for may, _ in steps)))
        .values(
            {
                on.phase: case(*steps),
                on.status: bindparam("new_status"),
                on.heard_ms: case((keep, on.heard_ms), else_=_WALL),
                on.heard_boot_ms: case((keep, on.heard_boot_ms), else_=_BOOT),
                Job.seconds_until_complete: bindparam("seconds"),
                Job.against_label: case((on.phase == literal(Phase.LABELLED), ONE), else_=ZERO),
            }
        )
        .returning(*JOB)
    )


def _start_fenced(queue: Queue) -> Statement:
    """Let a job start that was handed over with this claim id, not too long ago, and is still to be run."""
    on = ON[queue]
    return Statement(
        update(Job)
        .where(
            _THIS_JOB,
            on.phase == literal(Phase.RECEIVED),
            on.claim_id == bindparam("claim_id"),
            ~older_than(on.heard_ms, on.heard_boot_ms, bindparam("start_within_ms", type_=BigInteger)),
        )
        .values(
            {
                on.phase: literal(Phase.RUNNING),
                on.status: STARTED,
                on.fenced: ONE,
                on.heard_ms: _WALL,
                on.heard_boot_ms: _BOOT,
                Job.seconds_until_complete: bindparam("seconds"),
                Job.against_label: ZERO,
            }
        )
        .returning(*JOB)
    )


def _cancel(queue: Queue, phase: Phase, which: ColumnElement[bool]) -> Statement:
    """End what cannot start any more: what waits, and what was handed over behind the fence and has not started."""
    on = ON[queue]
    step = update(Job).where(which, on.phase == literal(phase))
    if phase is Phase.WAITING:
        step = step.values({on.phase: literal(Phase.WITHDRAWN)})
    else:
        step = step.where(on.claim_id.is_not(None)).values(
            {on.phase: literal(Phase.LABELLED), Job.cancel_requested: ONE}
        )
    return Statement(step.values({on.status: CANCELED}).returning(*JOB))


def _request_cancel(queue: Queue, which: ColumnElement[bool]) -> Statement:
    """Ask for the end of what is in the site's hands; the site learns it with its next report."""
    on = ON[queue]
    in_its_hands = or_(
        on.phase == literal(Phase.RECEIVED),
        on.phase == literal(Phase.RUNNING),
        and_(on.phase == literal(Phase.LABELLED), on.status == LOST),
    )
    step = update(Job).where(which, in_its_hands, Job.cancel_requested == ZERO)
    return Statement(step.values({Job.cancel_requested: ONE}).returning(*JOB))


def _newest_unfinished(queue: Queue, which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Write which jobs in a site's hands a stop command reaches.

    Old software ends no job that it does not report on; what it left unfinished in years must not slow a stop down.
    """
    on = ON[queue]
    unfinished = or_(on.phase == literal(Phase.RECEIVED), on.phase == literal(Phase.RUNNING))
    newest = select(Job.id).where(which, unfinished).order_by(on.heard_ms.desc()).limit(literal_column(str(_REACH)))
    return Job.id.in_(newest.correlate(None))


def _expire_waiting(queue: Queue) -> Update:
    on = ON[queue]
    old = older_than(Job.accepted_ms, Job.accepted_boot_ms, Job.expires_after_ms)
    values = {on.phase: literal(Phase.WITHDRAWN), on.status: EXPIRED}
    return update(Job).where(on.phase == literal(Phase.WAITING), old).values(values)


def _expire_claimed(queue: Queue) -> Update:
    """Label what was handed over behind the fence and can start no more."""
    on = ON[queue]
    old = older_than(on.heard_ms, on.heard_boot_ms, bindparam("start_within_ms", type_=BigInteger))
    values = {on.phase: literal(Phase.LABELLED), on.status: EXPIRED}
    return update(Job).where(on.claim_id.is_not(None), on.phase == literal(Phase.RECEIVED), old).values(values)


def _lose(queue: Queue) -> Update:
    """Label what was started through the fence and has been silent for too long, by both clocks.

    Time in which this server was down is not counted: the site could not have reported in it.
    """
    on = ON[queue]
    limit = case(
        (
            Job.seconds_until_complete >= ZERO,
            Job.seconds_until_complete * 1000 + bindparam("grace_ms", type_=BigInteger),
        ),
        else_=bindparam("silent_start_ms", type_=BigInteger),
    )
    silent = and_(
        _WALL - on.heard_ms >= limit,
        # A reading of an earlier boot is from before this server started, and that bounds the time as well.
        or_(_BOOT - on.heard_boot_ms >= limit, _BOOT - on.heard_boot_ms < ZERO),
        _BOOT - bindparam("started_boot_ms", type_=BigInteger) >= limit,
    )
    values = {on.phase: literal(Phase.LABELLED), on.status: LOST}
    running = (on.claim_id.is_not(None), on.phase == literal(Phase.RUNNING), on.fenced == ONE)
    return update(Job).where(*running, silent).values(values)


def _label(step: Update) -> Label:
    which = step.whereclause
    assert which is not None
    return Label(Statement(select(Job.id).where(which).limit(1)), Statement(step.returning(*JOB)))


@dataclass(frozen=True, slots=True)
class Label:
    """A label that the server puts on jobs: whether there is one to label, and the step itself."""

    any: Statement
    step: Statement


LAST = Statement(
    select(
        select(func.max(Job.ulid)).scalar_subquery(),
        select(Job.timestamp_ms)
        .where(_THIS_SITE, Job.phase == literal(Phase.WAITING))
        .order_by(Job.ulid.desc())
        .limit(1)
        .scalar_subquery(),
    )
)
"""The last ULID of all, and the timestamp of the newest job that waits at a site."""

INSERT = Statement(insert(Job).values({n: bindparam(n) for n in JobRow._fields if n != "id"}).returning(Job.id))
EVENT = Statement(insert(JobEvent).values({name: bindparam(name) for name in _EVENT_VALUES}))

CLAIM = {queue: _claim(queue) for queue in Queue}
CLAIM_SOME = {queue: _claim_some(queue) for queue in Queue}
REPORT = {(queue, kind): _report(queue, kind) for queue in Queue for kind in Report}
START_FENCED = {queue: _start_fenced(queue) for queue in Queue}


@dataclass(frozen=True, slots=True)
class Cancel:
    """The steps by which jobs are canceled on one queue."""

    waiting: Statement
    claimed: Statement
    request: Statement


def _cancel_steps(queue: Queue, which: ColumnElement[bool], *, one: bool) -> Cancel:
    handed_over = which if one else and_(which, _newest_unfinished(queue, which))
    return Cancel(
        _cancel(queue, Phase.WAITING, which),
        _cancel(queue, Phase.RECEIVED, handed_over),
        _request_cancel(queue, handed_over),
    )


CANCEL_ONE = {queue: _cancel_steps(queue, _THIS_JOB, one=True) for queue in Queue}
CANCEL_SITE = {queue: _cancel_steps(queue, _THIS_SITE, one=False) for queue in Queue}
CANCEL_DEVICE = {queue: _cancel_steps(queue, _THIS_DEVICE, one=False) for queue in Queue}

EXPIRE_WAITING = {queue: _label(_expire_waiting(queue)) for queue in Queue}
EXPIRE_CLAIMED = {queue: _label(_expire_claimed(queue)) for queue in Queue}
LOSE = {queue: _label(_lose(queue)) for queue in Queue}

_KEY_IS = and_(
    IdempotencyKey.site == bindparam("site"),
    IdempotencyKey.user_id == bindparam("user_id"),
    IdempotencyKey.key == bindparam("key"),
)
FIND_KEY = Statement(
    select(IdempotencyKey.command_hash, *JOB)
    .join(Job, Job.id == IdempotencyKey.job_id)
    .where(_KEY_IS, IdempotencyKey.created_ms > bindparam("since_ms"))
)
FORGET_KEY = Statement(delete(IdempotencyKey).where(_KEY_IS))
KEEP_KEY = Statement(
    insert(IdempotencyKey).values(
        {name: bindparam(name) for name in ("site", "user_id", "key", "command_hash", "job_id", "created_ms")}
    )
)
ANY_OLD_KEY = Statement(select(IdempotencyKey.id).where(IdempotencyKey.created_ms <= bindparam("since_ms")).limit(1))
FORGET_OLD_KEYS = Statement(delete(IdempotencyKey).where(IdempotencyKey.created_ms <= bindparam("since_ms")))
