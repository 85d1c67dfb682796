"""Whether the devices of a site are there, what they can do, and what keeps them from it: before a night, by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from .devices.interfaces import Camera, Device, FilterWheel, Focuser, Mount, Safety
from .errors import DeviceError
from .observatory import Observatory
from .site_file import MountLines
from .sky import place_for_slews

CONNECT_SECONDS = 40.0
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was seen of a device; `faults` keep it from its work, `notes` are good to know."""

    key: str
    driver: str
    connected: bool
    state: str = ""
    can: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check(
    observatory: Observatory, seconds: float = CONNECT_SECONDS, tell: Callable[[int], None] = lambda _ready: None
) -> list[Checked]:
    """Wait for all devices of an observatory that was started, and return what was seen of each, in the file's order.

    `tell` gets the number of devices that are connected, whenever it was looked at.
    """
    deadline = time.monotonic() + seconds
    every = list(observatory.devices.values())
    while (ready := sum(each.is_ready for each in every)) < len(every) and time.monotonic() < deadline:
        tell(ready)
        time.sleep(_PAUSE_SECONDS)
    tell(ready)
    return [_checked(observatory, device) for device in every]


def _checked(observatory: Observatory, device: Device) -> Checked:
    if not device.is_ready:
        why = str(device.state().get("message") or "it did not connect in time")
        return Checked(key=device.key, driver=device.driver, connected=False, faults=(why,))
    state = device.state()
    can, notes = (_sayings(part, device) for part in (_can, _notes))
    return Checked(
        key=device.key,
        driver=device.driver,
        connected=True,
        state=str(state.get("status") or ""),
        can=can,
        faults=_sayings(lambda it: _faults(observatory, it), device),
        notes=notes,
    )


def _sayings(part: Callable[[Device], Iterator[str]], device: Device) -> tuple[str, ...]:
    """Return what a part says of a device; its failure is a saying too."""
    said: list[str] = []
    try:
        said.extend(part(device))
    except DeviceError as error:
        said.append(str(error))
    return tuple(said)


def _can(device: Device) -> Iterator[str]:
    yield from sorted(device.abilities())
    if isinstance(device, FilterWheel):
        yield f"filters {', '.join(device.filters())}"
    elif isinstance(device, Camera):
        chip = device.chip()
        yield f"{chip.width} x {chip.height} pixels"


def _faults(observatory: Observatory, device: Device) -> Iterator[str]:
    lines = observatory.site_file.devices[device.key]
    if isinstance(device, Mount) and isinstance(lines, MountLines):
        place_for_slews(device, observatory.site_file.place, lines, datetime.now(UTC))
    yield from ()


def _notes(device: Device) -> Iterator[str]:
    if isinstance(device, Focuser) and device.um_per_step is None:
        yield "um_per_step is missing: moves in micrometres are refused"
    elif isinstance(device, Camera) and device.chip().has_shutter is False:
        yield "it has no shutter: a dark is a light"
    elif isinstance(device, Safety) and not (reading := device.reading()).safe:
        yield f"unsafe: {reading.reason or 'it says so'}"
