"""Measure each route beside the floor: `python -m benchmarks.routes`; beside another checkout: `--against PATH`.

Requests come from wrk where it is installed, else from a loop in Python, whose own time is in every figure.
The two take turns in short rounds, so that what else the machine does meets both; beside the floor a figure is the
median over the rounds of the ratio within a round. Beside a checkout it is as `against.py` says.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.support.servers import ROOT

from . import against, load, report, wrk
from .cases import CASES, PAGES, Case
from .checkouts import Checkout
from .contenders import Contender, floor, service
from .load import Run

CONNECTIONS = (1, 16)
LOADERS = ("wrk", "python")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    requests: int


FULL = Size(rounds=11, requests=600)
SMALLEST = Size(rounds=1, requests=16)


@dataclass
class Result:
    """The rounds of one case at one number of connections."""

    case: Case
    connections: int
    service: list[Run]
    floor: list[Run]

    def ratios(self) -> list[float]:
        """Return the service's throughput as a part of the floor's, round by round, smallest first."""
        pairs = zip(self.service, self.floor, strict=True)
        return sorted(ours.requests_a_second / theirs.requests_a_second for ours, theirs in pairs)

    def columns(self) -> list[str]:
        """Write the row of the table."""
        ratios, quarter = self.ratios(), len(self.service) // 4
        both = (self.service, self.floor)
        best_p99 = min(run.percentile_ms(99) for run in self.floor)
        return [
            self.case.name,
            str(self.connections),
            f"{statistics.median(ratios):.2f}",
            f"{ratios[quarter]:.2f} to {ratios[-1 - quarter]:.2f}",
            *(
                f"{statistics.median(run.requests_a_second for run in runs):,.0f}"
                for runs in (self.service, self.floor)
            ),
            *(f"{_percentile_ms(runs, 50):.2f} / {_percentile_ms(runs, 99):.2f}" for runs in both),
            f"{_percentile_ms(self.service, 99) / best_p99:.2f}",
        ]


def _percentile_ms(runs: Sequence[Run], percent: float) -> float:
    return statistics.median(run.percentile_ms(percent) for run in runs)


HEADINGS = (
    *("route", "connections", "ratio", "middle half", "requests/s", "floor's", "p50 / p99 ms", "floor's p50 / p99"),
    "p99 to the floor's best",
)


def measure(
    cases: Sequence[Case], connections: Sequence[int], size: Size, console: Console, log_level: str = "info"
) -> list[Result]:
    """Measure the cases, the service and the floor by turns."""
    results = [Result(case, number, [], []) for case in cases for number in connections]
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder, "service"), log_level=log_level) as ours,
        floor(Path(folder, "floor")) as theirs,
        Progress(console=console, transient=True) as progress,
    ):
        task = progress.add_task("measuring", total=len(results) * (size.rounds + 1))
        for result in results:
            for contender in (ours, theirs):
                result.case.run(contender, size.requests, result.connections)  # threads started, connections made
            progress.advance(task)
            for number in range(size.rounds):
                _round(result, ours, theirs, size.requests, service_first=number % 2 == 0)
                progress.advance(task)
    return results


def _round(result: Result, ours: Contender, theirs: Contender, requests: int, *, service_first: bool) -> None:
    turns = [(result.service, ours), (result.floor, theirs)]
    for runs, contender in turns if service_first else reversed(turns):
        runs.append(result.case.run(contender, requests, result.connections))


def _client_us(results: Sequence[Result]) -> float:
    """Return the load generator's own processor time for a request, in microseconds."""
    runs = [run for result in results for run in result.service + result.floor]
    return sum(run.client_seconds for run in runs) / sum(run.count for run in runs) * 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table as it stands in README.md."""
    chosen = _parser().parse_args(arguments)
    loader = wrk if chosen.loader == "wrk" and not chosen.pages else load
    asked = PAGES if chosen.pages else CASES
    cases = [replace(case, loader=loader.drive) for case in asked if chosen.only in case.name]
    log_level = "warning" if chosen.without_log else "info"
    if chosen.against:
        _against(cases, chosen, log_level)
    else:
        _beside_the_floor(cases, chosen, log_level)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure each route of the service beside a floor, or a checkout.")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs, in a few seconds")
    parser.add_argument("--only", default="", help="measure the routes whose name holds this text")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--rounds", type=int, help="beside a checkout, at most so many")
    parser.add_argument("--requests", type=int, help="requests in a round")
    parser.add_argument("--without-log", action="store_true", help="no line for each request, as the floor has none")
    usual = LOADERS[0] if wrk.is_there() else LOADERS[1]
    parser.add_argument("--loader", choices=LOADERS, default=usual, help="what sends the requests")
    other = parser.add_argument_group("beside another checkout")
    other.add_argument("--pages", action="store_true", help="look at pages in the place of routes")
    other.add_argument("--against", type=Path, metavar="PATH", help="the other checkout, which counts as the old one")
    other.add_argument("--python", type=Path, help="what runs it; its own .venv/bin/python unless given")
    other.add_argument("--minutes", type=float, default=12, help="begin no round after so long")
    other.add_argument(
        "--precision", type=float, default=2, help="measure until the interval is within so many per cent"
    )
    other.add_argument("--target", type=float, default=1, help="the ratio of requests a second that is aimed at")
    return parser


def _against(cases: Sequence[Case], chosen: argparse.Namespace, log_level: str) -> None:
    size = against.SMALLEST if chosen.smallest else against.FULL
    size = replace(size, minutes=chosen.minutes, precision=chosen.precision / 100)
    size = replace(size, most_rounds=chosen.rounds or size.most_rounds, requests=chosen.requests or size.requests)
    old = Checkout.at(chosen.against, chosen.python)
    new = Checkout(ROOT, Path(sys.executable))
    print(f"{_named(chosen.loader)} sent the requests.")
    against.show(cases, chosen.connections, old, new, size, chosen.target, log_level)


def _named(loader: str) -> str:
    return wrk.version() if loader == "wrk" else "A loop in Python"


def _beside_the_floor(cases: Sequence[Case], chosen: argparse.Namespace, log_level: str) -> None:
    size = SMALLEST if chosen.smallest else Size(chosen.rounds or FULL.rounds, chosen.requests or FULL.requests)
    results = measure(cases, chosen.connections, size, Console(stderr=True), log_level)
    print(report.machine())
    spent = _client_us(results)
    print(f"{_named(chosen.loader)} sent the requests; it spent {spent:.0f} us of processor time on each.\n")
    print(report.table(HEADINGS, [result.columns() for result in results]))


if __name__ == "__main__":
    main()
