"""JSON as it comes from outside, read strictly: what could not be given back as it came is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from ..errors import shown

MAX_NESTING = 200
"""Objects and lists within each other; every JSON reader of the field can take as many."""

_MAY_OVERFLOW = re.compile(rb"\d(?:[eE]\+?\d{3}|(?<!\d\d)\d{199})")
"""Only numbers that this matches can be beyond a double."""


_TOO_LARGE = "infinite, or beyond what a double can hold"

_Path = tuple["_Path", "str | int"] | tuple[()]
"""Where a value stands: the path of what holds it, and its key there."""


class WrongNumber(ValueError):
    """A number is none that JSON can hold: NaN, an infinity, or one beyond a double."""

    def __init__(self, key: str, wrong: str, before: str = "") -> None:
        super().__init__(f"{before}{key or 'it'} is {wrong}")
        self.key = key
        """Where it stands, such as `required_params.ra`; blank when nothing holds it."""
        self.wrong = wrong


def read(text: bytes) -> object:
    """Read JSON; integers of up to 4,300 digits stay exact, since no Python client reads longer ones.

    Raises ValueError, saying why, when it is no JSON (RFC 8259: no NaN, no lone surrogates) or is nested too deep, and
    WrongNumber when it holds NaN, an infinity or a number beyond a double.
    """
    if not text.strip():
        raise ValueError("it is empty")
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        _refuse_wrong_number(from_json(text))
        raise
    if _MAY_OVERFLOW.search(text):
        _refuse_wrong_number(value)
    if text.count(b"[") + text.count(b"{") > MAX_NESTING:
        check_nesting(value)
    return value


def read_object(
    text: bytes, what: str, *, not_json: str = "is not JSON", no_object: str = "must be a JSON object"
) -> dict[str, Any]:
    """Read a JSON object, as `read` does. Raises ValueError with a sentence on `what` it was."""
    try:
        value = read(text)
    except WrongNumber as error:
        raise WrongNumber(error.key, error.wrong, f"{what} {not_json}: ") from None
    except ValueError as error:
        raise ValueError(f"{what} {not_json}: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{what} {no_object}")
    return value


def check_nesting(value: object) -> None:
    """Raise ValueError when objects and lists stand within each other deeper than `MAX_NESTING`."""
    if _nesting(value) > MAX_NESTING:
        raise ValueError(f"it is nested deeper than {MAX_NESTING} levels")


def check(value: object) -> None:
    """Raise ValueError, saying why, when plain values of texts from outside could not be written as JSON and read."""
    check_nesting(value)
    _refuse_wrong_number(value)
    for item in _items(value):
        for text in item if isinstance(item, dict) else (item,):
            if isinstance(text, str):
                _check_unicode(text)


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half of a character") from None


def _refuse_wrong_number(value: object) -> None:
    """Raise WrongNumber for the first number that is not finite."""
    todo: list[tuple[_Path, object]] = [((), value)]
    while todo:
        path, item = todo.pop()
        if isinstance(item, float) and not math.isfinite(item):
            wrong = "NaN, which JSON does not have" if math.isnan(item) else _TOO_LARGE
            raise WrongNumber(shown(_written(path)), wrong)
        todo.extend(((path, key), inner) for key, inner in reversed(_named(item)))


def _written(path: _Path) -> str:
    """Write where a value stands: `required_params.ra`, `targets[0].dec`."""
    parts = list[str]()
    while path:
        path, key = path
        parts.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    return "".join(reversed(parts)).removeprefix(".")


def _named(item: object) -> list[tuple[str | int, object]]:
    return list(item.items()) if isinstance(item, dict) else list(enumerate(_inside(item)))


def _items(value: object) -> Iterator[object]:
    """Walk through all that a value holds, itself included."""
    todo = [value]
    while todo:
        item = todo.pop()
        yield item
        todo.extend(_inside(item))


def _nesting(value: object) -> int:
    """Count how many objects and lists stand within each other."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in _inside(item)]
    return depth


def _inside(item: object) -> list[object]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []
