"""From a line of the file to a device, and stops for many at once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Mapping

from ..errors import DeviceError, NotStopped
from .alpaca_camera import AlpacaCamera
from .alpaca_enclosure import AlpacaEnclosure
from .alpaca_mount import AlpacaMount
from .alpaca_panels import AlpacaSafety, AlpacaScreen, AlpacaSwitch
from .alpaca_wheels import AlpacaFilterWheel, AlpacaFocuser, AlpacaRotator
from .indi_camera import IndiCamera
from .indi_enclosure import IndiEnclosure
from .indi_mount import IndiMount
from .indi_panels import IndiSafety, IndiScreen, IndiSwitch
from .indi_wheels import IndiFilterWheel, IndiFocuser, IndiRotator
from .interfaces import Device
from .motion import Motion
from .settings import Settings

_KINDS: Mapping[str, Mapping[str, type[Motion]]] = {
    "indi": {
        each.kind: each
        for each in (
            *(IndiMount, IndiCamera, IndiFilterWheel, IndiFocuser, IndiRotator),
            *(IndiEnclosure, IndiScreen, IndiSwitch, IndiSafety),
        )
    },
    "alpaca": {
        each.kind: each
        for each in (
            *(AlpacaMount, AlpacaCamera, AlpacaFilterWheel, AlpacaFocuser, AlpacaRotator),
            *(AlpacaEnclosure, AlpacaScreen, AlpacaSwitch, AlpacaSafety),
        )
    },
}
KINDS = tuple(_KINDS["indi"])


def open_device(kind: str, name: str, driver: str, settings: Settings | None = None) -> Device:
    """Return a device, not yet started, of a kind at an address `indi://...` or `alpaca://...`.

    Raise ValueError when the kind is unknown, or the address is none or another kind's.
    """
    scheme = driver.partition("://")[0].removesuffix("s")
    if scheme not in _KINDS:
        raise ValueError(f"{driver!r} is no address of a device: indi://... or alpaca://... is expected")
    if kind not in _KINDS[scheme]:
        raise ValueError(f"{kind!r} is no kind of device: {', '.join(KINDS)} are")
    return _KINDS[scheme][kind](name, driver, settings or Settings())


def stop_all(devices: Iterable[Device], seconds: float | None = None) -> dict[str, DeviceError | None]:
    """Stop devices all at once, each in a thread of its own, and return what hindered each by `kind/name`.

    None stands for a device that was seen at rest. `seconds` is the longest to wait for that; without it each device's
    own `abort_seconds` is.
    """
    every = list(devices)
    ends: dict[str, DeviceError | None] = {
        device.key: NotStopped(f"{device.name} was not seen at rest within {seconds or 0:g} s") for device in every
    }

    def stop(device: Device) -> None:
        try:
            device.stop()
            ends[device.key] = None
        except DeviceError as error:
            ends[device.key] = error

    deadline = math.inf if seconds is None else time.monotonic() + seconds
    threads = [threading.Thread(target=stop, args=(each,), name=f"stop of {each.name}", daemon=True) for each in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(None if seconds is None else max(0.0, deadline - time.monotonic()))
    return dict(ends)
