"""Where a mount points: at a place of the sky, which it follows, or at one of the horizon."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..observatory.poses import Params, number
from ..observatory.sky import Place, sidereal_hours


class Pointing(NamedTuple):
    """A direction: it stays at an hour angle, or follows a right ascension."""

    hour_angle: float
    """In degrees, when the mount does not follow the sky."""
    dec_degrees: float
    ra: float | None = None
    """In hours, while the mount follows the sky."""
    is_parked: bool = False

    @classmethod
    def at_rest(cls, place: Place) -> Pointing:
        """Return the direction of a mount that nobody has moved: at the zenith."""
        return cls(0.0, place.latitude_deg)

    def ra_hours(self, sidereal: float) -> float:
        """Return the right ascension in hours, at a local sidereal time in hours."""
        return (sidereal - self.hour_angle / 15) % 24 if self.ra is None else self.ra

    def tracking(self, sidereal: float, *, on: bool) -> Pointing:
        """Return the same direction, followed or not."""
        ra = self.ra_hours(sidereal)
        return self._replace(hour_angle=(sidereal - ra) * 15, ra=ra if on else None)

    def turned(self, degrees: float) -> Pointing:
        """Return a direction so far to the west."""
        ra = None if self.ra is None else (self.ra - degrees / 15) % 24
        return self._replace(hour_angle=self.hour_angle + degrees, ra=ra)

    def horizon(self, sidereal: float, place: Place) -> tuple[float, float]:
        """Return altitude and azimuth in degrees, at a local sidereal time in hours."""
        turn = math.radians((sidereal - self.ra_hours(sidereal)) * 15)
        dec, latitude = math.radians(self.dec_degrees), math.radians(place.latitude_deg)
        sine = math.sin(dec) * math.sin(latitude) + math.cos(dec) * math.cos(latitude) * math.cos(turn)
        north = math.sin(dec) * math.cos(latitude) - math.cos(dec) * math.sin(latitude) * math.cos(turn)
        azimuth = math.degrees(math.atan2(-math.sin(turn) * math.cos(dec), north)) % 360
        return math.degrees(math.asin(max(-1.0, min(1.0, sine)))), azimuth


def hours_of(seconds: float, place: Place) -> float:
    """Return the local sidereal time in hours, at a time in seconds since 1970 UTC."""
    return sidereal_hours(round(seconds * 1000), place.longitude_deg)


def target(required: Params, sidereal: float, place: Place) -> Pointing:
    """Return where a slew leads, which the mount then follows. Raises BadParameter."""
    if "az" in required or "alt" in required:
        return _of_horizon(number(required, "az"), number(required, "alt"), place).tracking(sidereal, on=True)
    declination = number(required, "dec")
    if "ha" in required:
        return Pointing(number(required, "ha") * 15, declination).tracking(sidereal, on=True)
    return Pointing(0.0, declination, number(required, "ra"))


def _of_horizon(azimuth: float, altitude: float, place: Place) -> Pointing:
    az, alt, latitude = (math.radians(each) for each in (azimuth, altitude, place.latitude_deg))
    sine = math.sin(alt) * math.sin(latitude) + math.cos(alt) * math.cos(latitude) * math.cos(az)
    up = math.sin(alt) * math.cos(latitude) - math.cos(alt) * math.sin(latitude) * math.cos(az)
    hour_angle = math.degrees(math.atan2(-math.sin(az) * math.cos(alt), up))
    return Pointing(hour_angle, math.degrees(math.asin(max(-1.0, min(1.0, sine)))))
