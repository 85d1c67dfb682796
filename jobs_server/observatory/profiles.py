"""What is known of each site's place and instruments, from `site.toml` in the instance folder.

Everything in it is optional: without coordinates there is no sidereal time and no twilight, without a time zone the
night is counted in UTC, and without devices the pages offer the catalogue's examples. The file may be changed by hand
or through the pages at any time.
"""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Mapping, MutableMapping
from datetime import tzinfo
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import ConfigError
from .sky import Place

if TYPE_CHECKING:
    import tomlkit

log = logging.getLogger(__name__)

FILE = "site.toml"


def _zone_name(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Madrid") from None
    return name


class _Table(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class Device(_Table):
    """What a site has of one type of device."""

    instances: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    binnings: tuple[str | int, ...] = ()


class Profile(_Table):
    """One site: where it is and what it has."""

    code: Annotated[str, Field(min_length=1)]
    name: str = ""
    latitude_deg: Annotated[float | None, Field(ge=-90, le=90)] = None
    longitude_deg: Annotated[float | None, Field(ge=-180, le=360)] = None
    """East of Greenwich is positive."""
    elevation_m: Annotated[float, Field(ge=-500, le=9000)] = 0
    """Above the land or sea at the horizon, which is seen the lower for it: it counts in sunset, not in twilight."""
    lowest_altitude_deg: Annotated[float | None, Field(ge=-90, le=90)] = None
    """Below this altitude the telescope is not pointed without a word; the horizon counts where nothing is said."""
    sun_distance_deg: Annotated[float | None, Field(ge=0, le=180)] = None
    """Nearer to the sun than this, while the sun is up, the telescope is not pointed without a word; usually 20."""
    timezone: Annotated[str, AfterValidator(_zone_name)] = "UTC"
    devices: dict[str, Device] = {}
    plans: Literal["by_end", "at_once"] = "by_end"
    """Whether a plan's next step follows the end of the one before it, or all are released at once, for a site whose
    software reports no ends."""

    @model_validator(mode="after")
    def _whole_place(self) -> Profile:
        if (self.latitude_deg is None) != (self.longitude_deg is None):
            raise ValueError("give both latitude_deg and longitude_deg, or neither")
        return self

    @property
    def title(self) -> str:
        """Return the name for people."""
        return self.name or self.code

    @property
    def zone(self) -> tzinfo:
        """Return the site's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def says_time_zone(self) -> bool:
        """Whether the site's time zone is known; else the site's times are in UTC for want of it."""
        return "timezone" in self.model_fields_set

    @property
    def place(self) -> Place | None:
        """Return where the site is, when that is known."""
        if self.latitude_deg is None or self.longitude_deg is None:
            return None
        return Place(self.latitude_deg, self.longitude_deg, self.elevation_m)

    def device(self, name: str) -> Device:
        """Return what the site has of a type of device; nothing when that is not known."""
        return self.devices.get(name, Device())


class ProfilesFile:
    """The profiles of an instance folder by site code, read anew when the file has changed. Raises ConfigError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._stamp = _stamp(folder)
        self._profiles = load(folder)

    def all(self) -> Mapping[str, Profile]:
        """Return the profiles by site code; when the file has become wrong, those that were read before."""
        stamp = _stamp(self._folder)
        if stamp != self._stamp:
            with self._lock:
                self._stamp = stamp
                try:
                    self._profiles = load(self._folder)
                except ConfigError as error:
                    log.warning("%s; what was read before stays in force", error)
        return self._profiles

    def is_at_once(self, site: str) -> bool:
        """Whether the steps of a site's plans are all released at once."""
        profile = self.all().get(site)
        return profile is not None and profile.plans == "at_once"

    def write(self, profile: Profile) -> None:
        """Write a site's profile into the file, whose comments and other tables stay. Raises ConfigError."""
        with self._lock:
            load(self._folder)  # what is wrong already is for whoever wrote it
            save(self._folder, profile)
            self._stamp, self._profiles = _stamp(self._folder), load(self._folder)


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        found = (folder / FILE).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def save(folder: Path, profile: Profile) -> None:
    """Write a site's profile into the file, all of it or nothing. Raises ConfigError when it cannot be written."""
    import tomlkit  # Whoever only reads the file does without.

    path = folder / FILE
    document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    if "sites" not in document and document.get("code", profile.code) != profile.code:
        before, document = document, tomlkit.document()
        document["sites"] = tomlkit.aot()
        document["sites"].append(tomlkit.item(before.unwrap(), _parent=document["sites"]))
    _fill(_table_of(document, profile.code), profile)
    new = path.with_name(f"{FILE}.new")
    try:
        folder.mkdir(parents=True, exist_ok=True)  # a server whose database is elsewhere may have made none yet
        with new.open("w", encoding="utf-8") as file:
            file.write(tomlkit.dumps(document))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}") from None


def _table_of(document: tomlkit.TOMLDocument, code: str) -> MutableMapping[str, Any]:
    """Find the table of a site, or make one."""
    import tomlkit

    if "sites" not in document:
        return document
    sites: Any = document["sites"]
    found = next((table for table in sites if table.get("code") == code), None)
    if found is None:
        sites.append(tomlkit.table())
        found = sites[-1]
    return cast("MutableMapping[str, Any]", found)


def _fill(table: MutableMapping[str, Any], profile: Profile) -> None:
    """Make a table hold what a profile holds, and touch only what differs."""
    import tomlkit

    wanted = profile.model_dump(exclude_defaults=True, mode="json")
    devices = wanted.pop("devices", {})
    _update(table, wanted, keep=("devices",))
    if devices or "devices" in table:
        kept = table.setdefault("devices", tomlkit.table(is_super_table=True))
        for name, device in devices.items():
            _update(kept.setdefault(name, tomlkit.table()), device)
        for name in set(kept) - set(devices):
            del kept[name]


def _update(table: MutableMapping[str, Any], wanted: Mapping[str, Any], keep: tuple[str, ...] = ()) -> None:
    for key in set(table) - set(wanted) - set(keep):
        del table[key]
    for key, value in wanted.items():
        if table.get(key) != value:
            table[key] = value


def load(folder: Path) -> Mapping[str, Profile]:
    """Read the profiles by site code: one site at the top of the file, or several as `[[sites]]`.

    Raises ConfigError, naming the key, when one is wrong or unknown.
    """
    path = folder / FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    tables = table.pop("sites", None) if "code" not in table else None
    if tables is not None and table:
        raise ConfigError(f"{path}: {next(iter(table))} must stand in one of the [[sites]]")
    profiles = [_profile(path, each) for each in ([table] if tables is None else tables)]
    return {profile.code: profile for profile in profiles}


def _profile(path: Path, table: object) -> Profile:
    try:
        return Profile.model_validate(table)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the site"
        reason = fault["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: {where}: {reason[0].lower() + reason[1:]}") from None
