"""Every statement on plans and their steps, built once."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)

from ..domain.lifecycle import UNFINISHED, Phase
from ..storage.models import OPEN_PLAN, Job, Plan, PlanMark, PlanStep
from ..storage.statement import Statement
from .plan_rows import CANCELED, DONE, PAUSED, RUNNING, STOPPED, PlanRow, StepRow
from .sql import ONE, ZERO, at_most

PLAN = tuple(getattr(Plan, name) for name in PlanRow._fields)
STEP = tuple(getattr(PlanStep, name) for name in StepRow._fields)
IS_OPEN: ColumnElement[bool] = literal_column(f"({OPEN_PLAN})")  # in the words of the partial index
_SITE = Plan.site == bindparam("site")
_THIS = Plan.id == bindparam("id")
_AT = bindparam("at_ms", type_=BigInteger)
_CHANGED = {"changed_ms": _AT, "number": bindparam("number", type_=BigInteger)}
_NOT_OVER = (Phase.WAITING, *UNFINISHED, Phase.LOST)
"""The phases of a step's job that a stop may still reach."""


def _state(state: str) -> ColumnElement[str]:
    return literal_column(f"'{state}'")


NEXT_NUMBER = Statement(
    text(
        "INSERT INTO plan_mark (site, number) VALUES (:site, 1)"
        " ON CONFLICT (site) DO UPDATE SET number = plan_mark.number + 1 RETURNING number"
    )
)
MARKS = Statement(select(PlanMark.site, PlanMark.number))
SINCE = Statement(
    select(*PLAN)
    .where(_SITE, Plan.number > bindparam("after", type_=BigInteger))
    .order_by(Plan.number.desc())
    .limit(at_most("count"))
)
INSERT = Statement(
    insert(Plan).values({name: bindparam(name) for name in PlanRow._fields if name != "id"}).returning(Plan.id)
)
_STEP_NAMES = tuple(name for name in StepRow._fields if name != "id")
INSERT_STEP = Statement(insert(PlanStep).values({name: bindparam(name) for name in _STEP_NAMES}))
FIND = Statement(select(*PLAN).where(_SITE, Plan.ulid == bindparam("ulid")))
FIND_ANYWHERE = Statement(select(*PLAN).where(Plan.ulid == bindparam("ulid")))
FIND_BY_ID = Statement(select(*PLAN).where(_THIS))
OF_JOB = Statement(
    select(*PLAN).join(PlanStep, PlanStep.plan_id == Plan.id).where(PlanStep.job_ulid == bindparam("job_ulid"))
)
COUNT_OPEN = Statement(select(func.count()).select_from(Plan).where(_SITE, IS_OPEN))
OPEN_AT_SITE = Statement(select(*PLAN).where(_SITE, IS_OPEN).order_by(Plan.id))
UNDER_WAY = Statement(
    select(*PLAN)
    .where(_SITE, IS_OPEN, Plan.state == _state(RUNNING), Plan.released > ZERO, Plan.id != bindparam("id"))
    .limit(at_most(1))
)
ENDED_AT_SITE = Statement(
    select(*PLAN)
    .where(_SITE, Plan.ended_ms.is_not(None))
    .order_by(Plan.ended_ms.desc(), Plan.id.desc())
    .limit(at_most("count"))
)
STEPS = Statement(
    select(*STEP, Job.status, Job.phase)
    .join(Job, Job.ulid == PlanStep.job_ulid, isouter=True)
    .where(PlanStep.plan_id == bindparam("id"))
    .order_by(PlanStep.position)
)
STEP_IDS = Statement(select(PlanStep.id).where(PlanStep.plan_id == bindparam("id")).order_by(PlanStep.position))
LAST_STEP = Statement(
    select(*STEP, Job.status, Job.phase)
    .join(Job, Job.ulid == PlanStep.job_ulid, isouter=True)
    .where(PlanStep.plan_id == bindparam("id"), PlanStep.position == bindparam("released", type_=BigInteger))
)
NEXT_STEP = Statement(
    select(*STEP)
    .where(PlanStep.plan_id == bindparam("id"), PlanStep.position > bindparam("released", type_=BigInteger))
    .order_by(PlanStep.position)
    .limit(at_most(1))
)

