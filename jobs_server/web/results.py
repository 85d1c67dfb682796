"""What came of a job, as its page shows it: what is known in words and units, everything else as the site said it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic_core import from_json

from ..domain.language import ENGLISH, Language
from ..observatory.coordinates import sexagesimal
from . import quantities

MOST_LISTED = 100
"""How many names of a list are shown."""
_POINTED = ("ra", "dec", "ra_hours", "dec_degrees")


class Row(NamedTuple):
    """One thing that came of a job."""

    label: str
    text: str = ""
    """In one line; blank where it is a list of names or has several lines."""
    names: tuple[str, ...] = ()
    """Of a list of names, such as files, the first of them."""
    more: int = 0
    """How many names are left out."""
    lines: str = ""
    """What is neither: an object, or a list of anything."""


def rows(text: str | None, language: Language = ENGLISH) -> list[Row]:
    """Return what came of a job, from its results as JSON; nothing when the site said nothing."""
    values: Mapping[str, object] = from_json(text) if text else {}
    return list(_rows(values, language))


def _rows(values: Mapping[str, object], language: Language) -> Iterator[Row]:
    pointed = _pointed(values)
    if pointed:
        yield Row(language.text("Pointed at"), pointed)
    for key, value in values.items():
        if not (pointed and key in _POINTED):
            yield _row(key, value, language)


def _row(key: str, value: object, language: Language) -> Row:
    label = quantities.label(key)
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return Row(label, names=tuple(value[:MOST_LISTED]), more=max(0, len(value) - MOST_LISTED))
    plain = quantities.plain(key, value, language)
    return Row(label, plain) if plain is not None else Row(label, lines=quantities.pretty(value))


def _pointed(values: Mapping[str, object]) -> str:
    """Write where the telescope pointed, in hours and degrees as commands have it; blank when that is no place."""
    ra = quantities.first_number(values, "ra_hours", "ra")
    dec = quantities.first_number(values, "dec_degrees", "dec")
    if ra is None or dec is None or not (0 <= ra <= 24 and -90 <= dec <= 90):
        return ""
    return f"RA {sexagesimal(ra, 'h')}, Dec {sexagesimal(dec, 'deg')}"
