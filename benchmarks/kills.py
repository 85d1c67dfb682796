"""Kill the worker of a queue again and again in the middle of its work, and count what became of the jobs.

The worker is a process of its own. It writes the number of each job into a file in the middle of carrying it out, which
its end by SIGKILL does not take back.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path

from .queue_libraries import Huey, Lite, Persist
from .queue_servers import RQ, Procrastinate
from .queues import Ours, OursKept, Queue

QUEUES: tuple[type[Queue], ...] = (Ours, Huey, Lite, Persist, Procrastinate, RQ)

_FOR_EVER = 10**9
_HALF_SECONDS = 0.001
_BETWEEN = 8
_WAIT_SECONDS = 180.0


@dataclass(frozen=True)
class Fate:
    """What became of the jobs of a queue whose worker was killed."""

    jobs: int
    kills: int
    once: int
    doubled: int
    """Carried out more than once."""
    open: int
    """Left without an end, and known as such to the queue."""
    open_undone: int
    """Of these, those that were never carried out."""
    gone: int
    """Never carried out, and the queue knows nothing of them any more."""


def measure(queue: Queue, kind: type[Queue], place: str, log: Path, kills: int, tick: Callable[[], None]) -> Fate:
    """Send jobs, kill the worker so often while it serves them, and let a last one serve what is left."""
    jobs = kills * 3 * _BETWEEN
    for number in range(jobs + 1):
        queue.send(number)
    log.touch()
    chance, killed = random.Random(7), 0
    while killed < kills and len(_numbers(log)) < jobs - _BETWEEN:
        with _worker(kind, place, log) as lives:
            _until_longer(log, chance.randint(1, _BETWEEN), lives)
            time.sleep(chance.random() * 6 * _HALF_SECONDS)
        killed += 1
        tick()
    with _worker(kind, place, log) as lives:
        while jobs not in _numbers(log):  # the one job more, which is served last
            _until_longer(log, 1, lives)
    return _fate(queue, log, jobs, killed)


def _fate(queue: Queue, log: Path, jobs: int, kills: int) -> Fate:
    times = Counter(number for number in _numbers(log) if number != jobs)
    open_ = queue.left().open - {jobs}
    undone = set(range(jobs)) - times.keys()
    return Fate(
        jobs=jobs,
        kills=kills,
        once=sum(each == 1 for each in times.values()),
        doubled=sum(each > 1 for each in times.values()),
        open=len(open_),
        open_undone=len(undone & open_),
        gone=len(undone - open_),
    )


@contextmanager
def _worker(kind: type[Queue], place: str, log: Path) -> Iterator[Callable[[], bool]]:
    """Run a worker for the length of a block, and kill it; gives what tells whether it lives."""
    process = _processes().Process(target=work, args=(kind.name, place, log), daemon=True)
    process.start()
    try:
        yield process.is_alive
    finally:
        process.kill()
        process.join()


@cache
def _processes() -> ForkServerContext | SpawnContext:
    """Have workers made by a process that has read all modules and holds nothing open, where there is such a way."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _until_longer(log: Path, more: int, lives: Callable[[], bool]) -> None:
    """Wait until so many more jobs were carried out. Raises AssertionError when the worker ends, or does nothing."""
    wanted, deadline = len(_numbers(log)) + more, time.monotonic() + _WAIT_SECONDS
    while len(_numbers(log)) < wanted:
        assert lives(), "the worker ended by itself"
        assert time.monotonic() < deadline, f"the worker did nothing for {_WAIT_SECONDS} s"
        time.sleep(_HALF_SECONDS)


def _numbers(log: Path) -> list[int]:
    return [int(line) for line in log.read_text(encoding="ascii").split()]


def work(name: str, place: str, log: Path) -> None:
    """Serve jobs until killed."""
    kind = next(kind for kind in QUEUES if kind.name == name)
    queue = (OursKept if kind is Ours else kind)(place)
    file = os.open(log, os.O_WRONLY | os.O_APPEND)

    def carry_out(number: int) -> None:
        time.sleep(_HALF_SECONDS)
        os.write(file, f"{number}\n".encode())
        time.sleep(_HALF_SECONDS)

    queue.consume(_FOR_EVER, 1, carry_out)
