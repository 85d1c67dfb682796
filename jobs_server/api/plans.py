"""The routes of plans and templates."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
from flask import Blueprint, Response, request

from .. import clock
from ..auth import gate
from ..auth.access import Access, needs
from ..domain import commands, plan_commands
from ..domain.actors import Actor
from ..domain.commands import AnyCommand, ByPerson
from ..domain.plan_commands import MOST_BODY_BYTES
from ..errors import Conflict, KeyReused, LockedOut, NotFound, TooMany, Unauthorized
from ..history import plan_views
from ..jobs import plan_queries, plan_wire, templates
from ..jobs.plan_rows import PlanRow, StepOfPlan
from ..service import reading, service
from . import plan_schemas, request_body
from .describe import describe

bp = Blueprint("plans", __name__)

_KEY = ("Idempotency-Key",)
OfPerson = TypeVar("OfPerson", bound=ByPerson)


@bp.post("/newplan")
@describe(
    gives=plan_schemas.Plan,
    body=plan_commands.NewPlan,
    headers=_KEY,
    refusals=(KeyReused, LockedOut, TooMany, Unauthorized),
)
@needs(Access.PERSON)
def new_plan() -> Response:
    """Send a list of commands as one thing: each becomes a job when the one before it has ended well.

    With `check` the answer is the same, and nothing is kept.
    """
    command, actor = _asked(plan_commands.NewPlan)
    if command.check:
        return _plan(*service().plans.check(command, actor))
    address = None if actor.id.strip() else request.remote_addr
    return _plan(*service().plans.new(command, actor, _key(), address))


@bp.post("/getplan")
@describe(gives=plan_schemas.Plan, body=plan_commands.ShowPlan, refusals=(NotFound,))
@needs(Access.ANYBODY)
def get_plan() -> Response:
    """Show a plan with its steps, how far it is, and what it waits for."""
    command = _parse(plan_commands.ShowPlan)
    with reading() as connection:
        plan = plan_queries.found(connection, command.site, command.id)
        steps = plan_queries.steps(connection, plan.id)
    return _plan(plan, steps)


@bp.post("/getplans")
@describe(gives=list[plan_schemas.PlanInShort], body=plan_commands.ListPlans)
@needs(Access.ANYBODY)
def get_plans() -> Response:
    """List the plans of a site that have not ended, oldest first, and then those that ended last."""
    command = _parse(plan_commands.ListPlans)
    with reading() as connection:
        plans = plan_views.in_short(connection, plan_queries.of_site(connection, command.site, command.limit))
    return _json(plans)


@bp.post("/cancelplan")
@describe(gives=plan_schemas.Plan, body=plan_commands.CancelPlan, refusals=(NotFound, Conflict))
@needs(Access.PERSON)
def cancel_plan() -> Response:
    """End a plan: no more of its steps is released, and what was is canceled or asked to end."""
    return _changed(service().plans.cancel(*_asked(plan_commands.CancelPlan)))


@bp.post("/pauseplan")
@describe(gives=plan_schemas.Plan, body=plan_commands.PausePlan, refusals=(NotFound, Conflict))
@needs(Access.PERSON)
def pause_plan() -> Response:
    """Release no more steps of a plan until somebody resumes it; what was released goes on."""
    return _changed(service().plans.pause(*_asked(plan_commands.PausePlan)))


@bp.post("/resumeplan")
@describe(gives=plan_schemas.Plan, body=plan_commands.ResumePlan, refusals=(NotFound, Conflict))
@needs(Access.PERSON)
def resume_plan() -> Response:
    """Let a paused plan go on: with its next step, or with `again` first with the last one once more."""
    return _changed(service().plans.resume(*_asked(plan_commands.ResumePlan)))


@bp.post("/editplan")
@describe(
    gives=plan_schemas.Plan,
    body=plan_commands.EditPlan,
    headers=_KEY,
    refusals=(NotFound, Conflict, KeyReused),
)
@needs(Access.PERSON)
def edit_plan() -> Response:
    """Change what of a plan was not released yet: its steps, its title and its times."""
    return _plan(*service().plans.edit(*_asked(plan_commands.EditPlan), _key()))


@bp.post("/savetemplate")
@describe(
    gives=plan_schemas.Template,
    body=plan_commands.SaveTemplate,
    headers=_KEY,
    refusals=(Conflict, KeyReused, TooMany),
)
@needs(Access.PERSON)
def save_template() -> Response:
    """Keep a plan or a command to use again, by its name, for oneself or for everybody at the site."""
    return _json(plan_wire.template(service().plans.save_template(*_asked(plan_commands.SaveTemplate), _key())))


@bp.post("/gettemplates")
@describe(gives=list[plan_schemas.Template], body=plan_commands.ListTemplates)
@needs(Access.ANYBODY)
def get_templates() -> Response:
    """List the templates of a site, and one's own, by name."""
    command = _parse(plan_commands.ListTemplates)
    visitor = gate.visitor(command.user_id, command.user_name)
    with reading() as connection:
        rows = templates.listed(connection, command, visitor)
    return _json([plan_wire.template(row) for row in rows])


@bp.post("/deletetemplate")
@describe(gives=plan_schemas.Template, body=plan_commands.DeleteTemplate, refusals=(NotFound,))
@needs(Access.PERSON)
def delete_template() -> Response:
    """Delete a template, and show what it was."""
    return _json(plan_wire.template(service().plans.delete_template(*_asked(plan_commands.DeleteTemplate))))


def _plan(plan: PlanRow, steps: list[StepOfPlan]) -> Response:
    at_once = service().profiles.is_at_once(plan.site)
    with reading() as connection:
        public = plan_views.whole(connection, service().plan_times, plan, steps, clock.read(), at_once=at_once)
    return _json(public)


def _changed(plan: PlanRow) -> Response:
    with reading() as connection:
        steps = plan_queries.steps(connection, plan.id)
    return _plan(plan, steps)


def _asked(model: type[OfPerson]) -> tuple[OfPerson, Actor]:
    """Return a command with the names of whoever asks, and who that is."""
    command = _parse(model)
    actor = gate.person(command)
    user_id, user_name = gate.owner(command, actor)
    return command.model_copy(update={"user_id": user_id, "user_name": user_name}), actor


def _parse(model: type[AnyCommand]) -> AnyCommand:
    request.max_content_length = MOST_BODY_BYTES
    command = commands.parse(model, request_body.read())
    commands.check_site(command, service().settings.sites)
    return command


def _key() -> str | None:
    return commands.parse_key(request.headers.get("Idempotency-Key"))


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), mimetype="application/json")
