"""The form of a step that was not released yet: its own form where that can hold the step, else as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for

from ..auth.access import Access, needs
from ..errors import BadRequest, Conflict, JobsError
from ..jobs import plan_queries
from ..jobs.plan_rows import PlanRow, StepOfPlan
from . import filled_forms, forms, plans
from .actions import keep_for_next_page
from .blueprint import bp
from .context import page
from .forms import Form
from .order import Order


@bp.get("/plans/<ulid>/steps/<int:step_id>")
@needs(Access.ANYBODY)
def plan_step(ulid: str, step_id: int) -> Response:
    """Show the form of one step."""
    with page().reading() as connection:
        plan = plan_queries.found(connection, page().site, ulid)
        step = _step(plan, plan_queries.steps(connection, plan.id), step_id)
        _ = page().abilities  # in the page's own transaction
    return make_response(_render(plan, step, _as_given(step), Order()))


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
    changed = _read(step, given, order)
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


def _form(step: StepOfPlan) -> Form | None:
    """Return the form that can hold a step."""
    row = step.step
    required, optional = json.loads(row.required_params), json.loads(row.optional_params)
    script = str(required.get("script", "")) if (row.device, row.action) == ("sequencer", "run") else ""
    form = forms.form(row.device, row.action, page().abilities, script)
    required.pop("script", None)
    return form if form is not None and forms.fits(form, required, optional) else None


def _as_given(step: StepOfPlan) -> dict[str, str]:
    row, form = step.step, _form(step)
    given = {"instance": row.instance, "filled": "yes"}
    if form is None:
        return given | {key: getattr(row, key) for key in ("required_params", "optional_params")}
    return given | forms.values_of(form, json.loads(row.required_params), json.loads(row.optional_params))


def _read(step: StepOfPlan, given: Mapping[str, str], order: Order) -> dict[str, Any]:
    """Read what a step is to be; what is wrong goes into `order`."""
    changed: dict[str, Any] = {"instance": given.get("instance", "").strip()}
    form = _form(step)
    if form is None:
        for key in ("required_params", "optional_params"):
            try:
                changed[key] = filled_forms.read_object(given.get(key, ""), key)
            except BadRequest as error:
                order.faults[key] = error.sentence.removeprefix("Error: ")
        return changed
    filled = filled_forms.read(form, given)
    order.faults |= filled.faults
    order.readings |= filled.readings
    kept = {key: value for key, value in json.loads(step.step.required_params).items() if key == "script"}
    return changed | {"required_params": kept | filled.required, "optional_params": filled.optional}


def _revision(given: Mapping[str, str], plan: PlanRow) -> int:
    """Return as which the plan was read when the form was shown."""
    text = given.get("revision", "")
    return int(text) if text.isdecimal() and len(text) < 10 else plan.revision


def _render(plan: PlanRow, step: StepOfPlan, given: Mapping[str, str], order: Order) -> str:
    names = page().abilities.instances(step.step.device) or ()
    revision = _revision(given, plan)
    return render_template(
        "pages/plan_step.html",
        plan=plan,
        step=step,
        form=_form(step),
        given=given,
        order=order,
        names=names,
        revision=revision,
    )
