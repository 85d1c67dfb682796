"""Who may command a telescope, as far as those who wait are to be told when it changes: lock-outs and reservations.

Neither is an event of a job, so the feed compares what stood before a commit with what stands after it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, literal_column, select, union_all

from ..storage.models import Lockout, Reservation
from ..storage.statement import Connection, Statement

_ZERO: ColumnElement[int] = literal_column("0")
_MARKS = Statement(
    union_all(
        select(Lockout.site, Lockout.id, _ZERO, _ZERO).where(Lockout.lifted_ms.is_(None)),
        select(
            Reservation.site,
            func.count(),
            func.max(Reservation.last_modified_ms),
            func.sum(Reservation.end_ms - Reservation.start_ms),
        )
        .where(Reservation.end_ms > bindparam("now_ms"))
        .group_by(Reservation.site),
    )
)

Marks = frozenset[tuple[Any, ...]]


def marks(connection: Connection, now_ms: int) -> Marks:
    """Give marks of what stands at all sites, the site first in each; they differ when something has changed."""
    return frozenset(connection.rows(_MARKS, now_ms=now_ms))


def changed(before: Marks, after: Marks) -> set[str]:
    """List the sites at which something has changed."""
    return {mark[0] for mark in before ^ after}
