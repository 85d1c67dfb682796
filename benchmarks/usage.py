"""What processes take of the machine, as Linux tells it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Taken(NamedTuple):
    """What a process and all that it started hold now, and the processor time that they took until now."""

    seconds: float
    memory_kb: int
    """Each page counted once, whoever shares it."""
    threads: int


def taken(process_id: int) -> Taken:
    """Return what a process and all that it started have taken."""
    all_of_it = list(family(process_id))
    return Taken(sum(map(_seconds, all_of_it)), sum(map(_memory_kb, all_of_it)), sum(map(_threads, all_of_it)))


def processor_ns(process_id: int) -> int:
    """Return the processor time of the threads that a process and all that it started have now, in nanoseconds.

    Finer than `taken`, whose seconds come in ticks; a thread that ended counts no more.
    """
    return sum(map(_threads_ns, family(process_id)))


def machine_seconds() -> float:
    """Return the processor time that all programs of the machine have taken."""
    user, nice, system, _idle, _waiting, *rest = map(int, (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + sum(rest)) / _TICKS


def all_taken(process_ids: Iterable[int]) -> Taken:
    """Return what several take together."""
    each = [taken(process_id) for process_id in process_ids]
    return Taken(sum(one.seconds for one in each), sum(one.memory_kb for one in each), sum(one.threads for one in each))


def family(process_id: int) -> Iterator[int]:
    """Yield a process and all that it started."""
    yield process_id
    with suppress(FileNotFoundError):
        for task in (_PROC / str(process_id) / "task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))


def _seconds(process_id: int) -> float:
    """Return the processor time of a process and of its children that have ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        values = (_PROC / str(process_id) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return sum(map(int, values[11:15])) / _TICKS
    return 0.0


def _threads_ns(process_id: int) -> int:
    total = 0
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in (_PROC / str(process_id) / "task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                total += int((task / "schedstat").read_text().split()[0])
    return total


def _memory_kb(process_id: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        lines = (_PROC / str(process_id) / "smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return 0


def _threads(process_id: int) -> int:
    with suppress(FileNotFoundError):
        return len(list((_PROC / str(process_id) / "task").iterdir()))
    return 0
