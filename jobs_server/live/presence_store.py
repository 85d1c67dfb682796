"""What is kept of presence: when each site's software was silent, and on PostgreSQL what the servers share.

A silence is one row for each time: polls that get nothing leave no trace. What no server heard because none ran is no
silence. Where several processes serve one SQLite file, none knows what the others hear, and nothing is noted.

Where several servers share one PostgreSQL, each writes which sites it heard and reads what the others heard: of each
site's software at most one small row every 5 seconds, however often it polls.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from sqlalchemy import BigInteger, bindparam, func, insert, or_, select, text, update

from ..domain.lifecycle import Queue
from ..jobs import queries
from ..storage.database import Database
from ..storage.models import Silence
from ..storage.statement import Connection, Statement
from ..worker import Worker
from .presence import Heard, Presence, State

WRITE_SECONDS = 5.0
"""How often at most a row is written of one site's software."""
OURS = " "
"""This stands for a site in the write units of presence; no site's name is blank."""

_SHORTEST_SECONDS = 0.5

_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"  # All servers go by one clock.
_CLOCK_SLACK_MS = 60_000
"""What was heard further in the future, when the database's clock was ahead, counts for nothing."""
_WRITE = Statement(
    text(
        "INSERT INTO site_presence (site, queue, client, last_poll_ms, heard_ms, waiting)"  # noqa: S608
        f" VALUES (:site, :queue, :client, :last_poll_ms, {_NOW} - :age_ms, :waiting) ON CONFLICT (site, queue)"
        " DO UPDATE SET client = excluded.client, last_poll_ms = excluded.last_poll_ms, heard_ms = excluded.heard_ms,"
        " waiting = excluded.waiting WHERE excluded.heard_ms >= site_presence.heard_ms"
        f" OR site_presence.heard_ms > {_NOW} + {_CLOCK_SLACK_MS}"
    )
)
_READ = Statement(
    text(
        f"SELECT site, queue, client, last_poll_ms, {_NOW} - heard_ms, waiting FROM site_presence"  # noqa: S608
        f" WHERE heard_ms <= {_NOW} + {_CLOCK_SLACK_MS} ORDER BY heard_ms DESC LIMIT 1000"
    )
)

_LASTS = Silence.until_ms.is_(None)
_AT_SITE = Silence.site == bindparam("of_site")
_LASTING = Statement(select(Silence.site).where(_LASTS))
_LASTS_AT = Statement(select(func.count()).select_from(Silence).where(_AT_SITE, _LASTS))
_BEGIN = Statement(insert(Silence).values(site=bindparam("of_site"), from_ms=bindparam("at_ms"), until_ms=None))
_END = Statement(update(Silence).where(_AT_SITE, _LASTS).values(until_ms=bindparam("at_ms")))
_FROM_MS, _TO_MS = (bindparam(name, type_=BigInteger) for name in ("from_ms", "to_ms"))
_BETWEEN = Statement(
    select(Silence.from_ms, Silence.until_ms)
    .where(_AT_SITE, Silence.from_ms < _TO_MS, or_(_LASTS, Silence.until_ms > _FROM_MS))
    .order_by(Silence.from_ms)
)


def note_silences(database: Database, presence: Presence, expected: Collection[str]) -> None:
    """Note the silences that have begun or ended since the last call, of expected sites or else of those with jobs."""
    if not (presence.asked or presence.shared):
        return  # There may be other processes; the first request will show that.
    with database.reading() as connection:
        lasting = {site for (site,) in connection.rows(_LASTING)}
        known = {*lasting, *(expected or queries.sites(connection))}
    for site in known:
        seen = presence.seen(site, Queue.PRIMARY)
        if seen.state is State.SILENT and site not in lasting:
            with database.transaction(site) as connection:
                _begin(connection, site, seen.silent_since_ms)
        elif seen.state is State.ONLINE and site in lasting:
            with database.transaction(site) as connection:
                connection.run(_END, of_site=site, at_ms=seen.last_poll_ms)


def silences_between(connection: Connection, site: str, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    """Return when a site was silent within a stretch of time, oldest first, as spans of ms cut to it."""
    rows = connection.rows(_BETWEEN, of_site=site, from_ms=from_ms, to_ms=to_ms)
    spans = [(max(begin, from_ms), to_ms if end is None else min(end, to_ms)) for begin, end in rows]
    return [(begin, end) for begin, end in spans if begin < end]  # A clock may have been set back.


def _begin(connection: Connection, site: str, since_ms: int | None) -> None:
    if not connection.rows(_LASTS_AT, of_site=site)[0][0]:  # Another server, on duty a moment ago, may have noted it.
        connection.run(_BEGIN, of_site=site, at_ms=since_ms)


class SharedPresence:
    """What this server and the others on one database share of the sites' software."""

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

    def hear(self, site: str | None) -> None:
        """Read soon what another server wrote, if its notice is about presence."""
        if site is None or site == OURS:
            self.worker.wake()

    def sync(self) -> None:
        """Write what is due, and read what the other servers wrote."""
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
