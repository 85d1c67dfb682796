"""The deep sky and named stars by their names, offline, out of one file that is searched where it lies in memory.

The file is made by `tools/sky_objects.py`; NOTICE says whose work is in it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import NamedTuple

FILE = "sky_objects.txt"
LONGEST_NAME = 500
"""How many characters of what somebody types are looked at."""
_MOST_LOOKED_AT = 1000
_SHORTEST_BEGINNING = 2
_CATALOGUES = {"messier": "m", "caldwell": "c", "melotte": "mel", "collinder": "cr", "barnard": "b", "n": "ngc"}


class SkyObject(NamedTuple):
    """Something that stands still among the stars, or nearly."""

    names: tuple[str, ...]
    """The first is the one that it is shown by."""
    kind: str
    ra_hours: float
    """ICRS, at the epoch 2000."""
    dec_degrees: float
    magnitude: float | None
    motion: tuple[float, float] = (0.0, 0.0)
    """How a star moves on the sky, in milliarcseconds a year: eastward, and northward."""


def fold(name: str) -> str:
    """Return a name as it is compared: letters and digits alone, in small letters, numbers without zeros before."""
    plain = unicodedata.normalize("NFKD", name[:LONGEST_NAME]).casefold()
    parts = re.findall(r"[a-z]+|[0-9]+", plain)
    if len(parts) > 1 and parts[1][0].isdigit():
        parts[0] = _CATALOGUES.get(parts[0], parts[0])
    return "".join(part.lstrip("0") or "0" if part[0].isdigit() else part for part in parts)


def named(name: str) -> list[SkyObject]:
    """Return the objects that have exactly this name, brightest first."""
    key = fold(name)
    exact = [offset for index in _indexes() for _, offset in index.beginning(f"{key} ", _MOST_LOOKED_AT)]
    return [each for each in _objects(sorted(exact)) if _has_numbers(each, name)]


def like(name: str, most: int) -> list[SkyObject]:
    """Return objects with a name, or a word of a name, that begins so: first those with exactly this name."""
    key = fold(name)
    if len(key) < _SHORTEST_BEGINNING:
        return named(name)[:most]
    exact, begins, numbered = list[int](), list[int](), list[int]()
    for index, rest in zip(_indexes(), (begins, numbered), strict=True):
        for found, offset in index.beginning(key, _MOST_LOOKED_AT):
            (exact if found == key else rest).append(offset)
    ordered = [*sorted(exact), *sorted(begins), *sorted(numbered)]
    found_objects = (each for each in _objects(ordered) if _has_numbers(each, name))
    return list(islice(found_objects, most))


def _has_numbers(found: SkyObject, name: str) -> bool:
    """Whether an object has the numbers of a name one by one, the last maybe begun: M 2-9 is a nebula, and not M 29."""
    wanted = _numbers(name)
    if len(wanted) < 2:
        return True
    *whole, last = wanted
    for has in map(_numbers, found.names):
        for at in range(len(has) - len(whole)):
            if has[at : at + len(whole)] == whole and has[at + len(whole)].startswith(last):
                return True
    return False


def _numbers(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name[:LONGEST_NAME])
    return [number.lstrip("0") or "0" for number in re.findall(r"[0-9]+", plain)]


class _Index:
    """Lines in the order of their bytes, found by halving: the lines themselves are never made into a list."""

    def __init__(self, text: bytes, begin: int, end: int) -> None:
        self._text, self._begin, self._end = text, begin, end

    def beginning(self, key: str, most: int) -> Iterator[tuple[str, int]]:
        """Yield the folded names that begin so, each with where its object is."""
        wanted = key.encode()
        places = range(self._begin, self._end)
        start = self._line_start(self._begin + bisect_left(places, wanted, key=self._line))
        while wanted and most and start < self._end and self._text.startswith(wanted, start):
            stop = self._text.index(b"\n", start)
            found, _, offset = self._text[start:stop].decode().partition(" ")
            yield found, int(offset)
            start, most = stop + 1, most - 1

    def _line(self, place: int) -> bytes:
        """Return the first line that begins at a byte or after it; what is greater than any line where none does."""
        start = self._line_start(place)
        return self._text[start : self._text.index(b"\n", start)] if start < self._end else b"\xff"

    def _line_start(self, place: int) -> int:
        if place == self._begin or self._text[place - 1 : place] == b"\n":
            return place
        return self._text.find(b"\n", place, self._end) + 1 or self._end


@cache
def _text() -> bytes:
    return files(__package__).joinpath(FILE).read_bytes()


@cache
def _indexes() -> tuple[_Index, _Index]:
    """Return the index of names that people give, and the index of NGC and IC numbers."""
    text = _text()
    names = text.index(b"\n\n") + 2
    numbers = text.index(b"\n\n", names) + 2
    return _Index(text, names, numbers - 1), _Index(text, numbers, len(text))


def _objects(offsets: Iterable[int]) -> Iterator[SkyObject]:
    return (_object(offset) for offset in dict.fromkeys(offsets))


def _object(offset: int) -> SkyObject:
    text = _text()
    line = text[offset : text.index(b"\n", offset)].decode()
    names, kind, ra, dec, magnitude, motion, *_ = (*line.split("|"), "", "", "")
    east, north = map(float, motion.split(",")) if motion else (0.0, 0.0)
    return SkyObject(
        tuple(names.split(",")), kind, float(ra), float(dec), float(magnitude) if magnitude else None, (east, north)
    )
