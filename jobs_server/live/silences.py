"""When each site's software was silent, kept as one row for each time: polls that get nothing leave no trace.

What no server heard because none ran is no silence. Where several processes serve one SQLite file, none knows what the
others hear, and nothing is noted.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import BigInteger, bindparam, func, insert, or_, select, update

from ..domain.lifecycle import Queue
from ..jobs import queries
from ..storage.database import Database
from ..storage.models import Silence
from ..storage.statement import Connection, Statement
from .presence import Presence, State

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


def note(database: Database, presence: Presence, expected: Collection[str]) -> None:
    """Note the silences that have begun or ended since this was last called, of the sites expected or with jobs."""
    if not (presence.asked or presence.shared):
        return  # there may be other processes, of which the first request tells
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


def between(connection: Connection, site: str, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    """List when a site was silent in a stretch of time, oldest first, as far as it is in it."""
    rows = connection.rows(_BETWEEN, of_site=site, from_ms=from_ms, to_ms=to_ms)
    spans = [(max(begin, from_ms), to_ms if end is None else min(end, to_ms)) for begin, end in rows]
    return [(begin, end) for begin, end in spans if begin < end]  # a clock may have been set back


def _begin(connection: Connection, site: str, since_ms: int | None) -> None:
    if not connection.rows(_LASTS_AT, of_site=site)[0][0]:  # by another server, which was on duty a moment ago
        connection.run(_BEGIN, of_site=site, at_ms=since_ms)
