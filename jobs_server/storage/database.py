"""The database: the one way to read and to write, whether it is SQLite or PostgreSQL.

Statements are written in SQLAlchemy Core, compiled once, and run on the driver's own connection: an ORM session costs
three times the work of a claim. Every write unit is one `transaction()`. What differs between the two databases stands
in `sqlite` and `postgresql`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, Engine, Integer, MetaData, PoolProxiedConnection, Text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from ..errors import BadRequest, ConfigError, JobsError, Unavailable
from . import postgresql, sqlite, sqlite_driver
from .fair_lock import Turns
from .sqlite import is_memory

__all__ = ["Base", "Connection", "Database", "Statement", "is_memory"]

BUSY = sqlite.BUSY

_FORMER_SECONDS = 0.25
"""How long new connections wait for the end of those from before a failure: a reading may take longer."""

driver = sqlite_driver.driver


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
        # Texts are in the order of their bytes, as SQLite has them: a ULID's order must not hang on a language.
        type_annotation_map={
            int: BigInteger().with_variant(Integer(), "sqlite"),
            str: Text().with_variant(Text(collation="C"), "postgresql"),
        },
    )


db = SQLAlchemy(model_class=Base)


class Statement:
    """Hold a Core statement, compiled once for each kind of database; PostgreSQL may need one of its own."""

    __slots__ = ("_compiled", "_core", "_on_postgresql")

    def __init__(self, core: ClauseElement, on_postgresql: ClauseElement | None = None) -> None:
        self._core = core
        self._on_postgresql = core if on_postgresql is None else on_postgresql
        self._compiled: dict[str, tuple[str, dict[str, Any]]] = {}

    def compiled(self, dialect: str) -> tuple[str, dict[str, Any]]:
        """Give the SQL text and the values that are fixed in it."""
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = self._compile(_DIALECTS[dialect])
        return found

    def _compile(self, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        core = self._on_postgresql if dialect.name == postgresql.NAME else self._core
        compiled = cast(SQLCompiler, core.compile(dialect=dialect))
        fixed = {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}
        return compiled.string, fixed


_DIALECTS: Mapping[str, Dialect] = {
    sqlite.NAME: SQLiteDialect(paramstyle="named"),
    postgresql.NAME: PGDialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}


class Kind(Protocol):
    """What differs between the databases; see `sqlite` and `postgresql`."""

    name: str
    in_memory: bool  # one connection, shared by all threads
    one_writer: bool  # the writers of this process wait for each other, and connections are kept at hand

    def begin(self, raw: Any, site: str | None, timeout_ms: int, waited_ms: int) -> None:
        """Open a write unit: of a site, or of the whole database; part of the time to wait for it has passed."""

    def begin_reading(self, raw: Any) -> None:
        """Open a read transaction: each of its statements sees what the first one saw."""

    def commit(self, raw: Any, site: str | None) -> None:
        """End it well, and have other processes told."""

    def rollback(self, raw: Any) -> None:
        """Undo it; the connection may be lost."""

    def mend(self) -> None:
        """Put right what a failure may have left behind, before new connections are made."""

    @property
    def failure(self) -> type[Exception]:
        """Give what the driver raises."""

    def meaning(self, error: Exception) -> str | type[Exception]:
        """Say why the database failed; BadRequest when it cannot keep a value, Exception when the fault is ours."""


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
        self._raw.cursor().executemany(sql, [{**fixed, **each} for each in values] if fixed else values)

    def _run(self, statement: Statement, values: dict[str, Any]) -> Any:
        sql, fixed = statement.compiled(self._dialect)
        return self._raw.execute(sql, {**fixed, **values} if fixed else values)


@dataclass(slots=True, eq=False)
class _Stock:
    """The connections that were made from one `Database.close` to the next."""

    free: list[PoolProxiedConnection] = field(default_factory=list)
    open: int = 0


@dataclass(slots=True)
class Database:
    """Hold one engine, the turns of its writers, who is to be told of each commit, and a few connections at hand.

    To take a connection from SQLAlchemy's pool and give it back costs more than what an empty poll does with it.
    """

    engine: Engine
    timeout_seconds: float
    turns: Turns
    kind: Kind
    on_commit: list[Callable[[str | None], None]] = field(default_factory=list)
    """Told which site's write unit was committed; None: one of the whole database."""
    on_changes: list[Callable[[Sequence[Any]], None]] = field(default_factory=list)
    on_commit_seconds: list[Callable[[float], None]] = field(default_factory=list)
    closed: int = field(init=False, default=0)
    """How often connections were closed; who holds one for long gives it back when this has changed."""
    _stock: _Stock = field(init=False, default_factory=_Stock)
    _former: set[_Stock] = field(init=False, default_factory=set)
    _ended: threading.Condition = field(init=False, default_factory=threading.Condition)

    @property
    def in_memory(self) -> bool:
        """Tell whether this is SQLite in memory: one connection, shared by all threads."""
        return self.kind.in_memory

    def transaction(self, site: str | None = None) -> AbstractContextManager[Connection]:
        """Open one write unit: committed at the end of the block, rolled back when it raises.

        Write units of one site happen one after the other, and one that names no site happens alone: on SQLite all
        do, on PostgreSQL those of different sites happen at once (see `postgresql`).
        Waiting for the turn and for other processes together takes at most `timeout_seconds`.
        After the commit `on_commit` is called, and `on_changes` when jobs were changed, with nothing held.
        Raises Unavailable when the database is busy, full, read-only or broken; then nothing was changed.
        """
        return _Writing(self, site)

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a connection for reading; each statement sees the last commit before it."""
        return self._in_turn(_Reading(self)) if self.in_memory else _Reading(self)

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Open one read transaction: all statements in the block see the same commits, however many they are.

        Nothing may be waited for in the block: the database keeps what the snapshot sees for as long as it is open.
        """
        return self._in_turn(_Snapshot(self)) if self.in_memory else _Snapshot(self)

    @contextmanager
    def _in_turn(self, lent: AbstractContextManager[Connection]) -> Iterator[Connection]:
        with self._turn(), lent as connection:
            yield connection

    def close(self) -> None:
        """Close what is not in use, and the rest when it is given back; new connections wait a moment for that.

        While one is open SQLite lets others share what it knows of the file, as that it may only be read.
        The one connection of a database in memory is waited for: to close it under a statement ends the process.
        """
        with self._turn() if self.in_memory else nullcontext():
            self.engine.dispose()
            with self._ended:
                former, self._stock = self._stock, _Stock()
                if former.open:
                    self._former.add(former)
                self.closed += 1
            self._end(former)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._take_turn()
        try:
            yield
        finally:
            self._pass_on_turn()

    def _take_turn(self) -> None:
        if self.kind.one_writer and not self.turns.take(self.timeout_seconds):
            raise Unavailable(_sentence(BUSY))

    def _pass_on_turn(self) -> None:
        if self.kind.one_writer:
            self.turns.pass_on()

    def _tell(self, site: str | None, commit_seconds: float, changes: list[Any]) -> None:
        """Tell what was committed."""
        for tell in self.on_commit:
            tell(site)
        for tell_seconds in self.on_commit_seconds:
            tell_seconds(commit_seconds)
        if changes:
            for tell_changes in self.on_changes:
                tell_changes(changes)

    def _take(self) -> tuple[PoolProxiedConnection, _Stock]:
        stock = self._stock
        try:
            return stock.free.pop(), stock
        except IndexError:
            return self._make() if self.kind.one_writer else (self.engine.raw_connection(), stock)

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

    def _give_back(self, connection: PoolProxiedConnection, stock: _Stock) -> None:
        if self.kind.one_writer:
            stock.free.append(connection)
            if stock is not self._stock:
                self._end(stock)
        elif stock is not self._stock or cast(Any, connection.driver_connection).closed:
            connection.invalidate()
        else:
            connection.close()

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

    def _refusal(self, error: Exception) -> JobsError | None:
        meaning = BUSY if isinstance(error, PoolTimeout) else self.kind.meaning(getattr(error, "orig", None) or error)
        if meaning is BadRequest:
            return BadRequest("Error: a text is too long, or has a character that the database cannot keep")
        if not isinstance(meaning, str):
            return None
        if meaning != BUSY and not self.in_memory:
            # A connection stays as it was opened: to a file that was read-only, damaged or away for a moment.
            self.close()
            self.kind.mend()
        return Unavailable(_sentence(meaning))


