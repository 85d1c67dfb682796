"""The shape of what comes in and goes out on the companion's routes, for the API's description.

Most of it is the public clients' own, and passes through as it is.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from .schemas import Public, TimeMs

Site = Annotated[str, Field(examples=["wmd"])]


class Asked(BaseModel):
    """Hold what a body has; unknown keys are ignored."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", populate_by_name=True, defer_build=True)


class SiteConfig(Asked):
    """A config, as the public site software writes it; nothing in it is checked."""


class PostedStatus(Asked):
    """What a site says of itself; each value in it gets the time, and what was said before stays."""

    status_type: Annotated[str, Field(alias="statusType", max_length=64, examples=["device"])]
    status: Annotated[
        dict[str, Any],
        Field(examples=[{"mount": {"mount1": {"is_slewing": False}}}], description="by type and instance"),
    ]


class PostedPhase(Asked):
    """The phase that a site is in."""

    site: Site
    message: Annotated[str, Field(max_length=500, examples=["Taking sky flats"])]


class PostedLine(Asked):
    """A line of a site's log."""

    site: Site
    log_message: Annotated[str, Field(examples=["Autofocus began"])]
    log_level: Annotated[str, Field(examples=["info"])] = "info"
    timestamp: Annotated[float | None, Field(description="seconds since 1970 UTC; missing: now")] = None


class Phases(BaseModel):
    """Which phases are asked for."""

    max_age_seconds: Annotated[float, Field(description="how old they may be")] = 3600.0


class LinesSince(BaseModel):
    """Which lines are asked for."""

    site: Site
    after_time: Annotated[float | None, Field(description="seconds since 1970 UTC; missing: an hour ago")] = None


class Metadata(Public):
    """What the public service answers when something is done."""

    http_status: Annotated[int, Field(alias="HTTPStatusCode")]


class Done(Public):
    """That something is done; there is no `message` in it, which the site software would take for a refusal."""

    metadata: Annotated[Metadata, Field(alias="ResponseMetadata")]


class ConfigOfSite(Public):
    """The config of a site."""

    site: str
    configuration: dict[str, Any]


class StatusTaken(Public):
    """That a status was taken."""

    site: str
    status_type: Annotated[str, Field(alias="statusType")]
    server_timestamp_ms: TimeMs


class PhaseTaken(Public):
    """That a phase was taken."""

    site: str


class NothingAsked(Asked):
    """Anything: nothing of it is looked at."""
