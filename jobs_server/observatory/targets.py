"""Targets by name, offline: a site's own list, the solar system, the deep sky and named stars."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from . import sky_objects, solar_system
from .coordinates import within_a_turn
from .directions import Direction
from .sky import Place
from .sky_objects import SkyObject

_2000_MS = 946_728_000_000
_YEAR_MS = 365.25 * 86_400_000
_MAS_PER_DEGREE = 3_600_000
_FINEST = 6


class Target(NamedTuple):
    """Something to point at, where it stands at the moment that it was looked up for."""

    name: str
    direction: Direction
    kind: str = ""
    other_names: tuple[str, ...] = ()
    magnitude: float | None = None
    moves: bool = False
    """It is of the solar system: for another moment it is to be looked up anew, by its name."""
    note: str = ""


def key_of(name: str) -> str:
    """Return a name as the names of a site's own list are compared: letters and digits of any script, in small ones.

    Numbers that something parts stay two, with a plus or else a blank between them: J1748+24 and J1748-24 are two
    places, and so are the panels 1-11 and 11-1.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    key, between = "", ""
    for each in folded:
        if not each.isalnum():
            between += each
            continue
        if between and each.isdigit() and key[-1:].isdigit():
            key += "+" if "+" in between else " "
        key, between = key + each, ""
    return key or " ".join(folded.split())


def find(text: str, at_ms: int, place: Place | None, own: Sequence[Target] = (), most: int = 20) -> list[Target]:
    """Return the targets that a text may mean, best first: those of this name, then those whose name begins so.

    `own`: those of the site's own list that the text may mean.
    """
    if not key_of(text):
        return []
    exact = named(text, at_ms, place, own)
    found = (*exact, *own, *_bodies(solar_system.like(text), at_ms, place), *_objects(text, most, at_ms))
    return list({key_of(target.name): target for target in reversed(found)}.values())[::-1][:most]


def named(name: str, at_ms: int, place: Place | None, own: Sequence[Target] = ()) -> list[Target]:
    """Return the targets with exactly this name: of the site's own list, of the solar system, of the catalogues."""
    key = key_of(name)
    found = [target for target in own if key and key in map(key_of, (target.name, *target.other_names))]
    body = solar_system.called(name)
    found += _bodies([body] if body else [], at_ms, place)
    return found + [_still(each, at_ms) for each in sky_objects.named(name)]


def is_called(target: Target, name: str) -> bool:
    """Whether a target has exactly this name, however the name is written."""
    names = (target.name, *target.other_names)
    return key_of(name) in map(key_of, names) or sky_objects.fold(name) in filter(None, map(sky_objects.fold, names))


def place_of_moving(name: str, at_ms: int, place: Place | None) -> Direction | None:
    """Return where a target of the solar system stands at a moment; None for a name of anything else."""
    body = solar_system.called(name)
    return None if body is None else rounded(solar_system.direction(body, at_ms, place))


def _bodies(names: Iterable[str], at_ms: int, place: Place | None) -> Iterator[Target]:
    for name in names:
        direction = rounded(solar_system.direction(name, at_ms, place))
        yield Target(name, direction, solar_system.kind(name), (), solar_system.magnitude(name, at_ms), moves=True)


def _objects(text: str, most: int, at_ms: int) -> Iterator[Target]:
    return (_still(each, at_ms) for each in sky_objects.like(text, most))


def _still(found: SkyObject, at_ms: int) -> Target:
    """Return an object as a target; a star where its motion has brought it."""
    years = (at_ms - _2000_MS) / _YEAR_MS
    east, north = (each * years / _MAS_PER_DEGREE for each in found.motion)
    hours = found.ra_hours + east / math.cos(math.radians(found.dec_degrees)) / 15
    direction = rounded(Direction(hours % 24, found.dec_degrees + north))
    name, *others = found.names
    return Target(name, direction, found.kind, tuple(others), found.magnitude)


def rounded(direction: Direction) -> Direction:
    """Return a direction as jobs carry it: the last digit is 0.05 seconds of arc."""
    hours = within_a_turn(round(direction.ra_hours, _FINEST), "h")
    return Direction(hours, round(direction.dec_degrees, _FINEST))
