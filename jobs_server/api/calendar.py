"""The calendar's routes, on the wire of the public calendar service, so that its clients work here."""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, request

from .. import clock
from ..auth import gate
from ..auth.access import Access, needs
from ..domain import commands
from ..domain.commands import AnyCommand
from ..errors import Conflict, NotFound, TooMany, shown
from ..history import calendar_plans
from ..jobs import calendar_files, calendar_keys, reservation_commands, reservations, wire
from ..jobs.calendar_files import PlanOfCalendar
from ..jobs.reservation_commands import Reserve
from ..observatory.profiles import Profile
from ..service import reading, service, transaction
from . import request_body, schemas
from .describe import describe

bp = Blueprint("calendar", __name__, url_prefix="/calendar")


@bp.post("/newevent")
@describe(gives=schemas.Reserved, body=Reserve, refusals=(Conflict, TooMany))
@needs(Access.PERSON)
def new_event() -> Response:
    """Reserve a telescope."""
    command = _parse(Reserve)
    actor = gate.person(command)
    service().limits.reservation(actor, request.remote_addr)
    with transaction() as connection:
        row = reservations.add(connection, command.row(*gate.owner(command, actor)), actor, clock.read())
    return _json({"new_calendar_event": wire.reservation(row)})


@bp.post("/modifyevent")
@describe(gives=schemas.Reservation, body=reservation_commands.ChangeEvent, refusals=(NotFound, Conflict, TooMany))
@needs(Access.PERSON)
def modify_event() -> Response:
    """Change a reservation."""
    command = reservation_commands.parse_change(request_body.read())
    commands.check_site(command, _sites())
    actor = gate.person(command)
    service().limits.reservation(actor, request.remote_addr)
    with transaction() as connection:
        wanted = command.row(*gate.owner(command, actor))
        row = reservations.change(connection, wanted, actor, clock.read(), anybodys=gate.is_nameless(command))
    return _json(wire.reservation(row))


@bp.post("/delete")
@describe(gives=schemas.Reservation, body=reservation_commands.Unreserve, refusals=(NotFound, TooMany))
@needs(Access.PERSON)
def delete_event() -> Response:
    """Delete a reservation."""
    command = commands.parse(reservation_commands.Unreserve, request_body.read())
    actor = gate.person(command)
    service().limits.reservation(actor, request.remote_addr)
    with transaction() as connection:
        row = reservations.remove(connection, command.event_id, actor, anybodys=gate.is_nameless(command))
    return _json(wire.reservation(row))


@bp.post("/siteevents")
@describe(gives=list[schemas.Reservation], body=reservation_commands.BetweenTimes)
@needs(Access.ANYBODY)
def site_events() -> Response:
    """List a site's reservations within a span of time."""
    command = _parse(reservation_commands.BetweenTimes)
    with reading() as connection:
        rows = reservations.between(connection, command.site, command.start_ms, command.end_ms)
    return _json([wire.reservation(row) for row in rows])


@bp.post("/get-event-at-time")
@describe(gives=list[schemas.Reservation], body=reservation_commands.AtTime)
@needs(Access.ANYBODY)
def get_event_at_time() -> Response:
    """List a site's reservations at a moment."""
    command = _parse(reservation_commands.AtTime)
    with reading() as connection:
        rows = reservations.between(connection, command.site, command.time_ms, command.time_ms + 1)
    return _json([wire.reservation(row) for row in rows])


@bp.post("/is-user-scheduled")
@describe(gives=bool, body=reservation_commands.UserAtTime)
@needs(Access.ANYBODY)
def is_user_scheduled() -> Response:
    """Whether a person has reserved a site at a moment."""
    command = _parse(reservation_commands.UserAtTime)
    with reading() as connection:
        held = reservations.at(connection, command.site, command.time_ms)
    return _json(any(each.creator_id == command.user_id for each in held))


@bp.post("/does-conflicting-event-exist")
@describe(gives=bool, body=reservation_commands.UserAtTime)
@needs(Access.ANYBODY)
def does_conflicting_event_exist() -> Response:
    """Whether anybody else has reserved a site at a moment."""
    command = _parse(reservation_commands.UserAtTime)
    with reading() as connection:
        held = reservations.at(connection, command.site, command.time_ms)
    return _json(any(each.creator_id != command.user_id for each in held))


@bp.get("/<site>.ics")
@needs(Access.ANYBODY)
def calendar(site: str) -> Response:
    """Send a site's reservations and plans as iCalendar; where a sign-in is set, with the secret of the address."""
    code = _known_site(site)
    with reading() as connection:
        if not service().settings.is_open and not calendar_keys.opens(connection, code, request.args.get("key", "")):
            raise NotFound("Error: there is no such calendar; the page Reservations has its address")
        now_ms = clock.now_ms()
        begin_ms, end_ms = now_ms - calendar_files.PAST_MS, now_ms + calendar_files.AHEAD_MS
        rows = reservations.between(connection, code, begin_ms, end_ms)
        plans = calendar_plans.of_site(
            connection,
            service().plan_times,
            code,
            clock.read(),
            (begin_ms, end_ms),
            at_once=service().profiles.is_at_once(code),
        )
    return _calendar(rows[: calendar_files.MOST_EVENTS], code, f"{code}.ics", plans)


@bp.get("/event/<event_id>.ics")
@needs(Access.ANYBODY)
def calendar_event(event_id: str) -> Response:
    """Send one reservation as iCalendar."""
    with reading() as connection:
        row = None if "\0" in event_id else reservations.find(connection, event_id)
    if row is None:
        raise NotFound(f"Error: there is no reservation {shown(event_id)}")
    return _calendar([row], _known_site(row.site), "reservation.ics")


def _known_site(code: str) -> str:
    known = _sites()
    if "\0" in code or (known and code not in known):
        raise NotFound(f"Error: {shown(code)} is no site of this server")
    if service().calendar is not None:
        raise NotFound("Error: a calendar elsewhere has the reservations of this server's sites")
    return code


def _calendar(
    rows: list[reservations.ReservationRow], code: str, name: str, plans: list[PlanOfCalendar] | None = None
) -> Response:
    profile = service().profiles.all().get(code) or Profile(code=code)
    whose = calendar_files.SiteOfCalendar(code, profile.title, profile.zone)
    response = Response(
        calendar_files.write(rows, whose, plans or ()), content_type=f"{calendar_files.MEDIA}; charset=utf-8"
    )
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "private, max-age=60"
    return response


def _parse(model: type[AnyCommand]) -> AnyCommand:
    command = commands.parse(model, request_body.read())
    commands.check_site(command, _sites())
    return command


def _sites() -> tuple[str, ...]:
    return service().settings.sites


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), mimetype="application/json")
