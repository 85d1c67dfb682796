"""What people ask of plans: send, edit, pause, resume, cancel. Each is one transaction, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json
from ulid import ULID

from ..clock import Now
from ..config import Settings
from ..domain.actors import Actor, Known
from ..domain.lifecycle import OVER
from ..domain.plan_commands import (
    CancelPlan,
    NewPlan,
    OfPlan,
    PausePlan,
    PlanStep,
    ResumePlan,
    check_size,
    check_times,
    check_whole,
    steps_of,
)
from ..errors import Conflict, Forbidden, TooMany, shown
from ..storage.statement import Connection
from . import (
    admission,
    operations,
    plan_hindrances,
    plan_keys,
    plan_pauses,
    plan_queries,
    plan_release,
    plan_sql,
    reservations,
)
from .plan_hindrances import Releasing
from .plan_rows import RUNNING, PlanRow, StepOfPlan, StepRow
from .reservations import Held

_STEP_VALUES = tuple(name for name in StepRow._fields if name != "id")
_POSITION = StepRow._fields.index("position")
_REQUIRED = StepRow._fields.index("required_params") - _POSITION - 1


def drafted(command: NewPlan, actor: Actor, now: Now) -> tuple[PlanRow, list[StepOfPlan]]:
    """Return a plan as it would be kept, and its steps, with no ids yet. Raises BadRequest."""
    given = steps_of(command.site, command.steps)
    check_whole(given, command.repeat)
    check_times(command.not_before_ms, command.until_ms, now.wall_ms)
    plan = PlanRow(
        id=0,
        ulid="",
        site=command.site,
        title=command.title,
        user_id=command.user_id,
        user_name=actor.name if actor.id == command.user_id else command.user_name,
        user_roles=to_json(actor.roles).decode(),
        by_known=actor.known.value,
        by_admin=int(actor.is_admin),
        on_failure=command.on_failure,
        repeated=command.repeat,
        created_ms=now.wall_ms,
        created_boot_ms=now.boot_ms,
        not_before_ms=command.not_before_ms,
        until_ms=command.until_ms,
        state=RUNNING,
        reason=None,
        at_once=0,
        steps=len(given) * command.repeat,
        released=0,
        current_ulid=None,
        revision=0,
        number=0,
        changed_ms=now.wall_ms,
        ended_ms=None,
    )
    once = [step_row(step, 0)[_POSITION + 1 :] for step in given]
    check_size(sum(map(size_of, once)) * command.repeat)
    rows = (StepRow._make((0, 0, position, *values)) for position, values in enumerate(once * command.repeat, 1))
    return plan, [StepOfPlan(row, None, None) for row in rows]


def size_of(values: Sequence[Any]) -> int:
    """Return how many characters the parameters of a step are, which is given by its values after its position."""
    return len(values[_REQUIRED]) + len(values[_REQUIRED + 1])


def step_row(step: PlanStep, position: int, plan_id: int = 0) -> StepRow:
    """Return a step as it is kept."""
    return StepRow(
        id=step.id or 0,
        plan_id=plan_id,
        position=position,
        device=step.device,
        instance=step.instance,
        action=step.action,
        required_params=to_json(step.required_params).decode(),
        optional_params=to_json(step.optional_params).decode(),
        hold_ms=round(step.not_before_seconds * 1000),
        life_ms=None if step.expires_in_seconds is None else max(1, round(step.expires_in_seconds * 1000)),
        job_ulid=None,
    )


def admit(
    connection: Connection, plan: PlanRow, actor: Actor, now: Now, settings: Settings, held: Sequence[Held] | None
) -> None:
    """Refuse a plan that could not begin, as a new job is refused, and one too many.

    One that begins later is refused where somebody else will hold the telescope then, as far as that is known; a
    lock-out may be lifted until then. Raises LockedOut, Unauthorized, TooMany.
    """
    if plan_hindrances.ms_until_begin(plan, now) <= 0:
        met = admission.meet(connection, plan.site, now, settings)
        admission.admit(connection, plan.site, met, actor, now, settings)
    else:
        held = None if settings.calendar_url else reservations.at(connection, plan.site, plan.not_before_ms or 0)
    if held is not None:
        reservations.refuse_others(list(held), plan.site, actor)
    most = settings.max_waiting_jobs
    if most and connection.rows(plan_sql.COUNT_OPEN, site=plan.site)[0][0] >= most:
        raise TooMany(f"Error: {most} plans of {shown(plan.site)} have not ended, as many as may; cancel some")


def new(
    connection: Connection,
    command: NewPlan,
    draft: tuple[PlanRow, list[StepOfPlan]],
    actor: Actor,
    now: Now,
    releasing: Releasing,
    held: Sequence[Held] | None,
    key: str | None,
) -> tuple[PlanRow, list[StepOfPlan]]:
    """Keep a plan, and release its first step where it is to begin now; with the same key again, the first plan.

    Return it and its steps. Raises KeyReused, and what `admit` does.
    """
    if (made := plan_keys.first_made(connection, command, now, key)) is not None:
        return plan_release.by_id(connection, made), plan_queries.steps(connection, made)
    plan, steps = draft
    admit(connection, plan, actor, now, releasing.settings, held)
    number = plan_pauses.next_number(connection, plan.site)
    values = plan._replace(ulid=str(ULID()), number=number)._asdict()
    del values["id"]
    (plan_id,) = connection.rows(plan_sql.INSERT, **values)[0]
    kept_steps = [dict(zip(_STEP_VALUES, (plan_id, *step[_POSITION:]), strict=True)) for step, *_ in steps]
    connection.run_many(plan_sql.INSERT_STEP, kept_steps)
    plan_keys.remember(connection, command, now, key, plan_id)
    kept = plan._replace(id=plan_id, ulid=values["ulid"], number=number)
    begun = plan_release.go_on(connection, kept, actor, now, releasing, held)
    return begun, _with_ids(connection, begun, steps)


def _with_ids(connection: Connection, plan: PlanRow, steps: Sequence[StepOfPlan]) -> list[StepOfPlan]:
    """Return the steps of a new plan as they were kept, at the cost of reading what was not known of them."""
    if plan.released > 1:
        return plan_queries.steps(connection, plan.id)
    kept = [
        StepOfPlan(StepRow._make((step_id, plan.id, *step[_POSITION:])), None, None)
        for (step_id,), (step, *_) in zip(connection.rows(plan_sql.STEP_IDS, id=plan.id), steps, strict=True)
    ]
    if plan.released:
        first = plan_queries.last_released(connection, plan)
        kept[:1] = [] if first is None else [first]
    return kept


def pause(
    connection: Connection, command: PausePlan, actor: Actor, now: Now, settings: Settings, held: Sequence[Held] | None
) -> PlanRow:
    """Pause a plan; one that is paused already stays so. Raises NotFound, Conflict, Forbidden."""
    plan = mine(connection, command, actor, now, settings, held)
    check_open(plan)
    note = f": {shown(command.note, longest=500)}" if command.note.strip() else ""
    return plan_pauses.pause(connection, plan, f"paused by {shown(actor.name)}{note}", now)


def resume(
    connection: Connection,
    command: ResumePlan,
    actor: Actor,
    now: Now,
    releasing: Releasing,
    held: Sequence[Held] | None,
) -> PlanRow:
    """Let a paused plan go on; one that runs stays as it is. Raises NotFound, Conflict, Forbidden."""
    plan = mine(connection, command, actor, now, releasing.settings, held)
    check_open(plan)
    if plan.state == RUNNING:
        return plan
    if plan_hindrances.is_over(plan, now):
        raise Conflict(f"Error: the time of plan {shown(plan.title)} is over; edit its until first")
    if command.again:
        _step_back(connection, plan, now)
    number = plan_pauses.next_number(connection, plan.site)
    row = connection.rows(plan_sql.RESUME, id=plan.id, at_ms=now.wall_ms, number=number)[0]
    return plan_release.go_on(connection, PlanRow._make(row), actor, now, releasing, held, skips_end=True)


def _step_back(connection: Connection, plan: PlanRow, now: Now) -> None:
    """Have the last released step released once more, where its job is over. Raises Conflict."""
    last = plan_queries.steps(connection, plan.id)[plan.released - 1] if plan.released else None
    if last is None:
        raise Conflict("Error: no step of this plan can be done again: none has begun; resume it without again")
    if last.phase is not None and last.phase not in OVER:
        raise Conflict("Error: no step of this plan can be done again: the last one has not ended")
    connection.run(plan_sql.FORGET_JOB, id=last.step.id)
    number = plan_pauses.next_number(connection, plan.site)
    connection.rows(plan_sql.STEP_BACK, id=plan.id, at_ms=now.wall_ms, number=number)


def cancel(
    connection: Connection, command: CancelPlan, actor: Actor, now: Now, settings: Settings, held: Sequence[Held] | None
) -> PlanRow:
    """End a plan, and cancel what of it was released and has not ended. Raises NotFound, Conflict, Forbidden.

    The same again changes nothing.
    """
    plan = mine(connection, command, actor, now, settings, held)
    if plan.state == "canceled":
        return plan
    check_open(plan)
    number = plan_pauses.next_number(connection, plan.site)
    reason = f"canceled by {shown(actor.name)}"
    row = connection.rows(plan_sql.CANCEL, id=plan.id, reason=reason, at_ms=now.wall_ms, number=number)[0]
    for step, _, phase in plan_queries.steps(connection, plan.id):
        if step.job_ulid is not None and phase is not None and phase not in OVER:
            operations.cancel_step(connection, plan.site, step.job_ulid, actor, now, "canceled with its plan")
    return PlanRow._make(row)


def check_open(plan: PlanRow) -> None:
    """Refuse what would change a plan that has ended. Raises Conflict."""
    if not plan.is_open:
        raise Conflict(f"Error: plan {shown(plan.title)} has ended ({plan.state}) and changes no more")


def mine(
    connection: Connection, command: OfPlan, actor: Actor, now: Now, settings: Settings, held: Sequence[Held] | None
) -> PlanRow:
    """Return the plan that a command speaks of, where the actor may change it. Raises NotFound, Forbidden."""
    plan = plan_queries.found(connection, command.site, command.id)
    check_may(connection, plan, actor, now, settings, held)
    return plan


def check_may(
    connection: Connection, plan: PlanRow, actor: Actor, now: Now, settings: Settings, held: Sequence[Held] | None
) -> None:
    """Refuse who may not change a plan: with sign-in all but its owner, admins and holders. Raises Forbidden."""
    if actor.known is not Known.SIGNED_IN or actor.is_admin or actor.id == plan.user_id:
        return
    if held is None and not settings.calendar_url:
        held = reservations.holders(connection, plan.site, now)
    if all(each.creator_id != actor.id for each in held or ()):
        raise Forbidden(f"Error: this plan is {shown(plan.user_name)}'s; only they, admins and holders may change it")
