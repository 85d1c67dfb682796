"""Lines that public site software writes for its observers; kept for a week, written beside the state of devices."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, bindparam, delete, func, insert, select

from .. import clock
from ..clock import Now
from ..storage.database import Database
from ..storage.models import SiteLogLine
from ..storage.statement import Connection, Statement
from .storing import OURS, Rows

KEPT_MS = 7 * clock.DAY_MS
LONGEST = 2_000
"""Characters of a line."""
MOST_LINES = 2_000
"""So many lines an answer has."""
_MOST_UNWRITTEN = 2_000
_MOST_SITES = 100

_NAMES = ("site", "message", "level", "timestamp_s", "at_ms")
_COLUMNS = tuple(getattr(SiteLogLine, name) for name in _NAMES)
_INSERT = Statement(insert(SiteLogLine).values({name: bindparam(name) for name in _NAMES}))
_RECENT = Statement(
    select(*_COLUMNS)
    .where(SiteLogLine.site == bindparam("of_site"), SiteLogLine.timestamp_s >= bindparam("after_s", type_=BigInteger))
    .order_by(SiteLogLine.timestamp_s.desc(), SiteLogLine.id.desc())
    .limit(MOST_LINES)
)
_AFTER = Statement(
    select(SiteLogLine.id, *_COLUMNS).where(SiteLogLine.id > bindparam("after_id")).order_by(SiteLogLine.id).limit(500)
)
_NEWEST = Statement(select(func.max(SiteLogLine.id)))
_FORGET = Statement(delete(SiteLogLine).where(SiteLogLine.at_ms < bindparam("before_ms", type_=BigInteger)))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a site's log."""

    site: str
    message: str
    level: str
    timestamp_s: int
    """As the site says, in seconds since 1970 UTC."""
    at_ms: int

    def public(self) -> dict[str, Any]:
        """Return the line as the log service's clients know it: what is sent as log_message comes back as message."""
        return {"message": self.message, "log_level": self.level, "timestamp": self.timestamp_s}


class SiteLog:
    """Keep the lines of all sites. All calls may come from any thread."""

    def __init__(self, database: Database) -> None:
        self.on_line: list[Callable[[Line], None]] = []
        """Called with each line that is new, with nothing held."""
        self._database = database
        self._is_shared = not database.kind.one_writer
        self._lock = threading.Lock()
        self._unwritten: deque[Line] = deque(maxlen=_MOST_UNWRITTEN)
        self._written: dict[str, float] = {}
        self._due: list[Line] = []
        self._own: set[Line] = set()
        """On PostgreSQL: lines that this process wrote, and has told of already."""
        self._after_id: int | None = None

    def add(self, line: Line) -> None:
        """Keep a line, and tell of it."""
        with self._lock:
            self._unwritten.append(line)
        self._announce(line)

    def recent(self, site: str, after_s: int) -> list[Line]:
        """Return the lines of a site since a time, the newest first. Raises Unavailable."""
        with self._lock:  # What is being written is among the rows or still here, never in neither.
            mine = [line for line in self._unwritten if line.site == site and line.timestamp_s >= after_s]
        with self._database.reading() as connection:
            rows = [Line(*row) for row in connection.rows(_RECENT, of_site=site, after_s=after_s)]
        known = set(rows)
        lines = [*reversed([line for line in mine if line not in known]), *rows]
        return sorted(lines, key=lambda line: -line.timestamp_s)[:MOST_LINES]

    def due(self, every_seconds: float, sites: Collection[str], now: Now) -> Rows:  # noqa: ARG002
        """Return what is to be written: of these sites, and of those that were written so long ago."""
        at = clock.steady_seconds()
        with self._lock:
            of = {
                site
                for site in {line.site for line in self._unwritten}
                if site in sites or at - self._written.get(site, float("-inf")) >= every_seconds
            }
            self._due = [line for line in self._unwritten if line.site in of]
        if not self._due:
            return []
        return [(_INSERT, [{name: getattr(line, name) for name in _NAMES} for line in self._due])]

    def note_written(self) -> None:
        """Note that what was due is on disk."""
        written = {id(line) for line in self._due}
        if not written:
            return
        with self._lock:
            kept = [line for line in self._unwritten if id(line) not in written]
            self._unwritten = deque(kept, maxlen=_MOST_UNWRITTEN)
            if len(self._written) > _MOST_SITES:
                self._written.clear()
            self._written.update(dict.fromkeys((line.site for line in self._due), clock.steady_seconds()))
            if self._is_shared:
                self._own = self._own.union(self._due) if len(self._own) < _MOST_UNWRITTEN else set(self._due)
        self._due = []

    def look(self, connection: Connection) -> None:
        """Tell of what other servers wrote."""
        if not self._is_shared:
            return
        if self._after_id is None:
            row = connection.row(_NEWEST)
            self._after_id = (row[0] if row else None) or 0
            return
        for number, *values in connection.rows(_AFTER, after_id=self._after_id):
            self._after_id = number
            line = Line(*values)
            if line in self._own:
                self._own.discard(line)
            else:
                self._announce(line)

    def prune(self, now_ms: int) -> None:
        """Delete what is too old."""
        with self._database.transaction(OURS) as connection:
            connection.run(_FORGET, before_ms=now_ms - KEPT_MS)

    def _announce(self, line: Line) -> None:
        for announce in self.on_line:
            announce(line)
