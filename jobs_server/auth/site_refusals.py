"""When the software of a site is refused, since it shows no valid site token: kept, since nobody at the site may know.

Old software takes the refusal of a poll for an empty list, and asks for ever.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, bindparam, delete, exists, or_, select, text

from ..clock import Now
from ..storage.models import Job, SiteRefusal, SiteToken
from ..storage.statement import Connection, Statement

NOTED_EVERY_MS = 60_000
"""How often at most a refusal of one site is noted: its software may ask every second."""
_NEWS_MS = 5 * NOTED_EVERY_MS
"""How long a refusal is news; another one that comes later is the first of others."""
_WORKS_MS = 3 * NOTED_EVERY_MS
"""How long after its use a token shows that the site's software works, and that another program is refused."""
_KEPT_MS = 24 * 60 * 60 * 1000
_MOST_SITES, _LONGEST_SITE = 100, 64  # anybody can make up site codes
_LONGEST_CLIENT = 200
_DAY_MS = 24 * 60 * 60 * 1000


class Refusal(NamedTuple):
    """What is kept of the refusals of one site's software, one after another."""

    site: str
    since_ms: int
    client: str
    """The software that was refused last, by its User-Agent."""
    is_known: bool
    """Whether the site has a token, or had jobs."""

    def since(self, now_ms: int) -> str:
        """Return since when, as a time of day; with its date when that is more than a day ago."""
        shape = "%H:%M UTC" if now_ms - self.since_ms < _DAY_MS else "%Y-%m-%d %H:%M UTC"
        return datetime.fromtimestamp(self.since_ms / 1000, UTC).strftime(shape)


_NOTE = Statement(
    text(
        "INSERT INTO site_refusal (site, since_ms, last_ms, client) VALUES (:of_site, :at_ms, :at_ms, :client)"
        " ON CONFLICT (site) DO UPDATE SET last_ms = excluded.last_ms, client = excluded.client, since_ms ="
        " CASE WHEN site_refusal.last_ms < :before_ms THEN excluded.since_ms ELSE site_refusal.since_ms END"
    )
)
_FORGET = Statement(delete(SiteRefusal).where(SiteRefusal.last_ms < bindparam("before_ms")))
_OVER = Statement(delete(SiteRefusal).where(SiteRefusal.site == bindparam("of_site")))
_AT_MS, _WORKS_SINCE = (bindparam(name, type_=BigInteger) for name in ("news_ms", "works_ms"))
_HAS_TOKEN = exists().where(SiteToken.site == SiteRefusal.site)
_HAD_JOBS = exists().where(Job.site == SiteRefusal.site)
_FOUND = Statement(
    select(SiteRefusal.site, SiteRefusal.since_ms, SiteRefusal.client, or_(_HAS_TOKEN, _HAD_JOBS))
    .where(SiteRefusal.last_ms >= _AT_MS, ~_HAS_TOKEN.where(SiteToken.used_ms >= _WORKS_SINCE))
    .order_by(SiteRefusal.site)
)


class RefusalTimes:
    """When this process last noted a refusal of each site."""

    def __init__(self) -> None:
        self._noted_ms: dict[str, int] = {}

    def is_due(self, site: str, now_ms: int) -> bool:
        """Whether a refusal is to be noted now, and remember that it is; seldom, and of a bounded number of sites."""
        if not site.strip() or "\0" in site or len(site) > _LONGEST_SITE:
            return False
        last_ms = self._noted_ms.get(site)
        if last_ms is not None and 0 <= now_ms - last_ms < NOTED_EVERY_MS:
            return False
        if last_ms is None and len(self._noted_ms) >= _MOST_SITES:
            return False
        self._noted_ms[site] = now_ms
        return True


def note(connection: Connection, site: str, client: str, now: Now) -> None:
    """Note that the software of a site was refused."""
    connection.run(_FORGET, before_ms=now.wall_ms - _KEPT_MS)
    client = client.replace("\0", "")[:_LONGEST_CLIENT]
    connection.run(_NOTE, of_site=site, client=client, at_ms=now.wall_ms, before_ms=now.wall_ms - _NEWS_MS)


def note_over(connection: Connection, site: str) -> None:
    """Note that the software of a site was believed."""
    connection.run(_OVER, of_site=site)


def found(connection: Connection, now_ms: int) -> list[Refusal]:
    """List the sites whose software is refused at this time, unless other software of the same site works."""
    rows = connection.rows(_FOUND, news_ms=now_ms - _NEWS_MS, works_ms=now_ms - _WORKS_MS)
    return [Refusal(site, since_ms, client, bool(is_known)) for site, since_ms, client, is_known in rows]


def at(connection: Connection, site: str, now_ms: int) -> Refusal | None:
    """Return how the software of a site is refused; None when it is not."""
    return next((each for each in found(connection, now_ms) if each.site == site), None)
