"""The list of plans, a plan's own page, and what people do there: pause, go on, cancel, move and leave out steps."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Response, make_response, render_template, request

from .. import clock
from ..auth.access import Access, needs
from ..domain import commands
from ..domain.lifecycle import Result, result_of
from ..domain.plan_commands import CancelPlan, DeleteTemplate, EditPlan, PausePlan, ResumePlan
from ..errors import BadRequest, Conflict, NotFound
from ..history import plan_views
from ..jobs import plan_edits, plan_queries, queries
from ..jobs.plan_rows import PlanRow, StepOfPlan
from ..jobs.timing import timing_of
from ..service import service
from ..storage.statement import Connection
from . import formats, kept_templates, plan_send, sky_tonight, wall_clocks
from .actions import done
from .blueprint import bp
from .context import page

ENDED = 20
"""So many plans that have ended are listed."""
REASONS = 20
"""Of so many steps that did not come out well the reason is read."""


class PlanShown(NamedTuple):
    """A plan as pages show it."""

    row: PlanRow
    public: dict[str, Any]
    """As `plan_views.whole` has it."""
    steps: list[StepOfPlan]

    @property
    def percent(self) -> int:
        """Return how much of the plan is done, by its estimates."""
        whole, left = self.public["estimated_seconds"], self.public["left_seconds"]
        return round(100 * (1 - left / whole)) if whole else 100

    @property
    def begins(self) -> list[int]:
        """Return when each step begins, by the estimates; of those that are over it is nothing to go by."""
        at_ms, found = float(max(page().now_ms, self.row.not_before_ms or 0)), list[int]()
        for each, public in zip(self.steps, self.public["steps"], strict=True):
            found.append(round(at_ms))
            at_ms += 0 if plan_views.is_over(each) else 1000 * public["estimated_seconds"]
        return found

    @property
    def can_repeat(self) -> bool:
        """Whether the last step that was released can be done once more."""
        if self.row.state != "paused" or not self.row.released:
            return False
        return plan_views.is_over(self.steps[self.row.released - 1])


def shown(connection: Connection, row: PlanRow) -> PlanShown:
    """Read a plan with its steps and its estimates."""
    steps = plan_queries.steps(connection, row.id)
    at_once = service().profiles.is_at_once(row.site)
    public = plan_views.whole(connection, service().plan_times, row, steps, clock.read(), at_once=at_once)
    return PlanShown(row, public, steps)


@bp.get("/plans")
@needs(Access.ANYBODY)
def plans() -> Response:
    """List a site's plans and templates."""
    with page().reading() as connection:
        rows = plan_queries.of_site(connection, page().site, ENDED)
        going_on = [shown(connection, row) for row in rows if row.is_open]
        kept = plan_send.of_visitor(connection)
    ended = [row for row in rows if not row.is_open]
    return make_response(render_template("pages/plans.html", going_on=going_on, ended=ended, kept=kept))


@bp.get("/plans/<ulid>")
@needs(Access.ANYBODY)
def plan(ulid: str) -> Response:
    """Show one plan: how far it is, why it paused, and its steps."""
    with page().reading() as connection:
        row = plan_queries.anywhere(connection, ulid)
        found = shown(connection, row) if row else None
        reasons = _reasons(connection, found) if found else {}
    if found is None or (request.args.get("site") and found.row.site != page().site):
        raise NotFound(f"Error: site {page().site} has no plan {ulid}")
    drawn = sky_tonight.of_now(page(), planned=found.steps) if found.row.is_open else None
    return make_response(render_template("pages/plan.html", plan=found, reasons=reasons, sky_now=drawn))


def _reasons(connection: Connection, plan: PlanShown) -> dict[int, str]:
    """Return why steps did not come out well, by their ids, of the last ones of which that is known."""
    ended = [each for each in plan.steps if each.status and result_of(each.status) not in (None, Result.DONE)]
    found: dict[int, str] = {}
    for each in ended[-REASONS:]:
        job = queries.job(connection, plan.row.site, each.step.job_ulid or "")
        if job and (why := timing_of(job.timestamp_ms, queries.each_event(connection, job.id), job.hold_ms).why):
            found[each.step.id] = why
    return found


