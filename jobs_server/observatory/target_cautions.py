"""What is to be said before a telescope points: that a target is down, below the site's limit, or near the sun.

A caution refuses nothing: it is acknowledged before a job is sent, and a plan pauses with it as the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import shown
from . import sky, solar_system, targets
from .abilities import Abilities
from .directions import Direction, altitude_degrees, from_date, separation_degrees
from .numbers_said import as_number
from .sky import Place

SUN_DISTANCE_DEGREES = 20.0
"""How near to the sun a target is said to be near it, where the site's profile says nothing."""
_SUN_SINKS_DEGREES = -0.833
_LONGEST_NAME = 60


class PointingLimits(NamedTuple):
    """Where a site's telescopes may point."""

    altitude_degrees: float | None = None
    """The least altitude; None where the site says none: then the horizon counts."""
    sun_distance_degrees: float = SUN_DISTANCE_DEGREES


def limits(known: Abilities, mount: str = "") -> PointingLimits:
    """Return where a mount may point, as `site.toml` or else the site says; without its name, the least strict."""
    profile = known.profile
    lowest = profile.lowest_altitude_deg
    if lowest is None:
        names = [mount] if mount else known.instances("mount") or ()
        said = (known.limits("mount", name).get("altitude_degrees") for name in names)
        found = [bounds[0] for bounds in said if bounds and math.isfinite(bounds[0])]
        lowest = min(found, default=None)
    distance = profile.sun_distance_deg
    return PointingLimits(lowest, SUN_DISTANCE_DEGREES if distance is None else distance)


def of_target(name: str, direction: Direction, at_ms: int, place: Place, bounds: PointingLimits) -> list[str]:
    """Return what is to be said of a target at a moment, sentences without a stop; nothing when all is well."""
    called = shown(name, _LONGEST_NAME) if name.strip() else "the target"
    return [
        *_low(called, altitude_degrees(direction, at_ms, place), bounds),
        *_near_sun(called, direction, at_ms, place, bounds),
    ]


def of_job(
    known: Abilities,
    device: str,
    instance: str,
    action: str,
    required: Mapping[str, Any],
    optional: Mapping[str, Any],
    at_ms: int,
) -> list[str]:
    """Return what is to be said of where a job points a mount; nothing of a site whose place is not known."""
    place = known.profile.place
    if (device, action) != ("mount", "go") or place is None:
        return []
    direction = _direction(required, at_ms, place)
    if direction is None:
        return []
    name = str(optional.get("object", ""))
    name = "" if name == "empty" else name
    return of_target(name, direction, at_ms, place, limits(known, instance))


def followed(required: Mapping[str, Any], name: str, at_ms: int, place: Place | None) -> dict[str, Any]:
    """Return what a slew to a named target needs at a moment: of what moves, where the target stands then."""
    direction = targets.place_of_moving(name, at_ms, place)
    if direction is None or not {"ra", "dec"} <= required.keys():
        return dict(required)
    return {**required, "ra": direction.ra_hours, "dec": direction.dec_degrees}


def _low(called: str, altitude: float, bounds: PointingLimits) -> Iterator[str]:
    limit = bounds.altitude_degrees
    if altitude < 0 and (limit is None or limit > altitude):
        yield f"{called} stands {-altitude:.1f}° below the horizon"
    elif limit is not None and altitude < limit:
        yield f"{called} stands {altitude:.1f}° high, below this site's limit of {limit:g}°"


def _near_sun(called: str, direction: Direction, at_ms: int, place: Place, bounds: PointingLimits) -> Iterator[str]:
    """Say when a target is near the sun while the sun is up; the sun itself is 0 degrees from the sun."""
    sun = solar_system.direction(solar_system.SUN, at_ms, place)
    apart = separation_degrees(direction, sun)
    sinks = _SUN_SINKS_DEGREES - place.dip_deg
    if apart < bounds.sun_distance_degrees and altitude_degrees(sun, at_ms, place) > sinks:
        yield f"{called} is {apart:.1f}° from the sun, which is up: light from there can burn eyes and cameras"


def _direction(required: Mapping[str, Any], at_ms: int, place: Place) -> Direction | None:
    """Return where a slew leads, by right ascension, hour angle or azimuth; None when it cannot be read."""
    ra, dec, ha, az, alt = (as_number(required.get(key)) for key in ("ra", "dec", "ha", "az", "alt"))
    if az is not None and alt is not None:
        seen = sky.observer(place, at_ms).radec_of(math.radians(az), math.radians(alt))
        return Direction(math.degrees(seen[0]) / 15, math.degrees(seen[1]))
    if dec is None or not -90 <= dec <= 90:
        return None
    if ra is not None and 0 <= ra <= 24:
        return Direction(ra, dec)
    if ha is None:
        return None
    return from_date(Direction((sky.sidereal_hours(at_ms, place.longitude_deg) - ha) % 24, dec), at_ms)
