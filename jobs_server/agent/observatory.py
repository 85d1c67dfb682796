"""The devices of a site, each with a lock for the jobs that use it; stops take none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import cast

from .devices.interfaces import Camera, Device, FilterWheel, Focuser, Mount, Rotator
from .devices.opening import open_device
from .devices.settings import Settings
from .errors import DeviceBusy, Refused
from .site_file import CameraLines, DeviceLines, SiteFile


class Observatory:
    """All devices that the file names."""

    def __init__(self, site_file: SiteFile, patience: Settings | None = None) -> None:
        """Take the file; `patience` is how patient the devices are where the file does not say."""
        self.site_file = site_file
        settings = patience or Settings()
        self.devices: Mapping[str, Device] = {
            key: open_device(lines.kind, lines.name, lines.driver, lines.settings(settings))
            for key, lines in site_file.devices.items()
        }
        self._locks = {key: threading.Lock() for key in self.devices}

    def start(self, on_change: Callable[[Device], None] | None = None) -> None:
        """Begin to connect all devices; `on_change` is called when one became ready, was lost, or changed."""
        for device in self.devices.values():
            device.start(on_change)

    def close(self) -> None:
        """End the threads and connections of all devices; what moves is left to move."""
        for device in self.devices.values():
            device.close()

    def device(self, kind: str, name: str) -> Device:
        """Return a device; raise Refused with the names that are there when there is none such."""
        if (found := self.devices.get(f"{kind}/{name}")) is not None:
            return found
        shown = kind.replace("_", " ")
        names = ", ".join(each.name for each in self.all_of(kind))
        known = f"its {shown}s are: {names}" if names else f"it has no {shown}"
        raise Refused(f"the site has no {shown} {name!r}: {known}")

    def all_of(self, kind: str) -> list[Device]:
        """Return the devices of a kind, in the order of the file."""
        return [each for each in self.devices.values() if each.kind == kind]

    def lines(self, kind: str, name: str) -> DeviceLines:
        """Return what the file says of a device; raise Refused when there is none such."""
        return self.site_file.devices[self.device(kind, name).key]

    def mount_of(self, camera_name: str) -> Mount | None:
        """Return the mount that carries a camera; None when the file does not say and there is not one alone."""
        return cast(Mount | None, self._beside_camera(camera_name, "mount"))

    def wheel_of(self, camera_name: str) -> FilterWheel | None:
        """Return the filter wheel before a camera, as `mount_of` does."""
        return cast(FilterWheel | None, self._beside_camera(camera_name, "filter_wheel"))

    def focuser_of(self, camera_name: str) -> Focuser | None:
        """Return the focuser of a camera, as `mount_of` does."""
        return cast(Focuser | None, self._beside_camera(camera_name, "focuser"))

    def rotator_of(self, camera_name: str) -> Rotator | None:
        """Return the rotator of a camera, as `mount_of` does."""
        return cast(Rotator | None, self._beside_camera(camera_name, "rotator"))

    def cameras_on(self, device: Device) -> list[Camera]:
        """Return the cameras that a mount, filter wheel, focuser or rotator moves or changes."""
        return [
            each
            for each in self.all_of("camera")
            if isinstance(each, Camera) and self._beside_camera(each.name, device.kind) is device
        ]

    @contextmanager
    def holding(self, *keys: str) -> Iterator[None]:
        """Hold devices for a job, by `kind/name`; raise DeviceBusy when another job has one of them. Waits for none."""
        with ExitStack() as held:
            for key in sorted(set(keys)):
                if not self._locks[key].acquire(blocking=False):
                    raise DeviceBusy(f"{self.devices[key].name} is busy with another job")
                held.callback(self._locks[key].release)
            yield

    def _beside_camera(self, camera_name: str, kind: str) -> Device | None:
        lines = self.lines("camera", camera_name)
        name = getattr(lines, kind, None) if isinstance(lines, CameraLines) else None
        if name is not None:
            return self.device(kind, name)
        every = self.all_of(kind)
        return every[0] if len(every) == 1 else None
