"""The ratio of two sides that took turns, with its 95 % interval: Hodges and Lehmann's estimate, Wilcoxon's ranks.

Each round gives one ratio. Their logarithms are taken to lie symmetrically about the truth, and nothing else: a round
that the machine spoilt weighs no more than any other that lies far out. Source: Hollander, Wolfe and Chicken,
Nonparametric Statistical Methods, chapter 3.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

FEWEST = 6
"""With fewer rounds no interval holds the truth 95 times in 100."""

_OUTSIDE = 0.05
_NORMAL_QUANTILE = statistics.NormalDist().inv_cdf(1 - _OUTSIDE / 2)
_EXACT_UP_TO = 40


@dataclass(frozen=True)
class Interval:
    """A ratio, with the ends of its 95 % interval."""

    ratio: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Return how far the farther end lies from the ratio, as a part of it."""
        return max(self.high / self.ratio - 1, 1 - self.low / self.ratio)

    def reaches(self, target: float) -> bool:
        """Whether the interval reaches a target, so that the rounds do not speak against it."""
        return self.high >= target

    def __str__(self) -> str:
        return f"{self.low:.3f} to {self.high:.3f}"


def interval(ratios: Sequence[float]) -> Interval:
    """Return the middle of the ratios of all rounds with its 95 % interval.

    The interval is boundless with fewer than `FEWEST` rounds. Raises ValueError without any round, or when a ratio is
    not above zero.
    """
    averages = _walsh_averages([math.log(ratio) for ratio in ratios])
    middle = math.exp(statistics.median(averages))
    if len(ratios) < FEWEST:
        return Interval(middle, 0.0, math.inf)
    outside = averages_outside(len(ratios))
    return Interval(middle, math.exp(averages[outside]), math.exp(averages[-1 - outside]))


def _walsh_averages(values: Sequence[float]) -> list[float]:
    """Return the mean of each pair of values, each with itself too, smallest first."""
    if not values:
        raise ValueError("no round was measured")
    return sorted((one + other) / 2 for number, one in enumerate(values) for other in values[number:])


@cache
def averages_outside(rounds: int) -> int:
    """Return how many of the pairs' means lie outside the 95 % interval at each end.

    That is the largest sum of positive ranks which, with all smaller ones, comes in at most 2.5 % of cases; beyond
    `_EXACT_UP_TO` rounds by the normal approximation.
    """
    if rounds > _EXACT_UP_TO:
        mean = rounds * (rounds + 1) / 4
        deviation = math.sqrt(rounds * (rounds + 1) * (2 * rounds + 1) / 24)
        return math.floor(mean - _NORMAL_QUANTILE * deviation)
    allowed, below = _OUTSIDE / 2 * 2**rounds, 0
    for total, count in enumerate(_rank_sums(rounds)):
        below += count
        if below > allowed:
            return total - 1
    raise AssertionError("half of the sums lie below the middle")


def _rank_sums(rounds: int) -> list[int]:
    """Return, for each sum, how many of the ways to choose among the ranks 1 to `rounds` have it."""
    counts = [1]
    for rank in range(1, rounds + 1):
        with_rank = [0] * rank + counts
        counts = [a + b for a, b in zip(counts + [0] * rank, with_rank, strict=True)]
    return counts
