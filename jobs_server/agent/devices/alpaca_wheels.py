"""Filter wheels, focusers and rotators behind Alpaca."""

from __future__ import annotations

from ..alpaca import AlpacaConnection
from ..errors import Refused
from .alpaca_device import AlpacaDevice, number
from .interfaces import FilterWheel, Focuser, Limits, Rotator, State
from .motion import apart, finite

_TURNING = -1


class AlpacaFilterWheel(AlpacaDevice, FilterWheel):
    """A filter wheel behind Alpaca, which cannot be stopped."""

    types = ("filterwheel",)

    def _moves_by(self, connection: AlpacaConnection) -> bool:
        return number(connection.get("position", self.settings.answer_seconds)) == _TURNING

    def abilities(self) -> frozenset[str]:
        """Return that it turns."""
        return frozenset({"go_to_slot"})

    def filters(self) -> tuple[str, ...]:
        """Return the names of the filters, by slot."""
        names = self._constant("names")
        return tuple(str(name) for name in names) if isinstance(names, list) else ()

    def slot(self) -> int | None:
        """Return the present slot; None while it moves or is not known."""
        slot = number(self._watch.get("position"))
        return None if slot is None or slot < 0 else int(slot)

    def go_to_slot(self, slot: int, seconds: float) -> None:
        """Turn to a slot; raise Refused when there is no such slot."""
        with self._move("turn the filter wheel"):
            count = len(self.filters())
            if not 0 <= slot < count:
                raise Refused(f"{self.name} has {count} slots, and slot {slot + 1} was asked for")
            self._drive("position", seconds, lambda: self._misses(slot), Position=slot)

    def _misses(self, asked: int) -> str | None:
        there = number(self._main.get("position"))
        if there == asked:
            return None
        return f"asked for slot {asked + 1}, and it stands at {'none' if there is None else int(there) + 1}"

    def _known(self) -> State:
        slot, names = self.slot(), self.filters()
        state: State = {"status": "idle" if slot is not None else "moving"}
        return state | ({"filter": names[slot]} if slot is not None and slot < len(names) else {})


class AlpacaFocuser(AlpacaDevice, Focuser):
    """A focuser behind Alpaca."""

    types = ("focuser",)
    moving = ("ismoving",)
    watched = ("position",)
    aborts = ("halt",)

    def abilities(self) -> frozenset[str]:
        """Return what the focuser can do."""
        return frozenset({"go_to", "go_by"} if self.is_absolute else {"go_by"})

    @property
    def um_per_step(self) -> float | None:
        """Return the size of a step in micrometres: the file's, else the device's; None when neither says."""
        return self.settings.um_per_step or number(self._constant("stepsize"))

    @property
    def is_absolute(self) -> bool:
        """Whether the focuser knows where it is."""
        return self._can("absolute")

    def limits(self) -> Limits | None:
        """Return the positions that may be asked for; None when the focuser says none."""
        most = number(self._constant("maxstep"))
        return Limits(0.0, most) if most is not None and self.is_absolute else None

    def position(self) -> float | None:
        """Return where it is; None when it does not know."""
        return self._number("position") if self.is_absolute else None

    def go_to(self, position: float, seconds: float) -> float:
        """Move to a position and return the one reached; raise Refused beyond the limits, before anything moves."""
        asked, limits = round(finite(position, "the position")), self.limits()
        if not self.is_absolute:
            raise Refused(f"{self.name} does not know where it is: it can only be moved by steps")
        if limits is not None and asked not in limits:  # beyond them it would stop there, without a word
            raise Refused(f"{self.name} goes from {limits.least:g} to {limits.largest:g}, and {asked} was asked for")
        with self._move("move the focuser"):
            piece = self._piece()
            while True:
                there = self._get_number("position", "where it is")
                way = round(max(-piece, min(piece, asked - there)))
                self._move_to(round(there + way), seconds)
                if there + way == asked:
                    return self._get_number("position", "where it is")

    def _piece(self) -> int:
        """Return the most steps of one move."""
        return max(1, round(number(self._constant("maxincrement")) or 2**31 - 1))

    def _move_to(self, position: int, seconds: float) -> None:
        self._drive("move", seconds, lambda: self._misses(position), Position=position)

    def _misses(self, asked: int) -> str | None:
        there = self._get_number("position", "where it is")
        if abs(there - asked) <= (self.settings.tolerance or 1.0):
            return None
        return f"asked for position {asked}, and it stands at {there:g}"

    def go_by(self, steps: float, seconds: float) -> float | None:
        """Move by steps, outward positive; return the position reached, None where the focuser knows none."""
        left = round(finite(steps, "the steps"))
        if self.is_absolute:
            return self.go_to((self.position() or 0.0) + left, seconds)
        with self._move("move the focuser"):
            piece = self._piece()
            while left:
                way = max(-piece, min(piece, left))
                self._drive("move", seconds, lambda: None, Position=way)
                left -= way
        return None

    def _known(self) -> State:
        state: State = {"status": "moving" if self.is_moving() else "idle"}
        position, temperature = self.position(), self._number("temperature")
        if position is not None and self.um_per_step is not None:
            state["position_um"] = position * self.um_per_step
        return state | ({} if temperature is None else {"temperature_c": temperature})


class AlpacaRotator(AlpacaDevice, Rotator):
    """A rotator behind Alpaca."""

    types = ("rotator",)
    moving = ("ismoving",)
    watched = ("position",)
    aborts = ("halt",)

    def abilities(self) -> frozenset[str]:
        """Return that it turns, and can be told its angle."""
        return frozenset({"go_to", "sync"})

    def angle(self) -> float:
        """Return the angle in degrees, 0 to 360."""
        angle = self._number("position")
        if angle is None:
            raise Refused(f"{self.name} does not say its angle")
        return angle % 360

    def go_to(self, degrees: float, seconds: float) -> float:
        """Turn to an angle, taken modulo 360, and return the one reached."""
        asked = finite(degrees, "the angle") % 360
        with self._move("turn the rotator"):
            self._drive("moveabsolute", seconds, lambda: self._misses(asked), Position=asked)
            return self._get_number("position", "its angle") % 360

    def _misses(self, asked: float) -> str | None:
        there = self._get_number("position", "its angle") % 360
        if apart(asked, there) <= (self.settings.tolerance or 0.1):
            return None
        return f"asked for {asked:.3f} degrees, and it stands at {there:.3f}"

    def sync(self, degrees: float) -> None:
        """Tell the rotator which angle its present one is."""
        asked = finite(degrees, "the angle") % 360
        with self._move("sync the rotator"):
            self._drive("sync", self.settings.answer_seconds, lambda: self._misses(asked), Position=asked)

    def _known(self) -> State:
        return {"status": "moving" if self.is_moving() else "idle", "angle_degrees": self.angle()}
