"""Status of the public site software as what everybody says of devices: one picture, two ways in.

A device is shown with one age, so that what a post does not say again of a device is not shown: readers of the status
itself get it, with the time at which it was said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Values = dict[str, Any]

_KEY = re.compile(r"[^\x00-\x20/][^\x00/]{0,63}")
_NAME = re.compile(r"[^\x00-\x20][^\x00]{0,127}")
_LONGEST = 500
_CAMERA_LINE = {
    "setpoint_c": re.compile(r"\bS\s+(-?\d+(?:\.\d+)?)C"),
    "temperature_c": re.compile(r"\bT\s+(-?\d+(?:\.\d+)?)C"),
    "cooler_percent": re.compile(r"\bP\s+(\d+(?:\.\d+)?)%"),
    "chip_humidity_percent": re.compile(r"\bH\s+(\d+(?:\.\d+)?)%"),
}
_SHUTTERS = {
    "open": "open",
    "closed": "closed",
    "opening": "opening",
    "closing": "closing",
    "error": "error",
    "software fault": "error",
    "sim. open": "open",
    "unknown": "unknown",
}
_SHUT_FOR = {
    "shut_reason_bad_weather": "shut for bad weather",
    "shut_reason_daytime": "shut by day",
    "shut_reason_manual_mode": "shut by hand",
}
_NOT_SAID = ("", "-", "na", "n/a", "none", "unknown")


def devices_of(posted: Mapping[str, Any]) -> dict[str, Values]:
    """Return the devices of which a status speaks, as `DeviceStates.report` takes them."""
    found: dict[str, Values] = {}
    for kind, instances in posted.items():
        if not isinstance(instances, dict) or not _KEY.fullmatch(kind):
            continue
        for name, values in instances.items():
            if isinstance(values, dict) and _NAME.fullmatch(name):
                found[f"{kind}/{name}"] = _READERS.get(kind, _as_said)(values)
    return found


def _as_said(said: Values) -> Values:
    return {key: value for key, value in said.items() if value is None or isinstance(value, str | int | float)}


def _mount(said: Values) -> Values:
    found = _numbers(
        said,
        ra_hours="right_ascension",
        dec_degrees="declination",
        alt_degrees="altitude",
        az_degrees="azimuth",
        airmass="airmass",
    )
    words = (("is_parked", "parked"), ("is_tracking", "tracking"), ("is_slewing", "slewing"))
    # A parked mount of the public site software says that it tracks too.
    status = next((word for key, word in words if said.get(key) is True), "idle" if "is_parked" in said else "")
    return found | _texts(pier_side=said.get("pier_side_str"), status=status, message=said.get("message"))


def _camera(said: Values) -> Values:
    line = said.get("status")
    if not isinstance(line, str):
        return _texts(darkslide=said.get("darkslide"))
    found: Values = {
        name: float(part[1]) for name, pattern in _CAMERA_LINE.items() if (part := pattern.search(line[:_LONGEST]))
    }
    if line.strip() == "status_failed":
        return {"status": "error", "message": "the camera does not say how it is"}
    return found | _texts(message=None if found else line, darkslide=said.get("darkslide"))


def _filter_wheel(said: Values) -> Values:
    status = "moving" if said.get("wheel_is_moving") is True else "idle"
    return _texts(filter=said.get("filter_name"), status=status)


def _focuser(said: Values) -> Values:
    found = _numbers(said, position_um="focus_position", temperature_c="focus_temperature")
    return found | ({"status": "moving"} if said.get("focus_moving") is True else {})


def _rotator(said: Values) -> Values:
    found = _numbers(said, angle_degrees="position_angle")
    return found | ({"status": "moving"} if said.get("rotator_moving") is True else {})


def _enclosure(said: Values) -> Values:
    shutter = said.get("shutter_status")
    shutter = shutter.strip() if isinstance(shutter, str) else ""
    word, _, no_observing = shutter.partition("/")
    status = _SHUTTERS.get(word.strip().casefold(), word.strip()[:_LONGEST] or "unknown")
    remarks = [text for key, text in _SHUT_FOR.items() if said.get(key) is True]
    if no_observing:
        remarks.append("observing is switched off")
    if word.strip().casefold() == "sim. open":
        remarks.append("simulated")
    found = _numbers(said, azimuth_degrees="dome_azimuth")
    if not found.get("azimuth_degrees"):  # A roof says 0.
        found = {}
    texts = _texts(mode=said.get("enclosure_mode"), message=", ".join(remarks))
    return found | texts | {"status": status}


def _weather(said: Values) -> Values:
    found = _numbers(
        said,
        temperature_c="temperature_C",
        humidity_percent="humidity_%",
        dew_point_c="dewpoint_C",
        wind_m_per_s="wind_m/s",
        rain_mm_per_h="rain_rate",
        cloud_percent="cloud_cover_%",
        sky_temperature_c="sky_temp_C",
        pressure_hpa="pressure_mbar",
    )
    safe = is_yes(said.get("wx_ok"))
    if safe is not None:
        found["safe"] = safe
    return found | _texts(message="the weather holds the roof shut" if said.get("wx_hold") is True else None)


def is_yes(value: object) -> bool | None:
    """Return what the weather's yes or no says, in whatever form; None where it says neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"yes": True, "true": True, "no": False, "false": False}.get(value.strip().casefold())
    return None


def _numbers(said: Values, **keys: str) -> Values:
    read = ((name, _number(said.get(key))) for name, key in keys.items())
    return {name: number for name, number in read if number is not None}


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        found = float(value.strip().rstrip("%")) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _texts(**said: object) -> Values:
    return {
        name: value.strip()[:_LONGEST]
        for name, value in said.items()
        if isinstance(value, str) and value.strip().casefold() not in _NOT_SAID
    }


_READERS: Mapping[str, Callable[[Values], Values]] = {
    "mount": _mount,
    "camera": _camera,
    "filter_wheel": _filter_wheel,
    "focuser": _focuser,
    "rotator": _rotator,
    "enclosure": _enclosure,
    "observing_conditions": _weather,
}
