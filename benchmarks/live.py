"""Measure how soon a job reaches its site, and what watching costs: `python -m benchmarks.live`."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console

from jobs_server.live import sse
from jobs_server.service import service_of
from tests.support.processes import holds, worker

from . import report
from .contenders import COMMAND, Contender, service
from .load import Line, drive, post
from .viewers import SITE, seen, watching

_PATIENCE_SECONDS = 10  # how long the last job may take to come
_RATE = 20  # jobs, or changes, a second
_VIEWERS = 30


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    seconds: float
    streams: tuple[int, ...]
    changes: int
    rounds: int
    requests: int
    away: int
    original_seconds: float = 4.0  # how often the original's site software polls


FULL = Size(seconds=30, streams=(30, 100, 300), changes=1000, rounds=7, requests=1000, away=10_000)
SMALLEST = Size(seconds=0.5, streams=(2,), changes=10, rounds=1, requests=20, away=150, original_seconds=0.5)


class Poller(threading.Thread):
    """The software of a site: waits for jobs, or looks every few seconds; notes when each job came."""

    def __init__(self, port: int, every_seconds: float | None = None) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._every_seconds = every_seconds
        self.came: dict[str, float] = {}
        self.over = False
        self.start()

    def run(self) -> None:
        waiting = {"site": SITE} | ({} if self._every_seconds else {"waitSeconds": 1})
        request = post("/jobs/getnewjobs", json.dumps(waiting).encode())
        line = Line(self._port)
        while not self.over:
            jobs = orjson.loads(line.ask(request))
            now = time.perf_counter()
            self.came |= {job["ulid"]: now for job in jobs}
            if self._every_seconds:  # by then the server has closed the connection
                line.close()
                time.sleep(self._every_seconds)
                line = Line(self._port)
        line.close()


def send_steadily(port: int, seconds: float) -> dict[str, float]:
    """Send jobs at a steady rate; gives when each was begun to be sent."""
    line, request, sent = Line(port), post("/jobs/newjob", orjson.dumps(COMMAND | {"site": SITE})), dict[str, float]()
    begin = time.perf_counter()
    for number in range(max(1, round(seconds * _RATE))):
        time.sleep(max(0.0, begin + number / _RATE - time.perf_counter()))
        began = time.perf_counter()
        sent[orjson.loads(line.ask(request))["ulid"]] = began
    line.close()
    return sent


def reach(post_port: int, poll_port: int, seconds: float, every_seconds: float | None = None) -> list[float]:
    """Measure, in milliseconds, from the beginning of each POST to the poll's answer with that job."""
    poller = Poller(poll_port, every_seconds)
    time.sleep(0.2)
    sent = send_steadily(post_port, seconds)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(poller.came) < len(sent) and time.monotonic() < deadline:
        time.sleep(0.01)
    poller.over = True
    poller.join()
    assert sent.keys() == poller.came.keys(), f"{len(sent)} sent, {len(poller.came)} came"
    return sorted((poller.came[ulid] - began) * 1000 for ulid, began in sent.items())


def percentile(ranked: Sequence[float], percent: float) -> float:
    """Return the value within which so many percent lie."""
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


def measure_reach(size: Size, console: Console) -> Iterator[list[str]]:
    """Measure how soon a job reaches its site, beside the original's way in the same run."""

    def row(name: str, ranked: Sequence[float]) -> list[str]:
        return [name, str(len(ranked)), *(f"{percentile(ranked, percent):,.1f}" for percent in (50, 99, 100))]

    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder)) as one,
        service(Path(folder)) as other,
        watching(one.port, _VIEWERS),
    ):
        console.print("from POST to the waiting poll's answer")
        reach(one.port, one.port, min(1, size.seconds))  # threads started, connections made
        yield row("waiting poll, one process", reach(one.port, one.port, size.seconds))
        reach(one.port, other.port, min(1, size.seconds))
        yield row("waiting poll, two processes on one file", reach(one.port, other.port, size.seconds))
        every = f"a poll every {size.original_seconds:g} s"
        yield row(f"{every}, measured", reach(one.port, one.port, size.seconds, size.original_seconds))
    computed = [size.original_seconds * part for part in range(1001)]
    yield row(f"{every}, computed (evenly 0 to {size.original_seconds:g} s)", computed)


def report_changes(contender: Contender, count: int) -> None:
    """Have a site report so many changes of one job, one after another over HTTP."""
    (job,) = contender.send([SITE], 1)
    contender.take(SITE)
    line = Line(contender.port)
    for number in range(count - 2):
        said = {"site": SITE, "ulid": job.ulid, "newStatus": f"EXPOSING {number}", "secondsUntilComplete": 9}
        line.ask(post("/jobs/updatejobstatus", orjson.dumps(said)))
    line.close()


