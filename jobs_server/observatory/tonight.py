"""Tonight over a place: when it is dark, how high a target climbs, and where the moon is. Times: ms since 1970 UTC."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from . import sky, solar_system
from .directions import Direction, of_date, separation_degrees
from .sky import Place, Span

_STEP_MS = 15 * 60 * 1000
_HOUR_MS = 60 * 60 * 1000
_LIGHTS = ("day", "civil", "nautical", "astronomical", "night")
Altitudes = Callable[[int], float]
"""How high something stands at a moment, in degrees."""


class Night(NamedTuple):
    """One night over a place."""

    place: Place
    from_ms: int
    """Sunset; noon where the sun does not set or does not rise."""
    to_ms: int
    """Sunrise, or the next noon."""
    light: str
    """The least light of the night: `night`, a twilight, or `day` where the sun stays up."""
    dark: tuple[Span, ...]
    """When there is no more light than that; empty where the sun stays up."""
    moonlit_percent: float
    """How much of the moon is lit in the middle of the night."""


class Visibility(NamedTuple):
    """How a target stands over a place: at a moment, and in the night."""

    alt_degrees: float
    highest_degrees: float
    """While it is dark; where it never is, from noon to noon."""
    highest_ms: int
    hours_up_in_the_dark: float
    """How long it is dark while the target stands above the site's limit."""
    moon_distance_degrees: float
    """At the moment."""


def tonight(place: Place, at_ms: int, zone: tzinfo) -> Night:
    """Return the night that a moment lies in, or by day the coming one."""
    day = sky.night_of(at_ms, zone)
    found = _night(place, *sky.night_span(day, zone))
    is_over = at_ms >= found.to_ms
    return _night(place, *sky.night_span(day + timedelta(days=1), zone)) if is_over else found


def night(place: Place, from_ms: int, to_ms: int) -> Night:
    """Return the night between two noons."""
    return _night(place, from_ms, to_ms)


def altitudes(place: Place, name: str, direction: Direction, near_ms: int) -> Altitudes:
    """Return how high a target stands over the level of a place within a day of a moment, without refraction."""
    if body := solar_system.called(name):
        return lambda at_ms: solar_system.altitude_degrees(body, at_ms, place)
    seen = of_date(direction, near_ms)
    latitude, dec = math.radians(place.latitude_deg), math.radians(seen.dec_degrees)
    level, swing = math.sin(latitude) * math.sin(dec), math.cos(latitude) * math.cos(dec)

    def altitude(at_ms: int) -> float:
        around = math.radians((sky.sidereal_hours(at_ms, place.longitude_deg) - seen.ra_hours) * 15)
        return math.degrees(math.asin(max(-1.0, min(1.0, level + swing * math.cos(around)))))

    return altitude


def curve(found: Night, height: Altitudes) -> list[tuple[int, float]]:
    """Return a target's altitudes from sunset to sunrise, a quarter of an hour apart."""
    return [(at_ms, height(at_ms)) for at_ms in _times(found.from_ms, found.to_ms)]


def visibility(found: Night, height: Altitudes, direction: Direction, at_ms: int, limit_degrees: float) -> Visibility:
    """Return how a target stands at a moment and in a night."""
    spans = [(span.from_ms, span.to_ms) for span in found.dark] or [(found.from_ms, found.to_ms)]
    runs = [[(each_ms, height(each_ms)) for each_ms in _times(*span)] for span in spans]
    highest_ms, highest = max((_highest(run) for run in runs), key=lambda each: each[1])
    up_ms = sum(_above(run, limit_degrees) for run in runs) if found.dark else 0.0
    moon = solar_system.direction(solar_system.MOON, at_ms, found.place)
    return Visibility(height(at_ms), highest, highest_ms, up_ms / _HOUR_MS, separation_degrees(moon, direction))


@lru_cache(maxsize=64)
def _night(place: Place, noon_ms: int, next_noon_ms: int) -> Night:
    spans = sky.spans(place, noon_ms, next_noon_ms)
    without_sun = [span for span in spans if span.light != "day"]
    from_ms = without_sun[0].from_ms if without_sun else noon_ms
    to_ms = without_sun[-1].to_ms if without_sun else next_noon_ms
    light = max((span.light for span in spans), key=_LIGHTS.index)
    dark = tuple(span for span in without_sun if span.light == light)
    return Night(place, from_ms, to_ms, light, dark, sky.moonlit_percent((from_ms + to_ms) // 2))


def _times(from_ms: int, to_ms: int) -> Iterable[int]:
    yield from range(from_ms, to_ms, _STEP_MS)
    yield to_ms


def _highest(run: Sequence[tuple[int, float]]) -> tuple[int, float]:
    """Return when it was highest, between the points too: where the parabola through three of them turns."""
    top = max(range(len(run)), key=lambda number: run[number][1])
    if 0 < top < len(run) - 1:
        (before_ms, before), (at_ms, at), (after_ms, after) = run[top - 1 : top + 2]
        bend = 2 * at - before - after
        if after_ms - at_ms == at_ms - before_ms and bend > 0:
            shift = (after - before) / (2 * bend)
            return round(at_ms + shift * (after_ms - at_ms)), at + bend * shift * shift / 2
    return run[top]


def _above(run: Sequence[tuple[int, float]], limit: float) -> float:
    """Return for how many ms a curve is above a limit."""
    total = 0.0
    for (from_ms, first), (to_ms, last) in pairwise(run):
        low, high = sorted((first - limit, last - limit))
        part = 1.0 if low >= 0 else 0.0 if high <= 0 else high / (high - low)
        total += part * (to_ms - from_ms)
    return total
