"""A mount behind Alpaca."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from .. import frames
from ..errors import NotPossible, Refused
from .alpaca_device import AlpacaDevice, number
from .interfaces import Direction, Horizontal, Mount, Place, State
from .motion import apart, finite

TOLERANCE_DEGREES = 0.05
_FRAMES: dict[float | None, frames.Frame] = {1: "of_date", 2: "j2000", 3: "j2050", 4: "b1950"}


class AlpacaMount(AlpacaDevice, Mount):
    """A mount behind Alpaca; a frame that it calls other is taken as of date, unless the file says which it is."""

    types = ("telescope",)
    moving = ("slewing",)
    watched = ("rightascension", "declination")
    aborts = ("abortslew",)
    _place: Place | None = None

    def _prepare(self) -> None:
        frames.load()
        if self._place is not None:
            self._send_place(self._place, datetime.now(UTC))

    def abilities(self) -> frozenset[str]:
        """Return what the mount says that it can do."""
        by_word = {
            "go": "canslewasync",
            "go_horizontal": "canslewaltazasync",
            "park": "canpark",
            "unpark": "canunpark",
            "home": "canfindhome",
            "set_tracking": "cansettracking",
        }
        return frozenset({name for name, word in by_word.items() if self._can(word)} | {"set_place"})

    def place(self) -> Place | None:
        """Return the place that the mount has; None when it knows none or stands at 0/0."""
        latitude, longitude = self._number("sitelatitude"), self._number("sitelongitude")
        if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
            return None
        return Place(latitude, (longitude + 180) % 360 - 180, self._number("siteelevation") or 0.0)

    def clock(self) -> datetime | None:
        """Return the mount's UTC, aware; None when it has no clock that can be read."""
        try:
            told = datetime.fromisoformat(str(self._try("utcdate")))
        except ValueError:
            return None
        return told if told.tzinfo else told.replace(tzinfo=UTC)

    def set_place(self, place: Place, now: datetime) -> None:
        """Set the mount's place and clock; they are set again after each reconnect, then with the time of that."""
        with self._move("set the place", at_rest=False):
            self._send_place(place, now)
            self._place = place

    def _send_place(self, place: Place, now: datetime) -> None:
        self._set("sitelatitude", float(place.latitude_degrees), member="SiteLatitude")
        self._set("sitelongitude", float(place.longitude_degrees), member="SiteLongitude")
        self._set("siteelevation", float(place.elevation_m), member="SiteElevation")
        text = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._main.put("utcdate", self.settings.answer_seconds, UTCDate=text)

    def is_parked(self) -> bool:
        """Whether the mount is parked."""
        return self._try("atpark") is True

    def is_tracking(self) -> bool:
        """Whether the mount follows the sky."""
        return self._try("tracking") is True

    @property
    def _frame(self) -> frames.Frame:
        return self.settings.frame or _FRAMES.get(number(self._constant("equatorialsystem")), "of_date")

    def _own(self) -> tuple[float, float]:
        ra = self._get_number("rightascension", "where it points")
        return ra, self._get_number("declination", "where it points")

    def position(self) -> Direction:
        """Return where the mount points, ICRS."""
        ra, dec = self._number("rightascension"), self._number("declination")
        if ra is None or dec is None:
            raise Refused(f"{self.name} does not say where it points")
        return Direction(*frames.to_icrs(ra, dec, self._frame, datetime.now(UTC)))

    def go(self, target: Direction, seconds: float) -> Direction:
        """Slew to a direction and track; return where the mount then points."""
        ra, dec = finite(target.ra_hours, "the right ascension") % 24, finite(target.dec_degrees, "the declination")
        if abs(dec) > 90:
            raise Refused(f"a declination of {dec:g} degrees is none")
        with self._move("slew"):
            self._refuse_parked("slew")
            if not self._can("canslewasync"):
                raise NotPossible(f"{self.name} cannot slew to a direction")
            own = frames.from_icrs(ra, dec, self._frame, datetime.now(UTC))
            if self._can("cansettracking") and self._main.get("tracking") is not True:
                self._set("tracking", True, member="Tracking")
            values = {"RightAscension": own[0] % 24, "Declination": own[1]}
            self._drive("slewtocoordinatesasync", seconds, lambda: self._misses(own), **values)
        return self.position()

    def _misses(self, asked: tuple[float, float]) -> str | None:
        there = self._own()
        if frames.separation_degrees(asked, there) <= (self.settings.tolerance or TOLERANCE_DEGREES):
            return None
        words = [f"RA {each[0]:.5f} h, dec {each[1]:+.4f}" for each in (asked, there)]
        return f"asked for {words[0]}, and it points to {words[1]} ({self._frame.replace('_', ' ')})"

    def go_horizontal(self, target: Horizontal, seconds: float) -> Horizontal:
        """Slew to a place over the horizon and stand still there."""
        alt, az = finite(target.alt_degrees, "the altitude"), finite(target.az_degrees, "the azimuth") % 360
        if abs(alt) > 90:
            raise Refused(f"an altitude of {alt:g} degrees is none")
        with self._move("slew"):
            self._refuse_parked("slew")
            if not self._can("canslewaltazasync"):
                raise NotPossible(f"{self.name} cannot slew by altitude and azimuth")
            if self._can("cansettracking") and self._main.get("tracking") is True:
                self._set("tracking", False, member="Tracking")
            values = {"Azimuth": az, "Altitude": alt}
            self._drive("slewtoaltazasync", seconds, lambda: self._misses_horizontal(alt, az), **values)
        return self._horizontal() or target

    def _horizontal(self) -> Horizontal | None:
        alt, az = self._number("altitude"), self._number("azimuth")
        return None if alt is None or az is None else Horizontal(alt, az % 360)

    def _misses_horizontal(self, alt: float, az: float) -> str | None:
        there_alt = self._get_number("altitude", "its altitude")
        there_az = self._get_number("azimuth", "its azimuth")
        off = max(abs(there_alt - alt), apart(there_az, az) * math.cos(math.radians(alt)))
        if off <= (self.settings.tolerance or TOLERANCE_DEGREES):
            return None
        reads = f"altitude {there_alt:.4f}, azimuth {there_az:.4f}"
        return f"asked for altitude {alt:.4f}, azimuth {az:.4f}, and it points to {reads}"

    def _refuse_parked(self, deed: str) -> None:
        if self._main.get("atpark") is True:
            raise Refused(f"{self.name} cannot {deed}: it is parked; unpark it first")

    def park(self, seconds: float) -> None:
        """Slew to the parking position and park."""
        with self._move("park"):
            if self._main.get("atpark") is not True:
                self._drive("park", seconds, lambda: self._stands("atpark", True, "parked"))

    def unpark(self, seconds: float) -> None:
        """Unpark; tracking stays as the mount leaves it."""
        with self._move("unpark"):
            if self._main.get("atpark") is True:
                self._drive("unpark", seconds, lambda: self._stands("atpark", False, "unparked"))

    def home(self, seconds: float) -> None:
        """Slew to the home position."""
        with self._move("go home"):
            self._refuse_parked("go home")
            self._drive("findhome", seconds, lambda: self._stands("athome", True, "at home"))

    def set_tracking(self, on: bool, seconds: float = 10.0) -> None:
        """Switch tracking on or off."""
        with self._move(f"switch tracking {'on' if on else 'off'}"):
            if on:
                self._refuse_parked("track")
            self._put("tracking", Tracking=on)
            self._settle(seconds, lambda: self._stands("tracking", on, f"tracking {'on' if on else 'off'}"))

    def _stands(self, name: str, value: bool, word: str) -> str | None:
        return None if self._main.get(name) is value else f"it is not {word}"

    def _known(self) -> State:
        state: State = {"status": self._brief()}
        direction, horizontal = self.position(), self._horizontal()
        state |= {"ra_hours": direction.ra_hours, "dec_degrees": direction.dec_degrees}
        if horizontal is not None:
            state |= {"alt_degrees": horizontal.alt_degrees, "az_degrees": horizontal.az_degrees}
        side = number(self._try("sideofpier"))
        return state | ({"pier_side": "east" if side == 0 else "west"} if side in {0, 1} else {})

    def _brief(self) -> str:
        if self._watch.get("slewing", self.settings.answer_seconds) is True:
            return "slewing"
        return "parked" if self.is_parked() else "tracking" if self.is_tracking() else "idle"
