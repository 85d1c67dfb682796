"""Filter wheels, focusers and rotators behind INDI."""

from __future__ import annotations

from ..errors import NotPossible, Refused
from .indi_device import IndiDevice
from .interfaces import FilterWheel, Focuser, Limits, Rotator, State
from .motion import apart, finite

_SLOT, _SLOT_VALUE, _NAMES = "FILTER_SLOT", "FILTER_SLOT_VALUE", "FILTER_NAME"
_ABSOLUTE, _POSITION = "ABS_FOCUS_POSITION", "FOCUS_ABSOLUTE_POSITION"
_RELATIVE, _STEPS, _WAY = "REL_FOCUS_POSITION", "FOCUS_RELATIVE_POSITION", "FOCUS_MOTION"
_ANGLE, _SYNC = "ABS_ROTATOR_ANGLE", "SYNC_ROTATOR_ANGLE"
_MOST_SLOTS = 100


class IndiFilterWheel(IndiDevice, FilterWheel):
    """A filter wheel behind INDI, which counts its slots from 1."""

    needed = (_SLOT,)
    moving = (_SLOT,)
    watched = (_SLOT,)
    abort = ("FILTER_ABORT_MOTION", "ABORT")

    def abilities(self) -> frozenset[str]:
        """Return that it turns."""
        self._check_watched()
        return frozenset({"go_to_slot"})

    def filters(self) -> tuple[str, ...]:
        """Return the names of the filters, by slot; numbers where the driver has no names."""
        names, slots = self._vector(_NAMES), self._needs(_SLOT, "say its filters").range(_SLOT_VALUE)
        count = min(_MOST_SLOTS, int(slots.largest)) or (len(names.values) if names else 0)
        told = [str(value) for value in names.values.values()] if names else []
        return tuple(told[slot] if slot < len(told) and told[slot] else str(slot + 1) for slot in range(count))

    def slot(self) -> int | None:
        """Return the present slot; None while it moves or is not known."""
        vector = self._needs(_SLOT, "say its slot")
        slot = vector.number(_SLOT_VALUE)
        return None if slot is None or slot < 1 or vector.state == "Busy" else round(slot) - 1

    def go_to_slot(self, slot: int, seconds: float) -> None:
        """Turn to a slot; raise Refused when there is no such slot."""
        with self._move("turn the filter wheel"):
            names = self.filters()
            if not 0 <= slot < len(names):
                raise Refused(f"{self.name} has {len(names)} slots, and slot {slot + 1} was asked for")
            self._drive(_SLOT, {_SLOT_VALUE: float(slot + 1)}, seconds, lambda: self._misses(slot))

    def _misses(self, asked: int) -> str | None:
        slot = self.slot()
        if slot == asked:
            return None
        return f"asked for slot {asked + 1}, and it stands at {'none' if slot is None else slot + 1}"

    def _known(self) -> State:
        slot, names = self.slot(), self.filters()
        state: State = {"status": self._brief()}
        return state | ({"filter": names[slot]} if slot is not None and slot < len(names) else {})


