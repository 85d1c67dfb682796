"""What a running server process holds, as Linux tells it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from .servers import Server


class Holds(NamedTuple):
    """What a process holds: threads, handles (the pool of database connections apart), and resident memory."""

    threads: int
    handles: int
    memory_kb: int


def worker(server: Server) -> int:
    """Find the process that answers: gunicorn's only worker."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    if not children.exists():
        pytest.skip("only Linux tells what a process holds")
    return int(children.read_text().split()[0])


def holds(process_id: int) -> Holds:
    """Return what a process holds now."""
    folder = Path(f"/proc/{process_id}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return Holds(
        len(list((folder / "task").iterdir())),
        sum("/jobs.db" not in target for target in _targets(folder / "fd")),
        int(status["VmRSS"].split()[0]),
    )


def _targets(folder: Path) -> Iterator[str]:
    for handle in folder.iterdir():
        with suppress(FileNotFoundError):  # closed since
            yield str(handle.readlink())
