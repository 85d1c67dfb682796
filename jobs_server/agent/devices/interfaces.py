"""What a device of each kind can be asked, the same for both protocols.

Rules for all of them:

- `start()` returns at once; a thread of the device connects, connects again with back-off for ever, connects the
  device behind its server, and sets again what was set. `is_ready` says whether that has succeeded.
- What moves is a blocking method that takes `seconds`, the longest it may last, and returns when the driver said the
  end in time **and** what was read back agrees within the tolerance; else it raises a `DeviceError` whose message is a
  sentence. A second move while one lasts raises `DeviceBusy`, and no method waits for another one's lock.
- `stop()` may be called from any thread at any time. It takes no lock, goes out on a connection of its own, and
  returns when the device was seen at rest; the move that it ended raises `Stopped` after the same sight, or
  `NotStopped` when rest was not seen.
- `state()` takes no lock, never raises, and answers in bounded time: what INDI said last, what Alpaca answers in time.
- What is not known is no rest: a device that cannot be read, or that its driver has not connected, is `DeviceGone`.
- Angles are degrees but `ra_hours`; directions are ICRS; slots and indexes are counted from 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    import numpy

State = dict[str, Any]
ImageKind = Literal["light", "bias", "dark", "flat"]
ShutterStatus = Literal["open", "closed", "opening", "closing", "partly", "error"]


@dataclass(frozen=True)
class Direction:
    """A direction on the sky, ICRS."""

    ra_hours: float
    dec_degrees: float


@dataclass(frozen=True)
class Horizontal:
    """A direction over the horizon; azimuth from north over east."""

    alt_degrees: float
    az_degrees: float


@dataclass(frozen=True)
class Place:
    """Where on Earth a device stands; longitude east of Greenwich, -180 to 180."""

    latitude_degrees: float
    longitude_degrees: float
    elevation_m: float = 0.0


@dataclass(frozen=True)
class Limits:
    """The least and the largest value that a device takes."""

    least: float
    largest: float

    def __contains__(self, value: float) -> bool:
        """Whether a value lies between the two."""
        return self.least <= value <= self.largest


class Device(ABC):
    """One device of the site; see the module for the rules that hold for all."""

    kind: ClassVar[str]  # as jobs carry it: "mount"
    name: str  # as jobs carry it: "mount1"
    driver: str  # its address as in agent.toml

    @property
    def key(self) -> str:
        """Return `kind/name`, the key under which the state is sent."""
        return f"{self.kind}/{self.name}"

    @abstractmethod
    def start(self, on_change: Callable[[Device], None] | None = None) -> None:
        """Begin to connect, in a thread of the device.

        `on_change` is called, from threads of the device, when it became ready, was lost, or its status changed.
        """

    @abstractmethod
    def close(self) -> None:
        """End the device's threads and connections; what moves is left to move."""

    @property
    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the device is connected and was prepared."""

    @property
    def attempt(self) -> int | None:
        """Return which attempt to connect the device lasts, since its server answers; None when none does.

        Each has its own limit in time.
        """
        return None

    @property
    @abstractmethod
    def times_ready(self) -> int:
        """Return how often the device became ready: it differs from before when the device was away meanwhile."""

    @abstractmethod
    def wait_ready(self, seconds: float) -> None:
        """Return when the device is ready; raise DeviceGone with the reason when it is not in time."""

    @abstractmethod
    def is_moving(self) -> bool:
        """Whether something moves or is exposed, asked for by whomever, as the device itself says.

        Raise DeviceGone when it cannot be read.
        """

    @abstractmethod
    def stop(self) -> None:
        """Abort what the device does, and return when it was seen at rest.

        Raise NotStopped when it was not within the device's `abort_seconds`, or when it has no means to stop and moves.
        """

    @abstractmethod
    def state(self) -> State:
        """Return what is known now: `connected`, `status`, `message` and the keys of the kind; unknown keys missing."""

    @abstractmethod
    def abilities(self) -> frozenset[str]:
        """Return the names of the methods beyond `stop` that the device can carry out, such as `go` and `park`.

        Raise DeviceGone when they cannot be read.
        """

    @abstractmethod
    def about(self) -> Mapping[str, str]:
        """Return what the driver says of itself, such as `driver` and `version`; empty when it is not connected."""


class Mount(Device):
    """What points the telescope."""

    kind = "mount"

    @abstractmethod
    def place(self) -> Place | None:
        """Return the place that the mount has; None when it knows none or stands at 0/0."""

    @abstractmethod
    def clock(self) -> datetime | None:
        """Return the mount's UTC, aware; None when it has no clock that can be read."""

    @abstractmethod
    def set_place(self, place: Place, now: datetime) -> None:
        """Set the mount's place and clock; they are set again after each reconnect, then with the time of that."""

    @abstractmethod
    def is_parked(self) -> bool:
        """Whether the mount is parked."""

    @abstractmethod
    def is_tracking(self) -> bool:
        """Whether the mount follows the sky."""

    @abstractmethod
    def position(self) -> Direction:
        """Return where the mount points, ICRS."""

    @abstractmethod
    def go(self, target: Direction, seconds: float) -> Direction:
        """Slew to a direction and track; return where the mount then points.

        Raise Refused when it is parked or the direction is none (a declination beyond 90 degrees, NaN).
        """

    @abstractmethod
    def go_horizontal(self, target: Horizontal, seconds: float) -> Horizontal:
        """Slew to a place over the horizon and stand still there; raise NotPossible where there is no such slew."""

    @abstractmethod
    def park(self, seconds: float) -> None:
        """Slew to the parking position and park."""

    @abstractmethod
    def unpark(self, seconds: float) -> None:
        """Unpark; tracking stays as the mount leaves it."""

    @abstractmethod
    def home(self, seconds: float) -> None:
        """Slew to the home position."""

    @abstractmethod
    def set_tracking(self, on: bool, seconds: float = 10.0) -> None:
        """Switch tracking on or off."""


