"""Queries and bodies about targets: names to places, and each site's own list."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from .commands import ByPerson, Command
from .values import VISIBLE, WITHOUT_NUL, visible, without_nul

LONGEST_QUERY = 500
MOST_TARGETS = 1_000
"""How many targets one request may save."""

_Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    AfterValidator(visible),
    Field(description="a text of 1 to 100 characters", json_schema_extra={"pattern": VISIBLE}),
]


_NO_NUL = {"pattern": WITHOUT_NUL}


def _plain(text: str) -> str:
    return without_nul(text) or ""


def _both(kind: str) -> dict[str, Any]:
    """Return a schema of both coordinates; null is the same as none."""
    names = ("ra_hours", "dec_degrees")
    needed = {"required": list(names)} if kind == "number" else {}
    return {"properties": {name: {"type": kind} for name in names}} | needed


class FindTargets(Command):
    """Ask what a name may mean, and where it stands."""

    q: Annotated[
        str,
        StringConstraints(max_length=LONGEST_QUERY),
        AfterValidator(_plain),
        Field(
            description="a name or its beginning, such as m31 or androm; blank: the site's own list",
            json_schema_extra=_NO_NUL,
        ),
    ] = ""
    after: Annotated[
        str,
        StringConstraints(max_length=100),
        AfterValidator(_plain),
        Field(description="without q: the name after which the own list goes on", json_schema_extra=_NO_NUL),
    ] = ""


class TargetToSave(BaseModel):
    """A target for a site's own list."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True, frozen=True, extra="ignore", json_schema_extra={"oneOf": [_both("number"), _both("null")]}
    )

    name: _Name
    ra_hours: Annotated[
        int | float | None,
        Field(ge=0, lt=24, description="hours of ICRS, from 0 to less than 24; null: it is looked up by its name"),
    ] = None
    dec_degrees: Annotated[int | float | None, Field(ge=-90, le=90, description="degrees of ICRS, from -90 to 90")] = (
        None
    )
    kind: Annotated[
        str,
        StringConstraints(max_length=60),
        AfterValidator(_plain),
        Field(description="a text of at most 60 characters", json_schema_extra=_NO_NUL),
    ] = ""
    magnitude: Annotated[int | float | None, Field(ge=-40, le=100, description="a number")] = None
    note: Annotated[
        str,
        StringConstraints(max_length=500),
        AfterValidator(_plain),
        Field(description="a text of at most 500 characters", json_schema_extra=_NO_NUL),
    ] = ""


class SaveTargets(ByPerson):
    """Put targets into a site's own list (`savetargets`), in the place of those of the same names."""

    targets: Annotated[
        list[TargetToSave],
        Field(
            min_length=1,
            max_length=MOST_TARGETS,
            description="a list of 1 to 1,000 targets, each an object with a name",
            examples=[[{"name": "Field 7", "ra_hours": 12.3138, "dec_degrees": 14.4164, "note": "the edge of M 99"}]],
        ),
    ]


class DeleteTarget(ByPerson):
    """Take a target off a site's own list (`deletetarget`)."""

    name: Annotated[_Name, Field(examples=["Field 7"])]
