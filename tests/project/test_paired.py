"""The ratio of two sides that took turns: its interval holds the truth as often as it says."""

from __future__ import annotations

import math
import random

import pytest

from benchmarks.against import verdict
from benchmarks.paired import FEWEST, Interval, averages_outside, interval

TRUTH = 0.93


def rounds(chance: random.Random, count: int) -> list[float]:
    """Ratios about the truth; one in five is spoilt by what else the machine did."""
    widths = (0.15 if chance.random() < 0.2 else 0.04 for _ in range(count))
    return [TRUTH * math.exp(chance.gauss(0, width)) for width in widths]


@pytest.mark.parametrize(
    ("count", "outside"),
    [(6, 0), (7, 2), (8, 3), (10, 8), (15, 25), (20, 52), (25, 89), (30, 137), (40, 264), (50, 434)],
)
def test_the_ranks_are_those_of_wilcoxons_table(count: int, outside: int) -> None:
    assert averages_outside(count) == outside


@pytest.mark.parametrize("count", [FEWEST, 12, 60])
def test_95_of_100_intervals_hold_the_truth(count: int) -> None:
    chance = random.Random(count)
    found = [interval(rounds(chance, count)) for _ in range(400)]
    assert 0.93 <= sum(each.low <= TRUTH <= each.high for each in found) / 400 <= 0.99


def test_more_rounds_make_it_narrower() -> None:
    chance = random.Random(3)
    assert interval(rounds(chance, 100)).half_width < 0.02 < interval(rounds(chance, 8)).half_width


def test_a_spoilt_round_moves_it_little() -> None:
    ratios = rounds(random.Random(4), 15)
    spoilt = interval([*ratios[:-1], 40.0])
    assert spoilt.ratio == pytest.approx(interval(ratios).ratio, rel=0.03)
    assert spoilt.high < 1.1


def test_it_makes_no_difference_which_side_is_named_first() -> None:
    ratios = rounds(random.Random(5), 20)
    found, turned = interval(ratios), interval([1 / ratio for ratio in ratios])
    assert (turned.ratio, turned.low, turned.high) == pytest.approx((1 / found.ratio, 1 / found.high, 1 / found.low))


def test_equal_rounds_leave_no_doubt() -> None:
    found = interval([0.5] * FEWEST)
    assert (found.ratio, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_few_rounds_have_no_bounds() -> None:
    found = interval([0.9] * (FEWEST - 1))
    assert found.ratio == pytest.approx(0.9)
    assert (found.low, found.high) == (0.0, math.inf)


@pytest.mark.parametrize("ratios", [[], [1.0, 0.0]])
def test_what_is_no_ratio_is_refused(ratios: list[float]) -> None:
    with pytest.raises(ValueError, match=r"no round was measured|math domain error|positive input"):
        interval(ratios)


@pytest.mark.parametrize(
    ("low", "high", "met"),
    [
        (0.99, 1.01, "yes"),
        (0.97, 0.995, "no"),
        (1.02, 1.04, "yes"),
        (0.80, 0.95, "no"),
        (0.90, 1.10, "open"),
        (1.01, 1.30, "yes"),
    ],
)
def test_a_target_is_met_when_the_interval_reaches_it_and_is_narrow(low: float, high: float, met: str) -> None:
    assert verdict(Interval((low + high) / 2, low, high), target=1.0, precision=0.02) == met
