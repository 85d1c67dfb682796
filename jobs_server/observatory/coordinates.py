"""Angles as people write them: sexagesimal or decimal, hours or degrees."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from .decimals import with_points

Unit = Literal["h", "deg"]

FULL_TURN: Mapping[Unit, float] = {"h": 24.0, "deg": 360.0}
_DAY_TENTHS = 864_000
_LARGEST = 1e9

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_PLAIN = re.compile(rf"([+-]?)\s*({_NUMBER})\s*(h|hours?|d|deg|degrees?|°)?", re.ASCII)
_PARTS = re.compile(
    rf"([+-]?)\s*(\d{{1,3}})\s*(h|d|°|deg|:|\s)\s*({_NUMBER})\s*(?:(?:m|'|:|\s)\s*(?:({_NUMBER})\s*(?:s|\"|'')?)?)?",
    re.ASCII,
)
_LOOKALIKES = str.maketrans(
    {"−": "-", "–": "-", "′": "'", "’": "'", "″": '"', "”": '"', "º": "°", "ʰ": "h", "ᵐ": "m", "ˢ": "s"}
)


def parse(text: str, unit: Unit) -> float:
    """Read an angle in hours (`h`) or degrees (`deg`).

    `00 42 44.3`, `0:42:44`, `0h42m44s`, `10.68 deg` and `0.712` are the same right ascension in hours; a bare number
    is taken in the unit asked for, and a comma for a point. Raises ValueError with a sentence when it is no angle, or
    when a comma before three digits can be read in two ways.
    """
    value = _read(text, unit)
    if abs(value) > _LARGEST:
        raise ValueError(f"{text.strip()[:40]!r} is too large for an angle")
    return value


def _read(text: str, unit: Unit) -> float:
    plain = with_points(text.translate(_LOOKALIKES).strip().lower())
    if match := _PLAIN.fullmatch(plain):
        sign, number, unit_text = match.groups()
        return _signed(sign, _converted(float(number), _unit(unit_text), unit))
    if match := _PARTS.fullmatch(plain):
        sign, whole, unit_text, minutes, seconds = match.groups()
        if float(minutes) >= 60 or float(seconds or 0) >= 60:
            raise ValueError(f"{text.strip()!r} has minutes or seconds of 60 or more")
        if "." in minutes and seconds is not None:
            raise ValueError(f"{text.strip()!r} has a fraction of minutes and seconds as well")
        value = int(whole) + float(minutes) / 60 + float(seconds or 0) / 3600
        return _signed(sign, _converted(value, _unit(unit_text), unit))
    example = "00 42 44.3, 0h42m44s, 10.68 deg or 0.712" if unit == "h" else "+41 16 09, 41:16:09 or 41.269"
    raise ValueError(f"{text.strip()!r} is no angle; write it as {example}")


def parse_within(text: str, unit: Unit, low: float, high: float) -> float:
    """Read an angle that must lie from `low` to `high`, in the unit asked for. Raises ValueError with a sentence."""
    value = parse(text, unit)
    if not low <= value <= high:
        raise ValueError(f"{text.strip()!r} is {value:.4f} {unit}; it must be from {low:g} to {high:g} {unit}")
    return value


def within_a_turn(value: float, unit: Unit) -> float:
    """Return 0 for a whole turn either way, 24 hours or 360 degrees, and every other value as it is."""
    return 0.0 if abs(value) == FULL_TURN[unit] else value


def sexagesimal(value: float, unit: Unit) -> str:
    """Write hours as `00h 42m 44.3s` and degrees as `+41° 16′ 09″`, rounded to a tenth of a second or a second.

    Hours that come to 24 when they are rounded are 0.
    """
    tenths = round(abs(value) * 36_000) if unit == "h" else round(abs(value) * 3600) * 10
    if unit == "h" and tenths == _DAY_TENTHS:
        tenths = 0
    seconds, tenth = divmod(tenths, 10)
    minutes, second = divmod(seconds, 60)
    whole, minute = divmod(minutes, 60)
    sign = "-" if value < 0 and tenths else ""
    if unit == "h":
        return f"{sign}{whole:02d}h {minute:02d}m {second:02d}.{tenth}s"
    return f"{sign or '+'}{whole:02d}° {minute:02d}′ {second:02d}″"


def _unit(text: str | None) -> Unit | None:
    if text is None or text in {":", " ", "\t"}:
        return None
    return "h" if text.startswith("h") else "deg"


def _converted(value: float, given: Unit | None, wanted: Unit) -> float:
    if given is None or given == wanted:
        return value
    return value / 15 if wanted == "h" else value * 15


def _signed(sign: str, value: float) -> float:
    return -value if sign == "-" else value
