"""What somebody puts on a site and somebody ends, with who, when and why: lock-outs, and pauses of the queue.

Of one kind at most one is in force at a site; those that have ended are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import bindparam, insert, select, update

from ..clock import Now
from ..domain.actors import Actor
from ..storage.models import Lockout, QueuePause
from ..storage.statement import Connection, Statement
from .sql import at_most

Row = TypeVar("Row", bound=tuple[Any, ...])

_BEGIN = ("site", "note", "since_ms", "by_known", "by_id", "by_name")


class SiteHolds(Generic[Row]):
    """Read and write the holds of one kind. `ended` begins the names of the columns that say when and by whom."""

    def __init__(self, table: type[Lockout | QueuePause], row: Any, ended: str) -> None:
        self._row, self._ended = row, ended
        columns = table.__table__.c
        of_all = [columns[name] for name in row._fields]
        is_in_force, is_here = columns[f"{ended}_ms"].is_(None), columns["site"] == bindparam("site")
        end = (f"{ended}_ms", *(f"{ended}_by_{name}" for name in ("known", "id", "name")))
        self._in_force = Statement(select(*of_all).where(is_here, is_in_force))
        self._everywhere = Statement(select(*of_all).where(is_in_force).order_by(columns["site"]))
        self._latest = Statement(select(*of_all).where(is_here).order_by(columns["id"].desc()).limit(at_most("count")))
        self._begin = Statement(insert(table).values({name: bindparam(name) for name in _BEGIN}).returning(*of_all))
        self._end = Statement(
            update(table)
            .where(columns["id"] == bindparam("of_id"), is_in_force)
            .values({name: bindparam(name) for name in end})
            .returning(*of_all)
        )

    def in_force(self, connection: Connection, site: str) -> Row | None:
        """Return the hold in force at a site; None when there is none."""
        row = connection.row(self._in_force, site=site)
        return self._made(row) if row else None

    def everywhere(self, connection: Connection) -> list[Row]:
        """List the holds in force at all sites."""
        return [self._made(row) for row in connection.rows(self._everywhere)]

    def latest(self, connection: Connection, site: str, count: int) -> list[Row]:
        """List the latest holds of a site, newest first, the one in force among them."""
        return [self._made(row) for row in connection.rows(self._latest, site=site, count=count)]

    def begin(self, connection: Connection, site: str, note: str, actor: Actor, since_ms: int) -> Row:
        """Put a hold on a site, at which none is in force."""
        by = {"by_known": actor.known.value, "by_id": actor.id, "by_name": actor.name}
        return self._made(connection.rows(self._begin, site=site, note=note, since_ms=since_ms, **by)[0])

    def end(self, connection: Connection, hold_id: int, actor: Actor, now: Now) -> Row:
        """End a hold that is in force."""
        by = {"known": actor.known.value, "id": actor.id, "name": actor.name}
        values: dict[str, Any] = {f"{self._ended}_by_{name}": value for name, value in by.items()}
        values |= {f"{self._ended}_ms": now.wall_ms, "of_id": hold_id}
        return self._made(connection.rows(self._end, **values)[0])

    def _made(self, row: Sequence[Any]) -> Row:
        return self._row._make(row)  # type: ignore[no-any-return]
