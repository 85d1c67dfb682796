"""Where on Earth a site is, as people say it: a city of an offline list, or coordinates as they were copied.

The list is made by `tools/cities.py`; NOTICE says where it is from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from . import coordinates
from .sky_objects import fold

FILE = "cities.txt"
LONGEST = 200
_SHORTEST_BEGINNING = 2
_PARTED = (
    re.compile(r"(?P<lat>[NSns].*?)\s*[,;/]?\s*(?P<lon>[EWew].*)$"),
    re.compile(r"(?P<lat>.+?[NSns])\s*[,;/]?\s+(?P<lon>.*[EWew])\s*$"),
    re.compile(r"(?P<lat>[^,;]+)\s*[;]\s*(?P<lon>[^;]+)$"),
    re.compile(r"(?P<lat>[^,]+),\s*(?P<lon>[^,]+)$"),
    re.compile(r"(?P<lat>\S+)\s+(?P<lon>\S+)$"),
)
"""How latitude and longitude may stand beside each other, from what is surest to what is least so."""
_SIDE = re.compile(r"^\s*(?P<before>[NSEW])?\s*(?P<angle>.*?)\s*(?P<after>[NSEW])?\s*$", re.IGNORECASE)


class City(NamedTuple):
    """A place of the list."""

    names: tuple[str, ...]
    """The first is the one that it is shown by."""
    country: str
    latitude_deg: float
    longitude_deg: float
    timezone: str

    @property
    def title(self) -> str:
        """Return the name with the country."""
        return f"{self.names[0]}, {self.country}"


def search(text: str, most: int = 8) -> list[City]:
    """Return the cities that a text may mean: those of exactly this name, or else those with a name that begins so."""
    wanted = fold(text[:LONGEST])
    if len(wanted) < _SHORTEST_BEGINNING:
        return []
    exact = [city for keys, city in _list() if wanted in keys]
    return (exact or [city for keys, city in _list() if any(key.startswith(wanted) for key in keys)])[:most]


def nearest(latitude_deg: float, longitude_deg: float) -> City:
    """Return the city of the list that is nearest to a place."""
    return min((city for _, city in _list()), key=lambda city: _apart(city, latitude_deg, longitude_deg))


def looks_like_coordinates(text: str) -> bool:
    """Whether a text means to be a latitude and a longitude: it has two numbers, and no letters but those of sides."""
    plain = coordinates.plain(text)
    without = re.sub(r"(?i)deg|[nsew]", "", plain)
    return not re.search(r"[^\W\d_]", without) and len(re.findall(r"\d+(?:\.\d+)?", without)) > 1


def read(text: str) -> tuple[float, float]:
    """Return latitude and longitude (east is positive), both in degrees. Raises ValueError with a sentence."""
    plain = coordinates.plain(text[:LONGEST])
    for pattern in _PARTED:
        match = pattern.match(plain)
        if match is None:
            continue
        found = _angle(match["lat"], "NS"), _angle(match["lon"], "EW")
        if None not in found:
            return _within(*(each for each in found if each is not None))
    raise ValueError("write latitude and longitude, such as 47.70 N 12.01 E, or 47.70, 12.01")


def _within(latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
    if not -90 <= latitude_deg <= 90:
        raise ValueError(f"a latitude is from -90 to 90 degrees, and {latitude_deg:g} is none; it comes first")
    if not -180 <= longitude_deg <= 360:
        raise ValueError(f"a longitude is from -180 to 180 degrees, and {longitude_deg:g} is none")
    return round(latitude_deg, 6), round((longitude_deg + 180) % 360 - 180, 6)


def _angle(text: str, sides: str) -> float | None:
    """Return an angle with its side as a sign; None where the text is none, or its side is of the other angle."""
    match = _SIDE.match(text)
    if match is None:
        return None
    side = (match["before"] or match["after"] or "").upper()
    if side and side not in sides:
        return None
    try:
        value = coordinates.parse(match["angle"], "deg")
    except ValueError:
        return None
    return -value if side in ("S", "W") else value


def _apart(city: City, latitude_deg: float, longitude_deg: float) -> float:
    """Return how far a place is from a city, as what grows with the distance."""
    north = math.radians(latitude_deg - city.latitude_deg)
    east = math.radians(longitude_deg - city.longitude_deg)
    shrunk = math.cos(math.radians(latitude_deg)) * math.cos(math.radians(city.latitude_deg))
    return math.sin(north / 2) ** 2 + shrunk * math.sin(east / 2) ** 2


@cache
def _list() -> list[tuple[frozenset[str], City]]:
    lines = (files(__package__) / FILE).read_text(encoding="utf-8").splitlines()
    return [(_keys(city), city) for city in map(_city, lines)]


def _city(line: str) -> City:
    names, country, latitude, longitude, zone = line.split("\t")
    return City(tuple(names.split(", ")), country, float(latitude), float(longitude), zone)


def _keys(city: City) -> frozenset[str]:
    def both() -> Iterable[str]:
        for name in city.names:
            yield fold(name)
            yield fold(f"{name} {city.country}")

    return frozenset(both())
