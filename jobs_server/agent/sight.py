"""What moves that the agent did not begin: seen, halted or waited for, before anything begins.

A device was settled when it was seen at rest since it became ready the last time. At start, after a crash and after a
reconnect it is not, and nothing begins until it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from .devices.interfaces import Device, Enclosure
from .errors import DeviceBusy, DeviceError, DeviceGone
from .holds import Holds
from .observatory import Observatory

log = logging.getLogger(__name__)

HOLDER = "sight"
START_SECONDS = 30.0  # at start, how long nothing begins for the sake of a device that cannot be read
_LOOK_SECONDS = 0.5
_READY_SECONDS = 1.0  # how long a job waits for a device that was away


class Sight:
    """Looks at each device in a thread of its own whenever the device has come back."""

    def __init__(self, observatory: Observatory, holds: Holds, *, start_seconds: float = START_SECONDS) -> None:
        """Take the devices, and what keeps jobs from beginning."""
        self._holds = holds
        self._devices = {device.key: device for device in observatory.devices.values() if device.kind != "safety"}
        self._waits = {key: observatory.site_file.devices[key].found_moving == "wait" for key in self._devices}
        self._patience = {key: observatory.site_file.devices[key].abort_seconds for key in self._devices}
        self._start_seconds = start_seconds
        self._deadline = 0.0
        self._settled: dict[str, int] = {}
        self._found: dict[str, str] = {}
        """What devices are found to do that are not settled, in words."""
        self._news = threading.Condition()
        self._closed = False

    def start(self) -> None:
        """Begin to look; nothing begins until all devices were read, or a few seconds have gone by."""
        self._deadline = time.monotonic() + self._start_seconds
        self._hold()
        for device in self._devices.values():
            threading.Thread(target=self._watch, args=(device,), name=f"sight of {device.name}", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def changed(self) -> None:
        """Look now: a device was lost or has come back."""
        self._hold()
        with self._news:
            self._news.notify_all()

    def is_settled(self, key: str) -> bool:
        """Whether a device is there and was seen at rest since it came."""
        device = self._devices.get(key)
        return device is None or (device.is_ready and self._settled.get(key) == device.times_ready)

    def await_first_look(self) -> None:
        """Return when each device was seen at rest, or cannot be read."""
        with self._news:
            while not self._closed and self._why() is not None:
                self._news.wait(_LOOK_SECONDS)

    def require(self, keys: Iterable[str], check: Callable[[], None] = lambda: None) -> None:
        """Return when devices are settled; raise DeviceGone or DeviceBusy with the reason when they are not soon.

        A device that is being connected is waited for; `check` is called meanwhile, and raises when nobody waits.
        """
        for key in sorted(set(keys)):
            device = self._devices.get(key)
            if device is None:
                continue
            self._await_ready(device, check)
            deadline = time.monotonic() + self._patience[key]
            with self._news:
                while not self.is_settled(key) and device.is_ready and time.monotonic() < deadline:
                    self._news.wait(_LOOK_SECONDS)
            if not self.is_settled(key):
                raise DeviceBusy(self._found.get(key) or f"{device.name} was not seen at rest since it came back")

    def _await_ready(self, device: Device, check: Callable[[], None]) -> None:
        """Return when a device is ready; wait for one attempt to connect the device, and raise DeviceGone after it."""
        deadline, waited_for = time.monotonic() + _READY_SECONDS, device.attempt
        while not device.is_ready and (device.attempt == waited_for or waited_for is None):
            if waited_for is None and (waited_for := device.attempt) is None and time.monotonic() >= deadline:
                break
            check()
            with self._news:
                self._news.wait(0.1)
        device.wait_ready(0.0)

    def require_rest(self, keys: Iterable[str]) -> None:
        """Return when devices are settled and none of them moves for anybody else; raise as `require` does."""
        every = sorted(set(keys))
        self.require(every)
        for key in every:
            if (device := self._devices.get(key)) is not None and device.is_moving():
                raise DeviceBusy(f"{device.name} moves, and not for a job")

    def _watch(self, device: Device) -> None:
        while not self._closed:
            if device.is_ready and not self.is_settled(device.key):
                self._settle(device)
            self._hold()
            with self._news:
                if self.is_settled(device.key) or not device.is_ready:
                    self._news.wait(_LOOK_SECONDS)

    def _settle(self, device: Device) -> None:
        times = device.times_ready
        try:
            self._bring_to_rest(device)
        except DeviceGone:
            time.sleep(0.1)
        except DeviceError as error:
            self._find(device, f"{device.name} was found moving: {error}")
            time.sleep(_LOOK_SECONDS)
        except Exception as error:  # without this thread nothing would ever begin again
            log.exception("%s was not looked at", device.name)
            self._find(device, f"{device.name} cannot be looked at: {error!r}")
            time.sleep(_LOOK_SECONDS)
        else:
            with self._news:
                self._settled[device.key] = times
                if self._found.pop(device.key, None):
                    log.warning("%s is at rest now", device.name)
                self._news.notify_all()

    def _bring_to_rest(self, device: Device) -> None:
        """Return when a device is at rest; raise DeviceError when it is not."""
        while device.is_moving():
            if self._is_waited_for(device):
                self._find(device, f"{device.name} was found moving and is waited for")
                time.sleep(_LOOK_SECONDS)
            else:
                self._find(device, f"{device.name} was found moving and is halted")
                device.stop()

    def _is_waited_for(self, device: Device) -> bool:
        return self._waits[device.key] or (isinstance(device, Enclosure) and device.shutter() == "closing")

    def _find(self, device: Device, what: str) -> None:
        if self._found.get(device.key) != what:
            log.warning("%s", what)
        self._found[device.key] = what
        self._hold()

    def _hold(self) -> None:
        self._holds.put(HOLDER, self._why())

    def _why(self) -> str | None:
        """Return why nothing may begin; None when each device was seen at rest, or is away."""
        starts = time.monotonic() < self._deadline
        for key, device in self._devices.items():
            if not self.is_settled(key) and (device.is_ready or (starts and key not in self._settled)):
                return self._found.get(key, f"{device.name} is looked at first")
        return None
