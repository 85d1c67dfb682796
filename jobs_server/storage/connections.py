"""The connections of one database: a few are kept at hand, and each is lent for a reading or for a write unit.

To take a connection from SQLAlchemy's pool and give it back costs more than what an empty poll does with it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from sqlalchemy import Engine, Pool, PoolProxiedConnection, QueuePool
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..errors import BadRequest, DatabaseUnavailable, JobsError
from .disk_room import FULL
from .fair_lock import FairLock
from .file_identity import REPLACED
from .sqlite import BUSY, DAMAGED, refusal
from .statement import Connection

_FORMER_SECONDS = 0.25
"""How long new connections wait for the end of those from before a failure: a reading may take longer."""


class Kind(Protocol):
    """What differs between the databases; see `sqlite` and `postgresql`."""

    name: str
    in_memory: bool  # one connection, shared by all threads
    one_writer: bool  # the writers of this process wait for each other, and connections are kept at hand
    reserved: int  # so many connections are kept for urgent write units

    def begin(self, raw: Any, site: str | None, timeout_ms: int, waited_ms: int, *, urgent: bool = False) -> None:
        """Open a write unit: of a site, or of the whole database; part of the time to wait for it has passed."""

    def announced(self) -> AbstractContextManager[None]:
        """Have the writers of other processes give way until an urgent write unit has begun."""

    def begin_reading(self, raw: Any) -> None:
        """Open a read transaction: each of its statements sees what the first one saw."""

    def commit(self, raw: Any, site: str | None) -> None:
        """Commit a write unit, and wake other processes."""

    def rollback(self, raw: Any) -> None:
        """Undo a write unit; the connection may be lost."""

    def repair(self) -> None:
        """Put right what a failure may have left behind, before new connections are made."""

    def is_full(self) -> bool:
        """Whether the disk is full, as far as that is known without asking the database."""

    def fault(self) -> str | None:
        """Return what is wrong with the database's file, so that nothing is kept; None when nothing is known."""

    @property
    def failure(self) -> type[Exception]:
        """Return what the driver raises."""

    def meaning(self, error: Exception) -> str | type[Exception]:
        """Return why the database failed; BadRequest when it cannot keep a value, Exception when the fault is ours."""


@dataclass(slots=True, eq=False)
class _Stock:
    """The connections that were made from one `close` to the next."""

    free: list[PoolProxiedConnection] = field(default_factory=list)
    open: int = 0


