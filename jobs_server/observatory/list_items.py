"""What the readers of lists yield: entries, and what they could not read."""

from __future__ import annotations

import re
from typing import NamedTuple

from .coordinates import Unit, parse
from .numbers_said import as_number


class Item(NamedTuple):
    """One entry of a list, as it stands there."""

    where: str
    """Where it stands, for people: line 3, object 2."""
    names: tuple[str, ...]
    """The first is the one that it is kept by; the others may be known where the first is not."""
    ra_hours: float | None = None
    dec_degrees: float | None = None
    kind: str = ""
    magnitude: str = ""
    note: str = ""


class Unreadable(NamedTuple):
    """Something in a list that was not understood."""

    where: str
    why: str
    is_target: bool = False
    """It is a target: what would be done there is lost with it."""


def number(text: str) -> float | None:
    """Return a number as programs write it, with a point or a decimal comma; None for dashes and blanks."""
    return as_number(text.strip().replace("\u2212", "-").replace(",", "."))


def angle(text: str, unit: Unit) -> float:
    """Return an angle as programs write it; a comma in it is a decimal comma. Raises ValueError."""
    return parse(re.sub(r"(?<=\d),(?=\d)", ".", text), unit)
