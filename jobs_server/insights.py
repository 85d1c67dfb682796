"""What many nights come to: how long jobs wait and run, by action, and how they come out, by night. Pure sums."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, tzinfo
from typing import NamedTuple

from . import sky
from .board import Told


class Spread(NamedTuple):
    """How a number of durations are spread, in ms."""

    number: int
    low_ms: float
    """One in ten is shorter."""
    middle_ms: float
    high_ms: float
    """One in ten is longer."""
    longest_ms: float


class Habit(NamedTuple):
    """How the jobs of one action go."""

    device: str
    action: str
    number: int
    seen: Spread | None
    """From posted to seen by the site."""
    started: Spread | None
    """From seen to started."""
    ran: Spread | None


class Night(NamedTuple):
    """How the jobs of one night came out."""

    night: date
    results: Counter[str]
    seen: Spread | None
    """From posted to seen: long ones are the site's silence."""

    @property
    def total(self) -> int:
        """Give how many jobs there were."""
        return self.results.total()


def spread(durations_ms: Iterable[float]) -> Spread | None:
    """Tell how durations are spread; none when there are none."""
    known = sorted(durations_ms)
    if not known:
        return None
    low, middle, high = (_quantile(known, share) for share in (0.1, 0.5, 0.9))
    return Spread(len(known), low, middle, high, known[-1])


def by_action(jobs: Iterable[Told]) -> list[Habit]:
    """Sum up the jobs of each action, the most frequent first."""
    grouped = defaultdict[tuple[str, str], list[Told]](list)
    for told in jobs:
        grouped[told.job.device, told.job.action].append(told)
    habits = [
        Habit(device, action, len(each), spread(_seen(each)), spread(_started(each)), spread(_ran(each)))
        for (device, action), each in grouped.items()
    ]
    return sorted(habits, key=lambda habit: (-habit.number, habit.device, habit.action))


def by_night(jobs: Iterable[Told], zone: tzinfo) -> list[Night]:
    """Sum up the jobs of each night, oldest first."""
    grouped = defaultdict[date, list[Told]](list)
    for told in jobs:
        grouped[sky.night_of(told.life.posted_ms, zone)].append(told)
    return [
        Night(night, Counter(told.life.result or "open" for told in each), spread(_seen(each)))
        for night, each in sorted(grouped.items())
    ]


def _seen(jobs: Iterable[Told]) -> list[float]:
    return [told.life.waited_ms for told in jobs if told.life.waited_ms is not None]


def _started(jobs: Iterable[Told]) -> list[float]:
    lives = (told.life for told in jobs)
    return [max(0, life.started_ms - life.seen_ms) for life in lives if life.started_ms and life.seen_ms]


def _ran(jobs: Iterable[Told]) -> list[float]:
    return [told.life.ran_ms for told in jobs if told.life.ran_ms is not None]


def _quantile(known: Sequence[float], share: float) -> float:
    """Interpolate between the two nearest (method 7 of Hyndman and Fan)."""
    place = share * (len(known) - 1)
    below = int(place)
    above = min(below + 1, len(known) - 1)
    return known[below] + (place - below) * (known[above] - known[below])
