"""The calendar: a week of nights, and making, moving and deleting reservations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from flask import Response, jsonify, make_response, render_template, request

from .. import clock
from ..auth import gate
from ..auth.access import Access, needs
from ..domain import commands
from ..errors import BadRequest, Forbidden, JobsError
from ..jobs import calendar_keys, remote_calendar, reservation_commands, reservations
from ..jobs.reservation_commands import Reserve
from ..jobs.reservations import ReservationRow
from ..observatory import sky
from ..service import service, transaction
from ..storage.statement import Connection
from . import site, wall_clocks
from .actions import done
from .blueprint import bp
from .context import page
from .texts import said
from .wall_clocks import WallClock

_NIGHTS = 7
_WIDE = 1000  # units of the drawing
_MINUTE_MS = 60 * 1000
_HOURS = 4
_QUARTER_MS = 15 * _MINUTE_MS
_AFTER_NOON_MS = 8 * 60 * _MINUTE_MS


class _Span(NamedTuple):
    """When a night begins and ends."""

    night: date
    from_ms: int
    to_ms: int


class Night(NamedTuple):
    """One night of the week view."""

    night: date
    from_ms: int
    to_ms: int
    light: list[sky.Span]
    reservations: list[ReservationRow]
    elsewhere: list[remote_calendar.Span]
    """What is known of the calendar elsewhere, where one is set; reservations here do not count then."""
    known: bool
    """Whether all that will be reserved up to the night's end is known."""
    hours: list[int]
    """The times, every four hours, at which a line is drawn, in ms since 1970 UTC."""

    def place(self, at_ms: int) -> float:
        """Return where a time stands in the drawing, in units of it from the left."""
        part = (min(self.to_ms, max(self.from_ms, at_ms)) - self.from_ms) / (self.to_ms - self.from_ms)
        return round(part * _WIDE, 1)

    @property
    def hours_at(self) -> list[tuple[float, str]]:
        """Return where the hours stand, with their names: where clocks are changed, these change."""
        return [(self.place(at_ms), page().times.hour(at_ms)) for at_ms in self.hours]

    @property
    def offer(self) -> tuple[int, int]:
        """Return for when what is left of the night is offered: while it is dark; from 20 to 4 where it never is."""
        begin_ms, end_ms, now_ms = self.from_ms + _AFTER_NOON_MS, self.to_ms - _AFTER_NOON_MS, page().now_ms
        if dark := [span for span in self.light if span.light == "night"]:
            begin_ms, end_ms = dark[0].from_ms, dark[-1].to_ms
        if now_ms > begin_ms:
            begin_ms, end_ms = now_ms, end_ms if now_ms < end_ms else self.to_ms
        return begin_ms // _QUARTER_MS * _QUARTER_MS, -(-end_ms // _QUARTER_MS) * _QUARTER_MS


@bp.get("/reservations", endpoint="reservations")
@needs(Access.ANYBODY)
def week() -> Response:
    """Show a week of nights, and the form for a reservation."""
    return make_response(_show(request.args, ""))


@bp.post("/act/reserve")
@needs(Access.PERSON)
def reserve() -> Response:
    """Make or move a reservation; asked only to check, return what is wrong with it."""
    checks = request.form.get("do") == "check"
    try:
        command = _parse(request.form)
        owner = gate.owner(command, page().actor)
        if checks:
            with page().snapshot() as connection:
                return jsonify(fault=said(_conflict(_wanted(connection, command, owner))))
        service().limits.reservation(page().actor, request.remote_addr)
        with transaction() as connection:
            write = reservations.change if command.event_id else reservations.add
            write(connection, _wanted(connection, command, owner), page().actor, clock.read())
    except JobsError as error:
        fault = error.sentence.removeprefix("Error: ")
        if checks:
            return jsonify(fault=said(fault))
        if not page().wants_page:
            raise
        return make_response(_show(request.form, fault), error.status)
    return done("moved" if command.event_id else "saved")


@bp.post("/act/renew-calendar")
@needs(Access.PERSON)
def renew_calendar() -> Response:
    """Make the secret address of the site's calendar, for an admin anew: then the old address works no more."""
    code = site.needed_code()
    with transaction() as connection:
        if calendar_keys.of_site(connection, code) is not None and not page().may_administer:
            raise Forbidden(
                "Error: only an admin may make the calendar's address anew: others' calendars ask at the old one"
            )
        calendar_keys.renew(connection, code, page().actor.name, clock.read())
    return done("saved")


@bp.post("/act/unreserve")
@needs(Access.PERSON)
def unreserve() -> Response:
    """Delete a reservation."""
    service().limits.reservation(page().actor, request.remote_addr)
    with transaction() as connection:
        reservations.remove(connection, request.form.get("event_id", ""), page().actor)
    return done("deleted")


def _parse(form: Mapping[str, str]) -> Reserve:
    """Read the form; times are by the clock that the form names. Raises BadRequest."""
    actor, by = page().actor, _clock_of(form)
    body = {key: form.get(key, "").strip() for key in ("start", "end", "title", "reservation_note")}
    for key, does in (("start", "begins"), ("end", "ends")):
        if not body[key]:
            raise BadRequest(f"Error: choose a night, or write when it {does}, such as 2026-11-24 21:00")
        body[key] = by.as_iso(body[key], key)
    body |= {"site": page().site, "creator_id": actor.id, "creator": actor.name}
    if form.get("event_id"):
        body["event_id"] = form["event_id"]
    command = commands.checked(Reserve, body)
    commands.check_site(command, page().settings.sites)
    return command