class _Lent:
    """Lend a connection of the driver's for a block. Raises Unavailable for what the driver says of the database.

    A class, since every request passes here, and a generator takes twice as long.
    """

    __slots__ = ("_connection", "_database", "_stock")

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Any:
        try:
            self._connection, self._stock = self._database._take()
        except (self._database.kind.failure, DBAPIError, PoolTimeout) as error:
            self._refuse(error)
            raise
        return self._connection.driver_connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            self._database._give_back(self._connection, self._stock)
        except (self._database.kind.failure, DBAPIError) as failure:
            self._refuse(failure)
            raise
        if error is not None and isinstance(error, (self._database.kind.failure, DBAPIError, PoolTimeout)):
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        """Raise what the error means, unless it is a fault of ours and not of the database."""
        if refusal := self._database._refusal(error):
            raise refusal from error


class _Reading(_Lent):
    """Lend a connection for reading."""

    __slots__ = ()

    def __enter__(self) -> Connection:
        return Connection(super().__enter__(), self._database.kind.name)


class _Snapshot(_Reading):
    """Lend a connection for one read transaction."""

    __slots__ = ("_raw",)

    def __enter__(self) -> Connection:
        connection = super().__enter__()
        self._raw = connection._raw
        try:
            self._database.kind.begin_reading(self._raw)
        except BaseException as error:
            super().__exit__(None, error, None)
            raise
        return connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        failed = error
        try:
            self._database.kind.rollback(self._raw)
        except BaseException as failure:
            failed = failure
            raise
        finally:
            super().__exit__(None, failed, None)


