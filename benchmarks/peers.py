"""Measure the service's operations beside what one would take instead: `python -m benchmarks.peers`.

Operations in the process are measured against libraries in the process, without HTTP; what needs a server is used
through its own client and worker. All take turns in rounds, so that what else the machine does meets each.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

try:
    from . import kills, report
    from .kills import QUEUES, Fate
    from .queues import Ours, Queue
    from .stores import Stores, server_versions
except ImportError as error:
    raise SystemExit(f"{error.name} is not installed: pip install '.[benchmarks]'") from None

THREADS = (1, 8)
OPERATIONS = ("enqueue", "claim and acknowledge")

_ROUND_SECONDS = 2.0
_FEW = 16
_WAIT_SECONDS = 120.0
_BUSY_SECONDS = 0.05


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    histories: tuple[int, ...] = (0, 1_000_000)
    rounds: int = 7
    jobs: int = 400
    """Jobs in a round, at most: less where these would take more than two seconds."""
    idle: int = 30
    idle_gap_seconds: tuple[float, float] = (0.2, 1.0)
    busy: int = 200
    kills: int = 20


SMALLEST = Size((0, 60), rounds=1, jobs=8, idle=1, idle_gap_seconds=(0.0, 0.05), busy=2, kills=1)


@dataclass
class Contender:
    """A queue with a history of some length."""

    queue: Queue
    history: int
    rates: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    """Jobs a second, by operation and threads, round by round."""
    idle_ms: list[float] = field(default_factory=list)
    busy_ms: list[float] = field(default_factory=list)

    def round(self, threads: int, jobs: int) -> None:
        """Send jobs and serve them."""
        gc.collect()
        self.rates.setdefault((OPERATIONS[0], threads), []).append(send_rate(self.queue, jobs, threads))
        self.rates.setdefault((OPERATIONS[1], threads), []).append(serve_rate(self.queue, jobs, threads))

    def jobs_in_a_round(self, threads: int, most: int) -> int:
        """Find out, with a few jobs that also warm up, how many fit into a round."""
        self.round(threads, min(_FEW, most))
        slowest = min(self.rates.pop((operation, threads))[0] for operation in OPERATIONS)
        return min(most, max(_FEW, int(slowest * _ROUND_SECONDS)))


def send_rate(queue: Queue, jobs: int, threads: int) -> float:
    """Send jobs from so many threads, and give how many a second."""
    numbers = iter(range(jobs))

    def send(_: int) -> None:
        for number in numbers:
            queue.send(number)

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(send, range(threads)))
    return jobs / (time.perf_counter() - began)


def serve_rate(queue: Queue, jobs: int, workers: int) -> float:
    """Serve jobs that wait, and give how many a second, counted from the first to the last."""
    stamps: list[float] = []
    queue.consume(jobs, workers, lambda _number: stamps.append(time.perf_counter()))
    return (jobs - 1) / (stamps[-1] - stamps[0])


class Deliveries:
    """Jobs that are sent to a consumer which waits for them, each with its time from before it is sent."""

    def __init__(self) -> None:
        self._sent: dict[int, float] = {}
        self._got: dict[int, float] = {}

    def send(self, queue: Queue, number: int) -> None:
        """Send a job."""
        self._sent[number] = time.perf_counter()
        queue.send(number)

    def get(self, number: int) -> None:
        """Note that a job was handed over."""
        self._got[number] = time.perf_counter()

    def wait(self, number: int) -> None:
        """Wait until a job was handed over."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while number not in self._got:
            assert time.monotonic() < deadline, f"nothing came for {_WAIT_SECONDS} s"
            time.sleep(0.005)

    def latencies_ms(self) -> list[float]:
        """Return what each took, but for the first, for which the consumer had to start."""
        return [(self._got[number] - sent) * 1e3 for number, sent in self._sent.items() if number]


