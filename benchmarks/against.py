"""Measure the routes beside another checkout's: `python -m benchmarks.routes --against PATH`.

Three servers are up at once: the other checkout's (old), this one's (new), and the other's once more (again). They
take turns in short rounds, each twice in a round and in an order that reads the same backwards, so that what else the
machine does meets all. What again is to old is nothing but noise, that between two processes of one code too.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from . import report
from .cases import Case
from .checkouts import Checkout, Desk, desk
from .paired import FEWEST, Interval, interval

SIDES = ("old", "new", "again")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    most_rounds: int
    requests: int
    minutes: float = 12.0
    precision: float = 0.02
    """Enough rounds are measured when the interval of requests a second is no farther than so from the ratio."""
    fewest_rounds: int = 2 * FEWEST

    def enough(self, found: Interval, rounds: int) -> bool:
        """Whether the rounds that were measured tell what is asked of them."""
        return rounds >= self.fewest_rounds and found.half_width <= self.precision


FULL = Size(most_rounds=150, requests=160)
SMALLEST = Size(most_rounds=1, requests=16, minutes=1.0)


class Speed(NamedTuple):
    """What a side did in a round."""

    requests_a_second: float
    processor_us: float
    """For one request."""


@dataclass
class Result:
    """The rounds of one case at one number of connections."""

    case: Case
    connections: int
    rounds: dict[str, list[Speed]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def throughput(self, side: str = "new") -> Interval:
        """Return a side's requests a second as a part of the old one's."""
        return self._interval(side, "requests_a_second")

    def processor(self, side: str = "new") -> Interval:
        """Return a side's processor time a request as a part of the old one's."""
        return self._interval(side, "processor_us")

    def count(self) -> int:
        """Return how many rounds were measured."""
        return len(self.rounds["old"])

    def _interval(self, side: str, what: str) -> Interval:
        pairs = zip(self.rounds[side], self.rounds["old"], strict=True)
        return interval([getattr(one, what) / getattr(old, what) for one, old in pairs])

    def columns(self, target: float, precision: float) -> list[str]:
        """Write the row of the table."""
        throughput = self.throughput()
        speeds = [statistics.median(values) for values in zip(*self.rounds["old"], strict=True)]
        return [
            *(self.case.name, str(self.connections), str(self.count())),
            *_columns(throughput),
            verdict(throughput, target, precision),
            *_columns(self.processor()),
            *(str(each) for each in (self.throughput("again"), self.processor("again"))),
            *(f"{speed:,.0f}" for speed in speeds),
        ]


def _columns(found: Interval) -> list[str]:
    return [f"{found.ratio:.3f}", str(found)]


def verdict(found: Interval, target: float, precision: float) -> str:
    """Return whether a target is met: yes, no, or open where too few rounds were measured to tell."""
    if found.half_width > precision and found.low < target <= found.high:
        return "open"
    return "yes" if found.reaches(target) else "no"


def headings(target: float) -> list[str]:
    """Return the heads of the table's columns."""
    return [
        *("route", "connections", "rounds", "requests/s, new to old", "95 %", f"{target:.2f} is met"),
        *("processor time a request, new to old", "95 %", "requests/s, again to old, 95 %"),
        *("processor time, again to old, 95 %", "old: requests/s", "processor us"),
    ]


def measure(
    cases: Sequence[Case], connections: Sequence[int], sides: dict[str, Checkout], size: Size, log_level: str
) -> Iterator[Result]:
    """Measure the cases one after the other; each may take its share of the minutes that are left."""
    deadline = time.monotonic() + 60 * size.minutes
    for done, case in enumerate(cases):
        with _desks(sides, log_level) as desks:
            for number, each in enumerate(connections):
                left = (len(cases) - done) * len(connections) - number
                now = time.monotonic()
                yield _measure(Result(case, each), desks, size, now + max(0.0, deadline - now) / left)


@contextmanager
def _desks(sides: dict[str, Checkout], log_level: str) -> Iterator[dict[str, Desk]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield {side: stack.enter_context(desk(sides[side], folder / side, log_level)) for side in SIDES}


def _measure(result: Result, desks: dict[str, Desk], size: Size, deadline: float) -> Result:
    _round(result, desks, size.requests)  # threads started, connections made
    while result.count() < size.most_rounds:
        for side, speed in _round(result, desks, size.requests).items():
            result.rounds[side].append(speed)
        if size.enough(result.throughput(), result.count()) or time.monotonic() >= deadline:
            break
    return result


def _round(result: Result, desks: dict[str, Desk], requests: int) -> dict[str, Speed]:
    first = result.count() % len(SIDES)
    order = [*SIDES[first:], *SIDES[:first]]
    requests = max(1, requests // result.case.slow_to_prepare)
    taken = [(side, _run(result, desks[side], requests)) for side in (*order, *reversed(order))]
    return {side: _together([speed for name, speed in taken if name == side]) for side in SIDES}


def _run(result: Result, desk: Desk, requests: int) -> Speed:
    written = result.case.prepare(desk, requests)
    before = desk.processor_ns()
    run = result.case.drive(desk, written, result.connections)
    return Speed(run.requests_a_second, (desk.processor_ns() - before) / 1000 / requests)


def _together(speeds: Sequence[Speed]) -> Speed:
    """Return what the runs of one side come to: so many requests each, in the time of all."""
    return Speed(
        statistics.harmonic_mean([speed.requests_a_second for speed in speeds]),
        statistics.mean(speed.processor_us for speed in speeds),
    )


def show(
    cases: Sequence[Case], connections: Sequence[int], old: Checkout, new: Checkout, size: Size, target: float, log: str
) -> None:
    """Measure, and print the table as it stands in README.md; each row on the way too, lest it be lost."""
    for checkout in (old, new):
        checkout.check()
    gc.freeze()  # what is imported need not be looked through before each run
    console, rows = Console(stderr=True), []
    for result in measure(cases, connections, {"old": old, "new": new, "again": old}, size, log):
        rows.append(result.columns(target, size.precision))
        console.print(" | ".join(rows[-1]), soft_wrap=True)
    print(report.machine())
    print(f"New: {new.commit}. Old: {old.commit}{_differences(old, new)}.\n")
    print(report.table(headings(target), rows))


def _differences(old: Checkout, new: Checkout) -> str:
    different = [f"{name} {version}" for name, version in old.versions.items() if version != new.versions[name]]
    return f", with {', '.join(different)}" if different else ", with the same packages"
