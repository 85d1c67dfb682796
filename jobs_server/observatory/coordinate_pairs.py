"""Pairs of coordinates as people paste them: both in one text, in whatever signs and frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .coordinates import Unit, parse, plain, within_a_turn
from .directions import Direction, from_date, from_galactic

LONGEST = 200
_FINEST = 6
_NAMES = re.compile(
    r"(?<![A-Za-z])(?:right ascension|declination|ra|r\.a\.|dec|decl|de|α|δ)\.?"
    r"(?:\s*\((?:h|hours|deg|°)\))?\s*[:=]?(?![A-Za-z])",
    re.IGNORECASE,
)
_GALACTIC_NAMES = re.compile(r"(?<![A-Za-z])[lb]\s*[:=]", re.IGNORECASE)
_FRAMES = (
    ("icrs", r"\(?(?:icrs|fk5|eq(?:uinox)?\.?\s*2000|ep(?:och)?\.?\s*2000|j?2000\.0|j2000)\)?"),
    ("jnow", r"\(?(?:jnow|of date|apparent|eod)\)?"),
    ("galactic", r"\(?(?:galactic|gal\.?)\)?"),
    ("other", r"\(?(?:b1950(?:\.0)?|b1900(?:\.0)?|fk4|ecliptic|altaz|az|alt|j1975|j2050)\)?"),
)
_BETWEEN = (r"\s*[;|\t\n/]\s*", r"(?<=[^\s,])\s*,?\s*(?=[+-])", r",\s+", r",", r" ")
"""What may stand between the two, from what is surest to what is least so."""
_TOGETHER = re.compile(r"J?(\d\d)(\d\d)(\d\d(?:\.\d*)?)([+-]\d\d)(\d\d)(\d\d(?:\.\d*)?)", re.ASCII)
"""As surveys name what they found."""
_BEGINS = tuple("+-.0123456789")
_COMPONENT = re.compile(r"\d[\d.]*")


class Reading(NamedTuple):
    """One way to understand a pair."""

    direction: Direction
    """ICRS."""
    said: str
    """How it was understood where that is not plain: in degrees, of which frame."""


def looks_like(text: str) -> bool:
    """Whether a text means to be a pair of coordinates, and no name: it is of numbers, signs and units alone."""
    bare = _bare(text)[0]
    letters = re.sub(r"hours?|hrs?|degrees?|deg|min|sec|[hdmsNS]", "", bare)
    return bare[:1] in _BEGINS and not re.search(r"[A-Za-z]", letters) and len(_COMPONENT.findall(letters)) > 1


def read(text: str, at_ms: int) -> list[Reading]:
    """Return how a pair can be understood: in one way, or in two where the first may be hours or degrees.

    JNOW, of the moment, and galactic coordinates are converted to ICRS. Raises ValueError with a sentence.
    """
    if len(text) > LONGEST:
        raise ValueError(f"a pair of coordinates has at most {LONGEST} characters")
    bare, frame = _bare(text)
    if match := _TOGETHER.fullmatch(bare):
        bare = "{} {} {} {} {} {}".format(*match.groups())
    if frame == "other":
        raise ValueError(f"{text.strip()!r} names a frame that is not converted here: give ICRS, JNOW or Galactic")
    first, second = _split(text, bare, "deg" if frame == "galactic" else "h")
    if frame == "galactic":
        longitude, latitude = _within(first, "deg", 0, 360), _within(second, "deg", -90, 90)
        return [_reading(from_galactic(longitude, latitude), "from galactic coordinates")]
    return [
        _reading(from_date(found, at_ms), f"{said}, from the equator of today".lstrip(", "))
        if frame == "jnow"
        else _reading(found, said)
        for found, said in _equatorial(first, second)
    ]


def _bare(text: str) -> tuple[str, str]:
    """Return a text without the names of coordinates and frames, and the frame that it names; ICRS if none."""
    bare = "\n".join(plain(line) for line in re.sub(r"\t", " ; ", text).splitlines() if line.strip())
    frame = "icrs"
    if _GALACTIC_NAMES.search(bare):
        bare, frame = _GALACTIC_NAMES.sub(" ", bare), "galactic"
    for name, pattern in _FRAMES:
        found = re.sub(rf"(?<![\w.]){pattern}(?![\w.])", " ", bare, flags=re.IGNORECASE)
        if found != bare:
            bare, frame = found, name if frame == "icrs" else frame
    bare = _NAMES.sub(" ", bare)
    return re.sub(r"[ ]+", " ", bare).strip(" ,;|/()\n"), frame


def _equatorial(first: str, second: str) -> Iterator[tuple[Direction, str]]:
    dec = _within(second, "deg", -90, 90)
    if not re.fullmatch(r"[+]?\s*[\d.,]+", first):
        yield Direction(_within(first, "h", 0, 24), dec), ""
        return
    if parse(first, "h") <= 24:
        yield Direction(_within(first, "h", 0, 24), dec), "right ascension in hours"
    yield Direction(_within(f"{first} deg", "h", 0, 24), dec), "right ascension in degrees"


def _within(text: str, unit: Unit, low: float, high: float) -> float:
    value = parse(text, unit)
    if not low <= value <= high:
        name = "declination" if low < 0 else "right ascension" if unit == "h" else "longitude"
        raise ValueError(f"{text.strip()!r} is {value:.4f} {unit}; a {name} is from {low:g} to {high:g} {unit}")
    return value


def _split(text: str, bare: str, unit: Unit) -> tuple[str, str]:
    """Part a pair where the surest sign says, else where both have as many numbers. Raises ValueError."""
    for pattern in _BETWEEN:
        places = [match.span() for match in re.finditer(pattern, bare)]
        ways = [(bare[:begin], bare[end:]) for begin, end in places]
        found = [(first, second) for first, second in ways if _reads(first, unit) and _reads(second, "deg")]
        if pattern in (",", " ") and len(_parts(found)) != 1:
            found = [(first, second) for first, second in found if _count(first) == _count(second)]
        if pattern == "," and found and _count(found[0][0]) == 1 and "." not in bare:
            raise ValueError(f"{text.strip()!r} can be one number or two: write a blank or a semicolon between two")
        if len(found) == 1:
            return found[0]
    raise ValueError(f"{text.strip()[:60]!r} is no pair of coordinates; write it as 00 42 44.3 +41 16 09")


def _parts(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(first, second) for first, second in found if re.search(r"[hd°'\"]", first) or second[:1] in "+-"]


def _reads(text: str, unit: Unit) -> bool:
    try:
        parse(text, unit)
    except ValueError as error:
        return "two ways" in str(error)
    return True


def _count(text: str) -> int:
    return len(_COMPONENT.findall(text.replace(",", ".")))


def _reading(direction: Direction, said: str) -> Reading:
    hours = within_a_turn(round(direction.ra_hours, _FINEST), "h") or 0.0
    return Reading(Direction(hours, round(direction.dec_degrees, _FINEST) or 0.0), said)
