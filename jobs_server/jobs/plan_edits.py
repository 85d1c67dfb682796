"""Edits of what of a plan was not released yet: steps changed, moved, left out or added, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from ..clock import Now
from ..domain.actors import Actor
from ..domain.plan_commands import EditPlan, check_count, check_size, check_times, refused, steps_of
from ..domain.values import whole as whole_number
from ..errors import Conflict, shown
from ..storage.statement import Connection
from . import plan_keys, plan_pauses, plan_queries, plan_release, plan_sql, plans
from .plan_hindrances import Releasing
from .plan_rows import PlanRow, StepRow
from .reservations import Held


def edit(
    connection: Connection,
    command: EditPlan,
    actor: Actor,
    now: Now,
    releasing: Releasing,
    held: Sequence[Held] | None,
    key: str | None,
) -> PlanRow:
    """Edit a plan, and return it as it then is.

    Raises BadRequest, NotFound, Forbidden, KeyReused, and Conflict when the plan has ended, was edited by somebody
    since it was read, or a step that is named was released meanwhile; then nothing is changed.
    """
    if (made := plan_keys.first_made(connection, command, now, key)) is not None:
        return plan_release.by_id(connection, made)
    plan = plans.mine(connection, command, actor, now, releasing.settings, held)
    plans.check_open(plan)
    if command.revision is not None and command.revision != plan.revision:
        raise Conflict(f"Error: plan {shown(plan.title)} was edited since you read it; read it again")
    wanted = _with_values(plan, command, now)
    if command.steps is not None:
        wanted = wanted._replace(steps=_put_steps(connection, plan, command.steps))
    number = plan_pauses.next_number(connection, plan.site)
    names = ("id", "title", "on_failure", "not_before_ms", "until_ms", "created_boot_ms", "steps")
    values = {name: getattr(wanted, name) for name in names}
    row = connection.rows(plan_sql.EDIT, **values, at_ms=now.wall_ms, number=number)[0]
    plan_keys.remember(connection, command, now, key, plan.id)
    return plan_release.go_on(connection, PlanRow._make(row), actor, now, releasing, held)


def _with_values(plan: PlanRow, command: EditPlan, now: Now) -> PlanRow:
    """Return a plan with what of it is changed beside its steps. Raises BadRequest, Conflict."""
    said = command.model_fields_set
    names = ("title", "on_failure", "not_before_ms", "until_ms")
    may_be_none = ("not_before_ms", "until_ms")
    changed = {
        name: getattr(command, name)
        for name in names
        if name in said and (name in may_be_none or getattr(command, name) is not None)
    }
    if "not_before_ms" in changed and plan.released:
        raise Conflict(f"Error: plan {shown(plan.title)} has begun: its notBefore is over")
    wanted = plan._replace(**changed)
    if "until_ms" in changed or "not_before_ms" in changed:
        check_times(wanted.not_before_ms, wanted.until_ms, now.wall_ms)
        # The new times are by the clock as it is set now: how it stood when the plan was sent counts no more.
        return wanted._replace(created_boot_ms=now.boot_ms - (now.wall_ms - plan.created_ms))
    return wanted


def _put_steps(connection: Connection, plan: PlanRow, given: Sequence[Any]) -> int:
    """Put the steps still to be released in the place of those that there were; return how many there are in all."""
    before = {each.step.id: each.step for each in plan_queries.steps(connection, plan.id)}
    wanted = _wanted(plan, before, given)
    _check_whole(plan, wanted)
    kept = {step.id for step in wanted}
    waiting = [step for step in before.values() if step.position > plan.released]
    if left_out := [{"id": step.id} for step in waiting if step.id not in kept]:
        connection.run_many(plan_sql.LEAVE_OUT, left_out)
    if changed := [step._asdict() for step in wanted if step.id and step != before[step.id]]:
        connection.run_many(plan_sql.CHANGE_STEP, [_without(each, "plan_id", "job_ulid") for each in changed])
    if added := [step._asdict() for step in wanted if not step.id]:
        connection.run_many(plan_sql.INSERT_STEP, [_without(each, "id") for each in added])
    return plan.released + len(wanted)


def _wanted(plan: PlanRow, before: Mapping[int, StepRow], given: Sequence[Any]) -> list[StepRow]:
    """Return the steps as they are asked for, in their places; an id may be 12.0. Raises BadRequest, Conflict."""
    whole = []
    seen: set[int] = set()
    for number, each in enumerate(given, 1):
        step_id = whole_number(each.get("id")) if isinstance(each, dict) else None
        if isinstance(step_id, int) and not isinstance(step_id, bool):
            _check_named(plan, before.get(step_id), step_id, seen, number)
            whole.append(as_sent(before[step_id]) | each)
        else:
            whole.append(each)
    steps = steps_of(plan.site, whole)
    first = plan.released + 1
    return [plans.step_row(step, position, plan.id) for position, step in enumerate(steps, first)]


def _check_named(plan: PlanRow, step: StepRow | None, step_id: int, seen: set[int], number: int) -> None:
    if step is None:
        raise refused("steps", f"step {number}: this plan has no step with the id {step_id}")
    if step.position <= plan.released:
        raise Conflict(
            f"Error: step {step.position} ({shown(step.action)}) was released meanwhile; read the plan again"
        )
    if step_id in seen:
        raise refused("steps", f"step {number}: the step with the id {step_id} stands in the list twice")
    seen.add(step_id)


def as_sent(step: StepRow) -> dict[str, Any]:
    """Return a step as it would be sent."""
    sent: dict[str, Any] = {name: getattr(step, name) for name in ("device", "instance", "action")}
    sent |= {name: from_json(getattr(step, name)) for name in ("required_params", "optional_params")}
    if step.hold_ms:
        sent["notBeforeSeconds"] = step.hold_ms / 1000
    if step.life_ms is not None:
        sent["expiresInSeconds"] = step.life_ms / 1000
    return sent


def _check_whole(plan: PlanRow, wanted: Sequence[StepRow]) -> None:
    total = plan.released + len(wanted)
    if not total:
        raise refused("steps", "a plan must have at least one step; cancel it where nothing is to be done")
    check_count(total)
    check_size(sum(len(step.required_params) + len(step.optional_params) for step in wanted))


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
