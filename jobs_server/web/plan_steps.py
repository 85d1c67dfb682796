"""The form of a step that was not released yet."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, make_response, redirect, request, url_for

from ..auth.access import Access, needs
from ..errors import Conflict, JobsError
from ..jobs import plan_queries
from ..jobs.plan_rows import PlanRow, StepOfPlan
from . import command_form, plans
from .actions import keep_for_next_page
from .blueprint import bp
from .context import page
from .order import Order


@bp.get("/plans/<ulid>/steps/<int:step_id>")
@needs(Access.ANYBODY)
def plan_step(ulid: str, step_id: int) -> Response:
    """Show the form of one step."""
    with page().reading() as connection:
        plan = plan_queries.found(connection, page().site, ulid)
        step = _step(plan, plan_queries.steps(connection, plan.id), step_id)
        _ = page().abilities  # in the page's own transaction
    return make_response(_render(plan, step, command_form.as_given(step.step), Order()))


@bp.post("/plans/<ulid>/steps/<int:step_id>")
@needs(Access.PERSON)
def edit_plan_step(ulid: str, step_id: int) -> Response:
    """Put what stands in the form in the place of what the step was."""
    given = dict(request.form)
    with page().reading() as connection:
        plan = plan_queries.found(connection, page().site, ulid)
        all_steps = plan_queries.steps(connection, plan.id)
        step = _step(plan, all_steps, step_id)
        _ = page().abilities
    order = Order()
    changed = command_form.read(step.step, given, order)
    if not order.faults:
        steps = [{"id": each.step.id} | (changed if each is step else {}) for each in all_steps[plan.released :]]
        try:
            plans.edit_steps(plan.ulid, steps, _revision(given, plan))
            onward = redirect(url_for("pages.plan", ulid=ulid, site=plan.site), 303)
            return keep_for_next_page(onward, "plan-edit")  # type: ignore[arg-type]
        except JobsError as error:
            order.faults[""] = error.sentence.removeprefix("Error: ")
            return make_response(_render(plan, step, given, order), error.status)
    return make_response(_render(plan, step, given, order), 400)


def _step(plan: PlanRow, steps: list[StepOfPlan], step_id: int) -> StepOfPlan:
    for each in steps[plan.released :]:
        if each.step.id == step_id and plan.is_open:
            return each
    raise Conflict("Error: this step was released or left out meanwhile; look at the plan again")


def _revision(given: Mapping[str, str], plan: PlanRow) -> int:
    """Return as which the plan was read when the form was shown."""
    text = given.get("revision", "")
    return int(text) if text.isdecimal() and len(text) < 10 else plan.revision


def _render(plan: PlanRow, step: StepOfPlan, given: Mapping[str, str], order: Order) -> str:
    return command_form.render(
        step.step,
        given,
        order,
        heading=f"Step {step.step.position} of {plan.title}",
        action=url_for("pages.edit_plan_step", ulid=plan.ulid, step_id=step.step.id),
        back=url_for("pages.plan", ulid=plan.ulid, site=plan.site),
        revision=_revision(given, plan),
        plan=plan.ulid,
    )
