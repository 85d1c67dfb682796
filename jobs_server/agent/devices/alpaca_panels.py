"""Flat-field screens, switches, and safety and weather behind Alpaca."""

from __future__ import annotations

import math

from ..alpaca import AlpacaConnection
from ..errors import DeviceError, NotPossible, Refused
from .alpaca_device import AlpacaDevice, number
from .interfaces import Channel, Limits, Reading, Safety, Screen, State, Switch
from .motion import finite
from .weather import beyond

_NOT_PRESENT, _OFF, _CHANGING, _READY = range(4)  # of a calibrator
_CLOSED, _MOVING, _OPEN = 1, 2, 3  # of a cover
_SWITCHES = 1000
_CONDITIONS = {
    "temperature_c": "temperature",
    "humidity_percent": "humidity",
    "dew_point_c": "dewpoint",
    "wind_m_per_s": "windspeed",
    "wind_gust_m_per_s": "windgust",
    "rain_mm_per_h": "rainrate",
    "cloud_percent": "cloudcover",
    "sky_temperature_c": "skytemperature",
    "pressure_hpa": "pressure",
}


class AlpacaScreen(AlpacaDevice, Screen):
    """A flat-field panel behind Alpaca, with a cover or without."""

    types = ("covercalibrator",)
    aborts = ("haltcover",)

    def _moves_by(self, connection: AlpacaConnection) -> bool:
        return number(self._try("coverstate", connection)) == _MOVING

    def abilities(self) -> frozenset[str]:
        """Return what the screen says that it has."""
        light = {"turn_on", "turn_off"} if (number(self._try("calibratorstate")) or 0) > _NOT_PRESENT else set()
        cover = (number(self._try("coverstate")) or 0) > _NOT_PRESENT
        return frozenset(light | ({"open_cover", "close_cover"} if cover else set()))

    def turn_on(self, percent: float, seconds: float) -> None:
        """Switch the light on, 0 to 100 per cent of its greatest brightness."""
        if not 0 <= finite(percent, "the brightness") <= 100:
            raise Refused(f"{self.name} takes 0 to 100 per cent, and {percent:g} were asked for")
        with self._move("switch the light on", at_rest=False):
            most = number(self._constant("maxbrightness"))
            if most is None:
                raise NotPossible(f"{self.name} has no light")
            level = round(most * percent / 100)
            self._put("calibratoron", Brightness=level)
            self._until(lambda: self._is_lit(_READY), seconds, "the light")
            if (read := number(self._try("brightness", self._main))) is not None and read != level:
                raise Refused(f"{self.name} was to be at brightness {level} and is at {read:g}")

    def turn_off(self, seconds: float) -> None:
        """Switch the light off."""
        with self._move("switch the light off", at_rest=False):
            self._put("calibratoroff")
            self._until(lambda: self._is_lit(_OFF), seconds, "the dark")

    def _is_lit(self, wanted: int) -> bool:
        state = number(self._main.get("calibratorstate"))
        if state not in {_OFF, _CHANGING, _READY}:
            raise DeviceError(f"{self.name} failed: its light is in its error state")
        return state == wanted

    def open_cover(self, seconds: float) -> None:
        """Open the cover; raise NotPossible without one."""
        self._drive_cover("open the cover", "opencover", _OPEN, seconds)

    def close_cover(self, seconds: float) -> None:
        """Close the cover; raise NotPossible without one."""
        self._drive_cover("close the cover", "closecover", _CLOSED, seconds)

    def _drive_cover(self, what: str, method: str, wanted: int, seconds: float) -> None:
        def differs() -> str | None:
            return None if self._main.get("coverstate") == wanted else "its cover does not stand as it was to"

        with self._move(what):
            if self._main.get("coverstate") == _NOT_PRESENT:
                raise NotPossible(f"{self.name} has no cover")
            self._drive(method, seconds, differs)

    def _known(self) -> State:
        state = self._watch.get("calibratorstate")
        return {"status": "moving" if self._moves_by(self._watch) else "idle", "light": state == _READY}


