"""A roof or a dome behind INDI."""

from __future__ import annotations

from ..errors import NotPossible
from .indi_device import IndiDevice
from .interfaces import Enclosure, ShutterStatus, State
from .motion import apart, finite

TOLERANCE_DEGREES = 1.0
_SHUTTER, _PARK, _AZIMUTH, _SYNC, _FOLLOW = (
    "DOME_SHUTTER",
    "DOME_PARK",
    "ABS_DOME_POSITION",
    "DOME_SYNC",
    "DOME_AUTOSYNC",
)
_DEGREES, _HOME = "DOME_ABSOLUTE_POSITION", "DOME_HOME"


class IndiEnclosure(IndiDevice, Enclosure):
    """A dome with a shutter, or a roll-off roof, which INDI opens by unparking."""

    needed = (_SHUTTER, _PARK)
    moving = (_SHUTTER, _PARK, _AZIMUTH, "REL_DOME_POSITION", "DOME_MOTION", _HOME)
    watched = (_AZIMUTH,)
    abort = ("DOME_ABORT_MOTION", "ABORT")

    def abilities(self) -> frozenset[str]:
        """Return what the enclosure can do by the properties that it has."""
        self._check_watched()
        by_property = {
            "go_to_azimuth": _AZIMUTH,
            "sync_azimuth": _SYNC,
            "park": _PARK,
            "home": _HOME,
            "follow": _FOLLOW,
        }
        return frozenset({"open", "close_shutter"} | {name for name, each in by_property.items() if self._has(each)})

    def _roof(self) -> tuple[str, str, str]:
        """Return the property of the roof, and its members for open and for closed."""
        return (_SHUTTER, "SHUTTER_OPEN", "SHUTTER_CLOSE") if self._has(_SHUTTER) else (_PARK, "UNPARK", "PARK")

    def shutter(self) -> ShutterStatus:
        """Return how the roof stands: the state before the member, since an aborted roof is Alert with a member on."""
        name, is_open, is_closed = self._roof()
        vector = self._needs(name, "say how its roof stands")
        if vector.state == "Busy":
            return "opening" if vector.is_on(is_open) else "closing"
        if vector.state == "Alert":
            return "partly"
        return "open" if vector.is_on(is_open) else "closed" if vector.is_on(is_closed) else "error"

    def open(self, seconds: float) -> None:
        """Open the roof; return when it was seen open."""
        self._drive_roof(self._roof()[1], "open", seconds)

    def close_shutter(self, seconds: float) -> None:
        """Close the roof; return when it was seen closed."""
        self._drive_roof(self._roof()[2], "closed", seconds)

    def _drive_roof(self, member: str, word: ShutterStatus, seconds: float) -> None:
        with self._move("open" if word == "open" else "close", at_rest=False):
            if self.shutter() != word:
                self._drive(self._roof()[0], {member: True}, seconds, lambda: self._misses_roof(word))

    def _misses_roof(self, word: ShutterStatus) -> str | None:
        there = self.shutter()
        return None if there == word else f"the roof was to be {word} and is {there}"

    def azimuth(self) -> float | None:
        """Return where the slit stands; None for a roof without azimuth."""
        return self._number(_AZIMUTH, _DEGREES)

    def go_to_azimuth(self, degrees: float, seconds: float) -> float:
        """Turn to an azimuth, taken modulo 360, and return the one reached."""
        asked = finite(degrees, "the azimuth") % 360
        with self._move("turn the dome"):
            self._drive(_AZIMUTH, {_DEGREES: asked}, seconds, lambda: self._misses(asked))
            return self.azimuth() or 0.0

    def _misses(self, asked: float) -> str | None:
        there = self.azimuth()
        if there is not None and apart(asked, there) <= (self.settings.tolerance or TOLERANCE_DEGREES):
            return None
        return f"asked for azimuth {asked:.2f}, and it stands at {there if there is None else format(there, '.2f')}"

    def sync_azimuth(self, degrees: float) -> None:
        """Tell the dome which azimuth its present one is."""
        with self._move("sync the dome"):
            vector = self._needs(_SYNC, "be told its azimuth")
            self._apply(_SYNC, {next(iter(vector.values)): finite(degrees, "the azimuth") % 360})

    def park(self, seconds: float) -> None:
        """Turn to the parking position; on roofs that park by closing this is closing."""
        with self._move("park", at_rest=False):
            if not self._needs(_PARK, "park").is_on("PARK") or self._is_busy(_PARK):
                self._drive(_PARK, {"PARK": True}, seconds, self._misses_park)

    def _misses_park(self) -> str | None:
        return None if self._needs(_PARK, "park").is_on("PARK") else "it is not parked"

    def home(self, seconds: float) -> None:
        """Turn to the home position."""
        with self._move("go home"):
            members = list(self._needs(_HOME, "go home").values)
            if not members:
                raise NotPossible(f"{self.name} has no home")
            member = next((name for name in ("GO", "DOME_HOME_GO", "FIND") if name in members), members[0])
            self._drive(_HOME, {member: True}, seconds, lambda: None)

    def follow(self, on: bool) -> None:
        """Let the dome follow the mount, or end that."""
        with self._move("follow the mount" if on else "stand still", at_rest=False):
            self._needs(_FOLLOW, "follow the mount")
            self._ask(lambda: self._set(_FOLLOW, {"DOME_AUTOSYNC_ENABLE" if on else "DOME_AUTOSYNC_DISABLE": True}))

    def _brief(self) -> str:
        return self.shutter()

    def _known(self) -> State:
        state: State = {"status": self.shutter()}
        azimuth, follow = self.azimuth(), self._vector(_FOLLOW)
        if azimuth is not None:
            state["azimuth_degrees"] = azimuth
        if follow is not None:
            state["mode"] = "following" if follow.is_on("DOME_AUTOSYNC_ENABLE") else "manual"
        return state
