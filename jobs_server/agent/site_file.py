"""What agent.toml says of a site: where the service is, and which devices there are.

Each key's annotation holds what reads its value; a mistake is refused by the key's name.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

from .. import program
from . import site_values as values
from .devices.indi_device import place_of as indi_place
from .devices.interfaces import Place
from .devices.opening import KINDS, open_device
from .devices.settings import Settings
from .frames import Frame
from .site_values import WrongValue

FoundMoving = Literal["halt", "wait"]


class SiteFileError(Exception):
    """The file is no description of a site; the message names the file, the key and what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class DeviceLines:
    """What the file says of a device of any kind; `kind` and `name` are those that jobs carry."""

    kind: ClassVar[str]

    name: str
    driver: Annotated[str, values.text]
    abort_seconds: Annotated[float, values.number(0.5, 300)] = 10.0
    found_moving: Annotated[FoundMoving, values.one_of("halt", "wait")] = "halt"
    tolerance: Annotated[float | None, values.number(1e-6, 1e6)] = None

    @property
    def key(self) -> str:
        """Return `kind/name`."""
        return f"{self.kind}/{self.name}"

    def settings(self, patience: Settings) -> Settings:
        """Return what the device is told beside its address, the rest of it taken from `patience`."""
        own = {name: getattr(self, name) for name in ("um_per_step", "frame", "limits") if hasattr(self, name)}
        return dataclasses.replace(patience, abort_seconds=self.abort_seconds, tolerance=self.tolerance, **own)


@dataclass(frozen=True, kw_only=True)
class MountLines(DeviceLines):
    """A mount: how near to the horizon and to the sun it may point."""

    kind = "mount"

    min_altitude_degrees: Annotated[float, values.number(-90, 90)] = 15.0
    sun_distance_degrees: Annotated[float, values.number(0, 180)] = 20.0
    set_place: Annotated[bool, values.flag] = False
    frame: Annotated[Frame | None, values.one_of("icrs", "of_date", "j2000", "j2050", "b1950")] = None


@dataclass(frozen=True, kw_only=True)
class CameraLines(DeviceLines):
    """A camera: what stands before it, and what its binnings are called."""

    kind = "camera"

    mount: Annotated[str | None, values.text] = None
    filter_wheel: Annotated[str | None, values.text] = None
    focuser: Annotated[str | None, values.text] = None
    rotator: Annotated[str | None, values.text] = None
    binnings: Annotated[Mapping[str, int], values.binnings] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FilterWheelLines(DeviceLines):
    """A filter wheel: other names of its filters."""

    kind = "filter_wheel"

    aliases: Annotated[Mapping[str, str], values.aliases] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FocuserLines(DeviceLines):
    """A focuser: how far a step is."""

    kind = "focuser"

    um_per_step: Annotated[float | None, values.number(1e-6, 1e6)] = None


@dataclass(frozen=True, kw_only=True)
class RotatorLines(DeviceLines):
    """A rotator."""

    kind = "rotator"


@dataclass(frozen=True, kw_only=True)
class EnclosureLines(DeviceLines):
    """A roof or dome: whether unsafe weather closes it, and over which mount."""

    kind = "enclosure"

    close_when_unsafe: Annotated[bool, values.flag] = True
    close_over_unparked_mount: Annotated[bool, values.flag] = False


@dataclass(frozen=True, kw_only=True)
class ScreenLines(DeviceLines):
    """A flat-field panel."""

    kind = "screen"


@dataclass(frozen=True, kw_only=True)
class SwitchLines(DeviceLines):
    """A box of switches."""

    kind = "switch"


@dataclass(frozen=True, kw_only=True)
class SafetyLines(DeviceLines):
    """A safety monitor or weather station: its limits, and how long it must have been good again."""

    kind = "safety"

    hold_minutes_after: Annotated[float, values.number(0, 24 * 60)] = 20.0
    limits: Annotated[Mapping[str, tuple[float, float]], values.limits] = field(default_factory=dict)


_LINES: Mapping[str, type[DeviceLines]] = {
    each.kind: each
    for each in (
        *(MountLines, CameraLines, FilterWheelLines, FocuserLines, RotatorLines),
        *(EnclosureLines, ScreenLines, SwitchLines, SafetyLines),
    )
}
_REFERENCES = ("mount", "filter_wheel", "focuser", "rotator")  # keys of a camera that name another device


