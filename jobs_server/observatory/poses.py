"""Where an action leaves its device: how a mount, a focuser, a rotator and a dome stand, and what moves them.

Parameters come as people's programs send them: numbers as texts, in quotes, `empty`. What cannot be read is refused
with BadParameter; nothing else is ever raised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

Params = Mapping[str, Any]

_LATITUDE_DEGREES = 34.0
_SIDEREAL_DEGREES_PER_SECOND = 360.9856 / 86400
_LARGEST = 1e9  # No device moves, counts or waits so far.


class BadParameter(ValueError):
    """A parameter is not what the device can take; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Pose:
    """How a device stands. Angles in degrees, hour angle too; focus in micrometres."""

    hour_angle: float = 0.0
    declination: float = _LATITUDE_DEGREES
    rotator: float = 0.0
    focus: float = 6000.0
    dome: float = 0.0


class Request(NamedTuple):
    """What is asked of a device, how it stands, and when (seconds since 1970 UTC)."""

    required: Params
    optional: Params
    pose: Pose
    now: float


def pose_after(device: str, action: str, request: Request) -> Pose:
    """Return how a device stands after an action. Raises BadParameter."""
    return _POSES.get((device, action), _stays)(request)


def number(params: Params, name: str, default: float | None = None) -> float:
    """Read a number, also out of a text. Raises BadParameter when it is none, or beyond all that a device can do."""
    return _within(params, name, -_LARGEST, _LARGEST, default)


def separation(one: Pose, other: Pose) -> float:
    """Return the angle between two directions, in degrees."""
    a, b = math.radians(one.declination), math.radians(other.declination)
    turn = math.radians(one.hour_angle - other.hour_angle)
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(turn)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def _stays(request: Request) -> Pose:
    return request.pose


def _goes(request: Request) -> Pose:
    """Read where a mount is to point: right ascension, hour angle, or azimuth and altitude."""
    if "az" in request.required or "alt" in request.required:
        return _from_horizon(
            request.pose, _within(request.required, "az", -360, 360), _within(request.required, "alt", -90, 90)
        )
    declination = _within(request.required, "dec", -90, 90)
    if "ha" in request.required:
        return replace(request.pose, hour_angle=_within(request.required, "ha", -24, 24) * 15, declination=declination)
    sidereal = request.now * _SIDEREAL_DEGREES_PER_SECOND % 360
    ascension = _within(request.required, "ra", 0, 24) * 15
    return replace(request.pose, hour_angle=sidereal - ascension, declination=declination)


def _from_horizon(pose: Pose, azimuth: float, altitude: float) -> Pose:
    az, alt, latitude = math.radians(azimuth), math.radians(altitude), math.radians(_LATITUDE_DEGREES)
    sine = math.sin(alt) * math.sin(latitude) + math.cos(alt) * math.cos(latitude) * math.cos(az)
    up = math.sin(alt) * math.cos(latitude) - math.cos(alt) * math.sin(latitude) * math.cos(az)
    hour_angle = math.degrees(math.atan2(-math.sin(az) * math.cos(alt), up))
    return replace(pose, hour_angle=hour_angle, declination=math.degrees(math.asin(max(-1.0, min(1.0, sine)))))


def _rests(request: Request) -> Pose:
    return replace(request.pose, hour_angle=0.0, declination=_LATITUDE_DEGREES)


def _sees_near(request: Request) -> Pose:
    return replace(request.pose, hour_angle=request.pose.hour_angle + 10)


def _focus_by(request: Request) -> Pose:
    return replace(request.pose, focus=request.pose.focus + number(request.required, "position"))


def _focus_to(request: Request) -> Pose:
    return replace(request.pose, focus=number(request.required, "position"))


def _turn_by(request: Request) -> Pose:
    return replace(request.pose, rotator=(request.pose.rotator + number(request.required, "position")) % 360)


def _turn_to(request: Request) -> Pose:
    return replace(request.pose, rotator=number(request.required, "position") % 360)


def _dome_to(request: Request) -> Pose:
    return replace(request.pose, dome=number(request.required, "azimuth") % 360)


def _within(params: Params, name: str, low: float, high: float, default: float | None = None) -> float:
    value = params.get(name, default)
    found = _finite(value)
    if found is None:
        raise BadParameter(f"{name} must be a number, not {short(value)}")
    if not low <= found <= high:
        raise BadParameter(f"{name} must be from {low:g} to {high:g}, not {found:g}")
    return found


def _finite(value: Any) -> float | None:
    text = value.strip().strip("\"'") if isinstance(value, str) else value
    try:
        return found if not isinstance(text, bool) and math.isfinite(found := float(text)) else None
    except (TypeError, ValueError, OverflowError):
        return None


def short(value: object) -> str:
    """Return a value as it is written in a refusal, cut when it is long."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


_POSES: Mapping[tuple[str, str], Callable[[Request], Pose]] = {
    ("mount", "go"): _goes,
    ("mount", "park"): _rests,
    ("mount", "home"): _rests,
    ("mount", "zero"): _rests,
    ("mount", "slew_to_near_tycho"): _sees_near,
    ("focuser", "move_relative"): _focus_by,
    ("focuser", "move_absolute"): _focus_to,
    ("rotator", "move_relative"): _turn_by,
    ("rotator", "move_absolute"): _turn_to,
    ("enclosure", "slew_az"): _dome_to,
}
"""By device and action; after any other action the device stands as before."""
