"""The queues that are measured and need a server: procrastinate on PostgreSQL, RQ on Redis."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import rq
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.connector import BaseConnector
from redis import Redis
from rich.console import Console
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.timeouts import TimerDeathPenalty

from .queues import CarryOut, Left, Queue, number_of, payload, steps

_NEVER = -1
_DO_NOTHING: CarryOut = lambda _number: None  # noqa: E731


class Procrastinate(Queue):
    """procrastinate: jobs deferred by its client, carried out by its own worker."""

    name = package = "procrastinate"
    place = "postgresql"
    durable = "PostgreSQL, fsync and synchronous_commit on"
    finished = "stays, with an event for each change"
    waits = "LISTEN, NOTIFY"

    def __init__(self, place: str) -> None:
        self._url = place
        self._carry_out = _DO_NOTHING
        self._left = 0
        self._connection = psycopg.connect(place, autocommit=True)
        for name in ("fsync", "synchronous_commit"):
            assert self._rows(f"SHOW {name}") == [("on",)], name
        self._sender = self._app(SyncPsycopgConnector(conninfo=place, min_size=1, max_size=8))
        self._sender.open()
        if self._rows("SELECT to_regclass('procrastinate_jobs')") == [(None,)]:
            self._sender.schema_manager.apply_schema()

    def _app(self, connector: BaseConnector) -> App:
        app = App(connector=connector)

        async def carry_out(**job: Any) -> None:
            self._carry_out(number_of(job))
            self._left -= 1
            if not self._left:
                self._finished.set()

        app.task(name="carry_out")(carry_out)  # with @ it is untyped where procrastinate is missing
        return app

    def send(self, number: int) -> None:
        """Defer a job."""
        self._sender.configure_task("carry_out").defer(**payload(number))

    def consume(self, count: int, workers: int, carry_out: CarryOut) -> None:
        """Run its worker until all is done."""
        self._carry_out, self._left = carry_out, count
        asyncio.run(self._consume(workers))

    async def _consume(self, workers: int) -> None:
        self._finished = asyncio.Event()
        app = self._app(PsycopgConnector(conninfo=self._url, min_size=1, max_size=workers + 2))
        async with app.open_async():
            worker = asyncio.create_task(app.run_worker_async(concurrency=workers, install_signal_handlers=False))
            ended = asyncio.create_task(self._finished.wait())
            await asyncio.wait({worker, ended}, return_when=asyncio.FIRST_COMPLETED)
            worker.cancel()  # it ends what it has begun
            with suppress(asyncio.CancelledError):
                await worker

    def left(self) -> Left:
        """Return what is to do, and what is being done."""
        (waiting,) = self._rows("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")[0]
        doing = self._rows(
            "SELECT (args->'optional_params'->>'number')::int FROM procrastinate_jobs WHERE status = 'doing'"
        )
        return Left(waiting, frozenset(number for (number,) in doing))

    def remember(self, count: int, console: Console) -> None:
        """Write jobs that succeeded, with three events each, and have PostgreSQL look at its tables as it would."""
        insert = (
            "WITH job AS (INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts)"
            " SELECT 'default', 'carry_out', %s::jsonb, 'succeeded', 1 FROM generate_series(1, %s) RETURNING id)"
            " INSERT INTO procrastinate_events (job_id, type) SELECT id, type FROM job,"
            " unnest(ARRAY['deferred', 'started', 'succeeded']::procrastinate_job_event_type[]) AS type"
        )
        self._connection.execute("SET session_replication_role = replica")  # its triggers write events of their own
        for step in steps(count, console, self.name):
            self._connection.execute(insert, (json.dumps(payload(step[0])), len(step)))
        self._connection.execute("SET session_replication_role = DEFAULT")
        self._connection.execute("VACUUM ANALYZE")

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query.encode()).fetchall()

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()
        self._connection.close()


_carry_out: dict[str, CarryOut] = {}


def carry_out(job: dict[str, Any]) -> None:
    """Be the function that RQ's workers find by its name."""
    _carry_out["now"](number_of(job))


class _Worker(rq.SimpleWorker):
    """RQ's worker without a fork for each job, in a thread: it can take no signals there."""

    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None: ...


class RQ(Queue):
    """RQ: jobs enqueued by its client, carried out by its worker that does not fork."""

    name, package = "RQ", "rq"
    place = "redis"
    durable = "Redis, appendonly, appendfsync=always"
    finished = "is deleted after 500 s"
    keeps = False
    waits = "blocks on Redis"

    def __init__(self, place: str) -> None:
        port, _, number = place.partition("/")
        self._redis: Callable[[], Redis] = lambda: Redis(port=int(port), db=int(number or 0))
        connection = self._redis()
        for name, value in (("appendonly", "yes"), ("appendfsync", "always")):
            assert connection.config_get(name) == {name: value}, name
        self._queue = rq.Queue(connection=connection)

    def send(self, number: int) -> None:
        """Enqueue a job; without a time limit, which would cost a thread for each job."""
        self._queue.enqueue(carry_out, payload(number), job_timeout=_NEVER)

    def consume(self, count: int, workers: int, carry_out: CarryOut) -> None:
        """Run its workers, each for its share."""
        _carry_out["now"] = carry_out
        shares = [count // workers + (number < count % workers) for number in range(workers)]
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(self._work, filter(None, shares)))

    def _work(self, count: int) -> None:
        connection = self._redis()
        worker = _Worker([rq.Queue(connection=connection)], connection=connection)
        worker.work(max_jobs=count, logging_level=logging.getLevelName(logging.WARNING))

    def left(self) -> Left:
        """Return what waits, and what a worker took and did not finish."""
        connection = self._queue.connection
        between: list[Any] = connection.lrange(IntermediateQueue(self._queue.key, connection).key, 0, -1)
        taken = [name.decode() for name in between]
        taken += StartedJobRegistry(queue=self._queue).get_job_ids(cleanup=False)
        taken += FailedJobRegistry(queue=self._queue).get_job_ids(cleanup=False)
        jobs = [Job.fetch(name, connection) for name in set(taken)]
        return Left(self._queue.count, frozenset(number_of(job.args[0]) for job in jobs))

    def remember(self, count: int, console: Console) -> None:
        """Do nothing: there is no history."""

    def close(self) -> None:
        """Close the connections."""
        self._queue.connection.close()
