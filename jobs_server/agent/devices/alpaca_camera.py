"""A camera behind Alpaca."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..alpaca import AlpacaConnection
from ..errors import DeviceError, DeviceGone, NotPossible, Refused, WrongEnd
from .alpaca_device import AlpacaDevice, number
from .interfaces import Camera, Chip, Exposure, Limits, Picture, State
from .motion import finite

_IDLE, _WAITING, _EXPOSING, _READING, _DOWNLOAD, _ERROR = range(6)
_STATUS = ("idle", "exposing", "exposing", "reading", "reading", "error")
_EARLY_SECONDS = 0.2


@dataclass
class _Course:
    """One exposure on its way; `start_before` is when the camera said that the exposure before it began."""

    seconds: float
    start_before: str | None
    report: Callable[[str, float], None]
    began: float = 0.0
    status: str = ""
    idle_since: float = math.inf

    def tell(self, status: str, seconds_left: float) -> None:
        if status != self.status:
            self.status = status
            self.report(status, seconds_left)


class AlpacaCamera(AlpacaDevice, Camera):
    """A camera behind Alpaca; pictures come as pixels without a header."""

    types = ("camera",)
    aborts = ("abortexposure", "stopexposure")
    _setpoint: float | None = None

    def _moves_by(self, connection: AlpacaConnection) -> bool:
        return _state_of(connection.get("camerastate", self.settings.answer_seconds)) not in {_IDLE, _ERROR}

    def abilities(self) -> frozenset[str]:
        """Return what the camera says that it can do."""
        wanted = {
            "expose": True,
            "binning": (number(self._constant("maxbinx")) or 1) > 1,
            "area": True,
            "gain": self._try("gain") is not None,
            "offset": self._try("offset") is not None,
            "set_cooler": self._can("cansetccdtemperature"),
        }
        return frozenset(name for name, has in wanted.items() if has)

    def chip(self) -> Chip:
        """Return what is known of the chip."""
        pixel = [number(self._constant(name)) for name in ("pixelsizex", "pixelsizey")]
        least, most = (number(self._constant(name)) for name in ("gainmin", "gainmax"))
        names, brightest = self._constant("gains"), number(self._constant("maxadu"))
        return Chip(
            width=int(number(self._constant("cameraxsize")) or 0),
            height=int(number(self._constant("cameraysize")) or 0),
            bits=int(brightest).bit_length() if brightest else None,
            pixel_um=(pixel[0], pixel[1]) if pixel[0] and pixel[1] else None,
            largest_binning=(self._largest("x"), self._largest("y")),
            shortest_seconds=number(self._constant("exposuremin")) or 0.0,
            longest_seconds=number(self._constant("exposuremax")),
            has_shutter=self._constant("hasshutter"),
            gains=tuple(str(name) for name in names) if isinstance(names, list) else (),
            gain_limits=Limits(least, most) if least is not None and most is not None else None,
        )

    def _largest(self, axis: str) -> int:
        return max(1, int(number(self._constant(f"maxbin{axis}")) or 1))

    def frame_bytes(self, exposure: Exposure) -> int:
        """Return how many bytes the pixels of an exposure take on disk."""
        chip = self.chip()
        width, height = exposure.area[2:] if exposure.area else (chip.width, chip.height)
        pixels = (width // exposure.binning[0]) * (height // exposure.binning[1])
        return pixels * (2 if (chip.bits or 16) <= 16 else 4)

    def set_cooler(self, on: bool, setpoint_c: float | None = None) -> None:
        """Switch the cooler, and set its temperature; the temperature itself is not waited for."""
        if on and setpoint_c is not None:
            if not self._can("cansetccdtemperature"):
                raise NotPossible(f"{self.name} cannot cool to a temperature")
            self._setpoint = finite(setpoint_c, "the temperature")
            self._watch.put("setccdtemperature", SetCCDTemperature=self._setpoint)
        self._watch.put("cooleron", CoolerOn=on)

    def _prepare(self) -> None:
        if self._setpoint is not None:
            self.set_cooler(on=True, setpoint_c=self._setpoint)

    def expose(self, exposure: Exposure, seconds: float, report: Callable[[str, float], None] | None = None) -> Picture:
        """Take a picture and fetch it; `seconds` is the longest for everything after the shutter's own time."""
        with self._move("expose"):
            shutter = self._shutter_seconds(exposure)
            self._leave_error()
            self._set_up(exposure)
            course = _Course(shutter, self._start_said(), report or (lambda *_: None))
            began, course.began = datetime.now(UTC), time.monotonic()
            self._put("startexposure", Duration=shutter, Light=exposure.kind in {"light", "flat"})
            course.tell("EXPOSING", shutter + seconds)
            self._until(lambda: self._is_taken(course), shutter + seconds, "the frame")
            course.tell("READING", 0.0)
            self._heed_stop()
            pixels = self._main.image(max(1.0, course.began + shutter + seconds - time.monotonic()))
            self._heed_stop()
            self._check_duration(shutter)
            details = self._details()
        return Picture(exposure, began, shutter, pixels=pixels, details=details)

    def _shutter_seconds(self, exposure: Exposure) -> float:
        asked, chip = finite(exposure.seconds, "the exposure time"), self.chip()
        least, most = chip.shortest_seconds, chip.longest_seconds
        if exposure.kind == "bias":
            return least
        if asked < 0 or asked < least or (most is not None and asked > most):
            raise Refused(f"{self.name} exposes {least:g} to {most or math.inf:g} s, and {asked:g} s were asked for")
        return asked

    def _set_up(self, exposure: Exposure) -> None:
        """Set binning first, and then the area in binned pixels: it does not shrink by itself."""
        chip, (bin_x, bin_y) = self.chip(), exposure.binning
        if not (1 <= bin_x <= chip.largest_binning[0] and 1 <= bin_y <= chip.largest_binning[1]):
            raise Refused(f"{self.name} bins up to {chip.largest_binning}, and {exposure.binning} was asked for")
        area = exposure.area or (0, 0, chip.width, chip.height)
        if area[0] < 0 or area[1] < 0 or area[0] + area[2] > chip.width or area[1] + area[3] > chip.height:
            raise Refused(f"{self.name} has {chip.width} x {chip.height} pixels, and {area} were asked for")
        values = {
            "BinX": bin_x,
            "BinY": bin_y,
            "NumX": area[2] // bin_x,
            "NumY": area[3] // bin_y,
            "StartX": area[0] // bin_x,
            "StartY": area[1] // bin_y,
        }
        for name, value in values.items():
            self._set(name.lower(), value, member=name)
        self._set_gain(exposure.gain, chip)
        if exposure.offset is not None:
            self._set("offset", round(exposure.offset), member="Offset")

    def _set_gain(self, gain: float | None, chip: Chip) -> None:
        """Set the gain: a value where the camera has limits, an index where it has names."""
        if gain is None:
            return
        limits = chip.gain_limits or (Limits(0, len(chip.gains) - 1) if chip.gains else None)
        if limits is None:
            raise NotPossible(f"{self.name} has no gain that can be set")
        if finite(gain, "the gain") not in limits:
            raise Refused(f"{self.name} takes a gain of {limits.least:g} to {limits.largest:g}, not {gain:g}")
        self._set("gain", round(gain), member="Gain")

    def _leave_error(self) -> None:
        """Abort what failed before, since a camera in its error state begins nothing."""
        if _state_of(self._main.get("camerastate", self.settings.answer_seconds)) == _ERROR:
            with suppress(Refused):
                self._main.put("abortexposure", self.settings.answer_seconds)

    def _start_said(self) -> str | None:
        said = self._try("lastexposurestarttime", self._main)
        return None if said is None else str(said)

    def _is_taken(self, course: _Course) -> bool:
        """Whether the camera has this exposure's frame; raise when the exposure ended otherwise."""
        now = time.monotonic()
        state = _state_of(self._main.get("camerastate", self.settings.answer_seconds))
        if state == _ERROR:
            raise DeviceError(f"{self.name} failed: the camera is in its error state")
        if state != _IDLE:
            course.idle_since = math.inf
            if state in {_READING, _DOWNLOAD}:
                course.tell("READING", 0.0)
            return False
        is_there = self._main.get("imageready", self.settings.answer_seconds) is True
        if is_there and now - course.began >= course.seconds - _EARLY_SECONDS and self._is_own(course):
            return True
        course.idle_since = min(course.idle_since, now)
        if now - max(course.idle_since, course.began) > self.settings.settle_seconds:
            why = "its frame is another exposure's" if is_there else "somebody else aborted it"
            raise WrongEnd(f"{self.name}: the exposure ended without a frame of its own; {why}")
        return False

    def _is_own(self, course: _Course) -> bool:
        """Whether the frame is of this exposure: the camera says another start than before."""
        start = self._start_said()
        return start is None or start != course.start_before

    def _check_duration(self, asked: float) -> None:
        taken = number(self._try("lastexposureduration", self._main))
        if taken is not None and abs(taken - asked) > max(0.5, asked * 0.05):
            raise WrongEnd(f"{self.name} took a frame of {taken:g} s, and {asked:g} s were asked for")

    def _details(self) -> dict[str, Any]:
        temperature, gain = (number(self._try(name, self._main)) for name in ("ccdtemperature", "gain"))
        known = {"temperature_c": temperature, "gain": gain}
        return {key: value for key, value in known.items() if value is not None}

    def _known(self) -> State:
        status = _STATUS[_state_of(self._watch.get("camerastate", self.settings.answer_seconds))]
        state: State = {"status": status}
        numbers = {
            "temperature_c": "ccdtemperature",
            "setpoint_c": "setccdtemperature",
            "cooler_percent": "coolerpower",
        }
        for key, name in numbers.items():
            if (value := self._number(name)) is not None:
                state[key] = value
        return state


def _state_of(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not _IDLE <= value <= _ERROR:
        raise DeviceGone(f"the camera says that its state is {value!r}, which is none")
    return value
