"""Statements in SQLAlchemy Core, compiled once, and what runs them on the driver's own connection.

An ORM session costs three times the work of a claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from . import postgresql


@cache
def _dialect(name: str) -> Dialect:
    """Return the dialect of a database; that of the other one is never loaded."""
    if name == postgresql.NAME:
        from sqlalchemy.dialects.postgresql.base import PGDialect

        return PGDialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]
    from sqlalchemy.dialects.sqlite.base import SQLiteDialect

    return SQLiteDialect(paramstyle="named")


class Statement:
    """Hold a Core statement, compiled once for each kind of database; PostgreSQL may need one of its own."""

    __slots__ = ("_compiled", "_core", "_on_postgresql")

    def __init__(self, core: ClauseElement, on_postgresql: ClauseElement | None = None) -> None:
        self._core = core
        self._on_postgresql = core if on_postgresql is None else on_postgresql
        self._compiled: dict[str, tuple[str, dict[str, Any]]] = {}

    def compiled(self, dialect: str) -> tuple[str, dict[str, Any]]:
        """Return the SQL text and the values that are fixed in it."""
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = self._compile(_dialect(dialect))
        return found

    def _compile(self, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        core = self._on_postgresql if dialect.name == postgresql.NAME else self._core
        compiled = cast(SQLCompiler, core.compile(dialect=dialect))
        fixed = {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}
        return compiled.string, fixed


class Connection:
    """Run statements on one driver connection."""

    __slots__ = ("_dialect", "_raw", "changes")

    def __init__(self, raw: Any, dialect: str) -> None:
        self._raw = raw
        self._dialect = dialect
        self.changes: list[Any] = []
        """What a write unit changed, for `Database.on_changes` after its commit."""

    @property
    def is_postgresql(self) -> bool:
        """Whether this is a connection to PostgreSQL."""
        return self._dialect == postgresql.NAME

    @property
    def is_open(self) -> bool:
        """Whether the write unit still stands: after some failures SQLite takes all of it back."""
        return bool(self._raw.in_transaction)

    def another(self) -> Connection:
        """Return the same for another write unit, whose changes are its own."""
        return Connection(self._raw, self._dialect)

    def save(self) -> None:
        """Begin a unit inside of another."""
        self._raw.execute("SAVEPOINT unit")

    def keep(self) -> None:
        """End a unit inside of another."""
        self._raw.execute("RELEASE unit")

    def undo(self) -> None:
        """Undo a unit inside of another, unless SQLite has taken back all of both."""
        if self.is_open:
            self._raw.execute("ROLLBACK TO unit")
            self.keep()

    def rows(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        return self._run(statement, values).fetchall()  # type: ignore[no-any-return]

    def row(self, statement: Statement, **values: Any) -> tuple[Any, ...] | None:
        """Run a statement and return its first row, or None."""
        rows = self.rows(statement, **values)  # All rows are fetched: a RETURNING has done its work only then.
        return rows[0] if rows else None

    def each(self, statement: Statement, **values: Any) -> Any:
        """Run a statement and return the driver's cursor, for whoever may not want all its rows, and closes it.

        SQLite works out each row when it is asked for; PostgreSQL sends all rows at once.
        """
        return self._run(statement, values)

    def stream(self, statement: Statement, **values: Any) -> Iterator[tuple[Any, ...]]:
        """Run a statement and yield its rows one by one, none of which is kept; all of them are to be asked for."""
        if not self.is_postgresql:
            yield from self._run(statement, values)
            return
        sql, fixed = statement.compiled(self._dialect)
        yield from self._raw.cursor().stream(sql, {**fixed, **values})

    def run(self, statement: Statement, **values: Any) -> None:
        """Run a statement that has no rows."""
        self._run(statement, values)

    def run_many(self, statement: Statement, values: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each set of values."""
        sql, fixed = statement.compiled(self._dialect)
        self._raw.cursor().executemany(sql, [{**fixed, **each} for each in values] if fixed else values)

    def _run(self, statement: Statement, values: dict[str, Any]) -> Any:
        sql, fixed = statement.compiled(self._dialect)
        return self._raw.execute(sql, {**fixed, **values} if fixed else values)