@dataclass(frozen=True)
class Exposure:
    """What a camera is asked to take; `area` is x, y, width, height in unbinned pixels, None for the whole chip."""

    seconds: float
    kind: ImageKind = "light"
    binning: tuple[int, int] = (1, 1)
    area: tuple[int, int, int, int] | None = None
    gain: float | None = None
    offset: float | None = None


@dataclass(frozen=True)
class Picture:
    """What a camera took.

    Either `fits` holds a whole FITS file as the driver made it, or `pixels` an array of shape (rows, columns) or
    (planes, rows, columns). `seconds` is the time that the camera says it exposed, else the time asked for.
    """

    exposure: Exposure
    began: datetime
    seconds: float
    fits: bytes | bytearray | None = None
    pixels: numpy.ndarray[Any, Any] | None = None
    format: str = ".fits"  # of `fits`, as the driver named it; ".fits.fz" is compressed
    details: Mapping[str, Any] = field(default_factory=dict)  # temperature_c, gain and so on, where known


@dataclass(frozen=True)
class Chip:
    """What a camera's chip is; None where the driver does not say."""

    width: int
    height: int
    bits: int | None = None
    pixel_um: tuple[float, float] | None = None
    largest_binning: tuple[int, int] = (1, 1)
    shortest_seconds: float = 0.0
    longest_seconds: float | None = None
    has_shutter: bool | None = None
    gains: tuple[str, ...] = ()  # the names to choose from, where the gain is an index into them
    gain_limits: Limits | None = None


class Camera(Device):
    """What takes pictures."""

    kind = "camera"

    @abstractmethod
    def chip(self) -> Chip:
        """Return what is known of the chip."""

    @abstractmethod
    def expose(self, exposure: Exposure, seconds: float, report: Callable[[str, float], None] | None = None) -> Picture:
        """Take a picture and fetch it; `seconds` is the longest for everything after the shutter's own time.

        `report` is called with "EXPOSING" or "READING" and the seconds left whenever one of them begins. A picture of
        an exposure that somebody else began, or of an aborted one, is never returned.
        Raise Refused when the camera exposes already, or a value is beyond its limits.
        """

    @abstractmethod
    def frame_bytes(self, exposure: Exposure) -> int:
        """Return how many bytes the pixels of an exposure take on disk."""

    @abstractmethod
    def set_cooler(self, on: bool, setpoint_c: float | None = None) -> None:
        """Switch the cooler, and set its temperature; the temperature itself is not waited for."""


class FilterWheel(Device):
    """What holds filters; a slot's number is counted from 0."""

    kind = "filter_wheel"

    @abstractmethod
    def filters(self) -> tuple[str, ...]:
        """Return the names of the filters, by slot."""

    @abstractmethod
    def slot(self) -> int | None:
        """Return the present slot; None while it moves or is not known."""

    @abstractmethod
    def go_to_slot(self, slot: int, seconds: float) -> None:
        """Turn to a slot; raise Refused when there is no such slot."""