def measure_streams(size: Size, console: Console) -> Iterator[list[str]]:
    """Measure many viewers: what they miss, what they cost in memory, and in processor time while nothing happens."""
    for count in size.streams:
        console.print(f"{count} streams")
        with tempfile.TemporaryDirectory() as folder, service(Path(folder), count + 17) as contender:
            report_changes(contender, 20)
            process_id = worker(contender.server)
            before = holds(process_id)
            with watching(contender.port, count) as viewers:
                memory_kb = (holds(process_id).memory_kb - before.memory_kb) / count
                idle = _busy(process_id, size.seconds / 3)
                began = time.perf_counter()
                report_changes(contender, size.changes)
                told = seen(viewers, size.changes)
                rate = size.changes / (time.perf_counter() - began)
        missed = f"{told['missed']} / {told['out of order']}"
        yield [str(count), str(size.changes), missed, f"{rate:,.0f}", f"{memory_kb:,.0f}", f"{idle * 100:.1f} %"]


def _busy(process_id: int, seconds: float) -> float:
    """Return which part of one core a process takes over a while."""
    begin = _processor_seconds(process_id)
    time.sleep(seconds)
    return (_processor_seconds(process_id) - begin) / seconds


def _processor_seconds(process_id: int) -> float:
    values = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def changing(contender: Contender) -> Iterator[None]:
    """Let jobs come in at a steady rate beside a block."""
    over = threading.Event()

    def run() -> None:
        line, request = Line(contender.port), post("/jobs/newjob", orjson.dumps(COMMAND | {"site": SITE}))
        while not over.wait(1 / _RATE):
            line.ask(request)
        line.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measure_throughput(size: Size, console: Console) -> Iterator[list[str]]:
    """Measure what streams and changes leave of the routes' throughput, by turns with and without."""
    console.print("throughput beside streams")
    cases = {
        "getnewjobs, empty": [post("/jobs/getnewjobs", b'{"site": "nothing"}')],
        "newjob": [post("/jobs/newjob", orjson.dumps(COMMAND | {"site": "load"}))],
    }
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as contender:
        for name, request in cases.items():
            requests, ratios, without = request * size.requests, [], []
            drive(contender.port, requests, 16)
            for _ in range(size.rounds):
                contender.take("load")
                without.append(drive(contender.port, requests, 16).requests_a_second)
                contender.take("load")
                with watching(contender.port, _VIEWERS), changing(contender):
                    ratios.append(drive(contender.port, requests, 16).requests_a_second / without[-1])
            ratios.sort()
            quarter = len(ratios) // 4
            spread = f"{ratios[quarter]:.2f} to {ratios[-1 - quarter]:.2f}"
            yield [name, f"{statistics.median(ratios):.2f}", spread, f"{statistics.median(without):,.0f}"]


def measure_catching_up(size: Size, console: Console) -> Iterator[list[str]]:
    """Measure how long a page that was away takes until it has seen all that happened meanwhile."""
    console.print("catching up")
    for count in (1, _VIEWERS):
        with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as contender:
            contender.send([SITE], size.away)
            with service_of(contender.app).database.reading() as connection:
                epoch = sse.now(connection, SITE).epoch
            began = time.perf_counter()
            with watching(contender.port, count, f"{epoch}-0") as viewers:
                told = seen(viewers, size.away)
                seconds = time.perf_counter() - began
        yield [str(count), f"{size.away:,}", f"{told['missed']} / {told['out of order']}", f"{seconds:.1f}"]


TABLES = {
    "reach": (measure_reach, ("how", "jobs", "p50 ms", "p99 ms", "longest ms")),
    "streams": (
        measure_streams,
        ("streams", "changes", "missed / out of order", "changes/s to all", "kB a stream", "idle, of one core"),
    ),
    "throughput": (
        measure_throughput,
        ("route, 16 connections", "ratio with 30 streams and 20 changes/s to none", "middle half", "requests/s, none"),
    ),
    "catching-up": (measure_catching_up, ("viewers", "events each was away for", "missed / out of order", "seconds")),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables as they stand in README.md."""
    parser = argparse.ArgumentParser(description="Measure waiting polls and streams.")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs, in a few seconds")
    parser.add_argument("--only", choices=TABLES, help="measure one thing alone")
    chosen = parser.parse_args(arguments)
    size, console = SMALLEST if chosen.smallest else FULL, Console(stderr=True)
    print(report.machine())
    print(f"Load of the machine before it began: {os.getloadavg()[0]:.1f}.")
    for name, (measure, headings) in TABLES.items():
        if chosen.only in (None, name):
            print(f"\n{report.table(headings, list(measure(size, console)))}", flush=True)


if __name__ == "__main__":
    main()
