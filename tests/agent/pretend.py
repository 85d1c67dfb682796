"""Devices that obey at once and keep what they were asked, for tests of what lies above the protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from jobs_server.agent import actions
from jobs_server.agent.devices import interfaces
from jobs_server.agent.devices.interfaces import (
    Channel,
    Chip,
    Device,
    Direction,
    Exposure,
    Horizontal,
    Limits,
    Picture,
    Place,
    Reading,
    ShutterStatus,
    State,
)
from jobs_server.agent.errors import DeviceError
from jobs_server.agent.observatory import Observatory
from jobs_server.agent.orders import Order
from jobs_server.agent.site_file import SiteFile, read

SITE = Place(47.7, 12.0, 1838.0)
TOML = """
site = "wmd"
latitude_degrees = 47.7
longitude_degrees = 12.0
elevation_m = 1838
[mount.mount1]
driver = "indi://127.0.0.1/Mount"
min_altitude_degrees = -90
sun_distance_degrees = 0
[camera.camera1]
driver = "indi://127.0.0.1/Camera"
binnings = { eng = 2 }
[filter_wheel.wheel1]
driver = "indi://127.0.0.1/Wheel"
aliases = { w = "Luminance", HA = "H_Alpha", "RGB irg" = "Red, Green, Blue" }
[focuser.focuser1]
driver = "indi://127.0.0.1/Focuser"
um_per_step = 2.0
[rotator.rotator1]
driver = "indi://127.0.0.1/Rotator"
[enclosure.enclosure1]
driver = "indi://127.0.0.1/Dome"
[screen.screen1]
driver = "indi://127.0.0.1/Screen"
[switch.switch1]
driver = "indi://127.0.0.1/Switch"
[safety.weather]
driver = "indi://127.0.0.1/Weather"
"""


class Pretend(Device):
    """What all pretend devices share: `asked` is what they were asked, `error` is raised by the next move."""

    able: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, driver: str = "indi://127.0.0.1/Pretend") -> None:
        self.name, self.driver = name, driver
        self.asked: list[Any] = []
        self.error: DeviceError | None = None
        self.moves = False
        self.unable: frozenset[str] = frozenset()
        self.said: State = {"connected": True, "status": "idle"}

    def start(self, on_change: Callable[[Device], None] | None = None) -> None:
        pass

    def close(self) -> None:
        pass

    @property
    def is_ready(self) -> bool:
        return True

    @property
    def times_ready(self) -> int:
        return 1

    def wait_ready(self, seconds: float) -> None:
        pass

    def is_moving(self) -> bool:
        return self.moves

    def stop(self) -> None:
        self._note("stop")

    def state(self) -> State:
        return dict(self.said)

    def abilities(self) -> frozenset[str]:
        return self.able - self.unable

    def about(self) -> Mapping[str, str]:
        return {}

    def _note(self, *asked: Any) -> None:
        if self.error is not None:
            raise self.error
        self.asked.append(asked if len(asked) > 1 else asked[0])


class Mount(Pretend, interfaces.Mount):
    able = frozenset({"go", "go_horizontal", "park", "unpark", "home", "set_tracking", "set_place"})
    stands: Place | None = SITE
    says: datetime | None = None
    parked = True
    tracks = False
    points = Direction(5.5, 22.0)

    def place(self) -> Place | None:
        return self.stands

    def clock(self) -> datetime | None:
        return self.says

    def set_place(self, place: Place, now: datetime) -> None:
        self._note("set_place", place)
        self.stands = place

    def is_parked(self) -> bool:
        return self.parked

    def is_tracking(self) -> bool:
        return self.tracks

    def position(self) -> Direction:
        return self.points

    def go(self, target: Direction, seconds: float) -> Direction:
        self._note("go", target)
        self.points = target
        return target

    def go_horizontal(self, target: Horizontal, seconds: float) -> Horizontal:
        self._note("go_horizontal", target)
        return target

    def park(self, seconds: float) -> None:
        self._note("park")

    def unpark(self, seconds: float) -> None:
        self._note("unpark")

    def home(self, seconds: float) -> None:
        self._note("home")

    def set_tracking(self, on: bool, seconds: float = 10.0) -> None:
        self._note("set_tracking", on)
        self.tracks = on


class Camera(Pretend, interfaces.Camera):
    able = frozenset({"expose", "binning", "area", "gain"})
    kind_of_chip = Chip(64, 48, 16, (3.8, 3.8), (2, 2), 0.0, 3600.0, gain_limits=Limits(0, 100))
    during: Callable[[], None] | None = None
    fits: bytes | None = None

    def chip(self) -> Chip:
        return self.kind_of_chip

    def expose(self, exposure: Exposure, seconds: float, report: Callable[[str, float], None] | None = None) -> Picture:
        self._note(exposure)
        if report is not None:
            report("EXPOSING", exposure.seconds)
            report("READING", 0.0)
        if self.during is not None:
            self.during()
        began = datetime(2026, 11, 30, 1, 2, 3, tzinfo=UTC)
        if self.fits is not None:
            return Picture(exposure, began, exposure.seconds, fits=self.fits)
        width, height = exposure.area[2:] if exposure.area else (self.chip().width, self.chip().height)
        shape = height // exposure.binning[1], width // exposure.binning[0]
        pixels = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape)
        return Picture(exposure, began, exposure.seconds, pixels=pixels, details={"temperature_c": -10.0})

    def frame_bytes(self, exposure: Exposure) -> int:
        return self.chip().width * self.chip().height * 2

    def set_cooler(self, on: bool, setpoint_c: float | None = None) -> None:
        self._note("set_cooler", on)


class FilterWheel(Pretend, interfaces.FilterWheel):
    able = frozenset({"go_to_slot"})
    names: tuple[str, ...] = ("Red", "Green", "Blue", "H_Alpha", "Luminance")
    present: int | None = 0

    def filters(self) -> tuple[str, ...]:
        return self.names

    def slot(self) -> int | None:
        return self.present

    def go_to_slot(self, slot: int, seconds: float) -> None:
        self._note(self.names[slot])
        self.present = slot


class Focuser(Pretend, interfaces.Focuser):
    able = frozenset({"go_to", "go_by"})
    size: float | None = 2.0
    there: float | None = 1000.0

    @property
    def um_per_step(self) -> float | None:
        return self.size

    @property
    def is_absolute(self) -> bool:
        return self.there is not None

    def limits(self) -> Limits | None:
        return Limits(0, 5000)

    def position(self) -> float | None:
        return self.there

    def go_to(self, position: float, seconds: float) -> float:
        self._note("go_to", position)
        return position

    def go_by(self, steps: float, seconds: float) -> float | None:
        self._note("go_by", steps)
        return None if self.there is None else self.there + steps


class Rotator(Pretend, interfaces.Rotator):
    able = frozenset({"go_to", "sync"})

    def angle(self) -> float:
        return 350.0

    def go_to(self, degrees: float, seconds: float) -> float:
        self._note(degrees)
        return degrees

    def sync(self, degrees: float) -> None:
        self._note("sync", degrees)


class Enclosure(Pretend, interfaces.Enclosure):
    able = frozenset({"open", "close_shutter", "go_to_azimuth", "sync_azimuth", "park", "home", "follow"})
    stands: ShutterStatus = "closed"
    slit: float | None = 90.0

    def shutter(self) -> ShutterStatus:
        return self.stands

    def open(self, seconds: float) -> None:
        self._note("open")
        self.stands = "open"

    def close_shutter(self, seconds: float) -> None:
        self._note("close")
        self.stands = "closed"

    def azimuth(self) -> float | None:
        return self.slit

    def go_to_azimuth(self, degrees: float, seconds: float) -> float:
        self._note("turn", degrees)
        return degrees

    def sync_azimuth(self, degrees: float) -> None:
        self._note("sync", degrees)

    def park(self, seconds: float) -> None:
        self._note("park")

    def home(self, seconds: float) -> None:
        self._note("home")

    def follow(self, on: bool) -> None:
        self._note("follow", on)


class Screen(Pretend, interfaces.Screen):
    able = frozenset({"turn_on", "turn_off", "open_cover", "close_cover"})

    def turn_on(self, percent: float, seconds: float) -> None:
        self._note("turn_on", percent)

    def turn_off(self, seconds: float) -> None:
        self._note("turn_off")

    def open_cover(self, seconds: float) -> None:
        self._note("open_cover")

    def close_cover(self, seconds: float) -> None:
        self._note("close_cover")


class Switch(Pretend, interfaces.Switch):
    able = frozenset({"set_channel"})
    every: tuple[Channel, ...] = tuple(Channel(name, 0.0, Limits(0, 1)) for name in ("Fan", "Lamp", "Heater"))

    def channels(self) -> tuple[Channel, ...]:
        return self.every

    def set_channel(self, name: str, value: float, seconds: float) -> None:
        self._note(name, value)


class Safety(Pretend, interfaces.Safety):
    able = frozenset({"reading"})

    def reading(self) -> Reading:
        return Reading(safe=True)


_KINDS: Mapping[str, type[Pretend]] = {
    each.kind: each for each in (Mount, Camera, FilterWheel, Focuser, Rotator, Enclosure, Screen, Switch, Safety)
}


class Site:
    """An observatory of pretend devices, and what its jobs said: `reports` of (status, message), `shown` previews."""

    def __init__(self, folder: Path, toml: str = TOML) -> None:
        path = folder / "agent.toml"
        path.write_text(toml, encoding="utf-8")
        self.file: SiteFile = replace(read(path), images=folder / "images")
        self.observatory = Observatory(self.file)
        self.observatory.devices = {key: _KINDS[lines.kind](lines.name) for key, lines in self.file.devices.items()}
        self.reports: list[tuple[str, str | None]] = []
        self.shown: list[tuple[bytes, str]] = []

    def __getitem__(self, key: str) -> Any:
        return self.observatory.devices[key]

    @property
    def mount(self) -> Mount:
        return cast(Mount, self["mount/mount1"])

    @property
    def camera(self) -> Camera:
        return cast(Camera, self["camera/camera1"])

    @property
    def wheel(self) -> FilterWheel:
        return cast(FilterWheel, self["filter_wheel/wheel1"])

    def report(self, status: str, seconds_left: float | None = None, message: str | None = None) -> None:
        self.reports.append((status, message))

    def carry_out(self, key: str, action: str, **required: Any) -> dict[str, Any]:
        """Carry out a command of `kind/name` whose parameters are all given as required ones."""
        kind, _, name = key.partition("/")
        return self.carry_out_order(Order("01K0000000000000000000TEST", kind, name, action, required, user_name="Ada"))

    def carry_out_order(self, order: Order) -> dict[str, Any]:
        return actions.carry_out(order, self.observatory, self.report, lambda *shown: self.shown.append(shown))

    def expose(self, **params: Any) -> dict[str, Any]:
        return self.carry_out("camera/camera1", "expose", **({"time": "1", "image_type": "light"} | params))

    def files(self) -> list[Path]:
        return sorted(path for path in self.file.images.rglob("*") if path.is_file())
