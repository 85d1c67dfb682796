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
_TINY = r"\d+(?:\.\d*)?e-\d{1,3}"
_UNIT = r"hours?|hrs?|h|degrees?|deg|d|°"
_PLAIN = re.compile(rf"([+-]?)\s*({_TINY}|{_NUMBER})\s*({_UNIT})?", re.ASCII)
_PARTS = re.compile(
    rf"([+-]?)\s*(\d{{1,3}})\s*({_UNIT}|:|\s)\s*({_NUMBER})\s*"
    rf"(?:(?:min|m|'|:|\s)\s*(?:({_NUMBER})\s*(?:sec|s|\"|'')?)?)?\s*({_UNIT})?",
    re.ASCII,
)
_POLE_BEFORE = re.compile(r"([ns])\s*(\D?\d.*)", re.ASCII | re.IGNORECASE)
_POLE_AFTER = re.compile(r"(.*[\d.°'\"])\s*(N)|(.*[°'\"])\s*(S)|([^mM]*\d\.?)\s+(S)", re.ASCII)
_LOOKALIKES = str.maketrans(
    {
        **dict.fromkeys("−–—‒‑﹣－⁻", "-"),
        **dict.fromkeys("＋﹢⁺", "+"),
        **dict.fromkeys("′’‘‛ʹʼ´`＇", "'"),
        **dict.fromkeys("″”“‟ʺ＂", '"'),
        **dict.fromkeys("º˚∘⁰", "°"),
        **dict.fromkeys("：∶", ":"),
        **{"ʰ": "h", "ᵐ": "m", "ˢ": "s", "ᵈ": "d"},
        # What is not seen at all: marks of direction, of order, and blanks of no width.
        **dict.fromkeys(
            "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        ),
    }
)


def plain(text: str) -> str:
    """Return an angle with the signs, primes and letters that any keyboard has, and no blanks around it."""
    return re.sub(r"\s+", " ", text.translate(_LOOKALIKES)).strip().replace('""', '"')


def parse(text: str, unit: Unit) -> float:
    """Read an angle in hours (`h`) or degrees (`deg`).

    `00 42 44.3`, `0:42:44`, `0h42m44s`, `10.68 deg` and `0.712` are the same right ascension in hours; a bare number
    is taken in the unit asked for, and a comma for a point. So are `0hr 42' 44"`, `41° 16' 09" N` and `5:35:17 h`, with
    whatever blanks, signs and primes. Raises ValueError with a sentence when it is no angle, or
    when a comma before three digits can be read in two ways.
    """
    value = _read(text, unit)
    if abs(value) > _LARGEST:
        raise ValueError(f"{text.strip()[:40]!r} is too large for an angle")
    return value


def is_one(text: str, unit: Unit) -> bool:
    """Whether a text by itself is one coordinate, such as `1 30`, which is no pair."""
    try:
        parse(text, unit)
    except ValueError:
        return False
    return True


def _read(text: str, unit: Unit) -> float:
    sign_of_pole, angle = _without_pole(plain(text), unit)
    angle = with_points(angle.lower())
    value = _plain(angle, unit)
    if value is None:
        value = _sexagesimal(angle, unit, text)
    if value is None or (sign_of_pole and angle[0] in "+-"):
        example = "00 42 44.3, 0h42m44s, 10.68 deg or 0.712" if unit == "h" else "+41 16 09, 41:16:09 or 41.269"
        raise ValueError(f"{text.strip()!r} is no angle; write it as {example}")
    return _signed(sign_of_pole, value)


def _without_pole(text: str, unit: Unit) -> tuple[str, str]:
    """Return the sign that N or S stands for, and the angle without it: only a declination has one.

    An s after a number alone is seconds; S after a blank or a mark of degrees, minutes or seconds is south.
    """
    if unit == "h":
        return "", text
    if match := _POLE_BEFORE.fullmatch(text):
        pole, angle = match.groups()
    elif match := _POLE_AFTER.fullmatch(text):
        angle, pole = filter(None, match.groups())
    else:
        return "", text
    return ("-" if pole in "sS" else "+"), angle.strip()


def _plain(text: str, unit: Unit) -> float | None:
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    sign, number, unit_text = match.groups()
    return _signed(sign, _converted(float(number), _unit(unit_text), unit))


def _sexagesimal(text: str, unit: Unit, written: str) -> float | None:
    """Read hours or degrees, minutes and seconds; 60 seconds, which programs write when they round, are a minute."""
    match = _PARTS.fullmatch(text)
    if match is None:
        return None
    sign, whole, unit_text, minutes, seconds, unit_at_end = match.groups()
    if float(minutes) >= 60 or float(seconds or 0) > 60:
        raise ValueError(f"{written.strip()!r} has minutes or seconds of 60 or more")
    if "." in minutes and seconds is not None:
        raise ValueError(f"{written.strip()!r} has a fraction of minutes and seconds as well")
    given = _unit(unit_text)
    if unit_at_end is not None:
        if given is not None:
            return None
        given = _unit(unit_at_end)
    value = int(whole) + float(minutes) / 60 + float(seconds or 0) / 3600
    return _signed(sign, _converted(value, given, unit))


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
