"""Where things stand over a place: altitudes, hour angles, the sun, and what a slew is refused for."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime
from typing import Any, Protocol

from . import frames
from .devices.interfaces import Direction, Horizontal, Mount, Place
from .errors import Refused

_SUN_SINKS_DEGREES = -0.833  # the upper limb at the horizon, with refraction
_PLACES_APART_DEGREES = 0.1
_CLOCKS_APART_SECONDS = 5.0
_LOWEST_AIRMASS_DEGREES = 3.0


class SlewLimits(Protocol):
    """What agent.toml says of a mount's slews."""

    @property
    def min_altitude_degrees(self) -> float: ...

    @property
    def sun_distance_degrees(self) -> float: ...

    @property
    def set_place(self) -> bool: ...


def warm() -> threading.Thread:
    """Load astropy and its tables in a thread, which takes seconds, and return the thread."""
    thread = threading.Thread(target=_load, name="astropy", daemon=True)
    thread.start()
    return thread


def _load() -> None:
    frames.load()
    now, place = datetime.now(UTC), Place(0.0, 0.0)
    horizontal(sun(now), place, now)
    sidereal_hours(place, now)


def _location(place: Place) -> Any:
    coordinates, _, units = frames.astropy()
    return coordinates.EarthLocation.from_geodetic(
        place.longitude_degrees * units.deg, place.latitude_degrees * units.deg, place.elevation_m * units.m
    )


def horizontal(direction: Direction, place: Place, when: datetime) -> Horizontal:
    """Return where an ICRS direction stands over the horizon of a place, without refraction."""
    coordinates, time, units = frames.astropy()
    sky = coordinates.SkyCoord(direction.ra_hours * units.hourangle, direction.dec_degrees * units.deg)
    there = sky.transform_to(coordinates.AltAz(obstime=time.Time(when), location=_location(place)))
    return Horizontal(float(there.alt.deg), float(there.az.deg))


def direction(horizontal: Horizontal, place: Place, when: datetime) -> Direction:
    """Return the ICRS direction of a place over the horizon."""
    coordinates, time, units = frames.astropy()
    frame = coordinates.AltAz(obstime=time.Time(when), location=_location(place))
    alt, az = horizontal.alt_degrees * units.deg, horizontal.az_degrees * units.deg
    there = coordinates.SkyCoord(alt=alt, az=az, frame=frame).transform_to(coordinates.ICRS())
    return Direction(float(there.ra.hour), float(there.dec.deg))


def sidereal_hours(place: Place, when: datetime) -> float:
    """Return the apparent sidereal time of a place, 0 to 24 hours."""
    _, time, units = frames.astropy()
    angle = time.Time(when).sidereal_time("apparent", longitude=place.longitude_degrees * units.deg)
    return float(angle.hour)


def from_hour_angle(ha_hours: float, dec_degrees: float, place: Place, when: datetime) -> Direction:
    """Return the ICRS direction of an hour angle and a declination, both of date."""
    ra_hours = (sidereal_hours(place, when) - ha_hours) % 24
    return Direction(*frames.to_icrs(ra_hours, dec_degrees, "of_date", when))


def sun(when: datetime) -> Direction:
    """Return where the sun stands, ICRS as seen from the Earth."""
    coordinates, time, _ = frames.astropy()
    there = coordinates.get_sun(time.Time(when))
    return Direction(float(there.ra.hour), float(there.dec.deg))


def separation_degrees(one: Direction, other: Direction) -> float:
    """Return the angle between two directions."""
    return frames.separation_degrees((one.ra_hours, one.dec_degrees), (other.ra_hours, other.dec_degrees))


def airmass(alt_degrees: float) -> float | None:
    """Return the airmass by Kasten and Young; None below 3 degrees, where it means nothing."""
    if alt_degrees < _LOWEST_AIRMASS_DEGREES:
        return None
    return 1 / (math.sin(math.radians(alt_degrees)) + 0.50572 * math.pow(alt_degrees + 6.07995, -1.6364))


def check_target(target: Direction, place: Place, when: datetime, limits: SlewLimits) -> None:
    """Raise Refused, before anything moves, when a direction is too low, or near the sun while it is up."""
    there = horizontal(target, place, when)
    least = limits.min_altitude_degrees
    if there.alt_degrees < least:
        raise Refused(f"the target stands at altitude {there.alt_degrees:.1f} degrees, below the limit of {least:g}")
    _check_sun(target, place, when, limits.sun_distance_degrees)


def _check_sun(target: Direction, place: Place, when: datetime, least: float) -> None:
    if least <= 0:
        return
    its_place = sun(when)
    apart = separation_degrees(target, its_place)
    if apart < least and horizontal(its_place, place, when).alt_degrees > _SUN_SINKS_DEGREES:
        raise Refused(f"the target is {apart:.1f} degrees from the sun, which is up: at least {least:g} are asked for")


def place_for_slews(mount: Mount, place: Place | None, limits: SlewLimits, now: datetime) -> Place:
    """Return the place that slews of a mount are reckoned by; raise Refused when mount and file do not agree.

    A mount that stands at 0/0 is given the file's place and the time where agent.toml says `set_place`.
    """
    own = mount.place()
    if own is None and place is not None and limits.set_place:
        mount.set_place(place, now)
        own = mount.place()
    if own is None and "set_place" in mount.abilities():
        raise Refused(f"{mount.name} stands at latitude 0, longitude 0 or knows no place: {_place_advice(place)}")
    if own is None and place is None:
        raise Refused(f"no place is known for {mount.name}: write latitude_degrees and longitude_degrees in agent.toml")
    if own is not None and place is not None:
        _check_places(mount.name, own, place)
    _check_clock(mount, now)
    return place or own or Place(0.0, 0.0)


def _place_advice(place: Place | None) -> str:
    if place is None:
        return "write latitude_degrees, longitude_degrees and set_place = true in agent.toml"
    return "write set_place = true in agent.toml"


def _check_places(name: str, own: Place, place: Place) -> None:
    east = abs(own.longitude_degrees - place.longitude_degrees) % 360
    apart = max(abs(own.latitude_degrees - place.latitude_degrees), min(east, 360 - east))
    if apart > _PLACES_APART_DEGREES:
        raise Refused(f"{name} says that it stands at {_said(own)}, and agent.toml says {_said(place)}")


def _said(place: Place) -> str:
    return f"latitude {place.latitude_degrees:.4f}, longitude {place.longitude_degrees:.4f}"


def _check_clock(mount: Mount, now: datetime) -> None:
    clock = mount.clock()
    if clock is None:
        return
    apart = (clock - now).total_seconds()
    if abs(apart) > _CLOCKS_APART_SECONDS:
        way = "ahead of" if apart > 0 else "behind"
        raise Refused(
            f"the clock of {mount.name} is {abs(apart):.0f} s {way} this computer's: set one of the two right"
        )
