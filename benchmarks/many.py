"""Measure many observatories on one PostgreSQL, and see what gives first: `python -m benchmarks.many`.

Each site's software waits for jobs, viewers follow each site on all servers, and jobs are posted to all sites at a
steady rate, which is raised step by step until the jobs come late. One program plays them all.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from . import report
from .crowd import Crowd
from .fleet import Fleet, allow_handles, fleet, version
from .usage import machine_seconds

_CALLS = 16  # threads of each server that streams and waiting polls leave free
_PEOPLE = 64
_MOST_STEPS = 20
_EVENTS = "SELECT site, array_agg(seq ORDER BY seq) FROM job_event GROUP BY site"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    sites: int
    polls: int
    streams: int
    servers: int
    rate: float
    factor: float
    seconds: float
    late_ms: float
    steps: int = _MOST_STEPS

    @property
    def threads(self) -> int:
        """Return the threads that each server needs."""
        return -(-(self.polls + self.streams) // self.servers) + _CALLS + 4


FULL = Size(sites=200, polls=200, streams=1000, servers=4, rate=10, factor=1.5, seconds=20, late_ms=1000)
SMALLEST = Size(sites=6, polls=6, streams=12, servers=2, rate=10, factor=2, seconds=1, late_ms=60_000, steps=1)


@dataclass(frozen=True)
class Step:
    """What came of one rate."""

    rate: float
    jobs: int
    to_poll_ms: Sequence[float]
    to_stream_ms: Sequence[float]
    missed: int
    wrong: int
    """Streams on which something came twice or out of order."""
    refused: int
    doubled: int
    settled: bool
    servers: float
    """Processor time a second, as the next three."""
    database: float
    crowd: float
    machine: float
    """Of all programs, whosever they are."""

    def is_late(self, late_ms: float) -> bool:
        """Whether this was more than the machine can do."""
        return not self.settled or self.refused > 0 or percentile(self.to_poll_ms, 99) > late_ms

    def columns(self) -> list[str]:
        """Write the row of the table."""
        return [
            f"{self.rate:g}",
            f"{self.jobs:,}",
            *(
                " / ".join(f"{percentile(ranked, percent):,.0f}" for percent in (50, 99, 100))
                for ranked in (self.to_poll_ms, self.to_stream_ms)
            ),
            f"{self.missed} / {self.wrong}",
            f"{self.doubled} / {self.refused}",
            *(f"{part:.2f}" for part in (self.servers, self.database, self.crowd, self.machine)),
        ]


HEADINGS = (
    *("jobs/s", "jobs", "POST to poll, p50 / p99 / longest ms", "POST to stream", "missed / out of order"),
    *(
        "handed over twice / refused",
        "servers, cores",
        "PostgreSQL, cores",
        "load program, cores",
        "whole machine, cores",
    ),
)
STAGES = (
    "what is open",
    "servers, MB",
    "kB for each more",
    "threads",
    "PostgreSQL, MB",
    "its connections",
    "cores, idle",
)


def percentile(ranked: Sequence[float], percent: float) -> float:
    """Return the value within which so many percent lie."""
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))] if ranked else float("nan")


def measure(size: Size, console: Console) -> tuple[list[list[str]], list[Step]]:
    """Measure what waiting and watching take, then raise the rate until jobs come late."""
    allow_handles(2 * (size.polls + size.streams) + _PEOPLE)
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(console=console, transient=True) as progress,
    ):
        task = progress.add_task(f"starting {size.servers} servers", total=None)
        with (
            fleet(Path(folder), size.servers, size.threads) as servers,
            closing(Crowd(servers.ports, size.sites, _PEOPLE)) as crowd,
        ):
            crowd.run(1, size.sites)  # threads started, tables and plans read
            stages = list(_open(servers, crowd, size, progress, task))
            steps = list[Step]()
            rate = size.rate
            while len(steps) < size.steps and not (steps and steps[-1].is_late(size.late_ms)):
                progress.update(task, description=f"{rate:g} jobs a second")
                steps.append(_step(servers, crowd, rate, size.seconds))
                console.print(" | ".join(steps[-1].columns()), soft_wrap=True)
                rate = round(rate * size.factor)
    return stages, steps


def _open(servers: Fleet, crowd: Crowd, size: Size, progress: Progress, task: TaskID) -> Iterator[list[str]]:
    """Have everybody come, and tell after each group what is held for it, and what it takes while nothing happens."""
    before_kb = 0
    for name, count, come in (
        ("nobody waits", 0, None),
        (f"{size.polls} waiting polls", size.polls, crowd.wait_for_jobs),
        (f"and {size.streams} streams", size.streams, crowd.watch),
    ):
        progress.update(task, description=name)
        if come:
            come(count)
        crowd.run(min(2, size.seconds))
        idle, *_ = _cores(servers, crowd, size.seconds / 2)
        held = servers.servers_take()
        each = f"{(held.memory_kb - before_kb) / count:,.0f}" if count else "-"
        before_kb = held.memory_kb
        database_mb = servers.database_takes().memory_kb / 1000
        yield [
            *(name, f"{held.memory_kb / 1000:,.0f}", each, f"{held.threads:,}", f"{database_mb:,.0f}"),
            *(str(servers.connections()), f"{idle:.2f}"),
        ]


def _step(servers: Fleet, crowd: Crowd, rate: float, seconds: float) -> Step:
    seen, began = crowd.seen, time.perf_counter()
    watched, refused, doubled = len(seen.watched), sum(seen.refused.values()), seen.doubled
    cores = _cores(servers, crowd, seconds, rate)
    settled = crowd.settle()
    happened: dict[str, list[int]] = dict(servers.asks(_EVENTS))
    crowd.until(lambda: not any(viewer.misses(happened[viewer.site]) for viewer in crowd.viewers))
    sent = {ulid: due for ulid, due in seen.sent.items() if due >= began}
    return Step(
        rate,
        len(sent),
        sorted((seen.delivered[ulid] - due) * 1000 for ulid, due in sent.items() if ulid in seen.delivered),
        sorted((at - sent[ulid]) * 1000 for ulid, at in seen.watched[watched:] if ulid in sent),
        sum(viewer.misses(happened[viewer.site]) for viewer in crowd.viewers),
        sum(viewer.seqs != sorted(set(viewer.seqs)) for viewer in crowd.viewers),
        sum(seen.refused.values()) - refused,
        seen.doubled - doubled,
        settled,
        *cores,
    )


def _cores(servers: Fleet, crowd: Crowd, seconds: float, rate: float = 0) -> tuple[float, float, float, float]:
    """Run for a while; tell how many cores the servers, PostgreSQL, this program and the machine take meanwhile."""
    began, before = time.perf_counter(), _seconds(servers)
    crowd.run(seconds, rate)
    after, took = _seconds(servers), time.perf_counter() - began
    desks, database, own, machine = (end - begin for begin, end in zip(before, after, strict=True))
    return desks / took, database / took, own / took, machine / took


def _seconds(servers: Fleet) -> tuple[float, float, float, float]:
    desks, database = servers.servers_take().seconds, servers.database_takes().seconds
    return desks, database, time.process_time(), machine_seconds()


def verdict(steps: Sequence[Step], size: Size) -> str:
    """Return at which rate the jobs came late, and which resource was used up."""
    last = steps[-1]
    if not last.is_late(size.late_ms):
        return f"Nothing gave way up to {last.rate:g} jobs a second."
    cores = os.cpu_count() or 1
    ours = last.servers + last.database + last.crowd
    good = f"up to {steps[-2].rate:g}" if len(steps) > 1 else "at no"
    if last.machine > 0.85 * cores:
        why = f"the processors, of {cores} cores {last.machine:.2f} used, {ours:.2f} of them by what is measured"
    elif last.servers > 0.85 * size.servers:
        why = f"the servers' interpreters: {last.servers:.2f} cores in {size.servers} processes"
    else:
        why = f"not the processors ({last.machine:.2f} of {cores} cores): look at the disk and at locks"
    return f"In time {good} jobs a second; at {last.rate:g} they came late. What gave first: {why}."


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables as they stand in README.md."""
    parser = argparse.ArgumentParser(description="Measure many observatories on one PostgreSQL.")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs, in a few seconds")
    for name, text in {
        "sites": "observatories",
        "polls": "polls that wait, at least one for each site",
        "streams": "viewers, spread over sites and servers",
        "servers": "server processes",
        "rate": "jobs a second over all sites in the first step",
        "factor": "how many times as many in each further step",
        "seconds": "how long a step takes",
        "late-ms": "a step whose p99 from POST to poll is above this is the last",
        "steps": "how many steps at most",
    }.items():
        default = getattr(FULL, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{text} ({default:g})")
    chosen = vars(parser.parse_args(arguments))
    size = SMALLEST if chosen.pop("smallest") else Size(**chosen)
    if size.polls < size.sites:
        parser.error("each site needs a poll: --polls must not be less than --sites")
    load = os.getloadavg()[0]
    stages, steps = measure(size, Console(stderr=True))
    print(report.machine())
    print(
        f"{version()}, fsync on; load of the machine before it began {load:.1f}."
        f" {size.servers} servers with {size.threads} threads each. {verdict(steps, size)}\n"
    )
    print(report.table(STAGES, stages), end="\n\n")
    print(report.table(HEADINGS, [step.columns() for step in steps]))


if __name__ == "__main__":
    main()