RELEASE_STEP = Statement(
    update(PlanStep)
    .where(PlanStep.id == bindparam("id"), PlanStep.job_ulid.is_(None))
    .values(job_ulid=bindparam("job_ulid"))
    .returning(PlanStep.id)
)
NOTE_RELEASE = Statement(
    update(Plan)
    .where(_THIS, Plan.state == _state(RUNNING))
    .values(
        released=bindparam("released"),
        current_ulid=bindparam("current_ulid"),
        at_once=bindparam("at_once"),
        **_CHANGED,
    )
    .returning(*PLAN)
)
FORGET_JOB = Statement(update(PlanStep).where(PlanStep.id == bindparam("id")).values(job_ulid=None))
"""A step is to be released once more."""
STEP_BACK = Statement(
    update(Plan).where(_THIS).values(released=Plan.released - ONE, current_ulid=None, **_CHANGED).returning(*PLAN)
)

PAUSE = Statement(
    update(Plan)
    .where(_THIS, Plan.state == _state(RUNNING))
    .values(state=_state(PAUSED), reason=bindparam("reason"), **_CHANGED)
    .returning(*PLAN)
)
PAUSE_FOR_JOB = Statement(
    update(Plan)
    .where(
        Plan.id.in_(select(PlanStep.plan_id).where(PlanStep.job_ulid == bindparam("job_ulid")).correlate(None)),
        Plan.state == _state(RUNNING),
        Plan.at_once == ZERO,
        Plan.current_ulid == bindparam("job_ulid"),
        or_(Plan.on_failure == literal_column("'stop'"), bindparam("always", type_=BigInteger) == ONE),
    )
    .values(state=_state(PAUSED), reason=bindparam("reason"), **_CHANGED)
    .returning(*PLAN)
)
"""Pause a plan by what became of its last released step; a step that failed pauses only where it is to."""
RESUME = Statement(
    update(Plan)
    .where(_THIS, Plan.state == _state(PAUSED))
    .values(state=_state(RUNNING), reason=None, **_CHANGED)
    .returning(*PLAN)
)
PAUSE_ALL = Statement(
    update(Plan).where(IS_OPEN, Plan.state == _state(RUNNING)).values(state=_state(PAUSED), reason=bindparam("reason"))
)


def _end(state: str, *which: ColumnElement[bool]) -> Statement:
    values = {"state": _state(state), "reason": bindparam("reason"), **_CHANGED, "ended_ms": _AT}
    return Statement(update(Plan).where(*which).values(values).returning(*PLAN))


FINISH = _end(DONE, _THIS, Plan.state == _state(RUNNING))
CANCEL = _end(CANCELED, _THIS, IS_OPEN)
_REACHED = or_(PlanStep.job_ulid.is_(None), Job.phase.in_([literal_column(f"'{phase}'") for phase in _NOT_OVER]))
_UNFINISHED_STEP = (
    select(PlanStep.id)
    .join(Job, Job.ulid == PlanStep.job_ulid, isouter=True)
    .where(PlanStep.plan_id == Plan.id, _REACHED)
    .correlate(Plan)
)
_ON_DEVICE = and_(PlanStep.device == bindparam("device"), PlanStep.instance == bindparam("instance"))
STOP_SITE = _end(STOPPED, _SITE, IS_OPEN)
STOP_DEVICE = _end(STOPPED, _SITE, IS_OPEN, _UNFINISHED_STEP.where(_ON_DEVICE).exists())

EDIT = Statement(
    update(Plan)
    .where(_THIS, IS_OPEN)
    .values(
        title=bindparam("title"),
        on_failure=bindparam("on_failure"),
        not_before_ms=bindparam("not_before_ms"),
        until_ms=bindparam("until_ms"),
        created_boot_ms=bindparam("created_boot_ms"),
        steps=bindparam("steps"),
        revision=Plan.revision + ONE,
        **_CHANGED,
    )
    .returning(*PLAN)
)
CHANGE_STEP = Statement(
    update(PlanStep)
    .where(PlanStep.id == bindparam("id"))
    .values({name: bindparam(name) for name in _STEP_NAMES if name not in ("plan_id", "job_ulid")})
)
LEAVE_OUT = Statement(delete(PlanStep).where(PlanStep.id == bindparam("id"), PlanStep.job_ulid.is_(None)))

_CURRENT_IS_OVER = and_(
    Plan.current_ulid.is_not(None),
    or_(Job.phase.is_(None), Job.phase.not_in([literal_column(f"'{each}'") for each in (Phase.WAITING, *UNFINISHED)])),
)
DUE = Statement(
    select(Plan.site, Plan.id, Plan.not_before_ms, Plan.created_ms, Plan.created_boot_ms, Plan.current_ulid)
    .join(Job, Job.ulid == Plan.current_ulid, isouter=True)
    .where(IS_OPEN, Plan.state == _state(RUNNING), or_(Plan.current_ulid.is_(None), _CURRENT_IS_OVER))
)
"""The plans of all sites that go on by the time and not by a report: none of their jobs is unfinished."""