class Focuser(Device):
    """What focuses; positions in steps of the device."""

    kind = "focuser"

    @property
    @abstractmethod
    def um_per_step(self) -> float | None:
        """Return the size of a step in micrometres: the file's, else the device's; None when neither says."""

    @property
    @abstractmethod
    def is_absolute(self) -> bool:
        """Whether the focuser knows where it is."""

    @abstractmethod
    def limits(self) -> Limits | None:
        """Return the positions that may be asked for; None when the focuser says none."""

    @abstractmethod
    def position(self) -> float | None:
        """Return where it is; None when it does not know."""

    @abstractmethod
    def go_to(self, position: float, seconds: float) -> float:
        """Move to a position and return the one reached; raise Refused beyond the limits, before anything moves."""

    @abstractmethod
    def go_by(self, steps: float, seconds: float) -> float | None:
        """Move by steps, outward positive; return the position reached, None where the focuser knows none."""


class Rotator(Device):
    """What turns the camera."""

    kind = "rotator"

    @abstractmethod
    def angle(self) -> float:
        """Return the angle in degrees, 0 to 360."""

    @abstractmethod
    def go_to(self, degrees: float, seconds: float) -> float:
        """Turn to an angle, taken modulo 360, and return the one reached."""

    @abstractmethod
    def sync(self, degrees: float) -> None:
        """Tell the rotator which angle its present one is."""


class Enclosure(Device):
    """A roof or a dome."""

    kind = "enclosure"

    @abstractmethod
    def shutter(self) -> ShutterStatus:
        """Return how the roof stands."""

    @abstractmethod
    def open(self, seconds: float) -> None:
        """Open the roof; return when it was seen open."""

    @abstractmethod
    def close_shutter(self, seconds: float) -> None:
        """Close the roof; return when it was seen closed."""

    @abstractmethod
    def azimuth(self) -> float | None:
        """Return where the slit stands, degrees from north over east; None for a roof without azimuth."""

    @abstractmethod
    def go_to_azimuth(self, degrees: float, seconds: float) -> float:
        """Turn to an azimuth, taken modulo 360, and return the one reached."""

    @abstractmethod
    def sync_azimuth(self, degrees: float) -> None:
        """Tell the dome which azimuth its present one is."""

    @abstractmethod
    def park(self, seconds: float) -> None:
        """Turn to the parking position; on roofs that park by closing this is closing."""

    @abstractmethod
    def home(self, seconds: float) -> None:
        """Turn to the home position."""

    @abstractmethod
    def follow(self, on: bool) -> None:
        """Let the dome follow the mount, or end that."""


class Screen(Device):
    """A flat-field panel, with a cover or without."""

    kind = "screen"

    @abstractmethod
    def turn_on(self, percent: float, seconds: float) -> None:
        """Switch the light on, 0 to 100 per cent of its greatest brightness."""

    @abstractmethod
    def turn_off(self, seconds: float) -> None:
        """Switch the light off."""

    @abstractmethod
    def open_cover(self, seconds: float) -> None:
        """Open the cover; raise NotPossible without one."""

    @abstractmethod
    def close_cover(self, seconds: float) -> None:
        """Close the cover; raise NotPossible without one."""


@dataclass(frozen=True)
class Channel:
    """One switch of a device that has many."""

    name: str
    value: float
    limits: Limits
    can_write: bool = True


class Switch(Device):
    """Relays, dimmers and their like."""

    kind = "switch"

    @abstractmethod
    def channels(self) -> tuple[Channel, ...]:
        """Return the switches as they stand."""

    @abstractmethod
    def set_channel(self, name: str, value: float, seconds: float) -> None:
        """Set a switch by its name (without case) or its number, and read it back; on is the largest value."""


@dataclass(frozen=True)
class Reading:
    """What a safety or weather device says: `safe` is False whenever it could not be read, with the reason."""

    safe: bool
    reason: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)  # keys of the wire, such as humidity_percent
    was_read: bool = True


class Safety(Device):
    """A safety monitor or weather station; it does not move, and `stop` does nothing."""

    kind = "safety"

    @abstractmethod
    def reading(self) -> Reading:
        """Return what the device says now; never raises."""
