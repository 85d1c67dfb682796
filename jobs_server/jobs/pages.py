"""Pages that are bounded by rows and by bytes: a job may be as large as a body, and five hundred of them a lot.

SQLite works out a row when it is asked for it, so that reading ends where the page does. PostgreSQL would send all rows
of a statement at once: there the statement itself ends where the page does, and says in one more column whether rows
were left out (`within_bytes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, reduce
from operator import add
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, func, select

from ..storage.models import Job
from ..storage.statement import Connection, Statement
from .rows import ListedJob, listed_jobs

PAGE_JOBS = 500
"""How many jobs of a list are read at once, so that memory stays bounded however long the list is."""
PAGE_BYTES = 256 * 1024
"""How many bytes of jobs are read at once: whoever sends them to a slow reader holds them for as long as that takes."""

_LONG = ("required_params", "optional_params", "user_name", "user_id")
JOB_BYTES: ColumnElement[int] = reduce(add, (func.octet_length(getattr(Job, name)) for name in _LONG))
"""The bytes of what may be long in a job, on PostgreSQL, which knows them without reading the texts."""


Row = TypeVar("Row")


class Page(NamedTuple, Generic[Row]):
    """Some jobs of a list."""

    jobs: list[Row]
    more: bool
    """Whether the list may go on."""


NO_JOBS: Page[ListedJob] = Page([], more=False)


def within_bytes(
    rows: Select[Any], size: ColumnElement[int], *order: str, also: Sequence[ColumnElement[Any]] = ()
) -> Select[Any]:
    """Write for PostgreSQL the first rows of a statement up to `most_bytes`, the row that goes past them included.

    `order` names columns of the statement, or such as are put in the order alone (`also`); `-` before a name stands
    for descending. A last column says whether a row is the one that goes past.
    """
    page = rows.add_columns(size.label("page_bytes"), *also).subquery()
    total = func.sum(page.c.page_bytes).over(order_by=_ordered(page.c, order), rows=(None, 0)).label("page_total")
    counted = select(*page.c, total).subquery()
    most = bindparam("most_bytes", type_=BigInteger)
    unread = {"page_bytes", "page_total", *(each.key for each in also)}
    columns = [each for each in counted.c if each.key not in unread]
    within = select(*columns, counted.c.page_total > most).where(counted.c.page_total - counted.c.page_bytes <= most)
    return within.order_by(*_ordered(counted.c, order))


def _ordered(columns: Any, order: Sequence[str]) -> list[ColumnElement[Any]]:
    return [columns[each[1:]].desc() if each.startswith("-") else columns[each] for each in order]


def read(
    connection: Connection, statement: Statement, count: int, most_bytes: int = PAGE_BYTES, **values: Any
) -> Page[ListedJob]:
    """Read a page of jobs: at least one where there is one, at most `count`, and no further than so many bytes."""
    rows, cut = read_rows(connection, statement, values | {"count": count}, most_bytes, ListedJob._fields)
    return Page(listed_jobs(rows), cut or len(rows) >= count)


def read_rows(
    connection: Connection,
    statement: Statement,
    values: Mapping[str, Any],
    most_bytes: int,
    fields: tuple[str, ...],
    before: int = 0,
    also: int | None = None,
) -> tuple[list[Sequence[Any]], bool]:
    """Read the rows of a statement up to so many bytes, the row that goes past them included.

    Return with them whether rows may have been left out. The `fields` of a job stand in each row after `before` other
    columns, of which `also` may hold another long text.
    """
    cursor = connection.each(statement, **values, most_bytes=most_bytes)
    required, optional, name, user = _places(fields, before)
    rows: list[Sequence[Any]] = []
    left = most_bytes
    try:
        for row in cursor:
            rows.append(row)
            left -= 0 if also is None or row[also] is None else len(row[also])
            left -= len(row[required]) + len(row[optional]) + len(row[name]) + len(row[user])
            if left < 0:
                break
    finally:
        cursor.close()  # SQLite ends what it reads only then.
    width = before + len(fields)
    if rows and len(rows[-1]) > width:
        return [row[:width] for row in rows], bool(rows[-1][width])
    return rows, left < 0


@cache
def _places(fields: tuple[str, ...], before: int) -> list[int]:
    """Return where the texts that may be long stand in a row."""
    return [before + fields.index(each) for each in _LONG]
