"""What the readers of sequences yield, beside targets: exposures, focusing, and what is not taken over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from .list_items import Item, Unreadable, number

MOST_COUNT = 100_000
_LONGEST_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Exposure:
    """Frames of one kind, one after the other."""

    seconds: float
    count: int = 1
    filter: str = ""
    binning: str = ""
    """As jobs have it, such as 2 or 2,1; blank where nobody says."""
    kind: str = "light"
    """As the catalogue names kinds of images."""
    delay_seconds: float = 0.0
    """How long is waited between two frames."""
    gain: float | None = None


class Mark(Enum):
    """What stands between targets and exposures."""

    FOCUS = "the telescope is focused"
    NO_TARGET = "what follows belongs to no target"


class LeftOut(NamedTuple):
    """Something in a file that is not taken over, or is done otherwise."""

    where: str
    sentence: str


class Times(NamedTuple):
    """When a sequence is to begin and to end, by the clock of the PC that wrote the file; blank for none."""

    begins: str
    ends: str


Found = Item | Unreadable | Exposure | Mark | LeftOut | Times


def left_out(where: str, names: Iterable[str]) -> Iterable[LeftOut]:
    """Yield one remark on all that is not taken over at one place; none for no names."""
    listed = list(dict.fromkeys(filter(None, names)))
    if listed:
        yield LeftOut(where, f"not taken over: {', '.join(listed)}")


def seconds_of(text: str, what: str = "exposure") -> float:
    """Read a length of time in seconds. Raises ValueError with a sentence."""
    value = number(text)
    if value is None or not 0 <= value <= _LONGEST_SECONDS:
        raise ValueError(f"its {what} {text.strip()[:40]!r} is no number of seconds; write one, such as 120")
    return value


def count_of(text: str) -> int:
    """Read how often something is done. Raises ValueError with a sentence."""
    value = number(text)
    if value is None or value != int(value) or not 1 <= value <= MOST_COUNT:
        raise ValueError(f"its count {text.strip()[:40]!r} is no whole number from 1 to {MOST_COUNT}")
    return int(value)


def binning_of(across: str, down: str) -> str:
    """Return a binning as jobs have it; blank where none is given. Raises ValueError with a sentence."""
    if not across.strip() and not down.strip():
        return ""
    found = [number(each) for each in (across, down or across)]
    if any(each is None or each != int(each) or not 1 <= each <= 64 for each in found):
        raise ValueError(
            f"its binning {across.strip()[:20]}, {down.strip()[:20]} is none; write whole numbers from 1 on"
        )
    first, second = (f"{each:g}" for each in found)
    return first if first == second else f"{first},{second}"


def kind_of(word: str) -> str:
    """Return the kind of an image as the catalogue names it. Raises ValueError with a sentence."""
    known = {"light": "light", "bias": "bias", "dark": "dark", "flat": "lamp flat", "darkflat": "dark"}
    folded = re.sub(r"[^a-z]", "", word.casefold())
    if folded not in known and folded != "snapshot":
        raise ValueError(f"its kind {word.strip()[:40]!r} is none of light, bias, dark and flat")
    return known.get(folded, "light")


def looped(found: Sequence[Found], times: int) -> list[Found]:
    """Return what a loop comes to: of one exposure alone its count grows, else everything is repeated.

    Raises ValueError when that would be too much.
    """
    if times == 1 or not found:
        return list(found)
    said = [each for each in found if _is_said_once(each)]
    frames = [each for each in found if not _is_said_once(each)]
    if len(frames) == 1 and isinstance(frames[0], Exposure):
        if frames[0].count * times > MOST_COUNT:
            raise ValueError(f"a loop comes to more than {MOST_COUNT:,} frames; part it")
        return [*said, replace(frames[0], count=frames[0].count * times)]
    if len(frames) * times > MOST_COUNT:
        raise ValueError(f"a loop comes to more than {MOST_COUNT:,} steps; part it")
    return said + list(frames) * times


def _is_said_once(each: Found) -> bool:
    return isinstance(each, LeftOut) or (isinstance(each, Unreadable) and not each.is_target)
