"""The kinds of values that bodies hold, and what of each is taken."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

NO_ESTIMATE = -1
_LARGEST_SECONDS = 2**53
"""The largest integer that every JSON reader keeps."""
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def visible(text: str) -> str:
    """Return a text that is not blank. Raises ValueError."""
    if "\0" in text or not text.strip():
        raise ValueError
    return text


def visible_or_none(text: str | None) -> str | None:
    """Return a text that is not blank, or None. Raises ValueError."""
    return None if text is None else visible(text)


def is_named(value: object) -> bool:
    """Whether a value says somebody's name or id: null and blanks say nothing."""
    return value is not None and (not isinstance(value, str) or bool(value.strip()) or "\0" in value)


def without_nul(text: str | None) -> str | None:
    """Return a text that PostgreSQL can keep, or None. Raises ValueError."""
    if text is not None and "\0" in text:
        raise ValueError
    return text


def _without_hash(text: str) -> str:
    if "#" in text:  # A # separates status and ulid in statusId.
        raise ValueError
    return text


def _whole_seconds(value: object) -> object:
    """Return whole seconds of what site software sends as an estimate: a number, a number in a string, or nothing."""
    if value is None:
        return NO_ESTIMATE
    if isinstance(value, str):
        return _whole_seconds(_number(value.strip()))
    if isinstance(value, bool):
        raise ValueError
    return math.ceil(value) if isinstance(value, float) else value  # An infinite one raises OverflowError.


def _number(text: str) -> int | float | None:
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    raise ValueError


def or_default(default: Any, kind: Any) -> BeforeValidator:
    """Return a validator that puts a default in the place of null; `kind` is what the schema says."""
    return BeforeValidator(lambda value: default if value is None else value, json_schema_input_type=kind | None)


def whole(value: object) -> object:
    """Return 5 for 5.0: to a JSON schema both are integers, and some languages have no others."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _seconds_or_fault(value: object) -> object:
    try:
        return _whole_seconds(value)
    except OverflowError:
        raise ValueError from None


VISIBLE = r"^[^\x00]*[^\s\x00][^\x00]*$"  # The patterns say in a JSON schema what the validators check.
_VISIBLE_WITHOUT_HASH = r"^[^#\x00]*[^#\s\x00][^#\x00]*$"
_ESTIMATE = r"^\s*([+-]?\d{1,15})?\s*$"

Name = Annotated[
    str,
    AfterValidator(visible),
    Field(description="a text that is not blank", json_schema_extra={"pattern": VISIBLE}),
]
WITHOUT_NUL = r"^[^\x00]*$"
WhoAsks = Annotated[
    str,
    AfterValidator(without_nul),
    Field(description="a text", json_schema_extra={"pattern": WITHOUT_NUL}),
]
"""Who asks: blank where a client does not know its user."""
Params = Annotated[dict[str, Any], Field(description="an object")]
Status = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(visible),
    AfterValidator(_without_hash),
    Field(
        description="a text of 1 to 64 characters without #",
        examples=["EXPOSING", "COMPLETE"],
        json_schema_extra={"pattern": _VISIBLE_WITHOUT_HASH},
    ),
]
Estimate = Annotated[
    int,
    Field(ge=-_LARGEST_SECONDS, le=_LARGEST_SECONDS, description="a whole number of seconds, -1 for no estimate"),
    BeforeValidator(
        _seconds_or_fault,
        json_schema_input_type=Annotated[int, Field(ge=-_LARGEST_SECONDS, le=_LARGEST_SECONDS)]
        | Annotated[float, Field(ge=-_LARGEST_SECONDS, le=_LARGEST_SECONDS)]
        | Annotated[str, Field(pattern=_ESTIMATE)]
        | None,
    ),
]
AlternateQueue = Annotated[
    bool,
    or_default(False, bool),
    Field(title="speak of the second, independent queue", alias="alternateQueue", description="true or false"),
]

ClaimId = Annotated[
    str | None,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(visible_or_none),
    Field(
        title="makes a poll repeatable, and a start ask first",
        alias="claimId",
        description="a text of 1 to 64 characters",
        json_schema_extra={"pattern": VISIBLE},
    ),
]


_END_OF_A_DAY = re.compile(r"(?<=\d)([T ])24:00(:00(?:\.0+)?)?(?![:.\d])")


def as_next_midnight(text: str) -> tuple[str, int]:
    """Return a time as people write it with 24:00 as 00:00, and how many days later that is."""
    return _END_OF_A_DAY.subn(r"\g<1>00:00\g<2>", text, count=1)
