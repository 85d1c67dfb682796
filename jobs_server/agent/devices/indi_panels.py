"""Flat-field screens, switches, and safety and weather behind INDI."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from ..errors import DeviceError, NotPossible, Refused
from ..indi_vectors import Vector
from .indi_device import IndiDevice
from .interfaces import Channel, Limits, Reading, Safety, Screen, State, Switch
from .motion import finite
from .weather import beyond

_LIGHT, _BRIGHTNESS, _LEVEL = "FLAT_LIGHT_CONTROL", "FLAT_LIGHT_INTENSITY", "FLAT_LIGHT_INTENSITY_VALUE"
_CAP = "CAP_PARK"
_NO_CHANNELS = (  # what every driver has
    *("CONNECTION", "DEBUG", "SIMULATION", "CONFIG_PROCESS", "CONNECTION_MODE", "DEVICE_BAUD_RATE", "POLLING_PERIOD"),
    *("DEVICE_AUTO_SEARCH", "DEVICE_PORT_SCAN", "DEBUG_LEVEL", "LOGGING_LEVEL", "LOG_OUTPUT", "USEJOYSTICK"),
)
_PARAMETERS, _STATUS, _UPDATE = "WEATHER_PARAMETERS", "WEATHER_STATUS", "WEATHER_UPDATE"
_USUAL_UPDATE_SECONDS = 60.0
_KEYS = {  # what INDI calls it: the key of the wire, and by what the value is multiplied
    "WEATHER_TEMPERATURE": ("temperature_c", 1.0),
    "WEATHER_HUMIDITY": ("humidity_percent", 1.0),
    "WEATHER_DEWPOINT": ("dew_point_c", 1.0),
    "WEATHER_WIND_SPEED": ("wind_m_per_s", 1 / 3.6),  # kilometres an hour
    "WEATHER_WIND_GUST": ("wind_gust_m_per_s", 1 / 3.6),
    "WEATHER_RAIN_HOUR": ("rain_mm_per_h", 1.0),
    "WEATHER_CLOUD_COVER": ("cloud_percent", 1.0),
    "WEATHER_SKY_TEMPERATURE": ("sky_temperature_c", 1.0),
    "WEATHER_PRESSURE": ("pressure_hpa", 1.0),
}


class IndiScreen(IndiDevice, Screen):
    """A flat-field panel behind INDI, with a cover or without."""

    needed = (_LIGHT, _CAP)
    moving = (_CAP,)
    abort = ("CAP_ABORT", "ABORT")

    def abilities(self) -> frozenset[str]:
        """Return what the screen can do by the properties that it has."""
        self._check_watched()
        light = {"turn_on", "turn_off"} if self._has(_LIGHT) else set()
        return frozenset(light | ({"open_cover", "close_cover"} if self._has(_CAP) else set()))

    def turn_on(self, percent: float, seconds: float) -> None:
        """Switch the light on, 0 to 100 per cent of its greatest brightness."""
        with self._move("switch the light on", at_rest=False):
            if not 0 <= finite(percent, "the brightness") <= 100:
                raise Refused(f"{self.name} takes 0 to 100 per cent, and {percent:g} were asked for")
            self._apply(_LIGHT, {"FLAT_LIGHT_ON": True}, seconds)
            if self._has(_BRIGHTNESS):
                level = self._needs(_BRIGHTNESS, "be dimmed").range(_LEVEL).largest * percent / 100
                self._apply(_BRIGHTNESS, {_LEVEL: float(round(level))}, seconds)
            elif percent < 100:
                raise NotPossible(f"{self.name} is on, and cannot be dimmed to {percent:g} per cent")

    def turn_off(self, seconds: float) -> None:
        """Switch the light off."""
        with self._move("switch the light off", at_rest=False):
            self._apply(_LIGHT, {"FLAT_LIGHT_OFF": True}, seconds)

    def open_cover(self, seconds: float) -> None:
        """Open the cover; raise NotPossible without one."""
        self._drive_cover("open the cover", "UNPARK", seconds)

    def close_cover(self, seconds: float) -> None:
        """Close the cover; raise NotPossible without one."""
        self._drive_cover("close the cover", "PARK", seconds)

    def _drive_cover(self, what: str, member: str, seconds: float) -> None:
        def differs() -> str | None:
            return None if self._needs(_CAP, what).is_on(member) else "its cover does not stand as it was to"

        with self._move(what):
            if not self._needs(_CAP, what).is_on(member):
                self._drive(_CAP, {member: True}, seconds, differs)

    def _known(self) -> State:
        light = self._vector(_LIGHT)
        on = {} if light is None else {"light": light.is_on("FLAT_LIGHT_ON")}
        return {"status": self._brief(), **on}


class IndiSwitch(IndiDevice, Switch):
    """Whatever a driver lets people switch, each by `PROPERTY.MEMBER` or its label."""

    def abilities(self) -> frozenset[str]:
        """Return that it switches."""
        self._check_watched()
        return frozenset({"set_channel"})

    def channels(self) -> tuple[Channel, ...]:
        """Return the switches and numbers that can be written, but for those that every driver has."""
        return tuple(channel for _, _, channel in self._all())

    def _all(self) -> Iterator[tuple[Vector, str, Channel]]:
        self._check_watched()
        for vector in self._main.vectors().values():
            if vector.name in _NO_CHANNELS or not vector.writable or vector.kind not in {"Switch", "Number"}:
                continue
            for member, value in vector.values.items():
                known = vector.ranges.get(member)
                limits = Limits(known.least, known.largest) if known else Limits(0.0, 1.0)
                yield vector, member, Channel(f"{vector.name}.{member}", float(value), limits)

    def set_channel(self, name: str, value: float, seconds: float) -> None:
        """Set a switch by its name (without case) or its number, and read it back."""
        with self._move(f"switch {name}", at_rest=False):
            vector, member, channel = self._named(name)
            if finite(value, "the value") not in channel.limits:
                limits = f"{channel.limits.least:g} to {channel.limits.largest:g}"
                raise Refused(f"{self.name} takes {limits} for {channel.name}, and {value:g} was asked for")
            if vector.kind == "Number":
                self._apply(vector.name, {member: value}, seconds)
            else:
                self._apply(vector.name, _switched(vector, member, on=value > 0), seconds)

    def _named(self, name: str) -> tuple[Vector, str, Channel]:
        every, wanted = list(self._all()), name.strip().casefold()
        for vector, member, channel in every:
            if wanted in {channel.name.casefold(), vector.labels.get(member, "").casefold()}:
                return vector, member, channel
        if wanted.isdecimal() and len(wanted) < 6 and int(wanted) < len(every):
            return every[int(wanted)]
        raise Refused(f"{self.name} has no switch {name!r}")

    def _known(self) -> State:
        return {"status": self._brief()}


def _switched(vector: Vector, member: str, *, on: bool) -> dict[str, bool]:
    """Return the members to send: where one of two must be on, off is the other one."""
    others = [each for each in vector.values if each != member]
    if on or vector.rule != "OneOfMany":
        return {member: on}
    if len(others) != 1:
        raise Refused(f"{vector.name} has one of {len(others) + 1} on: switch another one on")
    return {others[0]: True}


class IndiSafety(IndiDevice, Safety):
    """A weather station behind INDI; each value is compared with its own limits, which the whole state does not do."""

    needed = (_PARAMETERS, _STATUS)

    def abilities(self) -> frozenset[str]:
        """Return that it reads."""
        self._check_watched()
        return frozenset({"reading"})

    def stop(self) -> None:
        """Do nothing: it does not move."""

    def reading(self) -> Reading:
        """Return what the device says now; never raises."""
        try:
            self._generation = self._main.generation
            self._check_there()
            values = self._values()
            reason = next(self._reasons(), None) or beyond(values, self.settings.limits)
        except DeviceError as error:
            return Reading(safe=False, reason=f"{self.name} cannot be read: {error}", was_read=False)
        return Reading(reason is None, reason, values)

    def _values(self) -> dict[str, float]:
        vector = self._vector(_PARAMETERS)
        numbers = {name: vector.number(name) for name in vector.values} if vector is not None else {}
        known = {name: _KEYS.get(name, (name.removeprefix("WEATHER_").lower(), 1.0)) for name in numbers}
        return {known[name][0]: value * known[name][1] for name, value in numbers.items() if value is not None}

    def _reasons(self) -> Iterator[str]:
        """Yield what makes it unsafe, in words."""
        lights, vector = self._vector(_STATUS), self._vector(_PARAMETERS)
        if lights is None and vector is None:
            yield f"{self.name} says nothing of the weather"
        for each in (lights, vector):
            if each is not None and each.state == "Alert":
                yield f"{self.name} reports an alert"
        if lights is not None and (alert := [name for name, light in lights.values.items() if light == "Alert"]):
            yield f"{self.name} reports an alert for {_plain(alert[0])}"
        if vector is not None:
            yield from self._beyond_own(vector)

    def _beyond_own(self, vector: Vector) -> Iterator[str]:
        period = self._number(_UPDATE, "PERIOD") or _USUAL_UPDATE_SECONDS
        if (age := time.monotonic() - vector.at) > 3 * period + self.settings.silence_seconds:
            yield f"{self.name} has said nothing new for {age:.0f} s"
        for name in vector.values:
            value, limits = vector.number(name), self._vector(name)
            if value is None:
                yield f"{self.name} has no value for {_plain(name)}"
            elif limits is not None:
                least, most = _or(limits.number("MIN_OK"), -math.inf), _or(limits.number("MAX_OK"), math.inf)
                if not least <= value <= most:
                    yield f"{_plain(name)} is {value:g}, and {least:g} to {most:g} is safe"

    def _known(self) -> State:
        reading = self.reading()
        state: State = {"status": "safe" if reading.safe else "unsafe", "safe": reading.safe, **reading.values}
        return state | ({"unsafe_reason": reading.reason} if reading.reason else {})


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _plain(name: str) -> str:
    return name.removeprefix("WEATHER_").replace("_", " ").lower()
