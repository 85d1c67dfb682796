"""The two that are measured: the service and the floor, each a server process on a database file of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flask import Flask

from jobs_server import clock, create_app
from jobs_server.domain import actors
from jobs_server.domain.commands import ClaimJobs, SubmitJob, UpdateStatus
from jobs_server.jobs import operations, queries
from jobs_server.jobs.rows import JobRow
from jobs_server.service import service_of
from jobs_server.storage.database import Database
from jobs_server.upkeep import startup
from tests.support import servers

GUNICORN = ("-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", "{threads}", "--bind", "127.0.0.1:{port}")

COMMAND: dict[str, Any] = {
    "device": "camera",
    "instance": "camera_1_1",
    "action": "expose",
    "user_name": "Vera",
    "user_id": "auth0|vera",
    "required_params": {"time": 1.5, "image_type": "light"},
    "optional_params": {"count": 2, "filter": "R", "dither": "off", "hint": "V838 Mon, second half of the night"},
}
"""A command as a user interface sends it, all but its site."""


class Sent(Protocol):
    """A job that was sent: what its site needs to report on it."""

    @property
    def ulid(self) -> str:
        """Return its key."""

    @property
    def site(self) -> str:
        """Return where it goes."""


@dataclass(frozen=True)
class Contender:
    """A server process, and its database, which is filled from this process."""

    port: int
    app: Flask
    server: servers.Server

    def send(self, sites: list[str], each: int) -> list[JobRow]:
        """Queue a number of jobs at each site, in one transaction."""
        settings = service_of(self.app).settings
        with self._database.transaction() as connection:
            return [
                operations.submit(connection, SubmitJob(**COMMAND, site=site), actors.SERVER, clock.read(), settings)
                for site in sites
                for _ in range(each)
            ]

    def take(self, site: str) -> None:
        """Hand over all that waits at a site."""
        with self._database.transaction() as connection:
            operations.claim(connection, ClaimJobs(site=site), actors.site(site), clock.read())

    def report(self, job: Sent, status: str) -> None:
        """Report on a job, as its site would."""
        command = UpdateStatus(site=job.site, ulid=job.ulid, status=status, seconds_until_complete=60)
        with self._database.transaction() as connection:
            operations.report(connection, command, actors.site(job.site), clock.read())

    def knows(self, site: str) -> bool:
        """Whether a site has any job."""
        return next(queries.recent(self._database, site, 0), None) is not None

    @property
    def _database(self) -> Database:
        database: Database = service_of(self.app).database
        return database


def gunicorn(port: int, threads: int) -> list[str]:
    """Return what follows `python` to run a server as the README says, all but its target."""
    return [part.format(port=port, threads=threads) for part in GUNICORN]


def environment(folder: Path, threads: int, log_level: str) -> dict[str, str]:
    """Return the environment of a server that is measured, without the settings of whoever measures."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("JOBS_")}
    return kept | {
        "JOBS_INSTANCE": str(folder),
        "JOBS_THREADS": str(threads),
        "JOBS_LOG_LEVEL": log_level,
        "JOBS_NEW_JOBS_PER_SECOND": "0",  # one person posts as fast as it goes
        "JOBS_MAX_WAITING_JOBS": "0",  # nobody takes the jobs while they are posted
    }


@contextmanager
def service(folder: Path, threads: int = 64, log_level: str = "info") -> Iterator[Contender]:
    """Run the service as the README says."""
    with _running(folder, "wsgi:app", threads, log_level) as contender:
        yield contender


@contextmanager
def floor(folder: Path) -> Iterator[Contender]:
    """Run the floor."""
    with _running(folder, "benchmarks.floor:app") as contender:
        yield contender


@contextmanager
def _running(folder: Path, target: str, threads: int = 64, log_level: str = "info") -> Iterator[Contender]:
    app = create_app({"INSTANCE": str(folder), "MAX_WAITING_JOBS": 0})
    startup.prepare(app)
    path = service_of(app).settings.url.database
    variables = environment(folder, threads, log_level) | {"FLOOR_DATABASE": str(path)}
    port = servers.free_port()
    command = [sys.executable, *gunicorn(port, threads), target]
    server = servers.launch(command, port, servers.ROOT, variables, folder / "server.log")
    try:
        with servers.stopped_at_the_end(server):
            yield Contender(port, app, server)
    finally:
        service_of(app).database.close()
