"""What many nights come to: how long jobs wait and run, by action, and how they come out, by night. Pure sums."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, tzinfo
from itertools import pairwise
from typing import NamedTuple

from ..observatory import sky
from . import night as reports
from .now import Told

BINS_A_DECADE = 4
SHORTEST_MS = 10.0
"""Where the first bin of a distribution begins; what is shorter is in it."""


Span = tuple[int, int]
"""A begin and an end, in ms since 1970 UTC."""


class Spread(NamedTuple):
    """How a number of durations are spread, in ms."""

    number: int
    low_ms: float
    """One in ten is shorter."""
    middle_ms: float
    high_ms: float
    """One in ten is longer."""
    longest_ms: float
    bins: tuple[tuple[int, int], ...] = ()
    """Bins that are not empty, shortest first: which, counted from `SHORTEST_MS` in steps of a quarter of a decade, and
    how many durations are in it."""


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
    """From posted to seen."""
    started: Spread | None
    """From seen to started."""
    ran: Spread | None
    silences: tuple[Span, ...]
    """When the site's software was silent, as far as that was noted, or took none of the jobs that waited."""
    waits: tuple[Span, ...]
    """The part of it in which jobs waited."""

    @property
    def silent_ms(self) -> int:
        """Give how long the site's software was silent."""
        return sum(end - begin for begin, end in self.silences)

    @property
    def longest_ms(self) -> int:
        """Give how long the longest silence was; 0 when there was none."""
        return max((end - begin for begin, end in self.silences), default=0)

    @property
    def waited_ms(self) -> int:
        """Give how long jobs waited in silence."""
        return sum(end - begin for begin, end in self.waits)

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
    bins = Counter(_bin(ms) for ms in known)
    return Spread(len(known), low, middle, high, known[-1], tuple(sorted(bins.items())))


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


def by_night(
    jobs: Sequence[Told], silences: Sequence[Span], zone: tzinfo, silent_after_ms: float, now_ms: int
) -> list[Night]:
    """Sum up each night in which something was posted or the site was silent, oldest first.

    `silences` are those that were noted when they happened.
    """
    grouped = defaultdict[date, list[Told]](list)
    for told in jobs:
        grouped[sky.night_of(told.life.posted_ms, zone)].append(told)
    waits = unseen(jobs, silent_after_ms, now_ms)
    silent, waited = (_parted(spans, zone) for spans in (reports.together([*silences, *waits]), waits))
    return [
        Night(
            night,
            Counter(told.life.result or "open" for told in grouped[night]),
            spread(_seen(grouped[night])),
            spread(_started(grouped[night])),
            spread(_ran(grouped[night])),
            tuple(silent[night]),
            tuple(waited[night]),
        )
        for night in sorted({*grouped, *silent})
    ]


def unseen(jobs: Sequence[Told], after_ms: float, now_ms: int) -> list[Span]:
    """List the times, longer than so long, in which jobs waited and none was taken, oldest first.

    A job waits from when it may be handed over until the site sees it, or it ends unseen, or now.
    """
    waits = [
        (begin_ms, end_ms)
        for job, life in jobs
        if (end_ms := life.seen_ms or life.ended_ms or now_ms) > (begin_ms := life.posted_ms + job.hold_ms)
    ]
    taken = sorted(told.life.seen_ms for told in jobs if told.life.seen_ms)
    return [
        (from_ms, to_ms)
        for begin_ms, end_ms in reports.together(waits)
        for from_ms, to_ms in pairwise([begin_ms, *_between(taken, begin_ms, end_ms), end_ms])
        if to_ms - from_ms > after_ms
    ]


def _between(times: Sequence[int], from_ms: int, to_ms: int) -> Sequence[int]:
    return times[bisect_right(times, from_ms) : bisect_left(times, to_ms)]


def _parted(spans: Iterable[Span], zone: tzinfo) -> defaultdict[date, list[Span]]:
    """Part stretches of time at noon, so that each part is in one night."""
    parts = defaultdict[date, list[Span]](list)
    for begin_ms, end_ms in spans:
        from_ms = begin_ms
        while from_ms < end_ms:
            night = sky.night_of(from_ms, zone)
            to_ms = min(end_ms, sky.night_span(night, zone)[1])
            parts[night].append((from_ms, to_ms))
            from_ms = to_ms
    return parts


def _seen(jobs: Iterable[Told]) -> list[float]:
    return [told.life.waited_ms for told in jobs if told.life.waited_ms is not None]


def _started(jobs: Iterable[Told]) -> list[float]:
    lives = (told.life for told in jobs)
    return [max(0, life.started_ms - life.seen_ms) for life in lives if life.started_ms and life.seen_ms]


def _ran(jobs: Iterable[Told]) -> list[float]:
    return [told.life.ran_ms for told in jobs if told.life.ran_ms is not None]


def _bin(ms: float) -> int:
    return math.floor(math.log10(max(SHORTEST_MS, ms) / SHORTEST_MS) * BINS_A_DECADE + 1e-9)


def _quantile(known: Sequence[float], share: float) -> float:
    """Interpolate between the two nearest (method 7 of Hyndman and Fan)."""
    place = share * (len(known) - 1)
    below = int(place)
    above = min(below + 1, len(known) - 1)
    return known[below] + (place - below) * (known[above] - known[below])