class IndiFocuser(IndiDevice, Focuser):
    """A focuser behind INDI, which knows no size of its steps."""

    needed = (_ABSOLUTE, _RELATIVE)
    moving = (_ABSOLUTE, _RELATIVE, "FOCUS_TIMER")
    watched = (_ABSOLUTE,)
    abort = ("FOCUS_ABORT_MOTION", "ABORT")

    def abilities(self) -> frozenset[str]:
        """Return what the focuser can do by the properties that it has."""
        self._check_watched()
        return frozenset({"go_to", "go_by"} if self.is_absolute else {"go_by"})

    @property
    def um_per_step(self) -> float | None:
        """Return the size of a step in micrometres, from the file; None when it does not say."""
        return self.settings.um_per_step

    @property
    def is_absolute(self) -> bool:
        """Whether the focuser knows where it is."""
        return self._has(_ABSOLUTE)

    def limits(self) -> Limits | None:
        """Return the positions that may be asked for; None when the focuser says none."""
        vector = self._vector(_ABSOLUTE)
        if vector is None:
            return None
        known = vector.range(_POSITION)
        most = self._number("FOCUS_MAX", "FOCUS_MAX_VALUE")
        largest = min(known.largest, most) if most else known.largest
        return Limits(known.least, largest) if largest > known.least else None

    def position(self) -> float | None:
        """Return where it is; None when it does not know."""
        return self._number(_ABSOLUTE, _POSITION)

    def go_to(self, position: float, seconds: float) -> float:
        """Move to a position and return the one reached; raise Refused beyond the limits, before anything moves."""
        asked = finite(position, "the position")
        with self._move("move the focuser"):
            if not self.is_absolute:
                raise NotPossible(f"{self.name} does not know where it is: it can only be moved by steps")
            self._check_limits(asked)
            self._drive(_ABSOLUTE, {_POSITION: float(round(asked))}, seconds, lambda: self._misses(asked))
            return self.position() or 0.0

    def go_by(self, steps: float, seconds: float) -> float | None:
        """Move by steps, outward positive; return the position reached, None where the focuser knows none."""
        by = finite(steps, "the steps")
        present = self.position()
        if present is not None:
            return self.go_to(present + by, seconds)
        with self._move("move the focuser"):
            self._apply(_WAY, {"FOCUS_OUTWARD" if by >= 0 else "FOCUS_INWARD": True})
            self._drive(_RELATIVE, {_STEPS: float(round(abs(by)))}, seconds, lambda: None)
        return None

    def _check_limits(self, asked: float) -> None:
        limits = self.limits()
        if limits is not None and asked not in limits:
            raise Refused(f"{self.name} goes from {limits.least:g} to {limits.largest:g}, and {asked:g} was asked for")

    def _misses(self, asked: float) -> str | None:
        there = self.position()
        if there is not None and abs(there - asked) <= (self.settings.tolerance or 1.0):
            return None
        return f"asked for position {asked:g}, and it stands at {there if there is None else format(there, 'g')}"

    def _known(self) -> State:
        position, temperature = self.position(), self._number("FOCUS_TEMPERATURE", "TEMPERATURE")
        state: State = {"status": self._brief()}
        if position is not None and self.um_per_step is not None:
            state["position_um"] = position * self.um_per_step
        return state | ({} if temperature is None else {"temperature_c": temperature})


class IndiRotator(IndiDevice, Rotator):
    """A rotator behind INDI."""

    needed = (_ANGLE,)
    moving = (_ANGLE,)
    watched = (_ANGLE,)
    abort = ("ROTATOR_ABORT_MOTION", "ABORT")

    def abilities(self) -> frozenset[str]:
        """Return what the rotator can do by the properties that it has."""
        self._check_watched()
        return frozenset({"go_to"} | ({"sync"} if self._has(_SYNC) else set()))

    def angle(self) -> float:
        """Return the angle in degrees, 0 to 360."""
        angle = self._number(_ANGLE, "ANGLE")
        if angle is None:
            raise Refused(f"{self.name} does not say its angle")
        return angle % 360

    def go_to(self, degrees: float, seconds: float) -> float:
        """Turn to an angle, taken modulo 360, and return the one reached."""
        asked = finite(degrees, "the angle") % 360
        with self._move("turn the rotator"):
            self._drive(_ANGLE, {"ANGLE": asked}, seconds, lambda: self._misses(asked))
            return self.angle()

    def _misses(self, asked: float) -> str | None:
        if apart(asked, self.angle()) <= (self.settings.tolerance or 0.1):
            return None
        return f"asked for {asked:.3f} degrees, and it stands at {self.angle():.3f}"

    def sync(self, degrees: float) -> None:
        """Tell the rotator which angle its present one is."""
        with self._move("sync the rotator"):
            self._apply(_SYNC, {"ANGLE": finite(degrees, "the angle") % 360})

    def _known(self) -> State:
        return {"status": self._brief(), "angle_degrees": self.angle()}
