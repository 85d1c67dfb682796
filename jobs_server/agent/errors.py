"""What goes wrong with a device, each as a sentence that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class DeviceError(Exception):
    """A device did not do what was asked; the message is the sentence for the job's end."""

    so_far: Mapping[str, Any] = {}
    """What came of the job before it failed, such as the frames that were taken."""


class DeviceGone(DeviceError):
    """The device or its server is not there: end of stream, refused connection, silence, or a lost device."""


class BadReply(DeviceError):
    """What came is no answer of the protocol, or beyond its bounds."""


class DeviceBusy(DeviceError):
    """The device carries out something else that this program asked of it."""


class Refused(DeviceError):
    """The device, or the check before it, refused what was asked; nothing moved for it."""


class NotPossible(Refused):
    """The device has no such ability."""


class TimedOut(DeviceError):
    """The device did not end in time."""


class WrongEnd(DeviceError):
    """The driver called a move done, and what was read back differs from what was asked; both are in the message."""


class Stopped(DeviceError):
    """A stop ended what was asked, and the device was seen at rest."""


class NotStopped(DeviceError):
    """A stop was asked and the device was not seen at rest in time, or cannot be stopped."""
