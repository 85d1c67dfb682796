"""The database: the one way to read and to write, whether it is SQLite or PostgreSQL.

Every write unit is one `transaction()`. What differs between the two databases stands in `sqlite` and `postgresql`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..config import Settings
from ..errors import ConfigError, Unavailable
from . import group_commit, postgresql, sqlite
from .connections import Connections, Kind, Reading, Snapshot, Writing
from .fair_lock import FairLock
from .statement import Connection

Result = TypeVar("Result")

engines = WeakKeyDictionary[Any, Engine]()
"""By Flask app, its engine."""

_FULL_SECONDS = 10.0


@dataclass(slots=True)
class Database:
    """Hold one engine, its connections, the lock of its writers, and what is called after each commit."""

    engine: Engine
    timeout_seconds: float
    write_lock: FairLock
    kind: Kind
    on_commit: list[Callable[[str | None], None]] = field(default_factory=list)
    """Called with the site whose write unit was committed; None: one of the whole database."""
    on_changes: list[Callable[[Sequence[Any]], None]] = field(default_factory=list)
    """Called with the changes of jobs that were committed."""
    on_commit_seconds: list[Callable[[float], None]] = field(default_factory=list)
    """Called with how long a commit took."""
    _connections: Connections = field(init=False)

    def __post_init__(self) -> None:
        self._connections = Connections(self.engine, self.kind, self.timeout_seconds, self.write_lock)

    @property
    def in_memory(self) -> bool:
        """Whether this is SQLite in memory: one connection, shared by all threads."""
        return self.kind.in_memory

    @property
    def closed(self) -> int:
        """Return how often connections were closed; who holds one for long gives it back when this has changed."""
        return self._connections.closed

    @property
    def fault(self) -> str | None:
        """Return what is wrong with the database's file, so that nothing is kept that comes; None when nothing is."""
        return self.kind.fault()

    @property
    def is_full(self) -> bool:
        """Whether the disk is full now, or was a moment ago when something was to be written."""
        return self.kind.is_full() or time.monotonic() - self._connections.full_at < _FULL_SECONDS

    def was_damaged(self, seconds: float) -> bool:
        """Whether within so many seconds something that was asked found the database's file damaged."""
        return time.monotonic() - self._connections.damaged_at < seconds

    def transaction(self, site: str | None = None, *, urgent: bool = False) -> AbstractContextManager[Connection]:
        """Open one write unit: committed at the end of the block, rolled back when it raises.

        Write units of one site happen one after the other, and one that names no site happens alone: on SQLite all
        do, on PostgreSQL those of different sites happen at once (see `postgresql`).
        An urgent one goes before all that wait and are not: stops and cancels, and what hands a stop over, are urgent.
        Waiting for the lock and for other processes together takes at most `timeout_seconds`.
        After the commit `on_commit` is called, and `on_changes` when jobs were changed, with nothing held.
        Raises Unavailable when the database is busy, full, read-only or broken; then nothing was changed.
        """
        return Writing(self._connections, site, self._call_back, urgent=urgent)

    def write(self, site: str | None, work: Callable[[Connection], Result], *, urgent: bool = False) -> Result:
        """Do the work of one write unit and return what it returns: as `transaction`, but units share a commit.

        The work may be done twice, the second time as if the first had not been.
        Raises what the work raises, and Unavailable; then nothing was changed.
        """
        return group_commit.write(self._connections, site, work, self._call_back, urgent=urgent)

    def reading(self, *, urgent: bool = False) -> AbstractContextManager[Connection]:
        """Open a connection for reading; each statement sees the last commit before it.

        An urgent one finds a connection although all others are in use: what a stop may have to read before it goes.
        """
        lent = Reading(self._connections, urgent=urgent)
        return self._alone(lent) if self.kind.in_memory else lent

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Open one read transaction: all statements in the block see the same commits, however many they are.

        Nothing may be waited for in the block: the database keeps what the snapshot sees for as long as it is open.
        """
        lent = Snapshot(self._connections)
        return self._alone(lent) if self.kind.in_memory else lent

    @contextmanager
    def _alone(self, lent: Reading) -> Iterator[Connection]:
        with self._connections.alone(), lent as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; see `Connections.close`."""
        self._connections.close()

    def _call_back(self, site: str | None, commit_seconds: float, changes: list[Any]) -> None:
        """Call what waits for commits."""
        for committed in self.on_commit:
            committed(site)
        for took in self.on_commit_seconds:
            took(commit_seconds)
        if changes:
            for changed in self.on_changes:
                changed(changes)


def engine_options(url: URL, threads: int, connections: int, timeout_seconds: float) -> dict[str, Any]:
    """Return the options with which SQLAlchemy makes the engine; a pool of connections is sized to what is served."""
    if url.get_backend_name() == postgresql.NAME:
        return postgresql.engine_options(connections, timeout_seconds)
    return sqlite.engine_options(url, threads, timeout_seconds)


def open_database(url: URL, settings: Settings) -> Database:
    """Return the database at a URL, without an app; no connection is made yet.

    Raises ConfigError when the URL's driver is not there.
    """
    options = engine_options(url, settings.threads, settings.database_connections, settings.database_timeout_seconds)
    with missing_driver_refused():
        engine = create_engine(url, **options)
    return database_with(engine, settings.database_timeout_seconds)


def database_with(engine: Engine, timeout_seconds: float) -> Database:
    """Return the database of an engine that was made with `engine_options`."""
    return Database(engine, timeout_seconds, FairLock(), kind_of(engine, timeout_seconds))


@contextmanager
def missing_driver_refused() -> Iterator[None]:
    """Raise ConfigError where the driver of a database's URL is not installed."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"JOBS_DATABASE_URL needs {error.name}, which is not installed: pip install 'jobs-server[postgres]'"
        ) from None


def kind_of(engine: Engine, timeout_seconds: float) -> Kind:
    """Return which database an engine is of, and make its connections durable and checked."""
    if engine.dialect.name == postgresql.NAME:
        return postgresql.PostgreSQL(engine, timeout_seconds)
    return sqlite.SQLite(engine)


def reason_of(error: BaseException) -> str:
    """Return in a few words why the database failed."""
    if isinstance(error, Unavailable):
        if error.__cause__ is None:
            return sqlite.BUSY  # no driver said so: the wait for the other writers of this process was too long
        error = error.__cause__
    if isinstance(error, PoolTimeout):
        return sqlite.BUSY
    error = getattr(error, "orig", None) or error
    if type(error).__module__.startswith("psycopg"):
        return postgresql.reason(error)
    return sqlite.reason(error)
