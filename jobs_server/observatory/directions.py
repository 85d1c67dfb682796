"""Directions among the stars, and where they stand over a place. Pure functions; times are ms since 1970 UTC.

A direction is ICRS, which ephem's own J2000 agrees with to some hundredths of a second of arc.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import ephem

from .sky import Place, ephem_days, observer

_ROUNDS = 5  # Each brings what is sought some hundred times nearer.
_GALACTIC_POLE = (192.85948, 27.12825)
_NORTH_POLE_LONGITUDE = 122.93192


class Direction(NamedTuple):
    """A direction among the stars: right ascension from 0 to 24 hours, declination from -90 to 90 degrees."""

    ra_hours: float
    dec_degrees: float


def altitude_degrees(direction: Direction, at_ms: int, place: Place) -> float:
    """Return how high a direction stands over the level of a place, in degrees, without the air's refraction."""
    body = _fixed(direction)
    body.compute(observer(place, at_ms))
    return math.degrees(body.alt)


def of_date(direction: Direction, at_ms: int) -> Direction:
    """Return where a direction is seen in the equator and equinox of a moment, as a telescope's circles have it."""
    body = _fixed(direction)
    body.compute(ephem_days(at_ms), epoch=ephem_days(at_ms))
    return Direction(math.degrees(body.g_ra) / 15, math.degrees(body.g_dec))


def from_date(seen: Direction, at_ms: int) -> Direction:
    """Return the direction that is seen there in the equator and equinox of a moment (`JNOW`)."""
    wanted = found = _unit(seen)
    for _ in range(_ROUNDS):
        reached = _unit(of_date(_direction(found), at_ms))
        found = tuple(a + b - c for a, b, c in zip(found, wanted, reached, strict=True))
    return _direction(found)


def from_galactic(longitude_degrees: float, latitude_degrees: float) -> Direction:
    """Return the direction of a place in the galaxy's system (IAU 1958, as Hipparcos ties it to ICRS)."""
    pole_ra, pole_dec = map(math.radians, _GALACTIC_POLE)
    around = math.radians(_NORTH_POLE_LONGITUDE - longitude_degrees)
    b = math.radians(latitude_degrees)
    sine = math.sin(b) * math.sin(pole_dec) + math.cos(b) * math.cos(pole_dec) * math.cos(around)
    y = math.cos(b) * math.sin(around)
    x = math.sin(b) * math.cos(pole_dec) - math.cos(b) * math.sin(pole_dec) * math.cos(around)
    ra = math.degrees(pole_ra + math.atan2(y, x)) % 360
    return Direction(ra / 15 % 24, math.degrees(math.asin(max(-1.0, min(1.0, sine)))))


def separation_degrees(one: Direction, other: Direction) -> float:
    """Return the angle between two directions, exact also for the smallest and the largest angles."""
    a, b = _unit(one), _unit(other)
    across = math.dist((0, 0, 0), (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))
    return math.degrees(math.atan2(across, sum(x * y for x, y in zip(a, b, strict=True))))


def _unit(direction: Direction) -> tuple[float, ...]:
    ra, dec = math.radians(direction.ra_hours * 15), math.radians(direction.dec_degrees)
    return math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)


def _direction(unit: tuple[float, ...]) -> Direction:
    x, y, z = unit
    return Direction(math.degrees(math.atan2(y, x)) / 15 % 24, math.degrees(math.atan2(z, math.hypot(x, y))))


def _fixed(direction: Direction) -> ephem.FixedBody:
    body = ephem.FixedBody()
    body._ra, body._dec = math.radians(direction.ra_hours * 15), math.radians(direction.dec_degrees)
    body._epoch = ephem.J2000
    return body
