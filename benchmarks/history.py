"""Measure whether a long history makes anything slower: `python -m benchmarks.history`."""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
from rich.console import Console
from rich.progress import Progress

from jobs_server import clock, create_app
from jobs_server.service import service_of
from jobs_server.storage.database import Database
from jobs_server.storage.sqlite_driver import driver
from jobs_server.upkeep import retention, startup
from tests.support import servers
from tests.support.processes import worker

from . import report
from .bulk import A_NIGHT, DAY_MS, Filled, fill
from .contenders import COMMAND, Contender, service
from .load import drive, post

BUSY, QUIET = "wmd", "mrc1"
"""The site at which is posted and polled, and the one that is looked at."""

_CLAIMED = 5
_STREAMED = 1_000_000


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    jobs: tuple[int, ...]
    rounds: int
    requests: int


FULL = Size((10_000, 1_000_000, 10_000_000), rounds=7, requests=60)
SMALLEST = Size((300, 600), rounds=1, requests=2)


@dataclass(frozen=True)
class Case:
    """One thing to ask for, and how its requests are written, the database prepared for them."""

    name: str
    requests: Callable[[Contender, int], Sequence[bytes]]


def get(path: str) -> bytes:
    """Write out a request."""
    return b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode()


def _route(name: str, body: Mapping[str, object]) -> bytes:
    return post(f"/jobs/{name}", orjson.dumps(body))


def _page(path: str) -> Callable[[Contender, int], Sequence[bytes]]:
    return lambda _contender, count: [get(path)] * count


def _new(contender: Contender, count: int) -> Sequence[bytes]:
    contender.take(BUSY)
    return [_route("newjob", COMMAND | {"site": BUSY})] * count


def _nothing(contender: Contender, count: int) -> Sequence[bytes]:
    contender.take(BUSY)
    return [_route("getnewjobs", {"site": BUSY})] * count


def _some(contender: Contender, count: int) -> Sequence[bytes]:
    contender.take(BUSY)
    contender.send([BUSY], _CLAIMED * count)
    return [_route("getnewjobs", {"site": BUSY, "limit": _CLAIMED})] * count


def _report(contender: Contender, count: int) -> Sequence[bytes]:
    contender.take(BUSY)
    jobs = contender.send([BUSY], count)
    contender.take(BUSY)
    return [_route("updatejobstatus", {"site": BUSY, "ulid": job.ulid, "newStatus": "EXPOSING"}) for job in jobs]


def _any_job(contender: Contender, count: int) -> Sequence[bytes]:
    """Ask for jobs of all times."""
    path = service_of(contender.app).settings.url.database
    connection = driver.connect(path)
    highest = connection.execute("SELECT max(id) FROM job").fetchone()[0]
    ids = [random.randint(1, highest) for _ in range(count)]
    rows = [connection.execute("SELECT site, ulid FROM job WHERE id = ?", (each,)).fetchone() for each in ids]
    connection.close()
    return [_route("getjob", {"site": site, "ulid": ulid}) for site, ulid in filter(None, rows)]


def cases(last_night: str) -> tuple[Case, ...]:
    """List what is measured."""
    log = f"/jobs-log?site={QUIET}"
    return (
        Case("newjob", _new),
        Case("getnewjobs, empty", _nothing),
        Case(f"getnewjobs, {_CLAIMED} jobs", _some),
        Case("updatejobstatus", _report),
        Case("getjob, of any time", _any_job),
        Case(
            "getrecentjobs, a night of 400",
            lambda _contender, count: [_route("getrecentjobs", {"site": QUIET})] * count,
        ),
        Case("page: now", _page(f"/?site={QUIET}")),
        Case("page: log, newest", _page(log)),
        Case("page: log, a word that many hold", _page(f"{log}&text=expose")),
        Case("page: log, a word that none holds", _page(f"{log}&text=nowhere-to-be-found")),
        Case("page: log, by user, device and status", _page(f"{log}&user=Vera&device=camera&status=failed")),
        Case("page: night report", _page(f"/night/{last_night}?site={QUIET}")),
        Case("page: insights, 7 nights", _page(f"/insights?site={QUIET}&nights=7")),
    )


@dataclass
class House:
    """A served database with a history of one size."""

    filled: Filled
    start_seconds: float
    contender: Contender
    medians_ms: dict[str, list[float]]

    def ask(self, case: Case, count: int) -> None:
        """Measure one round of a case."""
        run = drive(self.contender.port, case.requests(self.contender, count), 1)
        self.medians_ms.setdefault(case.name, []).append(statistics.median(run.latencies_ns) / 1e6)

    @property
    def peak_mb(self) -> float:
        """Return the most memory that the server process ever held."""
        status = Path(f"/proc/{worker(self.contender.server)}/status").read_text(encoding="utf-8")
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def ready(folder: Path, jobs: int, until_ms: int, console: Console) -> tuple[Filled, float]:
    """Fill a folder's database unless it is there already, and tell how long a server takes to answer from it."""
    kept = folder / "filled.json"
    if kept.exists():
        filled = Filled(*json.loads(kept.read_text(encoding="utf-8")))
    else:
        app = create_app({"INSTANCE": str(folder)})
        startup.prepare(app)
        service_of(app).database.close()
        filled = fill(str(service_of(app).settings.url.database), jobs, until_ms, console)
        kept.write_text(json.dumps(filled), encoding="utf-8")
    began = time.perf_counter()
    with servers.running("gunicorn", folder):
        return filled, time.perf_counter() - began