def idle_latencies_ms(queue: Queue, size: Size, tick: Callable[[], None]) -> list[float]:
    """Send jobs one at a time, each a while after the last was handed over."""
    chance = random.Random(7)

    def pace(deliveries: Deliveries, number: int) -> None:
        deliveries.wait(number)
        time.sleep(chance.uniform(*size.idle_gap_seconds))
        tick()

    return _latencies_ms(queue, size.idle, pace)


def busy_latencies_ms(queue: Queue, size: Size, tick: Callable[[], None]) -> list[float]:
    """Send jobs at an even pace, whatever becomes of those before."""
    began = time.perf_counter()

    def pace(deliveries: Deliveries, number: int) -> None:
        nonlocal began
        if not number:
            deliveries.wait(number)
            began = time.perf_counter()
        time.sleep(max(0.0, began + number * _BUSY_SECONDS - time.perf_counter()))
        tick()

    return _latencies_ms(queue, size.busy, pace)


def _latencies_ms(queue: Queue, jobs: int, pace: Callable[[Deliveries, int], None]) -> list[float]:
    deliveries = Deliveries()
    with ThreadPoolExecutor(1) as pool:
        consumer = pool.submit(queue.consume, jobs + 1, 1, deliveries.get)
        for number in range(jobs + 1):
            deliveries.send(queue, number)
            pace(deliveries, number)
        consumer.result()
    return deliveries.latencies_ms()


def contenders(kinds: Sequence[type[Queue]], size: Size, stores: Stores, console: Console) -> list[Contender]:
    """Open each queue with each history; one that keeps no finished job has none."""
    made = []
    for history in size.histories:
        for kind in kinds:
            if history and not kind.keeps:
                continue
            contender = Contender(kind(stores.place(kind)), history)
            if history:
                contender.queue.remember(history, console)
            made.append(contender)
    return made


def measure_speed(contending: Sequence[Contender], size: Size, console: Console) -> None:
    """Send and serve jobs, all by turns."""
    gc.freeze()  # what is loaded stays: each round looks at its own garbage alone
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("speed", total=len(contending) * len(THREADS) * (size.rounds + 1))
        for threads in THREADS:
            jobs = {}
            for each in contending:
                jobs[id(each)] = each.jobs_in_a_round(threads, size.jobs)
                progress.advance(task)
            for number in range(size.rounds):
                turn = number % len(contending)
                for each in (*contending[turn:], *contending[:turn]):
                    each.round(threads, jobs[id(each)])
                    progress.advance(task)