class _Writing(_Lent):
    """Lend a connection for one write unit."""

    __slots__ = ("_commit_seconds", "_lent", "_site")

    def __init__(self, database: Database, site: str | None) -> None:
        super().__init__(database)
        self._site = site

    def __enter__(self) -> Connection:
        database, asked = self._database, time.monotonic()
        database._take_turn()
        try:
            raw = super().__enter__()
            try:
                waited_ms = round((time.monotonic() - asked) * 1000)
                database.kind.begin(raw, self._site, round(database.timeout_seconds * 1000), waited_ms)
            except BaseException as error:
                super().__exit__(None, error, None)
                raise
        except BaseException:
            database._pass_on_turn()
            raise
        self._lent = Connection(raw, database.kind.name)
        return self._lent

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        database, failed = self._database, error
        try:
            try:
                self._end(error)
            except BaseException as failure:
                failed = failure
                raise
            finally:
                super().__exit__(None, failed, None)
        finally:
            database._pass_on_turn()
        if error is None:
            database._tell(self._site, self._commit_seconds, self._lent.changes)

    def _end(self, error: BaseException | None) -> None:
        """Commit, or roll back what failed or cannot be committed."""
        kind, raw = self._database.kind, self._lent._raw
        if error is None:
            began = time.perf_counter()
            try:
                kind.commit(raw, self._site)
            except BaseException:
                kind.rollback(raw)
                raise
            self._commit_seconds = time.perf_counter() - began
        else:
            kind.rollback(raw)


def engine_options(url: URL, threads: int, connections: int, timeout_seconds: float) -> dict[str, Any]:
    """Give the options with which SQLAlchemy makes the engine; a pool of connections is sized to what is served."""
    if url.get_backend_name() == postgresql.NAME:
        return postgresql.engine_options(connections, timeout_seconds)
    return sqlite.engine_options(url, threads, timeout_seconds)


def database_of(app: Flask, timeout_seconds: float) -> Database:
    """Make the database of an app; no connection is made yet. Raises ConfigError when the URL's driver is not there."""
    try:
        db.init_app(app)
    except ImportError as error:
        raise ConfigError(
            f"JOBS_DATABASE_URL needs {error.name}, which is not installed: pip install 'jobs-server[postgres]'"
        ) from None
    app.teardown_appcontext_funcs.clear()  # Flask-SQLAlchemy's: after each request it ends a session that none opens
    with app.app_context():
        return Database(db.engine, timeout_seconds, Turns(), kind_of(db.engine))


def kind_of(engine: Engine) -> Kind:
    """Tell which database an engine is of, and make its connections durable and checked."""
    if engine.dialect.name == postgresql.NAME:
        return postgresql.PostgreSQL(engine)
    return sqlite.SQLite(engine)


def _sentence(reason: str) -> str:
    return f"Error: the database cannot be used now: {reason}. Nothing was changed; try again in a moment."


def reason(error: BaseException) -> str:
    """Say in a few words why the database failed."""
    if isinstance(error, Unavailable):
        error = error.__cause__ or error
    if isinstance(error, PoolTimeout):
        return BUSY
    error = getattr(error, "orig", None) or error
    if type(error).__module__.startswith("psycopg"):
        return postgresql.reason(error)
    return sqlite.reason(error)
