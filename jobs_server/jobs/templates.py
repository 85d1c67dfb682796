"""Templates: plans and commands to use again, by name, of one's own or of the site."""

from __future__ import annotations

from pydantic_core import to_json
from sqlalchemy import and_, bindparam, delete, func, insert, or_, select

from ..clock import Now
from ..domain.actors import Actor, Known
from ..domain.commands import SubmitJob, checked
from ..domain.plan_commands import (
    MOST_PLAN_BYTES,
    DeleteTemplate,
    ListTemplates,
    NewPlan,
    OfTemplates,
    SaveTemplate,
    check_times,
    check_whole,
    refused,
    steps_of,
)
from ..errors import BadRequest, Conflict, Forbidden, NotFound, TooMany, shown
from ..storage.models import Template
from ..storage.statement import Connection, Statement
from . import plan_keys
from .plan_rows import TemplateRow

MOST_TEMPLATES = 500
"""How many templates a person or a site may have."""

_ALL = tuple(getattr(Template, name) for name in TemplateRow._fields)
_SITE, _OWNER = Template.site == bindparam("site"), Template.owner_id == bindparam("owner_id")
_THIS = and_(_SITE, _OWNER, Template.name == bindparam("name"))
_FIND = Statement(select(*_ALL).where(_THIS))
_BY_ID = Statement(select(*_ALL).where(Template.id == bindparam("id")))
_COUNT = Statement(select(func.count()).select_from(Template).where(_SITE, _OWNER))
_LIST = Statement(
    select(*_ALL).where(_SITE, or_(Template.owner_id == "", _OWNER)).order_by(Template.name, Template.owner_id)
)
_DELETE = Statement(delete(Template).where(_THIS).returning(*_ALL))
_INSERT = Statement(
    insert(Template).values({name: bindparam(name) for name in TemplateRow._fields if name != "id"}).returning(*_ALL)
)


def checked_content(command: SaveTemplate) -> tuple[str, str]:
    """Return of which kind a template is and its content as JSON, checked as it would be when sent.

    Raises BadRequest.
    """
    if (command.plan is None) == (command.command is None):
        raise refused("plan", "a template needs plan or command, one of the two")
    if command.plan is not None:
        return "plan", _written("plan", _checked_plan(command, command.plan))
    given = command.command or {}
    who = {"user_name": command.user_name, "user_id": command.user_id, "site": command.site}
    try:
        sent = checked(SubmitJob, {"required_params": {}, "optional_params": {}} | given | who)
    except BadRequest as error:
        raise refused("command", f"command: {error.sentence.removeprefix('Error: ')}") from None
    not_kept = {*who, "not_before_ms"}  # the time of one night
    return "command", _written("command", sent.model_dump(by_alias=True, exclude_unset=True, exclude=not_kept))


def _checked_plan(command: SaveTemplate, given: dict[str, object]) -> dict[str, object]:
    """Return a plan as it is kept in a template: the times of one night are not kept."""
    try:
        plan = checked(NewPlan, given | {"site": command.site, "user_id": command.user_id})
        check_whole(steps_of(plan.site, plan.steps), plan.repeat)
        check_times(plan.not_before_ms, None, 0)
    except BadRequest as error:
        raise refused("plan", f"plan: {error.sentence.removeprefix('Error: ')}") from None
    kept = ("title", "steps", "on_failure", "repeat")
    return plan.model_dump(by_alias=True, include=set(kept))


def _written(kind: str, content: object) -> str:
    text = to_json(content).decode()
    if len(text) > MOST_PLAN_BYTES:
        raise refused(kind, f"{kind} must be at most {MOST_PLAN_BYTES} bytes of JSON")
    return text


def save(
    connection: Connection,
    command: SaveTemplate,
    content: tuple[str, str],
    actor: Actor,
    now: Now,
    key: str | None,
) -> TemplateRow:
    """Keep a template in the place of the one of the same name. Raises Forbidden, TooMany, KeyReused, Conflict."""
    if (made := plan_keys.first_made(connection, command, now, key)) is not None:
        row = connection.row(_BY_ID, id=made)
        if row is None:
            raise Conflict("Error: the template that this key saved was saved anew or deleted since")
        return TemplateRow._make(row)
    place = _place(command, actor)
    if found := connection.row(_FIND, **place, name=command.name):
        _check_may(TemplateRow._make(found), actor)
        connection.rows(_DELETE, **place, name=command.name)
    elif connection.rows(_COUNT, **place)[0][0] >= MOST_TEMPLATES:
        raise TooMany(f"Error: there are {MOST_TEMPLATES} templates already, as many as may; delete some")
    kind, text = content
    by = {"by_id": actor.id, "by_name": actor.name, "saved_ms": now.wall_ms}
    row = connection.rows(_INSERT, **place, **by, name=command.name, kind=kind, content=text)[0]
    saved = TemplateRow._make(row)
    plan_keys.remember(connection, command, now, key, saved.id)
    return saved


def listed(connection: Connection, command: ListTemplates, actor: Actor) -> list[TemplateRow]:
    """List the templates of a site, and those of whoever asks, by name."""
    return [TemplateRow._make(row) for row in connection.rows(_LIST, site=command.site, owner_id=actor.id)]


def delete_one(connection: Connection, command: DeleteTemplate, actor: Actor) -> TemplateRow:
    """Delete a template, and return it. Raises NotFound, Forbidden."""
    place = _place(command, actor)
    row = connection.row(_FIND, **place, name=command.name)
    if row is None:
        whose = "the site's" if command.of_site else "your own"
        raise NotFound(f"Error: there is no template {shown(command.name)} among {whose}")
    _check_may(TemplateRow._make(row), actor)
    connection.rows(_DELETE, **place, name=command.name)
    return TemplateRow._make(row)


def _place(command: OfTemplates, actor: Actor) -> dict[str, str]:
    return {"site": command.site, "owner_id": "" if command.of_site else actor.id}


def _check_may(template: TemplateRow, actor: Actor) -> None:
    """Refuse to change a template of the site that somebody else saved. Raises Forbidden."""
    if actor.known is Known.SIGNED_IN and not actor.is_admin and actor.id != template.by_id:
        raise Forbidden(
            f"Error: the template {shown(template.name)} is {shown(template.by_name)}'s; only they and admins may"
            " change it"
        )
