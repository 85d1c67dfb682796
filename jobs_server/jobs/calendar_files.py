"""Reservations and plans as iCalendar, for people's own calendars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from .reservations import ReservationRow

if TYPE_CHECKING:
    from icalendar import Component, Event

MEDIA = "text/calendar"
PAST_MS, AHEAD_MS = (days * 86_400_000 for days in (60, 400))
"""How far a site's calendar goes back, and ahead."""
MOST_EVENTS = 3_000
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_YEAR_MS = 365 * 86_400_000
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)
_REFRESHED = timedelta(minutes=15)


class SiteOfCalendar(NamedTuple):
    """Whose reservations they are."""

    code: str
    title: str
    zone: tzinfo


class PlanOfCalendar(NamedTuple):
    """A plan as a calendar shows it; times in ms since 1970 UTC."""

    ulid: str
    title: str
    who: str
    state: str
    """In words, such as `running, step 3 of 12`."""
    note: str
    """Why it paused or what it waits for, and which of its times are estimates."""
    begin_ms: int
    end_ms: int
    changed_ms: int
    seen_ms: int
    """When this was so: the end of a plan under way is estimated anew each time."""
    is_estimate: bool
    is_off: bool
    """It was canceled before anything of it began."""


def write(rows: Sequence[ReservationRow], site: SiteOfCalendar, plans: Sequence[PlanOfCalendar] = ()) -> bytes:
    """Write reservations and plans as a calendar, in the site's zone."""
    from icalendar import Calendar  # it takes some MB and a tenth of a second, which whoever has no calendar saves

    made = Calendar()
    made.add("prodid", "-//jobs_server//reservations//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    title = " ".join(_plain(site.title).split())  # These two are written as they are, and must be of one line.
    made.add("name", title)
    made.add("x-wr-calname", title)
    made.add("x-wr-timezone", str(site.zone))
    made.add("refresh-interval", _REFRESHED, parameters={"VALUE": "DURATION"})
    ends = [at_ms for row in rows for at_ms in (row.start_ms, row.end_ms)]
    ends += [at_ms for plan in plans for at_ms in (plan.begin_ms, plan.end_ms)]
    if ends and str(site.zone) != "UTC":
        made.add_component(_zone(site.zone, min(ends) - _YEAR_MS, max(ends) + _YEAR_MS))
    for row in rows:
        made.add_component(_event(row, site))
    for plan in plans:
        made.add_component(_plan(plan, site))
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


def _plan(plan: PlanOfCalendar, site: SiteOfCalendar) -> Event:
    """Return a plan as an event that keeps nobody busy; tentative while its end is an estimate."""
    from icalendar import Event

    event = Event()
    event.add("uid", f"plan-{plan.ulid}@{site.code}.jobs-server")
    event.add("dtstamp", _instant(plan.seen_ms, UTC))
    event.add("last-modified", _instant(plan.changed_ms, UTC))
    event.add("dtstart", _instant(plan.begin_ms, site.zone))
    event.add("dtend", _instant(plan.end_ms, site.zone))
    event.add("summary", f"{site.code}: plan {_plain(plan.title)} ({plan.state})")
    event.add("description", _plain(f"By {plan.who}. {plan.note}"))
    event.add("location", _plain(site.title))
    event.add("categories", ["plan"])
    event.add("status", "CANCELLED" if plan.is_off else "TENTATIVE" if plan.is_estimate else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    return event


def _instant(at_ms: int, zone: tzinfo) -> datetime:
    """Return a moment in a zone, to the second; in UTC where the zone's clocks show that time twice.

    Programs take the one or the other of the two, and an observatory works in the night when clocks are set back.
    """
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    local = at.astimezone(zone)
    is_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return at if is_twice else local


def _zone(zone: tzinfo, from_ms: int, to_ms: int) -> Component:
    """Return what a zone's clocks do from a time to another, each change by itself.

    The library's own writes many years in one list, in which some programs read whole summers an hour wrong.
    """
    from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

    made = Timezone()
    made.add("tzid", str(zone))
    begin, end = (datetime.fromtimestamp(at_ms // 1000, UTC) for at_ms in (from_ms, to_ms))
    for at in (begin, *_changes(zone, begin, end)):
        before, after = (at - _SECOND).astimezone(zone), at.astimezone(zone)
        kind = TimezoneDaylight() if after.dst() else TimezoneStandard()
        kind.add("dtstart", (at + (before.utcoffset() or timedelta())).replace(tzinfo=None))
        kind.add("tzoffsetfrom", before.utcoffset())
        kind.add("tzoffsetto", after.utcoffset())
        kind.add("tzname", after.tzname())
        made.add_component(kind)
    return made


def _changes(zone: tzinfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the moments at which a zone's clocks are changed."""
    at = begin
    while at < end:
        later = at + _DAY
        if at.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            yield _change(zone, at, later)
        at = later


def _change(zone: tzinfo, early: datetime, late: datetime) -> datetime:
    """Return the first second after which the clocks are as they are at the later of two times."""
    after = late.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = (early + (late - early) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == after:
            late = middle
        else:
            early = middle
    return late


def _plain(text: str) -> str:
    """Return a text without what a calendar cannot hold."""
    return _CONTROLS.sub(" ", text).strip()
