"""Several servers on one PostgreSQL, all of this run's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import postgres, servers

from .usage import Taken, all_taken

GUNICORN = (
    *("-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", "{threads}", "--graceful-timeout", "2"),
    *("--keep-alive", "75", "--bind", "127.0.0.1:{port}", "wsgi:app"),
)
"""As `flask serve` runs it."""

_SPARE_HANDLES = 500


@dataclass(frozen=True)
class Fleet:
    """The servers, and the database that they share."""

    desks: list[servers.Server]
    cluster: postgres.Cluster
    url: str

    @property
    def ports(self) -> list[int]:
        """Return where the servers listen."""
        return [desk.port for desk in self.desks]

    def servers_take(self) -> Taken:
        """Return what the servers take together."""
        return all_taken(desk.process.pid for desk in self.desks)

    def database_takes(self) -> Taken:
        """Return what PostgreSQL takes, all its processes together."""
        told = (self.cluster.folder / "data" / "postmaster.pid").read_text(encoding="utf-8")
        return all_taken([int(told.splitlines()[0])])

    def asks(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the shared database something."""
        return self.cluster.run(sql, self.url.rpartition("/")[2])

    def connections(self) -> int:
        """Count the servers' connections to PostgreSQL."""
        ((count,),) = self.asks("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jobs_server'")
        return int(count)


@contextmanager
def fleet(folder: Path, count: int, threads: int, settings: Mapping[str, str] | None = None) -> Iterator[Fleet]:
    """Run so many servers, one process each, on a PostgreSQL that writes each commit to the disk.

    Raises SystemExit, in words, when a program that is needed is not installed.
    """
    allow_handles(2 * count * threads)
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(postgres.cluster(durable=True))
        except pytest.skip.Exception as missing:
            raise SystemExit(str(missing)) from None
        url = cluster.database()
        chosen = {"JOBS_DATABASE_URL": url, "JOBS_THREADS": str(threads), **(settings or {})}
        desks = list[servers.Server]()
        stack.callback(_stop, desks)  # also those that did start beside one that did not
        with ThreadPoolExecutor(count) as at_once:
            places = [folder / f"desk-{number}" for number in range(count)]
            list(at_once.map(lambda place: desks.append(_start(place, threads, chosen)), places))
        yield Fleet(desks, cluster, url)


def _start(instance: Path, threads: int, settings: Mapping[str, str]) -> servers.Server:
    port = servers.free_port()
    instance.mkdir()
    command = [sys.executable, *(part.format(port=port, threads=threads) for part in GUNICORN)]
    return servers.launch(command, port, servers.ROOT, servers.environment(instance, settings), instance / "server.log")


def _stop(desks: Sequence[servers.Server]) -> None:
    with ThreadPoolExecutor() as at_once:
        list(at_once.map(lambda desk: desk.stop(), desks))


def version() -> str:
    """Name the PostgreSQL that is run."""
    command = [postgres.program("postgres"), "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return f"PostgreSQL {told.split()[2]}"


def allow_handles(wanted: int) -> None:
    """Let this process, and those that it starts, open so many files and connections.

    Raises SystemExit, in words, when the system does not let it.
    """
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted += _SPARE_HANDLES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"{wanted} open files are needed and {hard} allowed: raise the limit (ulimit -Hn) first")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
