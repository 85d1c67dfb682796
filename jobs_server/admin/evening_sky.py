"""Where the site of a demonstration is, so that it is night there now, and what stands high over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..observatory import sky
from ..observatory.directions import Direction, altitude_degrees
from ..observatory.sky import Place

HOUR_MS = 60 * 60 * 1000
_WANTED_HOURS = 3.0
_LEAST_LEFT_HOURS = 2.0
_LOWEST_DEGREES = 35.0


class Spot(NamedTuple):
    """A place for a pretended observatory."""

    name: str
    place: Place
    timezone: str


class Target(NamedTuple):
    """What the people of a demonstration look at."""

    name: str
    direction: Direction


SPOTS = (
    Spot("Tenerife", Place(28.30, -16.51, 2390), "Atlantic/Canary"),
    Spot("Windhoek", Place(-22.70, 16.93, 1850), "Africa/Windhoek"),
    Spot("Nairobi", Place(-1.29, 36.82, 1795), "Africa/Nairobi"),
    Spot("Karachi", Place(24.86, 67.01, 10), "Asia/Karachi"),
    Spot("Chiang Mai", Place(18.59, 98.49, 2450), "Asia/Bangkok"),
    Spot("Perth", Place(-32.01, 116.14, 400), "Australia/Perth"),
    Spot("Brisbane", Place(-27.47, 153.03, 30), "Australia/Brisbane"),
    Spot("Suva", Place(-18.14, 178.44, 10), "Pacific/Fiji"),
    Spot("Hilo", Place(19.72, -155.08, 20), "Pacific/Honolulu"),
    Spot("Tucson", Place(32.22, -110.97, 730), "America/Phoenix"),
    Spot("La Serena", Place(-29.90, -71.25, 30), "America/Santiago"),
    Spot("Recife", Place(-8.05, -34.90, 10), "America/Recife"),
)
"""Places around the Earth, near enough to the equator for a night in every season."""

TARGETS = tuple(
    Target(name, Direction(ra_hours, dec_degrees))
    for name, ra_hours, dec_degrees in (
        ("M 31", 0.7123, 41.269),
        ("NGC 253", 0.7925, -25.288),
        ("M 33", 1.5641, 30.660),
        ("NGC 891", 2.3760, 42.349),
        ("NGC 1300", 3.3281, -19.411),
        ("M 45", 3.7900, 24.105),
        ("M 42", 5.5881, -5.391),
        ("NGC 2070", 5.6450, -69.101),
        ("M 81", 9.9259, 69.065),
        ("NGC 3372", 10.7518, -59.867),
        ("M 66", 11.3375, 12.992),
        ("M 104", 12.6665, -11.623),
        ("NGC 5139", 13.4464, -47.480),
        ("M 51", 13.4980, 47.195),
        ("M 5", 15.3092, 2.081),
        ("M 13", 16.6949, 36.461),
        ("M 20", 18.0451, -22.972),
        ("M 57", 18.8930, 33.029),
        ("M 27", 19.9934, 22.721),
        ("NGC 7293", 22.4940, -20.837),
    )
)
"""Around the sky, so that some stand high at any place and time."""


def spot_at_night(now_ms: int) -> tuple[Spot, int]:
    """Return the place where it has been dark for a few hours, and when it became dark there."""
    found = ((spot, _dark(spot, now_ms)) for spot in SPOTS)
    dark = [(spot, span.from_ms, span.to_ms) for spot, span in found if span is not None]
    long_enough = [each for each in dark if each[2] - now_ms >= _LEAST_LEFT_HOURS * HOUR_MS] or dark
    spot, since_ms, _ = min(long_enough, key=lambda each: abs(now_ms - each[1] - _WANTED_HOURS * HOUR_MS))
    return spot, since_ms


def high(spot: Spot, from_ms: int, to_ms: int) -> Sequence[Target]:
    """Return what stands high at the start and at the end of a time, highest first; the highest where nothing does."""

    def height(target: Target) -> float:
        return min(altitude_degrees(target.direction, at_ms, spot.place) for at_ms in (from_ms, to_ms))

    ranked = sorted(TARGETS, key=height, reverse=True)
    return [each for each in ranked if height(each) >= _LOWEST_DEGREES] or ranked[:1]


def _dark(spot: Spot, now_ms: int) -> sky.Span | None:
    spans = sky.spans(spot.place, now_ms - 14 * HOUR_MS, now_ms + 14 * HOUR_MS)
    return next((each for each in spans if each.light == "night" and each.from_ms <= now_ms < each.to_ms), None)
