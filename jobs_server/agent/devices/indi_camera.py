"""A camera behind INDI."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import BadReply, DeviceError, NotPossible, Refused, WrongEnd
from ..indi_stream import BadStream, inflated
from ..indi_vectors import Blob, Vector
from .indi_device import IndiDevice
from .interfaces import Camera, Chip, Exposure, Limits, Picture, State
from .motion import finite

_EXPOSURE, _VALUE, _BLOB = "CCD_EXPOSURE", "CCD_EXPOSURE_VALUE", "CCD1"
_BINNING, _FRAME, _INFO = "CCD_BINNING", "CCD_FRAME", "CCD_INFO"
_TYPES = {"light": "FRAME_LIGHT", "bias": "FRAME_BIAS", "dark": "FRAME_DARK", "flat": "FRAME_FLAT"}
_GAINS = (("CCD_GAIN", "GAIN"), ("CCD_CONTROLS", "Gain"))
_OFFSETS = (("CCD_OFFSET", "OFFSET"), ("CCD_CONTROLS", "Offset"))
_EARLY_SECONDS = 0.5  # by which two clocks may count one exposure differently
_TIME_CARD = re.compile(rb"EXPTIME = +([0-9.Ee+-]+)")
_HEADER_BYTES = 2880 * 8


@dataclass
class _Course:
    """One exposure on its way."""

    exposure: Exposure
    seconds: float
    blobs_before: int
    began: float
    report: Callable[[str, float], None]
    left: float = math.inf
    status: str = ""
    idle_since: float = math.inf

    def tell(self, status: str, seconds_left: float) -> None:
        if status != self.status:
            self.status = status
            self.report(status, seconds_left)


class IndiCamera(IndiDevice, Camera):
    """A camera behind INDI; pictures come as the FITS that the driver makes."""

    needed = (_EXPOSURE,)
    moving = (_EXPOSURE,)
    abort = ("CCD_ABORT_EXPOSURE", "ABORT")
    blobs = "Also"

    def _prepare(self) -> None:
        for vector, member in (("UPLOAD_MODE", "UPLOAD_CLIENT"), ("CCD_TRANSFER_FORMAT", "FORMAT_FITS")):
            if self._has(vector, member) and not self._needs(vector, "send pictures").is_on(member):
                self._apply(vector, {member: True})

    def abilities(self) -> frozenset[str]:
        """Return what the camera can do by the properties that it has."""
        self._check_watched()
        wanted = {
            "expose": self._has(_EXPOSURE),
            "binning": self._has(_BINNING),
            "area": self._has(_FRAME),
            "gain": self._first(_GAINS) is not None,
            "offset": self._first(_OFFSETS) is not None,
            "set_cooler": self._has("CCD_TEMPERATURE"),
        }
        return frozenset(name for name, has in wanted.items() if has)

    def chip(self) -> Chip:
        """Return what is known of the chip."""
        info = self._needs(_INFO, "say how large its chip is")
        sizes = [info.number(member) for member in ("CCD_MAX_X", "CCD_MAX_Y", "CCD_BITSPERPIXEL")]
        pixel = [info.number(member) for member in ("CCD_PIXEL_SIZE_X", "CCD_PIXEL_SIZE_Y")]
        times = self._needs(_EXPOSURE, "expose").range(_VALUE)
        binning = self._vector(_BINNING)
        largest = [int(binning.range(each).largest) if binning else 1 for each in ("HOR_BIN", "VER_BIN")]
        gain = self._first(_GAINS)
        limits = self._needs(gain[0], "amplify").range(gain[1]) if gain else None
        return Chip(
            width=int(sizes[0] or 0),
            height=int(sizes[1] or 0),
            bits=int(sizes[2]) if sizes[2] else None,
            pixel_um=(pixel[0], pixel[1]) if pixel[0] and pixel[1] else None,
            largest_binning=(max(1, largest[0]), max(1, largest[1])),
            shortest_seconds=times.least,
            longest_seconds=times.largest or None,
            gain_limits=Limits(limits.least, limits.largest) if limits else None,
        )

    def frame_bytes(self, exposure: Exposure) -> int:
        """Return how many bytes the pixels of an exposure take on disk."""
        chip = self.chip()
        width, height = exposure.area[2:] if exposure.area else (chip.width, chip.height)
        pixels = (width // exposure.binning[0]) * (height // exposure.binning[1])
        return pixels * (4 if (chip.bits or 16) > 16 else 2 if (chip.bits or 16) > 8 else 1)

    def set_cooler(self, on: bool, setpoint_c: float | None = None) -> None:
        """Switch the cooler, and set its temperature; the temperature itself is not waited for."""
        self._needs("CCD_TEMPERATURE", "cool")
        if self._has("CCD_COOLER"):
            self._set("CCD_COOLER", {"COOLER_ON" if on else "COOLER_OFF": True})
        if on and setpoint_c is not None:
            self._setpoint = finite(setpoint_c, "the temperature")
            self._main.send("CCD_TEMPERATURE", {"CCD_TEMPERATURE_VALUE": self._setpoint})

    _setpoint: float | None = None

    def expose(self, exposure: Exposure, seconds: float, report: Callable[[str, float], None] | None = None) -> Picture:
        """Take a picture and fetch it; `seconds` is the longest for everything after the shutter's own time."""
        with self._move("expose"):
            shutter = self._shutter_seconds(exposure)
            self._set_up(exposure)
            self._main.take_blobs(_BLOB)
            before, blob = self._needs(_EXPOSURE, "expose"), self._needs(_BLOB, "send pictures")
            self._mark = self._main.mark()
            course = _Course(exposure, shutter, blob.sets, time.monotonic(), report or (lambda *_: None))
            began = datetime.now(UTC)
            self._ask(lambda: self._main.send(_EXPOSURE, {_VALUE: shutter}))
            self._await_answer(before, self.settings.answer_seconds)
            course.tell("EXPOSING", shutter + seconds)
            found = self._until(lambda: self._frame_of(course), shutter + seconds, "the frame")
            self._catch_up()
        return self._picture(exposure, shutter, began, found)

    def _shutter_seconds(self, exposure: Exposure) -> float:
        """Return the time to ask for; raise Refused when the camera cannot expose so long or so short."""
        asked = finite(exposure.seconds, "the exposure time")
        least, most = (each for each in self._times())
        if exposure.kind == "bias":
            return max(least, 0.0)  # a bias of no time at all is refused by drivers
        if asked < least or (most and asked > most) or asked < 0:
            raise Refused(f"{self.name} exposes {least:g} to {most:g} s, and {asked:g} s were asked for")
        return asked

    def _times(self) -> tuple[float, float]:
        times = self._needs(_EXPOSURE, "expose").range(_VALUE)
        return times.least, times.largest

    def _set_up(self, exposure: Exposure) -> None:
        if exposure.binning != (1, 1) or self._has(_BINNING):
            self._apply(_BINNING, {"HOR_BIN": float(exposure.binning[0]), "VER_BIN": float(exposure.binning[1])})
        if exposure.area is not None or self._has(_FRAME):
            chip = self.chip()
            area = exposure.area or (0, 0, chip.width, chip.height)
            if area[0] < 0 or area[1] < 0 or area[0] + area[2] > chip.width or area[1] + area[3] > chip.height:
                raise Refused(f"{self.name} has {chip.width} x {chip.height} pixels, and {area} were asked for")
            names = ("X", "Y", "WIDTH", "HEIGHT")
            self._apply(_FRAME, {name: float(value) for name, value in zip(names, area, strict=True)})
        if self._has("CCD_FRAME_TYPE", _TYPES[exposure.kind]):
            self._apply("CCD_FRAME_TYPE", {_TYPES[exposure.kind]: True})
        self._set_level(_GAINS, exposure.gain, "gain")
        self._set_level(_OFFSETS, exposure.offset, "offset")

    def _first(self, places: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
        return next((place for place in places if self._has(*place)), None)

    def _set_level(self, places: tuple[tuple[str, str], ...], value: float | None, what: str) -> None:
        if value is None:
            return
        if (place := self._first(places)) is None:
            raise NotPossible(f"{self.name} has no {what} that can be set")
        limits = self._needs(place[0], f"set its {what}").range(place[1])
        if limits.largest > limits.least and not limits.least <= finite(value, what) <= limits.largest:
            raise Refused(f"{self.name} takes a {what} of {limits.least:g} to {limits.largest:g}, not {value:g}")
        self._apply(place[0], {place[1]: value})

    def _frame_of(self, course: _Course) -> Blob | None:
        """Return the frame when it came; raise when somebody else's exposure took its place, or it failed."""
        vector, blob = self._needs(_EXPOSURE, "expose"), self._needs(_BLOB, "send pictures")
        gone = time.monotonic() - course.began
        if blob.sets > course.blobs_before:
            course.blobs_before = blob.sets
            if gone >= course.seconds - _EARLY_SECONDS:
                return self._taken(course)
            self._main.take_blobs(_BLOB)  # it comes too early: an aborted exposure's
        self._watch_shutter(course, vector, gone)
        return None

    def _taken(self, course: _Course) -> Blob | None:
        frame = next(iter(self._main.take_blobs(_BLOB).values()), None)
        if frame is None or not frame.data:
            raise BadReply(f"{self.name} sent a frame without bytes")
        if frame.size is not None and not frame.format.endswith(".z") and frame.size != len(frame.data):
            raise BadReply(f"{self.name} sent {len(frame.data)} bytes of a frame of {frame.size}")
        card = _TIME_CARD.search(frame.data, 0, _HEADER_BYTES)
        if card and abs(float(card[1]) - course.seconds) > max(_EARLY_SECONDS, course.seconds * 0.05):
            taken = float(card[1])
            raise WrongEnd(f"{self.name} sent a frame of {taken:g} s, and {course.seconds:g} s were asked for")
        return frame

    def _watch_shutter(self, course: _Course, vector: Vector, gone: float) -> None:
        left = vector.number(_VALUE)
        if vector.state == "Alert":
            raise Refused(f"{self.name} failed: {self._said() or 'its driver reports an alert for the exposure'}")
        if vector.state == "Busy":
            if left is not None and left > course.left + max(_EARLY_SECONDS, 0.02 * course.seconds):
                raise WrongEnd(f"{self.name}: somebody else began another exposure in place of this one")
            course.left = min(course.left, left if left is not None else math.inf)
            course.idle_since = math.inf
        else:
            course.idle_since = min(course.idle_since, time.monotonic())
        if gone >= course.seconds:
            course.tell("READING", 0.0)
        elif time.monotonic() - course.idle_since > self.settings.settle_seconds:
            raise DeviceError(f"{self.name}: the exposure ended without a frame; somebody else aborted it")

    def _picture(self, exposure: Exposure, shutter: float, began: datetime, frame: Blob) -> Picture:
        data, kind = frame.data, frame.format
        if kind.endswith(".z"):
            try:
                data, kind = inflated(data), kind.removesuffix(".z")
            except BadStream as error:
                raise BadReply(f"{self.name}: {error}") from error
        temperature = self._number("CCD_TEMPERATURE", "CCD_TEMPERATURE_VALUE")
        details: dict[str, Any] = {} if temperature is None else {"temperature_c": temperature}
        return Picture(exposure, began, shutter, fits=data, format=kind or ".fits", details=details)

    def _brief(self) -> str:
        vector = self._watch.vector(_EXPOSURE)
        if vector is None or vector.state != "Busy":
            return "error" if vector is not None and vector.state == "Alert" else "idle"
        return "exposing" if vector.number(_VALUE) else "reading"

    def _known(self) -> State:
        """Return the keys from the connection of stops: over the other one a frame may be coming."""
        state: State = {"status": self._brief()}
        exposure, temperature = self._watch.vector(_EXPOSURE), self._watch.vector("CCD_TEMPERATURE")
        power = self._watch.vector("CCD_COOLER_POWER")
        numbers = {
            "exposure_left_seconds": exposure.number(_VALUE) if exposure and exposure.state == "Busy" else None,
            "temperature_c": temperature.number("CCD_TEMPERATURE_VALUE") if temperature else None,
            "setpoint_c": self._setpoint,
            "cooler_percent": next(iter(power.values.values()), None) if power else None,
        }
        return state | {key: value for key, value in numbers.items() if value is not None}
