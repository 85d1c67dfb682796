"""What sites say, key by key, as people read it: a label, and the value with the unit that stands at the key's end."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from ..domain.language import ENGLISH, Language
from ..observatory.numbers_said import as_number

LONGEST = 2000
"""How many characters of a value are shown."""
_UNITS = {
    "_m_per_s": " m/s",
    "_mm_per_h": " mm/h",
    "_arcsec": "″",
    "_arcmin": "′",
    "_degrees": "°",
    "_deg": "°",
    "_hours": " h",
    "_minutes": " min",
    "_seconds": " s",
    "_percent": " %",
    "_hpa": " hPa",
    "_pixels": " px",
    "_mag": " mag",
    "_adu": " ADU",
    "_um": " µm",
    "_mm": " mm",
    "_ms": " ms",
    "_c": " °C",
    "_k": " K",
    "_m": " m",
    "_s": " s",
}


def label(key: str) -> str:
    """Return the name of a key for people, without its unit."""
    name = key.removesuffix(_suffix(key)).replace("_", " ").strip()
    name = {"fwhm": "FWHM", "ra": "RA", "dec": "Dec", "snr": "SNR"}.get(name.casefold(), name) or key
    return name[:1].upper() + name[1:]


def unit(key: str) -> str:
    """Return the unit of a key as it is written behind a number, with the blank before it; blank when it has none."""
    return _UNITS.get(_suffix(key), "")


def plain(key: str, value: object, language: Language = ENGLISH) -> str | None:
    """Write a value in one line, a number with its unit; None for what is a list or an object."""
    if isinstance(value, bool):
        return language.text("yes") if value else language.text("no")
    if value is None:
        return "–"
    if isinstance(value, int | float):
        return language.number(number(value, 3 if unit(key) else 4)) + unit(key)
    return _cut(value) if isinstance(value, str) else None


def number(value: float, decimals: int = 4) -> str:
    """Write a number with no more digits than anybody reads."""
    if isinstance(value, float) and math.isfinite(value) and abs(value) < 1e15:
        rounded = round(value, decimals)
        return f"{rounded:.{decimals}f}".rstrip("0").rstrip(".") if rounded else f"{value:.3g}"
    try:
        return _cut(str(value))
    except ValueError:  # of more digits than Python writes
        return "a number of thousands of digits"


def pretty(value: object) -> str:
    """Write a list or an object in several lines."""
    try:
        return _cut(json.dumps(value, ensure_ascii=False, indent=1))
    except ValueError:  # of more digits than Python writes
        return "…"


def first_number(values: Mapping[str, object], *keys: str) -> float | None:
    """Return the number of the first of these keys that has one."""
    found = (as_number(values.get(key)) for key in keys)
    return next((value for value in found if value is not None), None)


def _suffix(key: str) -> str:
    return next((each for each in _UNITS if key.casefold().endswith(each) and len(key) > len(each)), "")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
