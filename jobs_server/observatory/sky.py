"""The sky over a site: nights, twilight, sidereal time. Pure functions; times are ms since 1970 UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from astral import Observer
from astral.sun import elevation

SIDEREAL_RATE = 1.00273790935
"""Sidereal seconds in a second of universal time (Astronomical Almanac)."""

_LIMITS = (("day", -0.833), ("civil", -6.0), ("nautical", -12.0), ("astronomical", -18.0))
_NIGHT = "night"
_STEP_MS = 15 * 60 * 1000
_EXACT_MS = 15 * 1000
_J2000_MS = 946_728_000_000  # 2000-01-01 12:00 UTC


class Span(NamedTuple):
    """A stretch of time with one kind of light."""

    light: str
    """`day`, `civil`, `nautical` or `astronomical` twilight, or `night`."""
    from_ms: int
    to_ms: int


def night_of(at_ms: int, zone: tzinfo) -> date:
    """Return the night that a time belongs to: nights go from noon to noon, and bear the date of their begin."""
    return (datetime.fromtimestamp(at_ms / 1000, zone) - timedelta(hours=12)).date()


def night_span(night: date, zone: tzinfo) -> tuple[int, int]:
    """Return begin and end of a night in ms: local noon to the next, whatever the clocks do in between."""
    noons = (datetime.combine(day, time(12), zone) for day in (night, night + timedelta(days=1)))
    start, end = (round(noon.timestamp() * 1000) for noon in noons)
    return start, end


def sidereal_hours(at_ms: int, longitude_deg: float) -> float:
    """Return the local mean sidereal time in hours.

    Source: US Naval Observatory, Approximate Sidereal Time (within 0.1 s in this century).
    """
    days = (at_ms - _J2000_MS) / 86_400_000
    return (18.697374558 + 24.06570982441908 * days + longitude_deg / 15) % 24


def spans(latitude_deg: float, longitude_deg: float, from_ms: int, to_ms: int) -> list[Span]:
    """Divide a span of time by how high the sun stands, also where the sun never sets or never rises."""
    observer = Observer(latitude_deg, longitude_deg)
    found: list[Span] = []
    begun_ms, light = from_ms, _light(observer, from_ms)
    for edge_ms, after in _edges(observer, from_ms, to_ms):
        found.append(Span(light, begun_ms, edge_ms))
        begun_ms, light = edge_ms, after
    return [*found, Span(light, begun_ms, to_ms)]


def _edges(observer: Observer, from_ms: int, to_ms: int) -> Iterator[tuple[int, str]]:
    """Find where the light changes, each with the light that follows."""
    before_ms, before = from_ms, _light(observer, from_ms)
    for step_ms in range(from_ms + _STEP_MS, to_ms + _STEP_MS, _STEP_MS):
        at_ms = min(step_ms, to_ms)
        light = _light(observer, at_ms)
        while light != before:
            early_ms, late_ms = before_ms, at_ms
            while late_ms - early_ms > _EXACT_MS:
                middle_ms = (early_ms + late_ms) // 2
                if _light(observer, middle_ms) == before:
                    early_ms = middle_ms
                else:
                    late_ms = middle_ms
            before_ms, before = late_ms, _light(observer, late_ms)
            yield before_ms, before
        before_ms = at_ms


def _light(observer: Observer, at_ms: int) -> str:
    height_deg = elevation(observer, datetime.fromtimestamp(at_ms / 1000, UTC), with_refraction=False)
    return next((light for light, limit_deg in _LIMITS if height_deg > limit_deg), _NIGHT)
