"""Filters by the names that people give them, and wheels that turn to them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..devices.interfaces import FilterWheel
from ..errors import Refused
from ..site_file import FilterWheelLines
from .work import Result, Work

TURN_SECONDS = 120.0
_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_BETWEEN_FILTERS = re.compile(r"[\s,;+]+")
_COLOUR_LETTERS = frozenset("LRGBlrgbuiz")  # a word of other letters, such as `HA`, is one filter that is not there


def slots(asked: str, names: tuple[str, ...], aliases: Mapping[str, str]) -> tuple[int, ...]:
    """Return the slots that a filter's name means, one after the other for a stack such as `RGB irg`.

    A name is found as the wheel has it, without case, or by its alias; an alias may name several filters, with commas
    between them. Of a stack each word may be a filter, else each of its letters is. Raise Refused with the filters that
    there are.
    """
    found = _named(asked, names, aliases) or _stack(asked, names, aliases)
    if found:
        return found
    also = f", also called {', '.join(aliases)}" if aliases else ""
    raise Refused(f"there is no filter {asked[:40]!r}: there are {', '.join(names)}{also}")


def _named(asked: str, names: tuple[str, ...], aliases: Mapping[str, str]) -> tuple[int, ...]:
    if asked in names:
        return (names.index(asked),)
    if alias := _alias(asked, aliases):
        return _listed(alias, names)
    return _listed(asked, names)


def _alias(asked: str, aliases: Mapping[str, str]) -> str | None:
    if asked in aliases:
        return aliases[asked]
    return next((name for alias, name in aliases.items() if _plain(alias) == _plain(asked)), None)


def _listed(asked: str, names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the slots of a name, or of names with commas between them; none when one of them is missing."""
    plain = [_plain(name) for name in names]
    wanted = [_plain(asked)] if _plain(asked) in plain else [_plain(each) for each in asked.split(",")]
    return tuple(plain.index(each) for each in wanted) if all(each in plain for each in wanted) else ()


def _plain(name: str) -> str:
    return _BETWEEN_WORDS.sub("", name).casefold()


def _stack(asked: str, names: tuple[str, ...], aliases: Mapping[str, str]) -> tuple[int, ...]:
    """Return the slots of a stack's parts; none when one of them is no filter."""
    words = [word for word in _BETWEEN_FILTERS.split(asked) if word]
    parts = [_part(word, names, aliases) for word in words]
    return tuple(slot for part in parts for slot in part) if all(parts) else ()


def _part(word: str, names: tuple[str, ...], aliases: Mapping[str, str]) -> tuple[int, ...]:
    if found := _named(word, names, aliases):
        return found
    if not _COLOUR_LETTERS.issuperset(word):
        return ()
    letters = [_named(letter, names, aliases) or _initial(letter, names) for letter in word]
    return tuple(slot for each in letters for slot in each) if all(letters) else ()


def _initial(letter: str, names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the slot of the one filter that begins with a letter, as it is written or else without case."""
    exact = [slot for slot, name in enumerate(names) if name.startswith(letter)]
    loose = [slot for slot, name in enumerate(names) if name.casefold().startswith(letter.casefold())]
    return next((tuple(found) for found in (exact, loose) if len(found) == 1), ())


def set_name(work: Work) -> Result:
    """Turn the wheel to a filter."""
    wheel = work.device(FilterWheel)
    asked = work.order.text("filter_name" if work.order.has("filter_name") else "filter")
    names = wheel.filters()
    found = slots(asked, names, work.lines(FilterWheelLines).aliases)
    if len(found) > 1:
        raise Refused(f"{asked!r} are {len(found)} filters: {', '.join(names[slot] for slot in found)}; name one")
    work.refuse_under_exposure(wheel)
    work.report("MOVING", None, names[found[0]])
    turn(wheel, found[0])
    return {"filter": names[found[0]]}


def turn(wheel: FilterWheel, slot: int) -> None:
    """Turn a wheel to a slot, unless it is there."""
    if wheel.slot() != slot:
        wheel.go_to_slot(slot, TURN_SECONDS)