@dataclass(slots=True)
class Connections:
    """Keep connections of an engine at hand, and let one writer in after the other."""

    engine: Engine
    kind: Kind
    timeout_seconds: float
    write_lock: FairLock
    closed: int = 0
    """How often connections were closed; who holds one for long gives it back when this has changed."""
    damaged_at: float = -math.inf
    """When the file was last found to be damaged, by the monotonic clock."""
    full_at: float = -math.inf
    """When the disk was last found to be full."""
    _stock: _Stock = field(init=False, default_factory=_Stock)
    _former: set[_Stock] = field(init=False, default_factory=set)
    _ended: threading.Condition = field(init=False, default_factory=threading.Condition)
    _reserve: Pool | None = field(init=False)
    """Makes connections for urgent write units, when all others may wait for something; none where none are kept."""

    def __post_init__(self) -> None:
        self._reserve = self.engine.pool.recreate() if self.kind.reserved else None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no writer of this process in for a block. Raises Unavailable when that cannot be had in time."""
        self.lock()
        try:
            yield
        finally:
            self.unlock()

    def lock(self, *, urgent: bool = False, offer: object = None) -> None:
        """Keep the other writers of this process out, unless one of them took what was offered.

        Raises Unavailable when the wait is too long.
        """
        if self.kind.one_writer and not self.write_lock.acquire(self.timeout_seconds, urgent=urgent, offer=offer):
            raise DatabaseUnavailable(refusal(BUSY))

    def unlock(self) -> None:
        """Let the next writer in."""
        if self.kind.one_writer:
            self.write_lock.release()

    def take(self, *, urgent: bool = False) -> tuple[PoolProxiedConnection, _Stock]:
        """Take a connection, made anew when none is at hand, and the stock that it is to go back to."""
        stock = self._stock
        if urgent and (reserve := self._reserve) and cast(QueuePool, reserve).checkedout() < self.kind.reserved:
            return reserve.connect(), stock
        try:
            return stock.free.pop(), stock
        except IndexError:
            return self._make() if self.kind.one_writer else (self.engine.raw_connection(), stock)

    def give_back(self, connection: PoolProxiedConnection, stock: _Stock) -> None:
        """Take a connection back; one from before a `close` is closed."""
        if self.kind.one_writer:
            stock.free.append(connection)
            if stock is not self._stock:
                self._end(stock)
        elif stock is not self._stock or cast(Any, connection.driver_connection).closed:
            connection.invalidate()
        else:
            connection.close()

    def close(self) -> None:
        """Close what is not in use, and the rest when it is given back; new connections wait a moment for that.

        While one is open SQLite lets others share what it knows of the file, as that it may only be read.
        The one connection of a database in memory is waited for: to close it under a statement ends the process.
        """
        with self.alone() if self.kind.in_memory else nullcontext():
            self.engine.dispose()
            if self._reserve is not None:
                former_reserve, self._reserve = self._reserve, self._reserve.recreate()
                former_reserve.dispose()
            with self._ended:
                former, self._stock = self._stock, _Stock()
                if former.open:
                    self._former.add(former)
                self.closed += 1
            self._end(former)

    def refusal(self, error: Exception) -> JobsError | None:
        """Return what a driver's error means to a request; None when the fault is ours and not the database's."""
        if isinstance(error, UnicodeEncodeError):
            return _unkeepable()
        meaning = BUSY if isinstance(error, PoolTimeout) else self.kind.meaning(getattr(error, "orig", None) or error)
        if meaning is BadRequest:
            return _unkeepable()
        if not isinstance(meaning, str):
            return None
        if meaning == DAMAGED:
            self.damaged_at = time.monotonic()
        if meaning == FULL:
            self.full_at = time.monotonic()
        if meaning not in (BUSY, REPLACED, FULL) and not self.kind.in_memory:
            # A connection stays as it was opened: to a file that was read-only, damaged or away for a moment. The last
            # one to a file that was replaced must stay: with its end SQLite would delete the log of the other file. So
            # must all on a full disk, since what their end frees another program takes.
            self.close()
            self.kind.repair()
        return DatabaseUnavailable(refusal(meaning))

    def _make(self) -> tuple[PoolProxiedConnection, _Stock]:
        with self._ended:
            self._ended.wait_for(lambda: not self._former, _FORMER_SECONDS)
            stock = self._stock
            stock.open += 1
        try:
            return self.engine.raw_connection(), stock
        except BaseException:
            self._count_ended(stock)
            raise

    def _end(self, former: _Stock) -> None:
        """Close what is free of a former stock: at once, and not when a pool that nobody knows is collected."""
        with suppress(IndexError):
            while True:
                former.free.pop().invalidate()
                self._count_ended(former)

    def _count_ended(self, stock: _Stock) -> None:
        with self._ended:
            stock.open -= 1
            if not stock.open:
                self._former.discard(stock)
                self._ended.notify_all()


def _unkeepable() -> BadRequest:
    return BadRequest("Error: a text is too long, or has a character that the database cannot keep")


class Lent:
    """Lend a connection of the driver's for a block. Raises Unavailable for what the driver says of the database.

    A class, since every request passes here, and a generator takes twice as long.
    """

    __slots__ = ("_connection", "_connections", "_stock", "_urgent")

    def __init__(self, connections: Connections, *, urgent: bool = False) -> None:
        self._connections = connections
        self._urgent = urgent

    def __enter__(self) -> Any:
        try:
            self._connection, self._stock = self._connections.take(urgent=self._urgent)
        except (self._connections.kind.failure, DBAPIError, PoolTimeout) as error:
            self._refuse(error)
            raise
        return self._connection.driver_connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            self._connections.give_back(self._connection, self._stock)
        except (self._connections.kind.failure, DBAPIError) as failure:
            self._refuse(failure)
            raise
        failures = (self._connections.kind.failure, DBAPIError, PoolTimeout, UnicodeEncodeError)
        if error is not None and isinstance(error, failures):
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        """Raise what an error means, unless it is a fault of ours and not of the database."""
        if refusal := self._connections.refusal(error):
            raise refusal from error


class Reading(Lent):
    """Lend a connection for reading."""

    __slots__ = ()

    def __enter__(self) -> Connection:
        return Connection(super().__enter__(), self._connections.kind.name)


class Snapshot(Reading):
    """Lend a connection for one read transaction."""

    __slots__ = ("_raw",)

    def __enter__(self) -> Connection:
        connection = super().__enter__()
        self._raw = connection._raw
        try:
            self._connections.kind.begin_reading(self._raw)
        except BaseException as error:
            super().__exit__(None, error, None)
            raise
        return connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        failed = error
        try:
            self._connections.kind.rollback(self._raw)
        except BaseException as failure:
            failed = failure
            raise
        finally:
            super().__exit__(None, failed, None)


class Writing(Lent):
    """Lend a connection for one write unit."""

    __slots__ = ("_lent", "_on_commit", "_site", "commit_seconds", "is_committed")

    def __init__(
        self,
        connections: Connections,
        site: str | None,
        on_commit: Callable[[str | None, float, list[Any]], None],
        *,
        urgent: bool = False,
    ) -> None:
        super().__init__(connections, urgent=urgent)
        self._site = site
        self._on_commit = on_commit
        self.is_committed = False
        self.commit_seconds = 0.0

    def __enter__(self) -> Connection:
        if self._urgent:
            with self._connections.kind.announced():
                return self._begin()
        return self._begin()

    def _begin(self) -> Connection:
        connections, asked = self._connections, time.monotonic()
        self._lock()
        try:
            raw = super().__enter__()
            try:
                waited_ms = round((time.monotonic() - asked) * 1000)
                timeout_ms = round(connections.timeout_seconds * 1000)
                connections.kind.begin(raw, self._site, timeout_ms, waited_ms, urgent=self._urgent)
            except BaseException as error:
                super().__exit__(None, error, None)
                raise
        except BaseException:
            connections.unlock()
            raise
        self._lent = Connection(raw, connections.kind.name)
        return self._lent

    def _lock(self) -> None:
        self._connections.lock(urgent=self._urgent)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        failed = error
        try:
            try:
                self._end(error)
            except BaseException as failure:
                failed = failure
                raise
            finally:
                super().__exit__(None, failed, None)
        finally:
            self._connections.unlock()
        if error is None:
            self._on_commit(self._site, self.commit_seconds, self._lent.changes)

    def _end(self, error: BaseException | None) -> None:
        """Commit, or roll back what failed or cannot be committed."""
        kind, raw = self._connections.kind, self._lent._raw
        if error is None:
            began = time.perf_counter()
            try:
                kind.commit(raw, self._site)
            except BaseException:
                kind.rollback(raw)
                raise
            self.is_committed = True
            self.commit_seconds = time.perf_counter() - began
        else:
            kind.rollback(raw)