def _clock_of(form: Mapping[str, str]) -> WallClock:
    """Return the clock that a form names; a script's form that names none means UTC. Raises BadRequest."""
    return wall_clocks.called(form.get("clock") or wall_clocks.UTC_NAME, page().profile)


def _wanted(connection: Connection, command: Reserve, owner: tuple[str, str]) -> ReservationRow:
    """Return the reservation that a form asks for; of one that is there, what the form does not show stays.

    Raises BadRequest, also when it is over already, unless its end stays.
    """
    before = reservations.find(connection, command.event_id) if command.event_id else None
    if before is None:
        wanted = command.row(*owner)
    else:
        times = {
            name: _unless_changed(getattr(command, name), getattr(before, name)) for name in ("start_ms", "end_ms")
        }
        kept = ("reservation_type", "resource_id", "project_id", "origin", "project_priority")
        hidden = {name: getattr(before, name) for name in kept}
        wanted = command.model_copy(update=times).row(*owner)._replace(**hidden)
    if before is None or wanted.end_ms != before.end_ms:
        reservation_commands.refuse_past(wanted, clock.read())
    return wanted


def _unless_changed(written_ms: int, before_ms: int) -> int:
    """Return a time with the seconds that it had, where a form, which shows minutes, has the minute that it had."""
    return before_ms if written_ms == before_ms - before_ms % _MINUTE_MS else written_ms


def _conflict(wanted: ReservationRow) -> str:
    """Return whose reservation is in the way, here or in a calendar elsewhere; blank when none is known."""
    if wanted.reservation_type != reservations.REALTIME:
        return ""
    with page().snapshot() as connection:
        others = reservations.between(connection, wanted.site, wanted.start_ms, wanted.end_ms)
    known, _ = _known_elsewhere(wanted.site, wanted.start_ms, wanted.end_ms)
    held = [(start_ms, each.end_ms, each.creator_id, each.creator) for start_ms, each in known]
    held += [
        (each.start_ms, each.end_ms, each.creator_id, each.creator)
        for each in others
        if each.reservation_type == reservations.REALTIME
    ]
    for start_ms, end_ms, creator_id, creator in held:
        if creator_id != wanted.creator_id:
            times = page().times
            start, end = (f"{times.at(at_ms):%Y-%m-%d %H:%M}" for at_ms in (start_ms, end_ms))
            return f"{creator} has reserved {start} to {end} {times.unit}"
    return ""


def _show(given: Mapping[str, str], fault: str) -> str:
    with page().reading() as connection:
        first = _first()
        spans = _spans(first)
        rows = reservations.between(connection, page().site, spans[0].from_ms, spans[-1].to_ms)
        secret = None if page().is_open else calendar_keys.of_site(connection, page().site)
    nights = [_night(span, rows) for span in spans]
    by = _clock_of(given) if given.get("clock") and not given.get("edit") else page().times
    editing = next(
        (each for night in nights for each in night.reservations if each.event_id == given.get("edit")), None
    )
    values = {key: given.get(key, "") for key in ("start", "end", "title", "reservation_note", "event_id")}
    if editing is not None:
        values = {
            "start": by.written(editing.start_ms),
            "end": by.written(editing.end_ms),
            "title": editing.title,
            "reservation_note": editing.note,
            "event_id": editing.event_id,
        }
    return render_template(
        "pages/reservations.html",
        nights=nights,
        first=first,
        before=first - timedelta(days=_NIGHTS),
        after=first + timedelta(days=_NIGHTS),
        tonight=sky.night_of(page().now_ms, page().profile.zone),
        values=values,
        form_times=by,
        fault=fault,
        calendar_secret=secret,
    )


def _first() -> date:
    try:
        asked = date.fromisoformat(request.values.get("from", ""))
    except ValueError:
        asked = date.min
    return asked if 1970 < asked.year < 2900 else sky.night_of(page().now_ms, page().profile.zone)


def _spans(first: date) -> list[_Span]:
    """Return the times of a week of nights."""
    zone = page().profile.zone
    nights = (first + timedelta(days=number) for number in range(_NIGHTS))
    return [_Span(night, *sky.night_span(night, zone)) for night in nights]


def _night(span: _Span, rows: Sequence[ReservationRow]) -> Night:
    night, from_ms, to_ms = span
    place = page().profile.place
    light = sky.spans(place, from_ms, to_ms) if place else []
    here = [row for row in rows if row.start_ms < to_ms and row.end_ms > from_ms]
    elsewhere, known = _known_elsewhere(page().site, from_ms, to_ms)
    hours = page().times.full_hours(from_ms, to_ms, _HOURS)
    return Night(night, from_ms, to_ms, light, here, elsewhere, known, hours)


def _known_elsewhere(site: str, from_ms: int, to_ms: int) -> tuple[list[remote_calendar.Span], bool]:
    """Return what is known of the calendar elsewhere in a span of time, and whether up to its end; nobody is asked."""
    elsewhere = service().calendar
    return elsewhere.ahead(site, from_ms, to_ms) if elsewhere else ([], True)
