"""The queues that are measured and are a library on SQLite: Huey, litequeue, persist-queue.

Each is used as its manual shows, with its own way to wait; only its durability is set, and looked at.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huey import SqliteHuey
from huey.consumer import Worker
from litequeue import LiteQueue, Message, MessageStatus
from persistqueue import SQLiteAckQueue
from persistqueue.sqlackqueue import AckStatus
from rich.console import Console

from .queues import TIMEOUT_SECONDS, CarryOut, Left, Threaded, check_durable, number_of, payload, steps

POLL_SECONDS = 0.1
"""How often is looked where a library has no way to wait: as often as Huey does at first."""


class Huey(Threaded):
    """Huey on SQLite, with the loop of its own worker."""

    name, package = "Huey", "huey"
    durable = "SQLite, WAL, synchronous=FULL (fsync=True)"
    finished = "is deleted when it is handed over"
    keeps = False
    waits = "looks every 0.1 s, up to 10 s when it finds nothing"

    def __init__(self, place: str) -> None:
        self._huey = SqliteHuey(filename=str(Path(place, "huey.db")), fsync=True)
        check_durable(self._huey.storage.conn)

        @self._huey.task()  # type: ignore[untyped-decorator]
        def carry_out(job: dict[str, Any]) -> None:
            self._carry_out(number_of(job))

        self._task = carry_out

    def send(self, number: int) -> None:
        """Call the task."""
        self._task(payload(number))

    def consume(self, count: int, workers: int, carry_out: CarryOut) -> None:
        """Serve jobs; the task calls what is given here."""
        self._carry_out = carry_out
        super().consume(count, workers, carry_out)

    def serve_one(self, carry_out: CarryOut) -> None:  # noqa: ARG002
        """Loop as its worker does until there was a job."""
        worker = Worker(self._huey, threading.Event(), default_delay=POLL_SECONDS, max_delay=10.0, backoff=1.15)
        while not worker.task_count:
            worker.loop()

    def left(self) -> Left:
        """Return what waits; of what was handed over nothing is known."""
        return Left(self._huey.storage.queue_size(), frozenset())

    def remember(self, count: int, console: Console) -> None:
        """Do nothing: there is no history."""

    def close(self) -> None:
        """Close the database."""
        self._huey.storage.close()


class Lite(Threaded):
    """litequeue: one connection for each thread, since it locks nothing."""

    name = package = "litequeue"
    durable = "SQLite, WAL, synchronous=FULL (its own choice is NORMAL)"
    finished = "stays until prune()"
    waits = f"cannot: looked at every {POLL_SECONDS} s here"

    def __init__(self, place: str) -> None:
        self._path = str(Path(place, "litequeue.db"))
        self._kept: list[LiteQueue] = []
        with self._lent():
            pass  # makes the tables

    @contextmanager
    def _lent(self) -> Iterator[LiteQueue]:
        queue = self._kept.pop() if self._kept else self._open()
        yield queue
        self._kept.append(queue)

    def _open(self) -> LiteQueue:
        queue = LiteQueue(self._path, timeout=TIMEOUT_SECONDS)
        queue.conn.execute("PRAGMA synchronous = FULL")
        check_durable(queue.conn)
        return queue

    def send(self, number: int) -> None:
        """Put a message."""
        with self._lent() as queue:
            queue.put(json.dumps(payload(number)))

    def serve_one(self, carry_out: CarryOut) -> None:
        """Pop a message, and say that it is done."""
        with self._lent() as queue:
            while (message := queue.pop()) is None:
                time.sleep(POLL_SECONDS)
            found: Message = message
            carry_out(number_of(json.loads(found.data)))
            queue.done(found.message_id)

    def left(self) -> Left:
        """Return what is ready, and what is locked."""
        with self._lent() as queue:
            waiting = queue.conn.execute(f"SELECT count(*) FROM {queue.table} WHERE status = 0").fetchone()[0]
            locked = queue.conn.execute(f"SELECT data FROM {queue.table} WHERE status = 1").fetchall()
        return Left(waiting, frozenset(number_of(json.loads(data)) for (data,) in locked))

    def remember(self, count: int, console: Console) -> None:
        """Write messages that are done."""
        with self._lent() as queue:
            insert = f"INSERT INTO {queue.table} VALUES (?, ?, {MessageStatus.DONE.value}, ?, ?, ?)"
            at_ns = time.time_ns()
            for step in steps(count, console, self.name):
                rows = [(json.dumps(payload(n)), f"00000000-{n:012d}", at_ns, at_ns, at_ns) for n in step]
                _write(queue.conn, insert, rows)

    def close(self) -> None:
        """Close the connections."""
        for queue in self._kept:
            queue.close()


class Persist(Threaded):
    """persist-queue's queue with acknowledgement: one object with a lock, for all threads."""

    name, package = "persist-queue", "persist-queue"
    durable = "SQLite, WAL, synchronous=FULL"
    finished = "stays until clear_acked_data()"
    waits = "woken within a process; another's jobs are seen within 10 s"
    _KEPT = "INSERT INTO `ack_queue_default` (data, timestamp, status) VALUES (?, ?, ?)"

    def __init__(self, place: str, *, resume: bool = True) -> None:
        self._queue = SQLiteAckQueue(place, multithreading=True, auto_resume=resume, timeout=TIMEOUT_SECONDS)
        for connection in self._connections():
            connection.execute("PRAGMA synchronous = FULL")
            check_durable(connection)

    def _connections(self) -> tuple[Any, ...]:
        return self._queue._getter, self._queue._putter

    def send(self, number: int) -> None:
        """Put an item."""
        self._queue.put(payload(number))

    def serve_one(self, carry_out: CarryOut) -> None:
        """Get an item, and acknowledge it."""
        item = self._queue.get()
        carry_out(number_of(item))
        self._queue.ack(item)

    def left(self) -> Left:
        """Return what is ready, and what was got and not acknowledged."""
        items = [item for item in self._queue.queue() if int(item["status"]) < int(AckStatus.acked)]
        got = [item for item in items if str(item["status"]) == AckStatus.unack]
        return Left(len(items) - len(got), frozenset(number_of(item["data"]) for item in got))

    def remember(self, count: int, console: Console) -> None:
        """Write items that were acknowledged."""
        at_seconds, dumps = time.time(), self._queue._serializer.dumps
        _, connection = self._connections()
        for step in steps(count, console, self.name):
            _write(connection, self._KEPT, [(dumps(payload(n)), at_seconds, AckStatus.acked) for n in step])

    def close(self) -> None:
        """Close the connections."""
        self._queue.close()


def _write(connection: sqlite3.Connection, insert: str, rows: list[tuple[Any, ...]]) -> None:
    """Write rows in one transaction that nobody was promised anything of."""
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.executemany(insert, rows)
    connection.commit()
    connection.execute("PRAGMA synchronous = FULL")
