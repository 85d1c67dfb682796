"""Sun, moon and planets by name, where they stand at a moment."""

from __future__ import annotations

import math
from collections.abc import Mapping

import ephem

from .directions import Direction, from_date
from .sky import Place, ephem_days, observer

SUN, MOON = "Sun", "Moon"
_BODIES: Mapping[str, type[ephem.Body]] = {
    SUN: ephem.Sun,
    MOON: ephem.Moon,
    **{
        name: getattr(ephem, name)
        for name in ("Mercury", "Venus", "Mars", "Jupiter", "Saturn", "Uranus", "Neptune", "Pluto")
    },
}
_KINDS = {SUN: "sun", MOON: "moon", "Pluto": "dwarf planet"}


def like(name: str) -> list[str]:
    """Return the names of the bodies whose name begins so; of none for a blank name."""
    begin = name.strip().casefold()
    return [each for each in _BODIES if begin and each.casefold().startswith(begin)]


def called(name: str) -> str | None:
    """Return the name of the body that is called so, in whatever letters; None when there is none."""
    return next((each for each in _BODIES if each.casefold() == name.strip().casefold()), None)


def kind(name: str) -> str:
    """Return what a body is."""
    return _KINDS.get(name, "planet")


def direction(name: str, at_ms: int, place: Place | None) -> Direction:
    """Return where a body is seen among the stars from a place, or from the middle of the Earth.

    The moon stands up to a degree elsewhere for two places on Earth.
    """
    body = _computed(name, at_ms, place)
    seen = (body.g_ra, body.g_dec) if place is None else (body.ra, body.dec)
    return from_date(Direction(math.degrees(seen[0]) / 15, math.degrees(seen[1])), at_ms)


def altitude_degrees(name: str, at_ms: int, place: Place) -> float:
    """Return how high a body's centre stands over the level of a place, in degrees, without the air's refraction."""
    return math.degrees(_computed(name, at_ms, place).alt)


def magnitude(name: str, at_ms: int) -> float:
    """Return how bright a body is."""
    return round(float(_computed(name, at_ms, None).mag), 1)


def _computed(name: str, at_ms: int, place: Place | None) -> ephem.Body:
    body = _BODIES[name]()
    body.compute(ephem_days(at_ms) if place is None else observer(place, at_ms))
    return body
