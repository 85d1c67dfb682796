"""The database: engine set-up, SQLite's pragmas, and the one way to read and to write.

Statements are written in SQLAlchemy Core, compiled once, and run on the driver's own connection: an ORM session costs
three times the work of a claim. Every write unit is one `transaction()`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, Engine, Integer, MetaData, PoolProxiedConnection, Text, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from . import sqlite_file
from .errors import ConfigError, Unavailable
from .turns import Turns

EXTENSION = "jobs_server.database"

driver = sqlite_file.driver

BEGIN = "jobs_server_begin"
"""Execution option: the statement that opens a SQLAlchemy transaction on SQLite."""


class Base(DeclarativeBase):
    """Give every table one convention of constraint names, so that migrations can name them, and 64-bit integers."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        # Milliseconds since 1970 need 64 bits; every INTEGER of SQLite has them, and only INTEGER may be a row id.
        type_annotation_map={int: BigInteger().with_variant(Integer(), "sqlite"), str: Text()},
    )


db = SQLAlchemy(model_class=Base)


class Statement:
    """Hold a Core statement, compiled once for each kind of database."""

    __slots__ = ("_compiled", "_core")

    def __init__(self, core: ClauseElement) -> None:
        self._core = core
        self._compiled: dict[str, tuple[str, dict[str, Any]]] = {}

    def compiled(self, dialect: str) -> tuple[str, dict[str, Any]]:
        """Give the SQL text and the values that are fixed in it."""
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = self._compile(_DIALECTS[dialect])
        return found

    def _compile(self, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        compiled = cast(SQLCompiler, self._core.compile(dialect=dialect))
        fixed = {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}
        return compiled.string, fixed


_DIALECTS: Mapping[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": postgresql.dialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}


class Connection:
    """Run statements on one driver connection."""

    __slots__ = ("_dialect", "_raw", "changes")

    def __init__(self, raw: Any, dialect: str) -> None:
        self._raw = raw
        self._dialect = dialect
        self.changes: list[Any] = []
        """What a write unit changed, for those who are told after its commit."""

    def rows(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement that answers with rows."""
        return self._run(statement, values).fetchall()  # type: ignore[no-any-return]

    def row(self, statement: Statement, **values: Any) -> tuple[Any, ...] | None:
        """Run a statement that answers with one row or none."""
        rows = self.rows(statement, **values)  # fetched whole: a RETURNING has done its work only then
        return rows[0] if rows else None

    def run(self, statement: Statement, **values: Any) -> None:
        """Run a statement that answers with nothing."""
        self._run(statement, values)

    def run_many(self, statement: Statement, values: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each set of values."""
        sql, fixed = statement.compiled(self._dialect)
        self._raw.cursor().executemany(sql, [{**fixed, **each} for each in values])

    def _run(self, statement: Statement, values: dict[str, Any]) -> Any:
        sql, fixed = statement.compiled(self._dialect)
        return self._raw.execute(sql, {**fixed, **values} if fixed else values)


@dataclass(slots=True)
class Database:
    """Hold one engine, the turns of its writers, who is to be told of each commit, and a few connections at hand.

    To take a connection from SQLAlchemy's pool and give it back costs more than what an empty poll does with it.
    """

    engine: Engine
    timeout_seconds: float
    turns: Turns
    on_commit: list[Callable[[], None]] = field(default_factory=list)
    on_changes: list[Callable[[Sequence[Any]], None]] = field(default_factory=list)
    on_commit_seconds: list[Callable[[float], None]] = field(default_factory=list)
    in_memory: bool = field(init=False)
    """This is SQLite in memory: one connection, shared by all threads."""
    _kept: list[PoolProxiedConnection] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.in_memory = is_memory(self.engine.url)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open one write unit: committed at the end of the block, rolled back when it raises.

        Waiting for the turn and for other processes together takes at most `timeout_seconds`.
        After the commit `on_commit` is called, and `on_changes` when jobs were changed, with nothing held.
        Raises Unavailable when the database is busy, full, read-only or broken; then nothing was changed.
        """
        deadline = time.monotonic() + self.timeout_seconds
        with self._turn(), self._lent() as raw:
            remaining_ms = max(0, round((deadline - time.monotonic()) * 1000))
            raw.execute(f"PRAGMA busy_timeout = {remaining_ms}")
            raw.execute("BEGIN IMMEDIATE")
            connection = Connection(raw, self.engine.dialect.name)
            try:
                yield connection
                began = time.perf_counter()
                raw.commit()
                commit_seconds = time.perf_counter() - began
            except BaseException:
                raw.rollback()
                raise
        for tell in self.on_commit:
            tell()
        for tell_seconds in self.on_commit_seconds:
            tell_seconds(commit_seconds)
        if connection.changes:
            for tell_changes in self.on_changes:
                tell_changes(connection.changes)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection for reading; each statement sees the last commit before it."""
        with self._turn() if self.in_memory else nullcontext(), self._lent() as raw:
            yield Connection(raw, self.engine.dialect.name)

    def close(self) -> None:
        """Close what is not in use; connections that are made from now on are new ones."""
        kept, self._kept = self._kept, []  # what is in use now will go with the old list
        for connection in kept:
            connection.close()
        self.engine.dispose()

    def use_write_ahead_log(self, timeout_seconds: float) -> None:
        """Switch the file to WAL, which it then stays in.

        The switch needs the file for itself for a moment and SQLite does not wait for that: two processes may start
        together. Raises Unavailable when the file cannot be used.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._lent() as raw:
            while True:
                try:
                    raw.execute("PRAGMA journal_mode = WAL")
                except driver.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
                else:
                    return

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.turns.take(self.timeout_seconds):
            raise Unavailable(_sentence(_BUSY))
        try:
            yield
        finally:
            self.turns.pass_on()

    @contextmanager
    def _lent(self) -> Iterator[Any]:
        """Lend a connection of the driver's. Raises Unavailable for what the driver says of the database."""
        kept = self._kept
        try:
            connection = self._take(kept)
            try:
                yield connection.driver_connection
            finally:
                kept.append(connection)
        except (driver.IntegrityError, driver.ProgrammingError):
            raise  # a fault of ours, not of the database
        except (driver.Error, DBAPIError, PoolTimeout) as error:
            words = reason(error)
            if words != _BUSY and not self.in_memory:
                # A connection stays as it was opened: to a file that was read-only, damaged or away for a moment.
                self.close()
            raise Unavailable(_sentence(words)) from error

    def _take(self, kept: list[PoolProxiedConnection]) -> PoolProxiedConnection:
        try:
            return kept.pop()
        except IndexError:
            return self.engine.raw_connection()


def current() -> Database:
    """Give the database of the running app."""
    return cast(Database, current_app.extensions[EXTENSION])


def transaction() -> AbstractContextManager[Connection]:
    """Open one write unit on the running app's database; see `Database.transaction`."""
    return current().transaction()


def reading() -> AbstractContextManager[Connection]:
    """Open the running app's database for reading; see `Database.reading`."""
    return current().reading()


def is_memory(url: URL) -> bool:
    """Tell whether a URL names SQLite in memory."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def engine_options(url: URL, threads: int, timeout_seconds: float) -> dict[str, Any]:
    """Give the options with which SQLAlchemy makes the engine."""
    options: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        options |= {"module": driver, "connect_args": {"timeout": timeout_seconds}}
    if not is_memory(url):
        # Each thread may hold one connection of `Database` and one of the engine's own, as ORM sessions do.
        options |= {"pool_size": threads, "max_overflow": threads, "pool_timeout": timeout_seconds}
    return options


def init_app(app: Flask, timeout_seconds: float) -> None:
    """Give an app its database; no connection is made yet. Raises ConfigError when the URL's driver is not there."""
    try:
        db.init_app(app)
    except ImportError as error:
        raise ConfigError(
            f"JOBS_DATABASE_URL needs {error.name}, which is not installed: pip install 'jobs-server[postgres]'"
        ) from None
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            _set_up(db.engine)
        app.extensions[EXTENSION] = Database(db.engine, timeout_seconds, Turns())


def _set_up(engine: Engine) -> None:
    """Make every connection of an engine durable and checked, and its transactions explicit."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not open transactions of its own
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")  # what was acknowledged survives a power cut

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))


def _sentence(reason: str) -> str:
    return f"Error: the database cannot be used now: {reason}. Nothing was changed; try again in a moment."


def reason(error: BaseException) -> str:
    """Say in a few words why the database failed."""
    if isinstance(error, Unavailable):
        error = error.__cause__ or error
    text = str(getattr(error, "orig", None) or error).lower()
    for sign, words in _SIGNS.items():
        if sign in text:
            return words
    return _BUSY if isinstance(error, PoolTimeout) else text.splitlines()[0]


_BUSY = "it is busy"
_SIGNS = {
    "locked": _BUSY,
    "full": "the disk is full",
    "i/o error": "its disk reports errors",
    "readonly": "it may only be read",
    "no such table": "it was never prepared (serve once, or run `flask db upgrade`)",
    "unable to open": "its file cannot be opened (was it ever prepared? serve once, or run `flask db upgrade`)",
    "malformed": "its file is damaged",
    "not a database": "its file is no database",
}
