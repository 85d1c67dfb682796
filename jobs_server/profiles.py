"""What is known of each site's place and instruments, from `site.toml` in the instance folder.

Everything in it is optional: without coordinates there is no sidereal time and no twilight, without a time zone the
night is counted in UTC, and without devices the pages offer the catalogue's examples.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import ConfigError

FILE = "site.toml"

EXTENSION = "jobs_server.profiles"
"""Where an app keeps its profiles by site code, among its extensions."""


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
    timezone: Annotated[str, AfterValidator(_zone_name)] = "UTC"
    devices: dict[str, Device] = {}

    @model_validator(mode="after")
    def _whole_place(self) -> Profile:
        if (self.latitude_deg is None) != (self.longitude_deg is None):
            raise ValueError("give both latitude_deg and longitude_deg, or neither")
        return self

    @property
    def title(self) -> str:
        """Give the name for people."""
        return self.name or self.code

    @property
    def zone(self) -> tzinfo:
        """Give the site's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def place(self) -> tuple[float, float] | None:
        """Give latitude and longitude in degrees, when they are known."""
        if self.latitude_deg is None or self.longitude_deg is None:
            return None
        return self.latitude_deg, self.longitude_deg

    def device(self, name: str) -> Device:
        """Give what the site has of a type of device; nothing when that is not known."""
        return self.devices.get(name, Device())


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
