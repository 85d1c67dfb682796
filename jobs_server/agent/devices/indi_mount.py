"""A mount behind INDI."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta

from .. import frames
from ..errors import Refused
from .indi_device import IndiDevice
from .interfaces import Direction, Horizontal, Mount, Place, State
from .motion import apart, finite

TOLERANCE_DEGREES = 0.05
_OF_DATE, _J2000 = "EQUATORIAL_EOD_COORD", "EQUATORIAL_COORD"
_ALTAZ, _PARK, _TRACK, _HOME = "HORIZONTAL_COORD", "TELESCOPE_PARK", "TELESCOPE_TRACK_STATE", "TELESCOPE_HOME"
_PLACE, _CLOCK = "GEOGRAPHIC_COORD", "TIME_UTC"
_HOME_MEMBERS = ("GO", "FIND")


class IndiMount(IndiDevice, Mount):
    """A mount behind INDI; its frame is of date, or J2000 where it offers that alone."""

    needed = (_OF_DATE, _J2000)
    moving = (_OF_DATE, _J2000, _ALTAZ, _PARK, _HOME, "TELESCOPE_MOTION_NS", "TELESCOPE_MOTION_WE")
    watched = (_OF_DATE, _J2000)
    abort = ("TELESCOPE_ABORT_MOTION", "ABORT")

    def abilities(self) -> frozenset[str]:
        """Return what the mount can do by the properties that it has."""
        self._check_watched()
        by_property = {
            "go": self._coordinates,
            "go_horizontal": _ALTAZ,
            "park": _PARK,
            "unpark": _PARK,
            "home": _HOME,
            "set_tracking": _TRACK,
            "set_place": _PLACE,
        }
        return frozenset(name for name, vector in by_property.items() if self._has(vector))

    def place(self) -> Place | None:
        """Return the place that the mount has; None when it knows none or stands at 0/0."""
        latitude, longitude = self._number(_PLACE, "LAT"), self._number(_PLACE, "LONG")
        if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
            return None
        return Place(latitude, (longitude + 180) % 360 - 180, self._number(_PLACE, "ELEV") or 0.0)

    def clock(self) -> datetime | None:
        """Return the mount's UTC, carried on since it was told; None when it has none."""
        vector = self._vector(_CLOCK)
        try:
            told = datetime.fromisoformat(vector.text("UTC")) if vector is not None else None
        except ValueError:
            return None
        if vector is None or told is None:
            return None
        try:
            return told.replace(tzinfo=UTC) + timedelta(seconds=time.monotonic() - vector.at)
        except OverflowError:  # the last second of the year 9999
            return None

    def set_place(self, place: Place, now: datetime) -> None:
        """Set the mount's place and clock; they are set again after each reconnect, then with the time of that."""
        with self._move("set the place", at_rest=False):
            self._set_clock(now)
            longitude = place.longitude_degrees % 360
            values = {"LAT": place.latitude_degrees, "LONG": longitude, "ELEV": place.elevation_m}
            self._set(_PLACE, values)
            self._has_place = True

    def _set_clock(self, now: datetime) -> None:
        if self._main.vector(_CLOCK) is not None:
            text = now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
            self._apply(_CLOCK, {"UTC": text, "OFFSET": "0"})

    _has_place = False

    def _prepare(self) -> None:
        frames.load()
        if self._has_place:
            self._set_clock(datetime.now(UTC))

    def is_parked(self) -> bool:
        """Whether the mount is parked."""
        vector = self._vector(_PARK)
        return vector is not None and vector.is_on("PARK") and vector.state != "Busy"

    def is_tracking(self) -> bool:
        """Whether the mount follows the sky."""
        vector = self._vector(_TRACK)
        if vector is not None:
            return vector.is_on("TRACK_ON")
        coordinates = self._vector(self._coordinates)
        return coordinates is not None and coordinates.state == "Ok"

    @property
    def _coordinates(self) -> str:
        return _OF_DATE if self._vector(_OF_DATE) is not None else _J2000

    @property
    def _frame(self) -> frames.Frame:
        return self.settings.frame or ("of_date" if self._coordinates == _OF_DATE else "j2000")

    def _own(self) -> tuple[float, float]:
        """Return where the mount says it points, in its own frame."""
        ra, dec = self._number(self._coordinates, "RA"), self._number(self._coordinates, "DEC")
        if ra is None or dec is None:
            self._check_watched()
            raise Refused(f"{self.name} does not say where it points")
        return ra, dec

    def position(self) -> Direction:
        """Return where the mount points, ICRS."""
        return Direction(*frames.to_icrs(*self._own(), self._frame, datetime.now(UTC)))

    def go(self, target: Direction, seconds: float) -> Direction:
        """Slew to a direction and track; return where the mount then points."""
        ra, dec = finite(target.ra_hours, "the right ascension") % 24, finite(target.dec_degrees, "the declination")
        if abs(dec) > 90:
            raise Refused(f"a declination of {dec:g} degrees is none")
        own = frames.from_icrs(ra, dec, self._frame, datetime.now(UTC))
        with self._move("slew"):
            self._refuse_parked("slew")
            if self._has("ON_COORD_SET", "TRACK"):
                self._apply("ON_COORD_SET", {"TRACK": True})
            values = {"RA": own[0] % 24, "DEC": own[1]}
            self._drive(self._coordinates, values, seconds, lambda: self._misses(own))
        return self.position()

    def _misses(self, asked: tuple[float, float]) -> str | None:
        there = self._own()
        if frames.separation_degrees(asked, there) <= (self.settings.tolerance or TOLERANCE_DEGREES):
            return None
        return f"asked for {_said(asked)}, and it points to {_said(there)} ({self._frame.replace('_', ' ')})"

    def go_horizontal(self, target: Horizontal, seconds: float) -> Horizontal:
        """Slew to a place over the horizon and stand still there."""
        alt, az = finite(target.alt_degrees, "the altitude"), finite(target.az_degrees, "the azimuth") % 360
        if abs(alt) > 90:
            raise Refused(f"an altitude of {alt:g} degrees is none")
        with self._move("slew"):
            self._refuse_parked("slew")
            self._needs(_ALTAZ, "slew by altitude and azimuth")
            self._drive(_ALTAZ, {"ALT": alt, "AZ": az}, seconds, lambda: self._misses_horizontal(alt, az))
        return self._horizontal() or target

    def _horizontal(self) -> Horizontal | None:
        alt, az = self._number(_ALTAZ, "ALT"), self._number(_ALTAZ, "AZ")
        return None if alt is None or az is None else Horizontal(alt, az % 360)

    def _misses_horizontal(self, alt: float, az: float) -> str | None:
        there = self._horizontal()
        if there is None:
            return f"asked for altitude {alt:.4f}, azimuth {az:.4f}, and it does not say where it points"
        off = max(abs(there.alt_degrees - alt), apart(there.az_degrees, az) * math.cos(math.radians(alt)))
        if off <= (self.settings.tolerance or TOLERANCE_DEGREES):
            return None
        reads = f"altitude {there.alt_degrees:.4f}, azimuth {there.az_degrees:.4f}"
        return f"asked for altitude {alt:.4f}, azimuth {az:.4f}, and it points to {reads}"

    def _refuse_parked(self, deed: str) -> None:
        if self.is_parked():
            raise Refused(f"{self.name} cannot {deed}: it is parked; unpark it first")

    def park(self, seconds: float) -> None:
        """Slew to the parking position and park."""
        with self._move("park"):
            self._needs(_PARK, "park")
            if not self.is_parked():
                self._drive(_PARK, {"PARK": True}, seconds, lambda: self._stands(_PARK, "PARK", "parked"))

    def unpark(self, seconds: float) -> None:
        """Unpark; tracking stays as the mount leaves it."""
        with self._move("unpark"):
            self._needs(_PARK, "unpark")
            if self.is_parked():
                self._drive(_PARK, {"UNPARK": True}, seconds, lambda: self._stands(_PARK, "UNPARK", "unparked"))

    def _stands(self, vector: str, member: str, word: str) -> str | None:
        return None if self._needs(vector, self._doing).is_on(member) else f"it is not {word}"

    def home(self, seconds: float) -> None:
        """Slew to the home position."""
        with self._move("go home"):
            self._refuse_parked("go home")
            members = self._needs(_HOME, "go home").values
            member = next((name for name in _HOME_MEMBERS if name in members), next(iter(members)))
            self._drive(_HOME, {member: True}, seconds, lambda: None)

    def set_tracking(self, on: bool, seconds: float = 10.0) -> None:
        """Switch tracking on or off."""
        with self._move(f"switch tracking {'on' if on else 'off'}"):
            if on:
                self._refuse_parked("track")
            member = "TRACK_ON" if on else "TRACK_OFF"
            before = self._needs(_TRACK, "switch its tracking")
            self._ask(lambda: self._main.send(_TRACK, {member: True}))
            self._await_answer(before, min(seconds, self.settings.answer_seconds))
            # Busy is here no motion: it means that the mount tracks.
            self._until(
                lambda: self._needs(_TRACK, "track").is_on(member), seconds, f"tracking {'on' if on else 'off'}"
            )

    def _brief(self) -> str:
        if self.is_moving():
            return "slewing"
        return "parked" if self.is_parked() else "tracking" if self.is_tracking() else "idle"

    def _known(self) -> State:
        direction, horizontal = self.position(), self._horizontal()
        state: State = {
            "status": self._brief(),
            "ra_hours": direction.ra_hours,
            "dec_degrees": direction.dec_degrees,
        }
        if horizontal is not None:
            state |= {"alt_degrees": horizontal.alt_degrees, "az_degrees": horizontal.az_degrees}
        pier = self._vector("TELESCOPE_PIER_SIDE")
        sides = [side for side in ("EAST", "WEST") if pier is not None and pier.is_on(f"PIER_{side}")]
        return state | ({"pier_side": sides[0].lower()} if sides else {})


def _said(direction: tuple[float, float]) -> str:
    return f"RA {direction[0]:.5f} h, dec {direction[1]:+.4f}"
