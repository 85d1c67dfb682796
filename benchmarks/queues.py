"""The queues that are measured, each behind the same few verbs, and ours as the first of them."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from sqlalchemy import text

from jobs_server import clock, create_app
from jobs_server.domain import actors
from jobs_server.domain.commands import ClaimJobs, StartJob, SubmitJob, UpdateStatus
from jobs_server.jobs import operations
from jobs_server.jobs.rows import JobRow
from jobs_server.live import long_poll
from jobs_server.live.disconnect import Client
from jobs_server.service import service_of
from jobs_server.storage.database import Database
from jobs_server.storage.statement import Statement
from jobs_server.upkeep import startup

from .bulk import SITES, fill
from .contenders import COMMAND

CarryOut = Callable[[int], None]
"""Is called with the number of each job that is handed over."""

TIMEOUT_SECONDS = 60.0
"""How long at most is waited for a job, or for a file that others write."""

_STEP = 20_000
_UNFINISHED = Statement(text("SELECT optional_params, phase FROM job WHERE phase NOT IN ('ended', 'withdrawn')"))


class Left(NamedTuple):
    """What a queue still knows of: how many jobs wait, and the numbers of those handed over that have no end."""

    waiting: int
    open: frozenset[int]


class Queue(ABC):
    """A queue of numbered jobs. A place is a folder, the URL of a database, or a port and the number of a store."""

    name: ClassVar[str]
    package: ClassVar[str]
    place: ClassVar[str] = "folder"
    durable: ClassVar[str]
    """What makes a commit survive a power cut."""
    finished: ClassVar[str]
    """What becomes of a finished job."""
    keeps: ClassVar[bool] = True
    """Finished jobs stay, so that there is a history."""
    waits: ClassVar[str]
    """How a consumer waits."""

    @abstractmethod
    def __init__(self, place: str) -> None:
        """Open the queue at a place, or make it."""

    @abstractmethod
    def send(self, number: int) -> None:
        """Queue a job; it is durable on return."""

    @abstractmethod
    def consume(self, count: int, workers: int, carry_out: CarryOut) -> None:
        """Wait for so many jobs, carry them out and acknowledge them, on so many threads or the like."""

    @abstractmethod
    def left(self) -> Left:
        """Return what is not finished."""

    @abstractmethod
    def remember(self, count: int, console: Console) -> None:
        """Write so many finished jobs straight into the tables of a new queue."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held."""


class Threaded(Queue):
    """A queue whose consumers are threads of this process."""

    def consume(self, count: int, workers: int, carry_out: CarryOut) -> None:
        """Have each thread serve jobs one by one until all are served."""
        tickets = iter(range(count))

        def work(_: int) -> None:
            for _ticket in tickets:
                self.serve_one(carry_out)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))

    @abstractmethod
    def serve_one(self, carry_out: CarryOut) -> None:
        """Wait for one job, carry it out and acknowledge it."""


class Ours(Threaded):
    """This service's own operations: a poll with a claim id, and the report of the end."""

    name = "jobs_server"
    package = "jobs-server"
    durable = "SQLite, WAL, synchronous=FULL"
    finished = "stays, with an event for each change"
    waits = "woken by the commit"

    def __init__(self, place: str) -> None:
        self._app = create_app({"INSTANCE": place, "MAX_WAITING_JOBS": 0, "THREADS": 64})
        startup.prepare(self._app)
        self._settings = service_of(self._app).settings
        self._database: Database = service_of(self._app).database
        self._feed = service_of(self._app).feed
        self._site, self._actor, self._client = SITES[0], actors.site(SITES[0]), Client("peers", "127.0.0.1")
        with self._database.engine.connect() as connection:
            check_durable(connection.connection.driver_connection)

    def send(self, number: int) -> None:
        """Submit a job."""
        command = SubmitJob(**payload(number), site=self._site)
        with self._database.transaction(self._site) as connection:
            operations.submit(connection, command, actors.SERVER, clock.read(), self._settings)

    def serve_one(self, carry_out: CarryOut) -> None:
        """Claim a job with an id, carry it out and report its end."""
        while not (found := self._poll(uuid.uuid4().hex).jobs):
            pass
        self._carry_out(found[0], carry_out)

    def _poll(self, claim_id: str) -> operations.Handover:
        command = ClaimJobs(site=self._site, limit=1, claim_id=claim_id, wait_seconds=TIMEOUT_SECONDS)
        return long_poll.poll(self._database, self._feed, command, self._actor, self._client)

    def _carry_out(self, job: JobRow, carry_out: CarryOut) -> None:
        carry_out(orjson.loads(job.optional_params)["number"])
        end = UpdateStatus(site=self._site, ulid=job.ulid, status="COMPLETE")
        with self._database.transaction(self._site) as connection:
            operations.report(connection, end, self._actor, clock.read())

    def left(self) -> Left:
        """Return what is not finished."""
        with self._database.reading() as connection:
            rows = connection.rows(_UNFINISHED)
        open_ = [params for params, phase in rows if phase != "waiting"]
        return Left(len(rows) - len(open_), frozenset(orjson.loads(params)["number"] for params in open_))

    def remember(self, count: int, console: Console) -> None:
        """Write a history of all sites."""
        self._database.close()
        fill(str(self._settings.url.database), count, clock.now_ms(), console)

    def close(self) -> None:
        """Close the database."""
        self._feed.stop()
        self._database.close()


class OursKept(Ours):
    """The same as the client does it: the claim id is kept in a file, and the start is told before anything begins."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self._kept = Path(place, "claim-id")

    def serve_one(self, carry_out: CarryOut) -> None:
        """Go on with the claim that was interrupted, if there is one, else claim a job."""
        if not self._kept.exists():
            written = self._kept.with_suffix(".new")
            written.write_text(uuid.uuid4().hex, encoding="ascii")
            written.replace(self._kept)  # killed at any moment, it is there whole or not at all
        claim_id = self._kept.read_text(encoding="ascii")
        found = self._poll(claim_id).jobs  # none: all that it had got has begun
        for job in found:
            start = StartJob(site=self._site, ulid=job.ulid, claim_id=claim_id)
            with self._database.transaction(self._site) as connection:
                operations.start(connection, start, self._actor, clock.read(), self._settings)
            self._carry_out(job, carry_out)
        self._kept.unlink()


def payload(number: int) -> dict[str, Any]:
    """Return the job that every queue carries."""
    return {**COMMAND, "optional_params": {**COMMAND["optional_params"], "number": number}}


def steps(count: int, console: Console, name: str) -> Iterator[range]:
    """Go through numbers in steps, with a bar that shows how far."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(f"filling {name}", *columns, console=console, transient=True) as progress:
        task = progress.add_task("filling", total=count)
        for first in range(0, count, _STEP):
            step = range(first, min(first + _STEP, count))
            yield step
            progress.advance(task, len(step))


def number_of(job: dict[str, Any]) -> int:
    """Return the number of a job that came back."""
    number: int = job["optional_params"]["number"]
    return number


def check_durable(connection: Any) -> None:
    """Raise AssertionError unless each commit is on the disk before it returns."""
    mode, synchronous = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous"))
    assert (mode, synchronous) == ("wal", 2), (mode, synchronous)