def measure_latency(contending: Sequence[Contender], size: Size, console: Console) -> None:
    """Send jobs to consumers that wait."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("latency", total=len(contending) * (size.idle + size.busy + 2))
        for each in contending:
            each.idle_ms = idle_latencies_ms(each.queue, size, lambda: progress.advance(task))
            each.busy_ms = busy_latencies_ms(each.queue, size, lambda: progress.advance(task))


def kill(kinds: Sequence[type[Queue]], size: Size, folder: Path, stores: Stores, console: Console) -> list[Fate]:
    """Kill the workers of each queue."""
    fates = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("killing", total=len(kinds) * size.kills)
        for kind in kinds:
            place = stores.place(kind)
            with closing(kind(place)) as queue:
                log = folder / f"{kind.package}.log"
                fates.append(kills.measure(queue, kind, place, log, size.kills, lambda: progress.advance(task)))
    return fates


def promises(kinds: Sequence[type[Queue]]) -> str:
    """Write what is compared."""
    headings = ("queue", "a commit is kept by", "a finished job", "how a consumer waits")
    rows = [[f"{kind.name} {version(kind.package)}", kind.durable, kind.finished, kind.waits] for kind in kinds]
    return report.table(headings, rows)


def speeds(contending: Sequence[Contender], history: int) -> str:
    """Write how fast each is beside ours, at one length of history, which for one that keeps none is always 0."""
    here = [each for each in contending if each.history == history or not each.queue.keeps]
    ours, *others = sorted(here, key=lambda each: QUEUES.index(type(each.queue)))
    rows = [
        _speed(operation, threads, ours, each) for operation in OPERATIONS for threads in THREADS for each in others
    ]
    return report.table(("operation", "threads", "queue", "ours to it", "middle half", "ours, jobs/s", "its"), rows)


def _speed(operation: str, threads: int, ours: Contender, other: Contender) -> list[str]:
    pairs = list(zip(ours.rates[operation, threads], other.rates[operation, threads], strict=True))
    ratios = sorted(mine / its for mine, its in pairs)
    quarter = len(ratios) // 4
    return [
        *(operation, str(threads), other.queue.name),
        f"{statistics.median(ratios):.2f}",
        f"{ratios[quarter]:.2f} to {ratios[-1 - quarter]:.2f}",
        *(f"{statistics.median(rates):,.0f}" for rates in zip(*pairs, strict=True)),
    ]


def latencies(contending: Sequence[Contender]) -> str:
    """Write how soon a job reaches a consumer that waits."""
    rows = []
    for each in contending:
        history = f"{each.history:,}" if each.queue.keeps else "none is kept"
        rows.append([each.queue.name, history, *_percentiles(each.idle_ms), *_percentiles(each.busy_ms)])
    headings = ("queue", "history", "idle: jobs", "p50 ms", "p99 ms", "busy: jobs", "p50 ms", "p99 ms")
    return report.table(headings, rows)


def _percentiles(found_ms: Sequence[float]) -> list[str]:
    ranked = sorted(found_ms)
    at = (ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))] for percent in (50, 99))
    return [str(len(ranked)), *(f"{each:,.1f}" for each in at)]


def deaths(kinds: Sequence[type[Queue]], fates: Sequence[Fate]) -> str:
    """Write what became of the jobs whose worker was killed."""
    rows = [
        [
            *(kind.name, str(fate.jobs), str(fate.kills), str(fate.once), str(fate.doubled)),
            f"{fate.open} ({fate.open_undone})",
            str(fate.gone),
        ]
        for kind, fate in zip(kinds, fates, strict=True)
    ]
    headings = (
        "queue",
        "jobs",
        "kills",
        "done once",
        "done twice",
        "left open, and known (not done)",
        "lost in silence",
    )
    return report.table(headings, rows)


def fsync_us(folder: Path) -> float:
    """Return the median time of an fsync here, in microseconds: a commit cannot take less."""
    took = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


def tables(kinds: Sequence[type[Queue]], size: Size, folder: Path, console: Console) -> Iterator[str]:
    """Measure, and give the tables as they stand in README.md."""
    yield promises(kinds)
    with Stores(folder) as stores, ExitStack() as stack:
        contending = contenders(kinds, size, stores, console)
        for each in contending:
            stack.callback(each.queue.close)
        measure_speed(contending, size, console)
        for history in size.histories:
            yield f"History: {history:,} finished jobs.\n\n{speeds(contending, history)}"
        measure_latency(contending, size, console)
        yield latencies(contending)
        yield deaths(kinds, kill(kinds, size, folder, stores, console))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="Measure the service's operations beside other queues.")
    names = [kind.name for kind in QUEUES[1:]]
    parser.add_argument("--smallest", action="store_true", help="only show that it runs, in a few seconds")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="measure beside these alone")
    parser.add_argument("--history", type=int, default=Size.histories[-1], help="finished jobs in the long history")
    parser.add_argument("--rounds", type=int, default=Size.rounds)
    parser.add_argument("--kills", type=int, default=Size.kills)
    chosen = parser.parse_args(arguments)
    size = SMALLEST if chosen.smallest else Size((0, chosen.history), rounds=chosen.rounds, kills=chosen.kills)
    kinds: list[type[Queue]] = [Ours, *(kind for kind in QUEUES if kind.name in chosen.only)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print(f"{report.machine()}")
        print(f"The libraries' SQLite {sqlite3.sqlite_version}; {server_versions()}.")
        print(f"An fsync took {fsync_us(folder):.0f} us; load at the beginning {os.getloadavg()[0]:.1f}.", flush=True)
        for table in tables(kinds, size, folder, Console(stderr=True)):
            print(f"\n{table}", flush=True)
    print(f"\nLoad at the end {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
