"""A roof or a dome behind Alpaca."""

from __future__ import annotations

from ..alpaca import AlpacaConnection
from ..errors import NotPossible, Refused
from .alpaca_device import AlpacaDevice, number
from .interfaces import Enclosure, ShutterStatus, State
from .motion import apart, finite

TOLERANCE_DEGREES = 1.0
_SHUTTER: tuple[ShutterStatus, ...] = ("open", "closed", "opening", "closing", "error")


class AlpacaEnclosure(AlpacaDevice, Enclosure):
    """A dome or a roof behind Alpaca."""

    types = ("dome",)
    watched = ("azimuth",)
    aborts = ("abortslew",)

    def _moves_by(self, connection: AlpacaConnection) -> bool:
        return self._says("slewing", connection) or self._shutter(connection) in {"opening", "closing"}

    def abilities(self) -> frozenset[str]:
        """Return what the enclosure says that it can do."""
        by_word = {
            "open": "cansetshutter",
            "close_shutter": "cansetshutter",
            "go_to_azimuth": "cansetazimuth",
            "sync_azimuth": "cansyncazimuth",
            "park": "canpark",
            "home": "canfindhome",
            "follow": "canslave",
        }
        return frozenset(name for name, word in by_word.items() if self._can(word))

    def shutter(self) -> ShutterStatus:
        """Return how the roof stands."""
        return self._shutter(self._watch)

    def _shutter(self, connection: AlpacaConnection) -> ShutterStatus:
        value = number(self._try("shutterstatus", connection))
        if value is None or not 0 <= value < len(_SHUTTER):
            return "error"
        status = _SHUTTER[int(value)]
        return "partly" if status == "error" and self._was_stopped else status

    _was_stopped = False

    def stop(self) -> None:
        """Abort what the enclosure does, and return when it was seen at rest."""
        self._was_stopped = True
        super().stop()

    def open(self, seconds: float) -> None:
        """Open the roof; return when it was seen open."""
        self._drive_roof("open", "openshutter", seconds)

    def close_shutter(self, seconds: float) -> None:
        """Close the roof; return when it was seen closed."""
        self._drive_roof("closed", "closeshutter", seconds)

    def _drive_roof(self, word: ShutterStatus, method: str, seconds: float) -> None:
        with self._move("open" if word == "open" else "close", at_rest=False):
            self._was_stopped = False
            if self._shutter(self._main) != word:
                self._put(method)
                self._settle_roof(word, seconds)

    def _settle_roof(self, word: ShutterStatus, seconds: float) -> None:
        self._settle(seconds, lambda: self._misses_roof(word))

    def _misses_roof(self, word: ShutterStatus) -> str | None:
        there = self._shutter(self._main)
        return None if there == word else f"the roof was to be {word} and is {there}"

    def azimuth(self) -> float | None:
        """Return where the slit stands; None for a roof without azimuth."""
        return self._number("azimuth")

    def go_to_azimuth(self, degrees: float, seconds: float) -> float:
        """Turn to an azimuth, taken modulo 360, and return the one reached."""
        asked = finite(degrees, "the azimuth") % 360
        with self._move("turn the dome"):
            self._drive("slewtoazimuth", seconds, lambda: self._misses(asked), Azimuth=asked)
            return self._get_number("azimuth", "its azimuth")

    def _misses(self, asked: float) -> str | None:
        there = self._get_number("azimuth", "its azimuth")
        if apart(asked, there) <= (self.settings.tolerance or TOLERANCE_DEGREES):
            return None
        return f"asked for azimuth {asked:.2f}, and it stands at {there:.2f}"

    def sync_azimuth(self, degrees: float) -> None:
        """Tell the dome which azimuth its present one is."""
        asked = finite(degrees, "the azimuth") % 360
        with self._move("sync the dome"):
            self._drive("synctoazimuth", self.settings.answer_seconds, lambda: self._misses(asked), Azimuth=asked)

    def park(self, seconds: float) -> None:
        """Turn to the parking position."""
        with self._move("park"):
            if self._main.get("atpark") is not True:
                self._drive("park", seconds, lambda: self._stands("atpark", "parked"))

    def home(self, seconds: float) -> None:
        """Turn to the home position."""
        with self._move("go home"):
            self._drive("findhome", seconds, lambda: self._stands("athome", "at home"))

    def _stands(self, name: str, word: str) -> str | None:
        return None if self._main.get(name) is True else f"it is not {word}"

    _follows: bool | None = None

    def follow(self, on: bool) -> None:
        """Let the dome follow the mount, or end that."""
        with self._move("follow the mount" if on else "stand still", at_rest=False):
            if on and not self._can("canslave"):
                raise NotPossible(f"{self.name} cannot follow the mount")
            self._ask(lambda: self._set("slaved", on, member="Slaved"))
            self._follows = on

    def _prepare(self) -> None:
        if self._follows is not None:
            try:
                self._set("slaved", self._follows, member="Slaved")
            except Refused:
                self._follows = None

    def _known(self) -> State:
        state: State = {"status": self._shutter(self._watch)}
        azimuth, follows = self.azimuth(), self._try("slaved")
        if azimuth is not None:
            state["azimuth_degrees"] = azimuth
        if isinstance(follows, bool):
            state["mode"] = "following" if follows else "manual"
        self._watch.get("connected", self.settings.answer_seconds)
        return state
