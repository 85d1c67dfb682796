"""Templates as pages keep them: a plan, or a command that stands in a form, under a name that somebody writes."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flask import Response, make_response, redirect, render_template, request, url_for

from ..auth.access import Access, needs
from ..domain import commands
from ..domain.plan_commands import SaveTemplate
from ..errors import BadRequest
from ..jobs.plan_rows import TemplateRow
from ..service import service
from . import filled_forms
from .actions import keep_for_next_page
from .blueprint import bp
from .context import page
from .order import Order
from .texts import gettext

_LONGEST_TITLE = 200
_NOT_KEPT = ("site", "user_name", "user_id", "notBefore")
"""Of a command who sends it, and the time of one night, are not kept in a template."""


def keep(given: Mapping[str, str], title: str, content: Mapping[str, object]) -> TemplateRow:
    """Keep a plan or a command under the name that a form says, or else its title. Raises what the desk raises."""
    actor = page().actor
    named = {"name": given.get("template_name", "").strip() or title, "ofSite": given.get("of_site") == "yes"}
    who = {"site": page().site, "user_id": actor.id, "user_name": actor.name}
    return service().plans.save_template(commands.checked(SaveTemplate, {**content, **who, **named}), actor)


def ask_for_name(order: Order) -> Response:
    """Ask how what stands in the form Send is to be called: one command, or a slew and an exposure as a plan.

    On a page of its own: where a name is written into the form itself, Enter would send the job.
    """
    bodies = [{name: value for name, value in body.items() if name not in _NOT_KEPT} for body in order.bodies]
    title = gettext(", then: ").join(order.lines)[:_LONGEST_TITLE]
    content: dict[str, object] = {"command": bodies[0]}
    if len(bodies) > 1:
        content = {"plan": {"title": title, "steps": bodies}}
    return make_response(
        render_template("pages/keep_template.html", title=title, lines=order.lines, content=json.dumps(content))
    )


@bp.post("/act/keep-template")
@needs(Access.PERSON)
def keep_template() -> Response:
    """Keep what stood in a form as a template, and show the form that is filled with it."""
    content = filled_forms.read_object(request.form.get("content", ""), "content")
    if not content.keys() <= {"plan", "command"}:
        raise BadRequest("Error: content must be an object with plan or command")
    kept = keep(request.form, request.form.get("title", ""), content)
    page_of = "pages.new_plan" if kept.kind == "plan" else "pages.send"
    where = url_for(page_of, site=page().site, template=kept.name, of_site=None if kept.owner_id else "yes")
    return keep_for_next_page(redirect(where, 303), "template")  # type: ignore[arg-type]
