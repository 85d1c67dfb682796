"""What the public UI asks of the calendar and of the projects beside what any client does."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint, Response
from pydantic import BaseModel, ConfigDict, Field

from .. import clock
from ..auth import gate
from ..auth.access import Access, needs
from ..domain import commands
from ..domain.commands import ByPerson
from ..domain.values import Name
from ..errors import NotFound, TooMany
from ..jobs import reservation_commands, reservations, wire
from ..jobs.reservation_commands import NO_PROJECT, Text, Time
from ..service import reading, service, transaction
from . import companion_schemas, request_body, schemas
from .companion_requests import answer
from .describe import describe

bp = Blueprint("companion_calendar", __name__)

_MOST_EVENTS = 100


class OfPerson(commands.Command):
    """Ask for a person's reservations at all sites (`user-events-ending-after-time`)."""

    site: Name = "?"
    user_id: Annotated[Name, Field(title="whose they are", examples=["auth0|vera"])]
    time_ms: Annotated[Time, Field(alias="time")]


class OfEvent(BaseModel):
    """Which event is meant; unknown keys are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)

    event_id: Name


class AddProject(ByPerson):
    """Say for which project events are (`add-projects-to-events`)."""

    site: Name = "?"
    project_id: Annotated[Text, Field(examples=["M 31#2026-11-29T20:00:00Z"])]
    events: Annotated[tuple[OfEvent, ...], Field(max_length=_MOST_EVENTS, strict=False, description="a list of events")]


class RemoveProject(ByPerson):
    """Say that events are for no project (`remove-project-from-events`)."""

    site: Name = "?"
    events: Annotated[
        tuple[Name, ...], Field(max_length=_MOST_EVENTS, strict=False, description="a list of ids of events")
    ]


@bp.post("/calendar/user-events-ending-after-time")
@describe(gives=list[schemas.Reservation], body=OfPerson)
@needs(Access.ANYBODY)
def user_events_ending_after_time() -> Response:
    """List a person's reservations at all sites that end after a time."""
    command = commands.parse(OfPerson, request_body.read())
    with reading() as connection:
        rows = reservations.of_creator(connection, command.user_id, command.time_ms)
    return answer([wire.reservation(row) for row in rows])


@bp.post("/calendar/add-projects-to-events")
@describe(gives=list[schemas.Reservation], body=AddProject, refusals=(NotFound, TooMany))
@needs(Access.PERSON)
def add_projects_to_events() -> Response:
    """Say for which project reservations are."""
    command = commands.parse(AddProject, request_body.read())
    rows = _set_project([each.event_id for each in command.events], command.project_id, command)
    return answer([wire.reservation(row) for row in rows])


@bp.post("/calendar/remove-project-from-events")
@describe(gives=str, body=RemoveProject, refusals=(NotFound, TooMany))
@needs(Access.PERSON)
def remove_project_from_events() -> Response:
    """Say that reservations are for no project."""
    command = commands.parse(RemoveProject, request_body.read())
    _set_project(command.events, NO_PROJECT, command)
    return answer("Success")


@bp.post("/calendar/scheduler-observations")
@describe(gives=list[schemas.Reservation], body=reservation_commands.BetweenTimes)
@needs(Access.ANYBODY)
def scheduler_observations() -> Response:
    """List what a scheduler elsewhere has planned: nothing, since there is none."""
    request_body.read()
    return answer([])


@bp.post("/projects/get-user-projects")
@bp.post("/projects/get-all-projects")
@describe(gives=list[Any], body=companion_schemas.NothingAsked)
@needs(Access.ANYBODY)
def no_projects() -> Response:
    """List projects: none, since plans and reservations take their place here."""
    request_body.read()
    return answer([])


@bp.post("/projects/<what>")
@needs(Access.ANYBODY)
def refuse_project(what: str) -> Response:  # noqa: ARG001
    """Refuse what would keep or show a project."""
    raise NotFound("Error: projects are not kept here")


def _set_project(
    event_ids: list[str] | tuple[str, ...], project_id: str, command: AddProject | RemoveProject
) -> list[reservations.ReservationRow]:
    actor, now = gate.person(command), clock.read()
    service().limits.reservation(actor, None)
    anybodys = gate.is_nameless(command)
    with transaction() as connection:
        return [
            reservations.set_project(connection, event_id, project_id, actor, now, anybodys=anybodys)
            for event_id in dict.fromkeys(event_ids)
        ]
