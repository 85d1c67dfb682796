"""What a site says of itself, made fit for the wire: readings of drivers are odd numbers, dates and objects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from .errors import BadReply


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture that the service keeps; `url` is below its address, `at_ms` in ms since 1970 UTC."""

    ulid: str
    name: str
    url: str
    at_ms: int
    width: int
    height: int


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: null for what is no finite number, text for dates and for what is unknown."""
    if value is None or isinstance(value, bool | str):
        return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _of_a_library(value)


def _of_a_library(value: Any) -> Any:
    """Return what a number or a list of another library says of itself, such as one of numpy's."""
    for method in ("tolist", "item"):
        if callable(tell := getattr(value, method, None)):
            told = tell()
            return plain(told) if type(told) is not type(value) else str(told)
    try:
        return plain(float(value))
    except (TypeError, ValueError, OverflowError):
        return plain(str(value))


def read_preview(value: Any) -> Preview:
    """Return the picture that a value of the wire is. Raises BadReply when the value is none."""
    try:
        return Preview(*(value[name] for name in ("ulid", "name", "url", "at_ms", "width", "height")))
    except (KeyError, TypeError) as error:
        raise BadReply(f"the service sent something that is no picture: {error!r}") from None
