"""Which jobs may run at the same time: those whose devices differ, and nothing moves under an exposure."""

from __future__ import annotations

from collections.abc import Callable

from ..client import Job
from .errors import DeviceError, Refused
from .observatory import Observatory
from .orders import Order, from_job

_EVERYTHING = "all"
_REMEMBERED = 500
DevicesOf = Callable[[Order, Observatory], frozenset[str]]


def before_camera(observatory: Observatory, kind: str, name: str) -> frozenset[str]:
    """Return the keys of what stands before a camera and may not move while it exposes; none for another device."""
    if kind != "camera":
        return frozenset()
    parts = (observatory.mount_of, observatory.wheel_of, observatory.focuser_of, observatory.rotator_of)
    try:
        found = [each(name) for each in parts]
    except Refused:  # there is no such camera, which the job's own end says
        return frozenset()
    return frozenset(device.key for device in found if device is not None)


class Uses:
    """What jobs use, read once for each."""

    def __init__(self, observatory: Observatory, devices_of: DevicesOf) -> None:
        """Take the devices, and what says which of them an order needs."""
        self._observatory, self._devices_of = observatory, devices_of
        self._known: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def may_run_beside(self, job: Job, other: Job) -> bool:
        """Whether a job may run while an earlier one does."""
        if any(_EVERYTHING in (each.device, each.instance) for each in (job, other)):
            return False
        (keys, before), (other_keys, other_before) = self._of(job), self._of(other)
        return not (keys & other_keys or (before - keys) & other_keys or (other_before - other_keys) & keys)

    def _of(self, job: Job) -> tuple[frozenset[str], frozenset[str]]:
        """Return the devices that a job uses, and those that may not move meanwhile; what cannot be done uses none."""
        if job.ulid not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[job.ulid] = self._read(job)
        return self._known[job.ulid]

    def _read(self, job: Job) -> tuple[frozenset[str], frozenset[str]]:
        order = from_job(job)
        if job.is_stop:  # until its device was seen at rest, nothing may begin there
            return frozenset({order.key} & self._observatory.devices.keys()), frozenset()
        try:
            keys = self._devices_of(order, self._observatory)
        except DeviceError:
            return frozenset(), frozenset()
        return keys, before_camera(self._observatory, order.kind, order.name)
