"""What the site's devices can do, for the desk's forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from . import actions
from .actions import asking
from .devices.interfaces import Camera, Device, FilterWheel, Focuser, Switch
from .errors import DeviceError, Refused
from .observatory import Observatory
from .site_file import CameraLines, FilterWheelLines, MountLines

_NEEDED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("mount", "tracking"): ("set_tracking",),
    ("mount", "set_tracking_on"): ("set_tracking",),
    ("mount", "set_tracking_off"): ("set_tracking",),
    ("filter_wheel", "set_name"): ("go_to_slot",),
    ("focuser", "move_absolute"): ("go_to",),
    ("focuser", "move_relative"): ("go_by",),
    ("rotator", "move_absolute"): ("go_to",),
    ("rotator", "move_relative"): ("go_to",),
    ("screen", "close_and_turn_on"): ("close_cover", "turn_on"),
    ("screen", "turn_off_and_close"): ("close_cover",),
    ("screen", "open_and_turn_off"): ("open_cover",),
    ("switch", "on"): ("set_channel",),
    ("switch", "off"): ("set_channel",),
    ("switch", "pulse"): ("set_channel",),
    ("enclosure", "close"): ("close_shutter",),
    ("enclosure", "slew_az"): ("go_to_azimuth",),
    ("enclosure", "sync_az"): ("sync_azimuth",),
    ("enclosure", "home_dome"): ("home",),
    ("enclosure", "track_telescope"): ("follow",),
    ("enclosure", "stop_tracking_telescope"): ("follow",),
}
"""The abilities that an action needs, where they have not its name."""


def of(observatory: Observatory) -> dict[str, Any]:
    """Return what each device can do, by `kind/name`: `actions`, `filters`, `binnings`, `limits`.

    Of a device that cannot be read now only its key is returned.
    """
    return {key: _of_device(observatory, device) for key, device in observatory.devices.items()}


def _of_device(observatory: Observatory, device: Device) -> dict[str, Any]:
    if device.kind == "safety":
        return {"actions": []}
    try:
        able = device.abilities()
        found: dict[str, Any] = {"actions": [*_actions(device.kind, able), "stop"]}
        return found | {key: value for key, value in _more(observatory, device) if value}
    except DeviceError:
        return {}


def _actions(kind: str, able: frozenset[str]) -> Iterator[str]:
    for action in actions.possible(kind):
        if able.issuperset(_NEEDED.get((kind, action), (action,))):
            yield action


def _more(observatory: Observatory, device: Device) -> Iterator[tuple[str, Any]]:
    lines = observatory.lines(device.kind, device.name)
    if isinstance(device, Camera) and isinstance(lines, CameraLines):
        wheel = observatory.wheel_of(device.name)
        with suppress(DeviceError):  # a camera can be used while its wheel is away
            yield "filters", [] if wheel is None else _filters(observatory, wheel)
        yield from _of_camera(device, lines)
    elif isinstance(device, FilterWheel):
        yield "filters", _filters(observatory, device)
    elif isinstance(device, Focuser):
        yield "limits", _focus_limits(device)
    elif isinstance(device, Switch):
        yield "switches", [channel.name for channel in device.channels()]
    elif isinstance(lines, MountLines):
        yield "limits", {"altitude_degrees": [lines.min_altitude_degrees, 90]}


def _filters(observatory: Observatory, wheel: FilterWheel) -> list[str]:
    lines, names = observatory.lines(wheel.kind, wheel.name), wheel.filters()
    aliases = lines.aliases if isinstance(lines, FilterWheelLines) else {}
    return list(dict.fromkeys((*names, *aliases)))


def _of_camera(camera: Camera, lines: CameraLines) -> Iterator[tuple[str, Any]]:
    chip = camera.chip()
    binnings = []
    for name in (*asking.binning_names(lines.binnings), "1", "2", "3", "4"):
        with suppress(Refused):
            asking.binning(name, chip, lines.binnings)
            binnings.append(name)
    yield "binnings", binnings
    limits: dict[str, Any] = {"exposure_seconds": [chip.shortest_seconds, chip.longest_seconds]}
    if chip.gain_limits is not None:
        limits["gain"] = [chip.gain_limits.least, chip.gain_limits.largest]
    yield "limits", limits
    yield "gains", list(chip.gains)
    yield "pixels", [chip.width, chip.height]


def _focus_limits(focuser: Focuser) -> dict[str, Any]:
    limits, size = focuser.limits(), focuser.um_per_step
    return {} if limits is None or size is None else {"position_um": [limits.least * size, limits.largest * size]}