@dataclass(frozen=True, kw_only=True)
class SiteFile:
    """The whole file; `devices` by `kind/name`, in the order of the file."""

    url: Annotated[str, values.url] = "http://127.0.0.1:5000"
    site: Annotated[str, values.text]
    token: Annotated[str | None, values.text] = field(default=None, repr=False)
    latitude_degrees: Annotated[float | None, values.number(-90, 90)] = None
    longitude_degrees: Annotated[float | None, values.number(-180, 360)] = None
    elevation_m: Annotated[float, values.number(-500, 9000)] = 0.0
    on_exit: Annotated[Literal["halt", "leave"], values.one_of("halt", "leave")] = "halt"
    images: Annotated[Path, values.text] = Path("images")
    devices: Mapping[str, DeviceLines] = field(default_factory=dict)

    @property
    def place(self) -> Place | None:
        """Return where the site is, when the file says so; the longitude from -180 to 180."""
        if self.latitude_degrees is None or self.longitude_degrees is None:
            return None
        longitude = self.longitude_degrees
        return Place(self.latitude_degrees, longitude - 360 if longitude > 180 else longitude, self.elevation_m)


def read(path: Path) -> SiteFile:
    """Return what a file says, with the folder of pictures beside it; raise SiteFileError with what is wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return _site(content, path.parent)
    except FileNotFoundError:
        raise SiteFileError(f"there is no {path}; `{program.command('agent find')}` writes a first one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SiteFileError(f"{path} cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SiteFileError(f"{path} is no TOML: {error}") from error
    except WrongValue as error:
        raise SiteFileError(f"{path}: {error}") from error


def _site(content: Mapping[str, Any], folder: Path) -> SiteFile:
    tables = {name: value for name, value in content.items() if name in KINDS}
    top = {name: value for name, value in content.items() if name not in KINDS}
    read_values = _read(SiteFile, top, "", others=KINDS)
    if ("latitude_degrees" in top) != ("longitude_degrees" in top):
        raise WrongValue("latitude_degrees and longitude_degrees belong together: give both or none")
    read_values["images"] = folder / read_values.get("images", "images")
    devices = {lines.key: lines for lines in _devices(tables)}
    _check_references(devices)
    _check_twice(devices)
    return SiteFile(**read_values, devices=devices)


def _devices(tables: Mapping[str, Any]) -> Iterator[DeviceLines]:
    for kind, table in tables.items():
        if not isinstance(table, dict) or any(not isinstance(each, dict) for each in table.values()):
            raise WrongValue(f"[{kind}] must hold a table for each device, such as [{kind}.{kind}1]")
        for name, keys in table.items():
            where = f"[{kind}.{name}] "
            if not name.strip():
                raise WrongValue(f"{where}has no name")
            lines = _LINES[kind](name=name, **_read(_LINES[kind], keys, where))
            try:
                open_device(kind, name, lines.driver)
            except ValueError as error:
                raise WrongValue(f"{where}driver: {error}") from error
            yield lines


def _read(table: type, given: Mapping[str, Any], where: str, others: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the values of a table by key; `others` are keys that would be right too, though read elsewhere."""
    hints = get_type_hints(table, include_extras=True)
    readers = {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    for key in given:
        if key not in readers:
            raise WrongValue(f"{where}unknown key {key!r}; {values.nearest(key, [*readers, *others])}")
    for each in dataclasses.fields(table):
        is_needed = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        if each.name in readers and is_needed and each.name not in given:
            raise WrongValue(f"{where}the key {each.name} is missing")
    return {key: readers[key](f"{where}{key}", value) for key, value in given.items()}


def _check_references(devices: Mapping[str, DeviceLines]) -> None:
    for lines in devices.values():
        for kind in _REFERENCES if isinstance(lines, CameraLines) else ():
            name = getattr(lines, kind)
            if name is not None and f"{kind}/{name}" not in devices:
                names = [each.name for each in devices.values() if each.kind == kind]
                known = values.nearest(name, names) if names else f"the file has no [{kind}.…]"
                raise WrongValue(f"[{lines.kind}.{lines.name}] {kind}: there is no [{kind}.{name}]; {known}")


def _check_twice(devices: Mapping[str, DeviceLines]) -> None:
    """Raise WrongValue when two names are one device: each would move it without the other's knowledge."""
    seen: dict[tuple[str, object], DeviceLines] = {}
    for lines in devices.values():
        address = indi_place(lines.driver) if lines.driver.startswith("indi:") else values.alpaca_place(lines.driver)
        first = seen.setdefault((lines.kind, address), lines)
        if first is not lines:
            raise WrongValue(
                f"[{first.kind}.{first.name}] and [{lines.kind}.{lines.name}] are one device, {lines.driver}"
            )
