"""Where a slew of the form leads: a name or a pasted pair becomes coordinates, which are seen before they are sent.

The form holds, beside the coordinates, the text that stands for the target, and what was filled in for it (`placed`:
right ascension, declination and that text). While these agree, the coordinates of what moves are those of the moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..observatory import coordinate_pairs, own_targets, target_cautions, target_search, targets
from ..observatory.coordinates import Unit, is_one
from ..observatory.directions import Direction, from_date
from ..observatory.numbers_said import as_number
from ..observatory.target_search import Asked, Found
from ..observatory.targets import Target
from . import sky_drawing
from .context import Page
from .sky_drawing import SkyDrawing

_MOST = 12
_BY_PLACE = ("", "0")
"""The group of fields that right ascension and declination are."""
_ASKED = "choose which of these is meant"


class Choice(NamedTuple):
    """A target that a text may mean, as the form offers it."""

    value: str
    """What the form holds when it is chosen: right ascension, declination and name."""
    found: Found
    said: str
    """How a pair of coordinates was understood."""


@dataclass
class Pointing:
    """What the form says of a target."""

    given: dict[str, str]
    """The form, with the coordinates of the target in it."""
    filled: dict[str, str] = field(default_factory=dict)
    """What stands now in fields in the place of what stood there."""
    faults: dict[str, str] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    is_new: bool = False
    """The coordinates were filled in just now, and whoever sends has not seen them."""
    follows: bool = False
    """The target moves, and the coordinates are those of the moment."""


class Seen(NamedTuple):
    """How the place that a slew leads to stands over the site."""

    found: Found
    drawing: SkyDrawing


def read(page: Page, given: Mapping[str, str]) -> Pointing:
    """Read what a form says of a target, and look the target up where that has not been done."""
    made = Pointing(dict(given))
    if given.get("group", "") not in _BY_PLACE:
        return made
    chosen, placed, text = (given.get(name, "").strip() for name in ("choose", "placed", "target"))
    pasted = _pasted(given)
    if (value := _parted(chosen)) and chosen.split(" ")[:2] != placed.split(" ")[:2]:
        _fill(made, *value)
        made.filled["target"] = made.given["target"] = value[2]
    elif pasted:
        _look_up(page, made, given[pasted], pasted)
    elif text and text != _name(placed):
        _look_up(page, made, text, "target")
    elif placed and placed == _value(given.get("ra", ""), given.get("dec", ""), text):
        _follow(page, made, text)
    return made


def in_icrs(required: dict[str, Any], at_ms: int) -> dict[str, Any]:
    """Return a slew's parameters with coordinates of today's equator and equinox (JNOW) turned into ICRS."""
    ra, dec = as_number(required.get("ra")), as_number(required.get("dec"))
    if required.get("frame") != "JNOW" or ra is None or dec is None or not -90 <= dec <= 90:
        return required
    found = targets.rounded(from_date(Direction(ra % 24, dec), at_ms))
    return {**required, "ra": found.ra_hours, "dec": found.dec_degrees, "frame": "ICRS"}


def seen(page: Page, body: Mapping[str, Any]) -> Seen | None:
    """Return how the place that a slew leads to stands over the site; None of other jobs, and without a place."""
    required = body["required_params"]
    ra, dec = as_number(required.get("ra")), as_number(required.get("dec"))
    asked = Asked(page.abilities, page.now_ms)
    if (body["device"], body["action"]) != ("mount", "go") or ra is None or dec is None or asked.night is None:
        return None
    if not (0 <= ra < 24 and -90 <= dec <= 90):
        return None
    name = str(body["optional_params"].get("object", ""))
    moves = targets.place_of_moving(name, page.now_ms, page.profile.place) == Direction(ra, dec)
    target = Target("target" if name in ("", "empty") else name, Direction(ra, dec), moves=moves)
    (found,) = target_search.over_the_site([target], asked)
    curves = [(target.name, target_search.curve(target, asked))]
    limit = target_cautions.limits(page.abilities, body["instance"]).altitude_degrees
    return Seen(found, sky_drawing.draw(asked.night, curves, limit, page.now_ms, by=page.times))


def _pasted(given: Mapping[str, str]) -> str:
    """Return in which field a pair was pasted while the other is blank; blank when in neither."""
    fields: tuple[tuple[str, str, Unit], ...] = (("ra", "dec", "h"), ("dec", "ra", "deg"))
    for name, other, unit in fields:
        text = given.get(name, "")
        if not given.get(other, "").strip() and coordinate_pairs.looks_like(text) and not is_one(text, unit):
            return name
    return ""


def _look_up(page: Page, made: Pointing, text: str, where: str) -> None:
    made.is_new = True
    asked = Asked(page.abilities, page.now_ms)
    if coordinate_pairs.looks_like(text):
        _read_pair(made, text, where, asked)
        return
    with page.snapshot() as connection:
        own = own_targets.like(connection, page.site, text)
    found = target_search.search(text, asked, own, _MOST)
    made.choices = [_choice(each) for each in found]
    if not found:
        made.faults[where] = f"no target here is called {text[:60]!r}"
    elif targets.is_called(found[0].target, text):
        _fill(made, *_place_of(found[0].target), text)
    else:
        made.faults[where] = _ASKED


def _read_pair(made: Pointing, text: str, where: str, asked: Asked) -> None:
    try:
        readings = coordinate_pairs.read(text, asked.at_ms)
    except ValueError as error:
        made.faults[where] = str(error)
        return
    name = text.strip()
    found = target_search.over_the_site([Target(name, each.direction) for each in readings], asked)
    made.choices = [_choice(each, reading.said) for each, reading in zip(found, readings, strict=True)]
    if len(readings) == 1:
        _fill(made, *_place_of(made.choices[0].found.target))
    else:
        made.faults[where] = "is the right ascension in hours or in degrees? " + _ASKED


def _follow(page: Page, made: Pointing, text: str) -> None:
    """Have what moves stand where it is now."""
    direction = targets.place_of_moving(text, page.now_ms, page.profile.place)
    if direction is not None:
        ra, dec = _written(direction.ra_hours), _written(direction.dec_degrees)
        made.filled = {"ra": ra, "dec": dec, "placed": _value(ra, dec, text)}
        made.given |= made.filled
        made.follows = True


def _fill(made: Pointing, ra: str, dec: str, name: str, text: str = "") -> None:
    """Fill in a target that was not there before; `text` is what somebody typed for it."""
    made.filled = {"ra": ra, "dec": dec, "placed": _value(ra, dec, text or name)}
    if not coordinate_pairs.looks_like(name):
        made.filled["object"] = name
    made.given |= made.filled | {"choose": _value(ra, dec, name)}
    made.is_new = True


def _choice(found: Found, said: str = "") -> Choice:
    return Choice(_value(*_place_of(found.target)), found, said)


def _place_of(target: Target) -> tuple[str, str, str]:
    return _written(target.direction.ra_hours), _written(target.direction.dec_degrees), target.name


def _value(ra: str, dec: str, name: str) -> str:
    return f"{ra} {dec} {name}"


def _parted(value: str) -> tuple[str, str, str] | None:
    ra, _, rest = value.partition(" ")
    dec, _, name = rest.partition(" ")
    return (ra, dec, name) if name and as_number(ra) is not None and as_number(dec) is not None else None


def _name(value: str) -> str:
    return value.split(" ", 2)[2] if value.count(" ") > 1 else ""


def _written(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")
