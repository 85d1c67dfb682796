"""Readers of the values of agent.toml: each takes the key's name and a value, and refuses what is none in words."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from .devices.alpaca_device import place_of

Reader = Callable[[str, Any], Any]
_LARGEST_BINNING = 64


class WrongValue(ValueError):
    """A key or its value is wrong; the message is a sentence that begins with the key."""


def text(key: str, value: Any) -> str:
    """Return a text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise WrongValue(f"{key} must be a text, not {_shown(value)}")
    return value


def flag(key: str, value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise WrongValue(f"{key} must be true or false, not {_shown(value)}")
    return value


def number(least: float, largest: float) -> Reader:
    """Return a reader of numbers within limits."""

    def read(key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise WrongValue(f"{key} must be a number, not {_shown(value)}")
        if not least <= value <= largest:
            raise WrongValue(f"{key} must be from {least:g} to {largest:g}, not {_shown(value)}")
        return float(value)

    return read


def one_of(*words: str) -> Reader:
    """Return a reader of one of some words."""

    def read(key: str, value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise WrongValue(f"{key} must be {' or '.join(map(repr, words))}, not {_shown(value)}")
        return value

    return read


def url(key: str, value: Any) -> str:
    """Return the address of a service."""
    found = text(key, value)
    try:
        parts = urlsplit(found)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port)
    except ValueError:
        is_address = False
    if not is_address:
        raise WrongValue(f"{key} must be the service's address, such as http://desk:5000, not {_shown(value)}")
    return found.rstrip("/")


def binnings(key: str, value: Any) -> dict[str, int]:
    """Return binnings by their names."""
    read = number(1, _LARGEST_BINNING)
    found = {name: read(f"{key}.{name}", each) for name, each in _table(key, value).items()}
    for name, each in found.items():
        if each != math.floor(each):
            raise WrongValue(f"{key}.{name} must be a whole number, not {each:g}")
    return {name: int(each) for name, each in found.items()}


def aliases(key: str, value: Any) -> dict[str, str]:
    """Return the wheel's names of filters by the names that jobs carry."""
    return {name: text(f"{key}.{name}", each) for name, each in _table(key, value).items()}


def limits(key: str, value: Any) -> dict[str, tuple[float, float]]:
    """Return the least and the largest safe value by the key of a reading; infinities are no limit on that side."""
    return {name: _pair(f"{key}.{name}", each) for name, each in _table(key, value).items()}


def alpaca_place(driver: str) -> tuple[str, str, int]:
    """Return server, type and number of an Alpaca address, the same for the same device."""
    base, kind, device_number = place_of(driver)
    return base.lower(), kind, device_number


def nearest(word: str, words: Iterable[str]) -> str:
    """Return in words which right word is the nearest; all of them when none is near."""
    every = list(words)
    found = difflib.get_close_matches(word, every, n=1, cutoff=0.5)
    return f"did you mean {found[0]!r}?" if found else f"these are: {', '.join(every)}"


def _pair(key: str, value: Any) -> tuple[float, float]:
    numbers = value if isinstance(value, list) else []
    is_pair = len(numbers) == 2 and all(
        isinstance(each, int | float) and not isinstance(each, bool) and not math.isnan(each) for each in numbers
    )
    if not is_pair or numbers[0] > numbers[1]:
        raise WrongValue(f"{key} must be the least and the largest safe value, such as [0, 85], not {_shown(value)}")
    return float(numbers[0]), float(numbers[1])


def _table(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise WrongValue(f"{key} must be a table such as {{ name = ... }}, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