def measure(size: Size, folder: Path, console: Console) -> Iterator[str]:
    """Measure all sizes by turns, so that what else the machine does meets each; gives tables."""
    until_ms = clock.now_ms()
    last_night = time.strftime("%Y-%m-%d", time.gmtime((until_ms - DAY_MS / 2) / 1000))
    asked = cases(last_night)
    with ExitStack() as stack:
        houses = []
        for jobs in size.jobs:
            filled, seconds = ready(folder / str(jobs), jobs, until_ms, console)
            houses.append(House(filled, seconds, stack.enter_context(service(folder / str(jobs))), {}))
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("measuring", total=len(asked) * (size.rounds + 1))
            for case in asked:
                for number in range(size.rounds + 1):
                    for house in houses if number % 2 else reversed(houses):
                        house.ask(case, size.requests if number else 2)  # the first round only warms up
                    progress.advance(task)
        yield _speed(asked, houses)
        yield _sizes(houses)


def _speed(asked: Sequence[Case], houses: Sequence[House]) -> str:
    rows = []
    for case in asked:
        medians = [statistics.median(house.medians_ms[case.name][1:]) for house in houses]
        ratios = [f"{median / medians[0]:.2f}" for median in medians[1:]]
        rows.append([case.name, *(f"{median:.2f}" for median in medians), *ratios])
    sizes = [f"{house.filled.jobs:,}" for house in houses]
    return report.table(["", *(f"ms at {each}" for each in sizes), *(f"ratio at {each}" for each in sizes[1:])], rows)


def _sizes(houses: Sequence[House]) -> str:
    rows = []
    for house in houses:
        streamed, seconds = _stream_all(house)
        rows.append(
            [
                f"{house.filled.jobs:,}",
                f"{house.filled.events / house.filled.jobs:.2f}",
                f"{house.filled.bytes / house.filled.jobs:,.0f}",
                f"{house.start_seconds:.2f}",
                f"{streamed:,} in {seconds:.1f} s",
                f"{house.peak_mb:.0f}",
                f"{_prune(house):,.0f}",
            ]
        )
    headings = (
        "jobs",
        "events a job",
        "bytes a job",
        "start s",
        "getrecentjobs of all",
        "most memory MB",
        "pruned a second",
    )
    return report.table(headings, rows)


def _stream_all(house: House) -> tuple[int, float]:
    """Ask for up to a million jobs at once, and count what comes."""
    span_ms = _STREAMED // A_NIGHT * DAY_MS
    count, began = 0, time.perf_counter()
    url = f"http://127.0.0.1:{house.contender.port}/jobs/getrecentjobs"
    with httpx.stream("POST", url, json={"site": QUIET, "timeRange": span_ms}, timeout=600, trust_env=False) as reply:
        rest = b""
        for piece in reply.iter_bytes():
            text = rest + piece
            count += text.count(b'"statusId"')
            rest = text[-9:] if not text.endswith(b'"statusId"') else b""
    return count, time.perf_counter() - began


def _prune(house: House) -> float:
    """Delete the oldest night, beside the running server, and tell how many jobs went in a second."""
    database: Database = service_of(house.contender.app).database
    path = service_of(house.contender.app).settings.url.database
    connection = driver.connect(path)
    oldest_ms = connection.execute("SELECT accepted_ms FROM job ORDER BY id LIMIT 1").fetchone()[0]
    connection.close()
    began = time.perf_counter()
    pruned = retention.prune(database, oldest_ms + DAY_MS // 2)
    return pruned.jobs / (time.perf_counter() - began)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables as they stand in README.md."""
    parser = argparse.ArgumentParser(description="Measure the service with histories of several lengths.")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs, in a few seconds")
    parser.add_argument("--jobs", type=int, nargs="+", default=FULL.jobs, help="how long the histories are")
    parser.add_argument("--rounds", type=int, default=FULL.rounds)
    parser.add_argument("--folder", type=Path, help="keep the databases here, and use those that are here")
    chosen = parser.parse_args(arguments)
    size = SMALLEST if chosen.smallest else Size(tuple(chosen.jobs), chosen.rounds, FULL.requests)
    print(report.machine())
    with tempfile.TemporaryDirectory() as temporary:
        for table in measure(size, chosen.folder or Path(temporary), Console(stderr=True)):
            print(f"\n{table}", flush=True)


if __name__ == "__main__":
    main()
