"""Bodies and queries of what a site says of itself: the state of its devices, its abilities, its pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from ..errors import BadRequest, Fault, shown
from .commands import MAX_PAGE, Command
from .values import VISIBLE, Name, visible, visible_or_none

MOST_DEVICES = 100
MOST_BYTES = 64 * 1024
"""How large a body that speaks of devices may be, and what is kept of a site's devices together."""
MOST_PICTURE_BYTES = 2 * 1024 * 1024
_LONGEST_NAME = 200
_KEY = r"^[^\x00-\x20/][^\x00/]{0,63}/[^\x00-\x20][^\x00]{0,127}$"
_DEVICE = re.compile(_KEY)
_DEVICES = "an object of at most 100 devices, each named type/instance, such as mount/mount1"


def _schema(*kinds: str) -> dict[str, Any]:
    values = [{"type": kind} for kind in kinds]
    return {
        "maxProperties": MOST_DEVICES,
        "propertyNames": {"pattern": _KEY},
        "additionalProperties": {"anyOf": values},
    }


class TellState(Command):
    """Say how devices are (`devicestate`): each replaces what was said of that device, and null forgets the device."""

    devices: Annotated[
        dict[str, Any],
        Field(
            description=_DEVICES,
            json_schema_extra=_schema("object", "null"),
            examples=[{"mount/mount1": {"status": "tracking", "ra_hours": 5.59, "dec_degrees": -5.39}}],
        ),
    ]


class TellCapabilities(Command):
    """Say what a site has and can do (`capabilities`): it replaces all that was said before."""

    devices: Annotated[
        dict[str, Any],
        Field(
            description=_DEVICES,
            json_schema_extra=_schema("object"),
            examples=[{"camera/camera_1_1": {"actions": ["expose", "stop"], "filters": ["Red", "HA"]}}],
        ),
    ]


class ShowState(Command):
    """Ask how the devices of a site are."""


class ShowCapabilities(Command):
    """Ask what a site has and can do."""


class SendPreview(Command):
    """Send a picture of a job (`preview`), in the address's query; the body is the picture."""

    ulid: Name
    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=_LONGEST_NAME),
        AfterValidator(visible),
        Field(description="a text of 1 to 200 characters", json_schema_extra={"pattern": VISIBLE}),
    ] = "preview"


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}", value, re.ASCII) else value


class ListPreviews(Command):
    """Ask for the newest pictures of a site, or of one of its jobs."""

    ulid: Annotated[
        str | None,
        AfterValidator(visible_or_none),
        Field(description="the ulid of a job", json_schema_extra={"pattern": VISIBLE}),
    ] = None
    limit: Annotated[
        Annotated[int, Field(ge=1, le=MAX_PAGE)],
        BeforeValidator(_number),
        Field(description=f"a whole number from 1 to {MAX_PAGE}"),
    ] = 20


def check_devices(devices: Mapping[str, Any], *, may_forget: bool) -> None:
    """Raise BadRequest, naming the device, when one is none of which anything can be kept.

    `may_forget`: whether null may stand for a device.
    """
    if len(devices) > MOST_DEVICES:
        raise _wrong(f"devices must be at most {MOST_DEVICES}, not {len(devices)}")
    for key, value in devices.items():
        if not _DEVICE.fullmatch(key):
            raise _wrong(f"devices: {shown(key) or 'a blank key'} must be type/instance, such as mount/mount1")
        if not isinstance(value, dict) and not (may_forget and value is None):
            wanted = "an object, or null to forget it" if may_forget else "an object"
            raise _wrong(f"devices: {shown(key)} must be {wanted}")


_LISTS = {"actions": (str,), "filters": (str,), "binnings": (str, int, float, list)}


def check_capabilities(devices: Mapping[str, Any]) -> None:
    """Raise BadRequest, naming the key, when devices or what they can do are of another kind than forms can offer."""
    check_devices(devices, may_forget=False)
    for key, abilities in devices.items():
        for name, kinds in _LISTS.items():
            listed = abilities.get(name, [])
            if not isinstance(listed, list) or not all(_is_of(each, kinds) for each in listed):
                wanted = "a list of texts" if kinds == (str,) else "a list"
                raise _wrong(f"devices: {name} of {shown(key)} must be {wanted}")
        if not isinstance(abilities.get("limits", {}), dict):
            raise _wrong(f"devices: limits of {shown(key)} must be an object")


def _is_of(value: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _wrong(sentence: str) -> BadRequest:
    return BadRequest(f"Error: {sentence}", [Fault("devices", sentence)])
