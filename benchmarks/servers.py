"""Measure what more servers on one PostgreSQL gain: `python -m benchmarks.servers`.

Three servers run all the time, and an nginx before one of them, one before two and one before all three; the load
takes turns between them in short rounds, so that what else the machine does meets all.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
from rich.console import Console
from rich.progress import Progress

from jobs_server import create_app
from jobs_server.service import service_of
from tests.support import nginx

from . import report
from .contenders import COMMAND, Contender
from .fleet import Fleet, fleet, version
from .load import Run, drive, post
from .usage import taken

COUNTS = (1, 2, 3)
AT_ONCE = 8  # posters, or claimers
_SITES = [f"site-{number}" for number in range(AT_ONCE)]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    requests: int


FULL = Size(rounds=7, requests=400)
SMALLEST = Size(rounds=1, requests=16)


@dataclass(frozen=True)
class Case:
    """What is asked of the servers, at which sites by turns."""

    name: str
    route: str
    body: dict[str, object]
    sites: Sequence[str]
    jobs: int
    """How many jobs the reply holds."""

    def prepare(self, contender: Contender, requests: int) -> list[bytes]:
        """Prepare the database for so many requests, and write them."""
        for site in self.sites:  # what waits does not pile up from round to round
            contender.take(site)
        if self.route == "getnewjobs" and self.jobs:
            contender.send(list(self.sites), -(-requests // len(self.sites)))
        sites = itertools.islice(itertools.cycle(self.sites), requests)
        return [post(f"/jobs/{self.route}", orjson.dumps(self.body | {"site": site})) for site in sites]


CASES = (
    Case("newjob, 8 sites", "newjob", COMMAND, _SITES, 1),
    Case("newjob, one site", "newjob", COMMAND, _SITES[:1], 1),
    Case("getnewjobs, empty", "getnewjobs", {}, ["nothing"], 0),
    Case("claim, 8 sites", "getnewjobs", {"limit": 1}, _SITES, 1),
    Case("claim, one site", "getnewjobs", {"limit": 1}, _SITES[:1], 1),
)


class Used(NamedTuple):
    """Processor time, of each kind of program."""

    servers: float
    nginx: float
    database: float
    load: float


@dataclass(frozen=True)
class Front:
    """Some of the servers, with an nginx before them."""

    port: int
    process_id: int


@dataclass
class Result:
    """The rounds of one case, for each number of servers."""

    case: Case
    runs: dict[int, list[Run]] = field(default_factory=lambda: {count: [] for count in COUNTS})
    used: dict[int, list[Used]] = field(default_factory=lambda: {count: [] for count in COUNTS})
    """For one request."""

    def columns(self, count: int) -> list[str]:
        """Write the row of a number of servers."""
        runs, quarter = self.runs[count], len(self.runs[count]) // 4
        pairs = zip(runs, self.runs[1], strict=True)
        ratios = sorted(run.requests_a_second / one.requests_a_second for run, one in pairs)
        used_us = [statistics.median(parts) * 1e6 for parts in zip(*self.used[count], strict=True)]
        return [
            self.case.name,
            str(count),
            f"{statistics.median(ratios):.2f}",
            f"{ratios[quarter]:.2f} to {ratios[-1 - quarter]:.2f}",
            f"{statistics.median(run.requests_a_second for run in runs):,.0f}",
            " / ".join(f"{statistics.median(run.percentile_ms(percent) for run in runs):.1f}" for percent in (50, 99)),
            " + ".join(f"{part:,.0f}" for part in used_us),
            f"{(os.cpu_count() or 1) * 1e6 / max(1.0, sum(used_us)):,.0f}",
        ]


HEADINGS = (
    *("request, 8 at once", "servers", "to one server", "middle half", "requests/s", "p50 / p99 ms"),
    *("processor us a request: servers + nginx + PostgreSQL + load", "requests/s with all cores busy"),
)


def measure(cases: Sequence[Case], size: Size, console: Console) -> list[Result]:
    """Measure the cases, with one server, two and three by turns. Raises SystemExit when a program is missing."""
    results = [Result(case) for case in cases]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        progress = stack.enter_context(Progress(console=console, transient=True))
        task = progress.add_task("starting the servers", total=len(results) * (size.rounds + 1))
        desks = stack.enter_context(fleet(folder, max(COUNTS), 64, {"JOBS_MAX_WAITING_JOBS": "0"}))
        contender = stack.enter_context(_filling(desks, folder))
        fronts = {count: stack.enter_context(_front(desks.ports[:count], folder / f"{count}")) for count in COUNTS}
        for result in results:
            progress.update(task, description=result.case.name)
            for number in range(size.rounds + 1):
                for count in COUNTS if number % 2 else reversed(COUNTS):
                    run, used = _round(result.case, contender, desks, fronts[count], size.requests)
                    if number:  # in the first, threads are started and connections made
                        result.runs[count].append(run)
                        result.used[count].append(used)
                progress.advance(task)
            for count in COUNTS:
                console.print(" | ".join(result.columns(count)), soft_wrap=True)
    return results


def _round(case: Case, contender: Contender, desks: Fleet, front: Front, requests: int) -> tuple[Run, Used]:
    written = case.prepare(contender, requests)
    before = _taken(desks, front)
    run = drive(front.port, written, AT_ONCE)
    used = [end - begin for begin, end in zip(before, _taken(desks, front), strict=True)]
    assert run.body.count(b'"statusId"') == case.jobs, run.body
    return run, Used(*(seconds / requests for seconds in (*used, run.client_seconds)))


def _taken(desks: Fleet, front: Front) -> tuple[float, float, float]:
    return desks.servers_take().seconds, taken(front.process_id).seconds, desks.database_takes().seconds


@contextmanager
def _filling(desks: Fleet, folder: Path) -> Iterator[Contender]:
    """Fill the shared database from this process."""
    app = create_app({"INSTANCE": str(folder / "filling"), "DATABASE_URL": desks.url, "MAX_WAITING_JOBS": 0})
    try:
        yield Contender(desks.ports[0], app, desks.desks[0])
    finally:
        service_of(app).database.close()


@contextmanager
def _front(ports: Sequence[int], folder: Path) -> Iterator[Front]:
    """Run nginx, with the site that is shipped, before some servers."""
    try:
        with nginx.before(ports, folder) as url:
            yield Front(int(url.rpartition(":")[2]), int((folder / "nginx.pid").read_text()))
    except pytest.skip.Exception as missing:
        raise SystemExit(str(missing)) from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table as it stands in README.md."""
    parser = argparse.ArgumentParser(description="Measure what more servers on one PostgreSQL gain.")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs, in a few seconds")
    parser.add_argument("--only", default="", help="measure the cases whose name holds this text")
    parser.add_argument("--rounds", type=int, default=FULL.rounds)
    parser.add_argument("--requests", type=int, default=FULL.requests, help="requests in a round")
    chosen = parser.parse_args(arguments)
    size = SMALLEST if chosen.smallest else Size(chosen.rounds, chosen.requests)
    cases = [case for case in CASES if chosen.only in case.name]
    load = os.getloadavg()[0]
    results = measure(cases, size, Console(stderr=True))
    print(report.machine())
    print(f"{version()}, fsync on; load of the machine before it began {load:.1f}.\n")
    print(report.table(HEADINGS, [result.columns(count) for result in results for count in COUNTS]))


if __name__ == "__main__":
    main()
