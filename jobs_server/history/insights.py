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
from .now import JobWithTiming

BINS_A_DECADE = 4
SHORTEST_MS = 10.0
"""Where the first bin of a distribution begins; shorter durations are in it too."""


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
    """The part of the silences in which jobs waited."""

    @property
    def silent_ms(self) -> int:
        """Return for how long the site's software was silent."""
        return sum(end - begin for begin, end in self.silences)

    @property
    def longest_ms(self) -> int:
        """Return how long the longest silence was; 0 when there was none."""
        return max((end - begin for begin, end in self.silences), default=0)

    @property
    def waited_ms(self) -> int:
        """Return for how long jobs waited in silence."""
        return sum(end - begin for begin, end in self.waits)

    @property
    def total(self) -> int:
        """Return how many jobs there were."""
        return self.results.total()


def spread(durations_ms: Iterable[float]) -> Spread | None:
    """Return how durations are spread; None when there are no durations."""
    known = sorted(durations_ms)
    if not known:
        return None
    low, middle, high = (_quantile(known, share) for share in (0.1, 0.5, 0.9))
    bins = Counter(_bin(ms) for ms in known)
    return Spread(len(known), low, middle, high, known[-1], tuple(sorted(bins.items())))


def by_action(jobs: Iterable[JobWithTiming]) -> list[Habit]:
    """Sum up the jobs of each action, the most frequent first."""
    grouped = defaultdict[tuple[str, str], list[JobWithTiming]](list)
    for each in jobs:
        grouped[each.job.device, each.job.action].append(each)
    habits = [
        Habit(device, action, len(same), spread(_seen(same)), spread(_started(same)), spread(_ran(same)))
        for (device, action), same in grouped.items()
    ]
    return sorted(habits, key=lambda habit: (-habit.number, habit.device, habit.action))


def by_night(
    jobs: Sequence[JobWithTiming], silences: Sequence[Span], zone: tzinfo, silent_after_ms: float, now_ms: int
) -> list[Night]:
    """Sum up each night in which something was posted or the site was silent, oldest first.

    `silences` are those that were noted when they happened.
    """
    grouped = defaultdict[date, list[JobWithTiming]](list)
    for each in jobs:
        grouped[sky.night_of(each.timing.posted_ms, zone)].append(each)
    waits = unseen(jobs, silent_after_ms, now_ms)
    silent, waited = (_parted(spans, zone) for spans in (reports.together([*silences, *waits]), waits))
    return [
        Night(
            night,
            Counter(each.timing.result or "open" for each in grouped[night]),
            spread(_seen(grouped[night])),
            spread(_started(grouped[night])),
            spread(_ran(grouped[night])),
            tuple(silent[night]),
            tuple(waited[night]),
        )
        for night in sorted({*grouped, *silent})
    ]


def unseen(jobs: Sequence[JobWithTiming], after_ms: float, now_ms: int) -> list[Span]:
    """Return the times longer than `after_ms` in which jobs waited and none was taken, oldest first.

    A job waits from the time at which it may be handed over until the site sees it, or it ends unseen, or now.
    """
    waits = [
        (begin_ms, end_ms)
        for job, timing in jobs
        if (end_ms := timing.seen_ms or timing.ended_ms or now_ms) > (begin_ms := timing.posted_ms + job.hold_ms)
    ]
    taken = sorted(each.timing.seen_ms for each in jobs if each.timing.seen_ms)
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


def _seen(jobs: Iterable[JobWithTiming]) -> list[float]:
    return [each.timing.waited_ms for each in jobs if each.timing.waited_ms is not None]


def _started(jobs: Iterable[JobWithTiming]) -> list[float]:
    timings = (each.timing for each in jobs)
    return [max(0, each.started_ms - each.seen_ms) for each in timings if each.started_ms and each.seen_ms]


def _ran(jobs: Iterable[JobWithTiming]) -> list[float]:
    return [each.timing.ran_ms for each in jobs if each.timing.ran_ms is not None]


def _bin(ms: float) -> int:
    return math.floor(math.log10(max(SHORTEST_MS, ms) / SHORTEST_MS) * BINS_A_DECADE + 1e-9)


def _quantile(known: Sequence[float], share: float) -> float:
    """Interpolate between the two nearest durations (method 7 of Hyndman and Fan)."""
    place = share * (len(known) - 1)
    below = int(place)
    above = min(below + 1, len(known) - 1)
    return known[below] + (place - below) * (known[above] - known[below])
