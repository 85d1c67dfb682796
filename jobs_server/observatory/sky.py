"""The sky over a site: nights, twilight, moonlight, sidereal time. Pure functions; times are ms since 1970 UTC."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

import ephem

_REFRACTION_DEG = 34 / 60
"""How far the air lifts what stands at the horizon (Astronomical Almanac)."""

_SUNSET_DEG = -0.833
_TWILIGHTS = (("civil", -6.0), ("nautical", -12.0), ("astronomical", -18.0))
_NIGHT = "night"
_STEP_MS = 15 * 60 * 1000
_EXACT_MS = 1000
_DAY_MS = 86_400_000
_J2000_MS = 946_728_000_000  # 2000-01-01 12:00 UTC
_EPHEM_1970 = 25567.5  # 1970-01-01 00:00 UTC in ephem's days


class Place(NamedTuple):
    """A place on Earth."""

    latitude_deg: float
    longitude_deg: float
    """East of Greenwich is positive; -70.7 and 289.3 are the same."""
    elevation_m: float = 0
    """From a height the horizon lies lower: the sun and the moon rise earlier there, and set later."""

    @property
    def dip_deg(self) -> float:
        """Return how far the visible horizon lies below the level: 1.76 arcminutes times the root of the metres.

        Source: Nautical Almanac. Twilight is counted from the level, not from the visible horizon.
        """
        return 1.76 / 60 * math.sqrt(max(0.0, self.elevation_m))


class Span(NamedTuple):
    """A stretch of time with one kind of light."""

    light: str
    """`day`, `civil`, `nautical` or `astronomical` twilight, or `night`; of the moon `up` or `down`."""
    from_ms: int
    to_ms: int


def night_of(at_ms: int, zone: tzinfo) -> date:
    """Return the night that a time belongs to: nights go from noon to noon and are named by the day they begin on."""
    return (datetime.fromtimestamp(at_ms / 1000, zone) - timedelta(hours=12)).date()


def night_span(night: date, zone: tzinfo) -> tuple[int, int]:
    """Return a night's start and end: local noon to the next local noon, whatever the clocks do in between."""
    noons = (datetime.combine(day, time(12), zone) for day in (night, night + timedelta(days=1)))
    start, end = (round(noon.timestamp() * 1000) for noon in noons)
    return start, end


def sidereal_hours(at_ms: int, longitude_deg: float) -> float:
    """Return the local mean sidereal time in hours.

    Source: US Naval Observatory, Approximate Sidereal Time (within 0.1 s in this century).
    """
    days = (at_ms - _J2000_MS) / _DAY_MS
    return (18.697374558 + 24.06570982441908 * days + longitude_deg / 15) % 24


def spans(place: Place, from_ms: int, to_ms: int) -> list[Span]:
    """Divide a span of time by how high the sun stands, also where the sun never sets or never rises."""
    sun = _Body(ephem.Sun(), place)
    limits = (("day", _SUNSET_DEG - place.dip_deg), *_TWILIGHTS)

    def light(at_ms: int) -> str:
        height_deg = sun.height_deg(at_ms)
        return next((name for name, limit_deg in limits if height_deg > limit_deg), _NIGHT)

    return list(_parted(light, _monotone(sun, from_ms, to_ms)))


def moon_spans(place: Place, from_ms: int, to_ms: int) -> list[Span]:
    """Divide a span of time by whether the moon's upper edge is `up` or `down`, also where nothing changes."""
    moon = _Body(ephem.Moon(), place)

    def light(at_ms: int) -> str:
        centre_deg = moon.height_deg(at_ms)
        return "up" if centre_deg + moon.radius_deg + _REFRACTION_DEG + place.dip_deg > 0 else "down"

    return list(_parted(light, _monotone(moon, from_ms, to_ms)))


def moonlit_percent(at_ms: int) -> float:
    """Return how much of the moon's disk is lit, in percent."""
    moon = ephem.Moon()
    moon.compute(ephem_days(at_ms))
    return float(moon.phase)


class _Body:
    """The sun or the moon as seen from a place, without the air: the limits allow for refraction."""

    def __init__(self, body: ephem.Body, place: Place) -> None:
        self._body = body
        self._observer = observer(place, 0)

    def height_deg(self, at_ms: int) -> float:
        self._observer.date = ephem_days(at_ms)
        self._body.compute(self._observer)
        return math.degrees(self._body.alt)

    @property
    def radius_deg(self) -> float:
        """Return half the width of the disk, at the time that was last looked at."""
        return math.degrees(self._body.radius)


def observer(place: Place, at_ms: int) -> ephem.Observer:
    """Return ephem's observer at a place and a moment, without the air."""
    made = ephem.Observer()
    made.lat = math.radians(place.latitude_deg)
    made.lon = math.radians(place.longitude_deg)
    made.elevation = place.elevation_m
    made.pressure = 0
    made.date = ephem_days(at_ms)
    return made


def ephem_days(at_ms: int) -> float:
    """Return a moment as ephem counts it: days from the last noon of 1899."""
    return at_ms / _DAY_MS + _EPHEM_1970


def _monotone(body: _Body, from_ms: int, to_ms: int) -> list[int]:
    """List times between which a body only rises or only sinks: steps, and where it turns."""
    times = [*range(from_ms, to_ms, _STEP_MS), to_ms]
    heights = [body.height_deg(at_ms) for at_ms in times]
    turns = [
        _turn_ms(times[i - 1 : i + 2], heights[i - 1 : i + 2])
        for i in range(1, len(times) - 1)
        if (heights[i] - heights[i - 1]) * (heights[i + 1] - heights[i]) < 0
    ]
    return sorted({*times, *turns})


def _turn_ms(times: Sequence[int], heights: Sequence[float]) -> int:
    """Return where the parabola through three points turns."""
    before, after = times[1] - times[0], times[2] - times[1]
    rise, fall = (heights[1] - heights[0]) / before, (heights[2] - heights[1]) / after
    return round((times[0] + times[1]) / 2 + rise / (rise - fall) * (before + after) / 2)


def _parted(light: Callable[[int], str], times: Sequence[int]) -> Iterator[Span]:
    """Walk through times between which the light only grows or only fades, and yield the stretches of one light."""
    begun_ms, present = times[0], light(times[0])
    for before_ms, at_ms in pairwise(times):
        following = light(at_ms)
        early_ms = before_ms
        while following != present:
            early_ms, after = _edge(light, present, early_ms, at_ms)
            yield Span(present, begun_ms, early_ms)
            begun_ms, present = early_ms, after
    yield Span(present, begun_ms, times[-1])


def _edge(light: Callable[[int], str], present: str, early_ms: int, late_ms: int) -> tuple[int, str]:
    """Return when the present light ends between two times, and which follows."""
    while late_ms - early_ms > _EXACT_MS:
        middle_ms = (early_ms + late_ms) // 2
        if light(middle_ms) == present:
            early_ms = middle_ms
        else:
            late_ms = middle_ms
    return late_ms, light(late_ms)
