"""The way from SQLite to PostgreSQL: every row of every table, verified by checksum, and safe to run again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Select, Table, func, insert, select, text, tuple_
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from ..config import Settings
from ..errors import StartRefused, TaskFailed
from ..storage import migrations, postgresql
from ..storage.base import Base
from ..storage.database import Database, open_database, reason_of

Progress = Callable[[str, int, int], None]
"""Called with the table, how many of its rows are done, and how many there are."""

BATCH = 1000
PAGE_CHARACTERS = 2 * 1024 * 1024
_NOT_MOVED = ("site_presence", "prune_permit", "device_state", "site_status")  # they hold what is so at the moment


class Moved(NamedTuple):
    """What came of a move."""

    rows: dict[str, int]
    already: bool
    """Whether all rows were there before."""


def move(settings: Settings, source: Database, to: URL, progress: Progress = lambda *_: None) -> Moved:
    """Copy a SQLite installation into a PostgreSQL database, verify it, and leave the original as it is.

    The server must not be running. What an earlier run copied is verified and gone on from. Raises TaskFailed when the
    database holds anything else, or when a checksum differs; then nothing is served from it.
    """
    target = open_database(to, settings)
    if target.kind.name != postgresql.NAME:
        raise TaskFailed("name a PostgreSQL database: --to postgresql+psycopg://user:password@host/name")
    try:
        migrations.prepare(target)
        with source.engine.connect() as here, target.engine.connect() as there:
            return _move(here, there, progress)
    except StartRefused as refusal:
        raise TaskFailed(refusal.message) from None
    except DBAPIError as error:
        raise TaskFailed(f"the move broke off: {reason_of(error)}; run it again to go on") from None
    finally:
        target.close()


def _move(here: Connection, there: Connection, progress: Progress) -> Moved:
    tables = [table for table in Base.metadata.sorted_tables if table.name not in _NOT_MOVED]
    _take_over_epoch(here, there)
    before = sum(_count(there, table) for table in tables)
    counts = {}
    for table in tables:
        if table.name != "feed_record":
            _copy(here, there, table, progress)
        counts[table.name] = _verify(here, there, table, progress)
        _set_sequence(there, table)
    there.commit()
    return Moved(counts, before == sum(counts.values()))


def _take_over_epoch(here: Connection, there: Connection) -> None:
    """Keep the positions in the feed good; refuse a database that has a history of its own."""
    table = Base.metadata.tables["feed_record"]
    theirs, ours = there.execute(select(table)).one(), here.execute(select(table)).one()
    if theirs.epoch != ours.epoch:
        if there.execute(text("SELECT EXISTS (SELECT 1 FROM job) OR EXISTS (SELECT 1 FROM lockout)")).scalar_one():
            raise TaskFailed("the database holds jobs that are not this installation's; name an empty one with --to")
        there.execute(table.update().values(epoch=ours.epoch, pruned_seq=ours.pruned_seq))
    there.commit()


def _copy(here: Connection, there: Connection, table: Table, progress: Progress) -> None:
    """Copy the rows above the last one that is there; each batch is committed by itself."""
    key = _key(table)
    last = there.execute(select(*key).order_by(*(column.desc() for column in key)).limit(1)).first()
    total, done = _count(here, table), _count(there, table)
    there.commit()
    for rows in _pages(here, table, tuple(last) if last else None):
        there.execute(insert(table), [row._asdict() for row in rows])
        there.commit()
        done += len(rows)
        progress(table.name, done, total)


def _verify(here: Connection, there: Connection, table: Table, progress: Progress) -> int:
    """Compare all rows, a batch at a time; return how many there are. Raises TaskFailed where they differ."""
    total, done = _count(here, table), 0
    ours, theirs = _pages(here, table, None), _pages(there, table, None)
    for rows in ours:
        copies = next(theirs, [])
        if _checksum(rows) != _checksum(copies):
            raise TaskFailed(
                f"rows of {table.name} differ from {tuple(getattr(rows[0], each.name) for each in _key(table))} on: the"
                " database was changed since it was copied, or holds something else; name an empty one with --to"
            )
        done += len(rows)
        progress(f"{table.name}, verified", done, total)
    if next(theirs, None):
        raise TaskFailed(f"{table.name} holds more rows there than here; name an empty database with --to")
    there.commit()
    return done


def _pages(connection: Connection, table: Table, after: tuple[Any, ...] | None) -> Iterator[list[Any]]:
    """Read a table in the order of its key."""
    key = _key(table)
    while True:
        wanted = select(table).order_by(*key).limit(BATCH)
        if after is not None:
            wanted = wanted.where(_is_after(key, after))
        rows, more = _up_to_a_page(connection, wanted)
        if rows:
            yield rows
            after = tuple(getattr(rows[-1], column.name) for column in key)
        if not more:
            return


def _up_to_a_page(connection: Connection, wanted: Select[Any]) -> tuple[list[Any], bool]:
    """Read rows up to so many bytes of text, the same from either database; return whether there may be more."""
    rows: list[Any] = []
    left = PAGE_CHARACTERS
    with connection.execute(wanted, execution_options={"stream_results": True}) as found:
        for row in found:
            rows.append(row)
            left -= sum(len(value) for value in row if isinstance(value, str))
            if left < 0:
                return rows, True
    return rows, len(rows) == BATCH


def _is_after(key: Sequence[Column[Any]], after: tuple[Any, ...]) -> Any:
    return key[0] > after[0] if len(key) == 1 else tuple_(*key) > tuple_(*after)


def _key(table: Table) -> list[Column[Any]]:
    return list(table.primary_key.columns)


def _checksum(rows: Sequence[Any]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(tuple(row)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _set_sequence(there: Connection, table: Table) -> None:
    """Have new rows numbered above all that were copied, pruned ones included."""
    (key,) = _key(table)[:1]
    name = there.execute(text("SELECT pg_get_serial_sequence(:table, :key)"), {"table": table.name, "key": key.name})
    sequence = name.scalar_one()
    if sequence is None:
        return
    highest = there.execute(select(func.max(key))).scalar_one() or 0
    if table.name == "job_event":
        highest = max(highest, there.execute(text("SELECT pruned_seq FROM feed_record")).scalar_one())
    there.execute(text("SELECT setval(:sequence, :highest, :used)"), _next(sequence, highest))


def _next(sequence: str, highest: int) -> dict[str, Any]:
    return {"sequence": sequence, "highest": max(highest, 1), "used": highest > 0}
