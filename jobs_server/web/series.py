"""The rows of a series in a form: each a filter, how long, how often and which binning, added and moved one by one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from ..domain.plan_commands import MOST_STEPS

_NAME = re.compile(r"row-(\d{1,4})-(filter|time|count|bin)")
_DEED = re.compile(r"(add|remove|up):(.*)", re.DOTALL)
_FIRST_SECONDS, _FIRST_COUNT = "60", "5"


@dataclass(frozen=True)
class Row:
    """One row as the form holds it."""

    filter: str = ""
    time: str = ""
    count: str = ""
    bin: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing stands in the row."""
        return not any(asdict(self).values())


def rows_of(given: Mapping[str, str]) -> list[Row]:
    """Return the rows that a form holds, in their order."""
    found: dict[int, dict[str, str]] = {}
    for key, value in given.items():
        if named := _NAME.fullmatch(key):
            found.setdefault(int(named[1]), {})[named[2]] = value.strip()
    return [Row(**found[number]) for number in sorted(found)]


def written(rows: Sequence[Row]) -> dict[str, str]:
    """Return rows as a form holds them."""
    return {f"row-{number}-{name}": value for number, row in enumerate(rows, 1) for name, value in asdict(row).items()}


def is_deed(what: str) -> bool:
    """Whether a button of a form changes the rows, and sends nothing."""
    return _DEED.fullmatch(what) is not None


def changed(rows: Sequence[Row], what: str) -> list[Row]:
    """Return the rows after a deed: `add:` with a filter, `remove:` or `up:` with a row's number."""
    found = _DEED.fullmatch(what)
    if found is None:
        return list(rows)
    deed, name = found.groups()
    if deed == "add":
        return [*rows, _next(rows, name)] if len(rows) < MOST_STEPS else list(rows)
    place = int(name) - 1 if name.isdecimal() and len(name) < 5 else -1
    if not 0 <= place < len(rows):
        return list(rows)
    others = [*rows[:place], *rows[place + 1 :]]
    return others if deed == "remove" else [*others[: max(0, place - 1)], rows[place], *others[max(0, place - 1) :]]


def _next(rows: Sequence[Row], name: str) -> Row:
    """Return a new row: as the last one, with another filter."""
    return replace(rows[-1] if rows else Row(time=_FIRST_SECONDS, count=_FIRST_COUNT), filter=name)
