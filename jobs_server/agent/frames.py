"""Directions between ICRS and the frames that mounts speak, and over the horizon; by astropy, offline."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from .errors import BadReply

_MOST_HOURS = 48.0  # some mounts count on beyond 24
Frame = Literal["icrs", "of_date", "j2000", "j2050", "b1950", "b1900"]


@cache
def astropy() -> tuple[Any, Any, Any]:
    """Return astropy's coordinates, times and units, set to ask no network and to take its table at any age."""
    from astropy import coordinates, time, units
    from astropy.utils import iers

    iers.conf.auto_download = False
    iers.conf.auto_max_age = None
    iers.conf.iers_degraded_accuracy = "warn"
    return coordinates, time, units


def load() -> None:
    """Load astropy, which takes seconds, before anybody waits for a direction."""
    to_icrs(0.0, 0.0, "of_date", datetime.now(UTC))


def _frame(frame: Frame, when: datetime) -> Any:
    coordinates, time, _ = astropy()
    if frame == "of_date":
        return coordinates.TETE(obstime=time.Time(when))
    if frame in {"b1950", "b1900"}:
        return coordinates.FK4(equinox=frame.upper())
    return coordinates.ICRS() if frame == "icrs" else coordinates.FK5(equinox=frame.upper())


def from_icrs(ra_hours: float, dec_degrees: float, frame: Frame, when: datetime) -> tuple[float, float]:
    """Return an ICRS direction, hours and degrees, in a mount's frame at a time."""
    coordinates, _, units = astropy()
    place = coordinates.SkyCoord(ra_hours * units.hourangle, dec_degrees * units.deg).transform_to(_frame(frame, when))
    return float(place.ra.hour), float(place.dec.deg)


def to_icrs(ra_hours: float, dec_degrees: float, frame: Frame, when: datetime) -> tuple[float, float]:
    """Return a direction of a mount's frame at a time as ICRS, hours and degrees; raise BadReply when it is none."""
    if not (abs(ra_hours) <= _MOST_HOURS and abs(dec_degrees) <= 90):
        raise BadReply(f"right ascension {ra_hours:g} h and declination {dec_degrees:g} degrees are no direction")
    coordinates, _, units = astropy()
    own = coordinates.SkyCoord(ra_hours * units.hourangle, dec_degrees * units.deg, frame=_frame(frame, when))
    place = own.transform_to(coordinates.ICRS())
    return float(place.ra.hour), float(place.dec.deg)


def separation_degrees(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the angle between two directions, each hours and degrees."""
    (ra, dec), (other_ra, other_dec) = ((math.radians(hours * 15), math.radians(dec)) for hours, dec in (one, other))
    north = math.sin((dec - other_dec) / 2) ** 2
    east = math.cos(dec) * math.cos(other_dec) * math.sin((ra - other_ra) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(min(1.0, north + east))))