@bp.post("/act/plan")
@needs(Access.PERSON)
def act_on_plan() -> Response:
    """Pause a plan, let it go on, cancel it, or change what of it was not released yet."""
    deed, _, step = request.form.get("do", "").partition(":")
    desk, actor = service().plans, page().actor
    if deed == "pause":
        desk.pause(commands.checked(PausePlan, of_plan(note=request.form.get("note", ""))), actor)
    elif deed in ("resume", "again"):
        desk.resume(commands.checked(ResumePlan, of_plan(again=deed == "again")), actor)
    elif deed == "cancel":
        desk.cancel(commands.checked(CancelPlan, of_plan()), actor)
    elif deed in ("up", "down", "out"):
        _change_step(deed, step)
    elif deed == "edit":
        _edit()
    elif deed == "keep":
        _keep_as_template()
        return done("template")
    else:
        raise BadRequest("Error: do must be pause, resume, again, cancel, up, down, out, edit or keep")
    return done(f"plan-{deed}")


@bp.post("/act/delete-template")
@needs(Access.PERSON)
def delete_template() -> Response:
    """Delete a template."""
    actor, given = page().actor, request.form
    who = {"site": page().site, "user_id": actor.id, "user_name": actor.name}
    named = {"name": given.get("name", ""), "ofSite": given.get("of_site") == "yes"}
    service().plans.delete_template(commands.checked(DeleteTemplate, who | named), actor)
    return done("deleted")


def of_plan(**more: object) -> dict[str, object]:
    """Return a body about the plan that a form names."""
    actor = page().actor
    who = {"user_id": actor.id, "user_name": actor.name}
    return {"site": page().site, "id": request.form.get("id", "?"), **who, **more}


def _change_step(deed: str, step: str) -> None:
    """Move a step that was not released yet by one place, or leave it out."""
    with page().snapshot() as connection:
        row = plan_queries.found(connection, page().site, request.form.get("id", "?"))
        ids = [each.step.id for each in plan_queries.steps(connection, row.id)[row.released :]]
    if not step.isdecimal() or int(step) not in ids:
        raise Conflict("Error: this step was released or left out meanwhile; look at the plan again")
    place = ids.index(int(step))
    moved = ids.pop(place)
    if deed != "out":
        ids.insert(max(0, place + (-1 if deed == "up" else 1)), moved)
    edit_steps(row.ulid, [{"id": each} for each in ids], row.revision)


def edit_steps(ulid: str, steps: list[dict[str, object]], revision: int) -> None:
    """Put these steps in the place of those still to be released. Raises Conflict when somebody was faster."""
    body = of_plan(id=ulid, steps=steps, revision=revision)
    service().plans.edit(commands.checked(EditPlan, body), page().actor)


def _keep_as_template() -> None:
    """Keep all steps of a plan as a template, under its title unless another name is said."""
    given = request.form
    with page().snapshot() as connection:
        row = plan_queries.found(connection, page().site, given.get("id", "?"))
        steps = [plan_edits.as_sent(each.step) for each in plan_queries.steps(connection, row.id)]
    plan = {"title": row.title, "onFailure": row.on_failure, "steps": steps}
    kept_templates.keep(given, row.title, {"plan": plan})


def _edit() -> None:
    given = request.form
    body: dict[str, object] = {"title": given.get("title", "").strip(), "onFailure": given.get("on_failure", "stop")}
    for key, name in (("not_before", "notBefore"), ("until", "until")):
        if key in given:
            body[name] = _time(key, given[key].strip())
    revision = given.get("revision", "")
    body |= {"revision": int(revision)} if revision.isdecimal() and len(revision) < 10 else {}
    service().plans.edit(commands.checked(EditPlan, of_plan(**body)), page().actor)


def _time(key: str, text: str) -> str | None:
    if not text:
        return None
    profile, name = page().profile, request.form.get("clock", "")
    by = wall_clocks.called(name, profile) if name else wall_clocks.of_site(profile)
    try:
        return formats.iso(by.read(text, page().now_ms))
    except ValueError as error:
        raise BadRequest(f"Error: {key.replace('_', ' ')}: {error}") from None
