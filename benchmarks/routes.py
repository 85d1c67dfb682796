"""Measure each route beside the floor: `python -m benchmarks.routes`.

The two take turns in short rounds, so that what else the machine does meets both; a figure is the median over the
rounds of the ratio within a round.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from . import report
from .contenders import COMMAND, Contender, floor, service
from .load import Run, drive, post

CONNECTIONS = (1, 16)
_RECENT = 100
_WAITING = 5


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    requests: int


FULL = Size(rounds=11, requests=600)
SMALLEST = Size(rounds=1, requests=16)


@dataclass(frozen=True)
class Case:
    """A route with what is posted to it."""

    name: str
    jobs: int
    """How many jobs a reply holds."""
    bodies: Callable[[Contender, int], Sequence[dict[str, Any]]]
    """Prepares the database for so many requests, and gives their bodies."""

    @property
    def route(self) -> str:
        """Give the address."""
        return f"/jobs/{self.name.split(',')[0]}"

    def run(self, contender: Contender, requests: int, connections: int) -> Run:
        """Measure one round; also checks that the last reply holds what it should."""
        written = [post(self.route, json.dumps(body).encode()) for body in self.bodies(contender, requests)]
        gc.collect()
        run = drive(contender.port, written, connections)
        assert run.body.count(b'"statusId"') == self.jobs, run.body
        return run


def _new(contender: Contender, requests: int) -> Sequence[dict[str, Any]]:
    contender.take("new")  # what waits does not pile up from round to round
    return [COMMAND | {"site": "new"}] * requests


def _nothing(_contender: Contender, requests: int) -> Sequence[dict[str, Any]]:
    return [{"site": "nothing"}] * requests


def _some_wait(contender: Contender, requests: int) -> Sequence[dict[str, Any]]:
    sites = [f"site-{number}" for number in range(requests)]
    contender.send(sites, _WAITING)
    return [{"site": site} for site in sites]


def _reports(status: str | None) -> Callable[[Contender, int], Sequence[dict[str, Any]]]:
    said: dict[str, Any] = {"secondsUntilComplete": 60} | ({"newStatus": status} if status else {})

    def bodies(contender: Contender, requests: int) -> Sequence[dict[str, Any]]:
        sent = contender.send(["running"], _RECENT)
        contender.take("running")
        return [{"site": "running", "ulid": job.ulid} | said for job in islice(cycle(sent), requests)]

    return bodies


def _one(contender: Contender, requests: int) -> Sequence[dict[str, Any]]:
    (job,) = contender.send(["one"], 1)
    contender.take("one")
    for status in ("STARTED", "COMPLETE"):
        contender.report(job, status)
    return [{"site": "one", "ulid": job.ulid}] * requests


def _recent(contender: Contender, requests: int) -> Sequence[dict[str, Any]]:
    if not contender.knows("recent"):
        contender.send(["recent"], _RECENT)
        contender.take("recent")
    return [{"site": "recent"}] * requests


CASES = (
    Case("newjob", 1, _new),
    Case("getnewjobs, empty", 0, _nothing),
    Case(f"getnewjobs, {_WAITING} jobs", _WAITING, _some_wait),
    Case("updatejobstatus", 1, _reports("EXPOSING")),
    Case("startjob", 1, _reports(None)),
    Case("getjob", 1, _one),
    Case(f"getrecentjobs, {_RECENT} jobs", _RECENT, _recent),
)


@dataclass
class Result:
    """The rounds of one case at one number of connections."""

    case: Case
    connections: int
    service: list[Run]
    floor: list[Run]

    def ratios(self) -> list[float]:
        """Give the service's throughput as a part of the floor's, round by round, smallest first."""
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
    """Give the load generator's own processor time for a request, in microseconds."""
    runs = [run for result in results for run in result.service + result.floor]
    return sum(run.client_seconds for run in runs) / sum(len(run.latencies_ns) for run in runs) * 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table as it stands in README.md."""
    parser = argparse.ArgumentParser(description="Measure each route of the service beside a floor.")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs, in a few seconds")
    parser.add_argument("--only", default="", help="measure the routes whose name holds this text")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--rounds", type=int, default=FULL.rounds)
    parser.add_argument("--requests", type=int, default=FULL.requests, help="requests in a round")
    parser.add_argument("--without-log", action="store_true", help="no line for each request, as the floor has none")
    chosen = parser.parse_args(arguments)
    size = SMALLEST if chosen.smallest else Size(chosen.rounds, chosen.requests)
    cases = [case for case in CASES if chosen.only in case.name]
    log_level = "warning" if chosen.without_log else "info"
    results = measure(cases, chosen.connections, size, Console(stderr=True), log_level)
    print(report.machine())
    print(f"The load generator itself spent {_client_us(results):.0f} us of processor time a request.\n")
    print(report.table(HEADINGS, [result.columns() for result in results]))


if __name__ == "__main__":
    main()
