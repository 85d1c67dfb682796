"""Presence where several servers share one PostgreSQL: each writes which sites it heard, and reads what others did.

Of each site's software at most one small row is written every 5 seconds, however often it polls.
"""

from __future__ import annotations

import time

from sqlalchemy import text

from ..domain.lifecycle import Queue
from ..storage.database import Database
from ..storage.statement import Statement
from ..worker import Worker
from .presence import Heard, Presence

WRITE_SECONDS = 5.0
"""How often at most what is known of one site's software is written."""
OURS = " "
"""In the place of a site: the write units of presence; no site is blank."""

_SHORTEST_SECONDS = 0.5

_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"  # one clock for all servers
_WRITE = Statement(
    text(
        "INSERT INTO site_presence (site, queue, client, last_poll_ms, heard_ms, waiting)"  # noqa: S608
        f" VALUES (:site, :queue, :client, :last_poll_ms, {_NOW} - :age_ms, :waiting) ON CONFLICT (site, queue)"
        " DO UPDATE SET client = excluded.client, last_poll_ms = excluded.last_poll_ms, heard_ms = excluded.heard_ms,"
        " waiting = excluded.waiting WHERE excluded.heard_ms >= site_presence.heard_ms"
    )
)
_READ = Statement(
    text(
        f"SELECT site, queue, client, last_poll_ms, {_NOW} - heard_ms, waiting FROM site_presence"  # noqa: S608
        " ORDER BY heard_ms DESC LIMIT 1000"
    )
)


class SharedPresence:
    """Share what this server knows of the sites' software with the others."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence
        self._written: dict[tuple[str, Queue], float] = {}
        self.worker = Worker(
            "presence",
            WRITE_SECONDS,
            self.sync,
            does="shares which sites are there",
            failure="which sites are there is known late",
            rest_seconds=_SHORTEST_SECONDS,
        )
        presence.shared = True
        presence.on_news.append(self.worker.wake)

    def told(self, site: str | None) -> None:
        """Note that another server wrote something; of presence, if it was."""
        if site is None or site == OURS:
            self.worker.wake()

    def sync(self) -> None:
        """Write what is to be written, and read what others wrote."""
        due = [heard for heard in self._presence.heard_here() if self._is_due(heard)]
        if due:
            with self._database.transaction(OURS) as connection:
                connection.run_many(_WRITE, [heard._asdict() | {"queue": heard.queue.value} for heard in due])
            self._written |= {(heard.site, heard.queue): time.monotonic() for heard in due}
        with self._database.reading() as connection:
            rows = connection.rows(_READ)
        self._presence.heard_elsewhere(Heard(row[0], Queue(row[1]), *row[2:]) for row in rows)

    def _is_due(self, heard: Heard) -> bool:
        written = self._written.get((heard.site, heard.queue))
        return written is None or time.monotonic() - written >= WRITE_SECONDS
