"""Reservations as iCalendar, for people's own calendars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from .reservations import ReservationRow

if TYPE_CHECKING:
    from icalendar import Calendar, Event

MEDIA = "text/calendar"
PAST_MS, AHEAD_MS = (days * 86_400_000 for days in (60, 400))
"""How far a site's calendar goes back, and ahead."""
MOST_EVENTS = 3_000
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_REFRESHED = timedelta(minutes=15)


class SiteOfCalendar(NamedTuple):
    """Whose reservations they are."""

    code: str
    title: str
    zone: tzinfo


def write(rows: Sequence[ReservationRow], site: SiteOfCalendar) -> bytes:
    """Write reservations as a calendar, in the site's zone."""
    from icalendar import Calendar  # it takes some MB and a tenth of a second, which whoever has no calendar saves

    made = Calendar()
    made.add("prodid", "-//jobs_server//reservations//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    made.add("name", _plain(site.title))
    made.add("x-wr-calname", _plain(site.title))
    made.add("x-wr-timezone", str(site.zone))
    made.add("refresh-interval", _REFRESHED, parameters={"VALUE": "DURATION"})
    for row in rows:
        made.add_component(_event(row, site))
    _add_zone(made, rows)
    return bytes(made.to_ical())


def _event(row: ReservationRow, site: SiteOfCalendar) -> Event:
    from icalendar import Event

    event = Event()
    event.add("uid", f"{row.event_id}@{site.code}.jobs-server")
    changed = _instant(row.last_modified_ms, UTC)
    event.add("dtstamp", changed)
    event.add("last-modified", changed)
    event.add("dtstart", _instant(row.start_ms, site.zone))
    event.add("dtend", _instant(row.end_ms, site.zone))
    who, title = _plain(row.creator), _plain(row.title)
    event.add("summary", f"{site.code}: {who}" + (f", {title}" if title and title != who else ""))
    if row.note.strip():
        event.add("description", _plain(row.note))
    event.add("location", _plain(site.title))
    event.add("categories", [_plain(row.reservation_type)])
    return event


def _instant(at_ms: int, zone: tzinfo) -> datetime:
    """Return a moment in a zone, to the second; in UTC where the zone's clocks show that time twice.

    Programs take the one or the other of the two, and an observatory works in the night when clocks are set back.
    """
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    local = at.astimezone(zone)
    is_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return at if is_twice else local


def _add_zone(made: Calendar, rows: Sequence[ReservationRow]) -> None:
    """Write what the zone's clocks do in the years of the reservations."""
    if rows:
        years = [datetime.fromtimestamp(at_ms / 1000, UTC).year for row in rows for at_ms in (row.start_ms, row.end_ms)]
        made.add_missing_timezones(date(min(years) - 1, 1, 1), date(max(years) + 2, 1, 1))


def _plain(text: str) -> str:
    """Return a text without what a calendar cannot hold."""
    return _CONTROLS.sub(" ", text).strip()