class AlpacaSwitch(AlpacaDevice, Switch):
    """Switches behind Alpaca, each by its name or its number."""

    types = ("switch",)

    def abilities(self) -> frozenset[str]:
        """Return that it switches."""
        return frozenset({"set_channel"})

    def channels(self) -> tuple[Channel, ...]:
        """Return the switches as they stand."""
        count = int(number(self._watch.get("maxswitch")) or 0)
        return tuple(self._channel(each) for each in range(min(count, _SWITCHES)))

    def _channel(self, each: int) -> Channel:
        name, writable = self._try("getswitchname", None, Id=each), self._try("canwrite", None, Id=each)
        least, most = self._number("minswitchvalue", Id=each), self._number("maxswitchvalue", Id=each)
        value = self._number("getswitchvalue", Id=each)
        limits = Limits(least or 0.0, 1.0 if most is None else most)
        return Channel(str(name or each), math.nan if value is None else value, limits, writable is not False)

    def set_channel(self, name: str, value: float, seconds: float) -> None:
        """Set a switch by its name (without case) or its number, and read it back."""
        with self._move(f"switch {name}", at_rest=False):
            each, channel = self._named(name)
            if not channel.can_write:
                raise NotPossible(f"{self.name} lets nobody set {channel.name}")
            if finite(value, "the value") not in channel.limits:
                limits = f"{channel.limits.least:g} to {channel.limits.largest:g}"
                raise Refused(f"{self.name} takes {limits} for {channel.name}, and {value:g} was asked for")
            self._drive("setswitchvalue", seconds, lambda: self._misses(each, channel, value), Id=each, Value=value)

    def _misses(self, each: int, channel: Channel, asked: float) -> str | None:
        there = number(self._main.get("getswitchvalue", self.settings.answer_seconds, Id=each))
        step = number(self._main.get("switchstep", self.settings.answer_seconds, Id=each)) or 1.0
        if there is not None and abs(there - asked) <= step / 2:
            return None
        return f"{channel.name} was to be {asked:g} and is {there}"

    def _named(self, name: str) -> tuple[int, Channel]:
        every, wanted = self.channels(), name.strip().casefold()
        for each, channel in enumerate(every):
            if channel.name.casefold() == wanted:
                return each, channel
        if wanted.isdecimal() and len(wanted) < 6 and int(wanted) < len(every):
            return int(wanted), every[int(wanted)]
        raise Refused(f"{self.name} has no switch {name!r}")

    def _known(self) -> State:
        self._watch.get("maxswitch")
        return {"status": "idle"}


class AlpacaSafety(AlpacaDevice, Safety):
    """A safety monitor, or a weather station with limits of the file, behind Alpaca."""

    types = ("safetymonitor", "observingconditions")

    def abilities(self) -> frozenset[str]:
        """Return that it reads."""
        return frozenset({"reading"})

    def stop(self) -> None:
        """Do nothing: it does not move."""

    def reading(self) -> Reading:
        """Return what the device says now; never raises."""
        try:
            if self._watch.get("connected") is not True:
                return Reading(safe=False, reason=f"{self.name} cannot be read: it is not connected", was_read=False)
            if self._watch.kind == "safetymonitor":
                safe = self._watch.get("issafe") is True
                return Reading(safe, None if safe else f"{self.name} says that it is not safe")
            values = {key: self._number(name) for key, name in _CONDITIONS.items()}
        except DeviceError as error:
            return Reading(safe=False, reason=f"{self.name} cannot be read: {error}", was_read=False)
        known = {key: value for key, value in values.items() if value is not None}
        reason = beyond(known, self.settings.limits) if known else f"{self.name} says nothing of the weather"
        return Reading(reason is None, reason, known)

    def _known(self) -> State:
        reading = self.reading()
        state: State = {"status": "safe" if reading.safe else "unsafe", "safe": reading.safe, **reading.values}
        return state | ({"unsafe_reason": reading.reason} if reading.reason else {})
