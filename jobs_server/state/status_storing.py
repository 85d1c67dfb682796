"""How the status that public site software posts comes to the disk and back, and to other servers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson
from sqlalchemy import BigInteger, bindparam, delete, text

from .. import clock
from ..clock import Now
from ..storage.database import Database
from ..storage.models import SiteStatus
from ..storage.statement import Connection, Statement
from .statuses import NEVER_RESTORED, Entry, Statuses, StoredEntry
from .storing import DB_NOW, KEPT_MS, OURS, Rows

_SLACK_MS = 2_000  # A row that was heard earlier may become visible so much later.
_COLUMNS = "site, status_type, entry, at_ms, at_boot_ms"
_UPSERT = (
    f"INSERT INTO site_status ({_COLUMNS}, heard_ms)"  # noqa: S608
    " VALUES (:site, :status_type, :entry, :at_ms, :at_boot_ms, {heard})"
    " ON CONFLICT (site, status_type) DO UPDATE SET entry = excluded.entry, at_ms = excluded.at_ms,"
    " at_boot_ms = excluded.at_boot_ms, heard_ms = excluded.heard_ms"
)
_WRITE = Statement(
    text(_UPSERT.format(heard=":at_ms + 0 * :age_ms")),
    on_postgresql=text(_UPSERT.format(heard=f"{DB_NOW} - CAST(:age_ms AS bigint)")),
)
_READ = Statement(
    text(f"SELECT {_COLUMNS}, NULL, heard_ms FROM site_status WHERE heard_ms > :after"),  # noqa: S608
    on_postgresql=text(f"SELECT {_COLUMNS}, {DB_NOW} - heard_ms, heard_ms FROM site_status WHERE heard_ms > :after"),  # noqa: S608
)
_FORGET = Statement(delete(SiteStatus).where(SiteStatus.heard_ms < bindparam("before_ms", type_=BigInteger)))


class StatusStoring:
    """Write statuses beside the state of devices, and read what other servers wrote."""

    def __init__(self, database: Database, statuses: Statuses) -> None:
        self._database = database
        self._statuses = statuses
        self._is_shared = not database.kind.one_writer
        self._due: list[Entry] = []
        self._after_ms = -_SLACK_MS
        statuses.load = self._load

    def due(self, every_seconds: float, sites: Collection[str], now: Now) -> Rows:
        """Return what is to be written; on SQLite never what would not be believed again."""
        self._due = self._statuses.due(every_seconds, sites)
        kept = [each for each in self._due if self._is_shared or each.status_type not in NEVER_RESTORED]
        return [(_WRITE, [_row(each, now) for each in kept])] if kept else []

    def note_written(self) -> None:
        """Note that what was due is on disk."""
        self._statuses.note_written(self._due)
        self._due = []

    def look(self, connection: Connection) -> None:
        """Read what other servers wrote."""
        found = connection.rows(_READ, after=self._after_ms)
        self._statuses.hear(StoredEntry._make(row[:-1]) for row in found)
        self._statuses.note_loaded()  # The first look reads all there is.
        self._after_ms = max([self._after_ms, *(row[-1] - _SLACK_MS for row in found)])

    def prune(self, now_ms: int) -> None:
        """Delete what nobody has said anything of for long."""
        with self._database.transaction(OURS) as connection:
            connection.run(_FORGET, before_ms=now_ms - KEPT_MS)

    def _load(self) -> list[StoredEntry]:
        with self._database.reading() as connection:
            return [StoredEntry._make(row[:-1]) for row in connection.rows(_READ, after=-1)]


def _row(entry: Entry, now: Now) -> dict[str, Any]:
    heard = entry.heard
    times = {"at_ms": heard.wall_ms, "at_boot_ms": heard.boot_ms, "age_ms": max(0, clock.age_ms(now, heard))}
    written = orjson.dumps(entry.status).decode()
    return {"site": entry.site, "status_type": entry.status_type, "entry": written} | times
