"""Site tokens: what the software beside a telescope shows, where it must show something.

A token is shown once, when it is made; kept is its SHA-256, which is enough since a token is 256 random bits.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import NamedTuple

from sqlalchemy import bindparam, insert, select, update

from .. import program
from ..clock import Now
from ..errors import NotFound, shown
from ..storage.models import SiteToken
from ..storage.statement import Connection, Statement

PREFIX = "jobs_site_"
"""Every token begins with this, so that a token is recognised where it should not be, such as in a repository."""

USED_EVERY_MS = 60_000
"""How often at most the last use of a token is noted: a site polls every second."""


class SiteTokenRow(NamedTuple):
    """One row of the table `site_token`; see `models.SiteToken`."""

    id: int
    site: str
    name: str
    token_hash: str
    created_ms: int
    created_by: str
    used_ms: int | None
    revoked_ms: int | None


_ALL = tuple(getattr(SiteToken, name) for name in SiteTokenRow._fields)
_NEW = ("site", "name", "token_hash", "created_ms", "created_by")
_INSERT = Statement(insert(SiteToken).values({name: bindparam(name) for name in _NEW}).returning(*_ALL))
_LIST = Statement(select(*_ALL).order_by(SiteToken.site, SiteToken.id))
_FIND = Statement(select(*_ALL).where(SiteToken.token_hash == bindparam("token_hash"), SiteToken.revoked_ms.is_(None)))
_USED = Statement(update(SiteToken).where(SiteToken.id == bindparam("which")).values(used_ms=bindparam("at_ms")))
_REVOKE = Statement(
    update(SiteToken)
    .where(SiteToken.id == bindparam("which"), SiteToken.revoked_ms.is_(None))
    .values(revoked_ms=bindparam("at_ms"))
    .returning(*_ALL)
)


def create(connection: Connection, site: str, name: str, by: str, now: Now) -> tuple[SiteTokenRow, str]:
    """Make a token for a site; return what is kept of the token, and the token itself, which is never seen again."""
    token = PREFIX + secrets.token_urlsafe(32)
    values = {"site": site, "name": name, "token_hash": _hash(token), "created_ms": now.wall_ms, "created_by": by}
    return SiteTokenRow._make(connection.rows(_INSERT, **values)[0]), token


def find(connection: Connection, token: str) -> SiteTokenRow | None:
    """Return what is kept of a token; None when the token was never made, or was revoked."""
    found = _hash(token)
    row = connection.row(_FIND, token_hash=found)
    if row is None:
        return None
    kept = SiteTokenRow._make(row)
    return kept if hmac.compare_digest(kept.token_hash, found) else None


def list_all(connection: Connection) -> list[SiteTokenRow]:
    """Return what is kept of the tokens of all sites, revoked ones too."""
    return [SiteTokenRow._make(row) for row in connection.rows(_LIST)]


def note_use(connection: Connection, token: SiteTokenRow, now: Now) -> None:
    """Note when a token was last used."""
    connection.run(_USED, which=token.id, at_ms=now.wall_ms)


def revoke(connection: Connection, token_id: int, now: Now) -> SiteTokenRow:
    """Revoke a token, which works no more from now on. Raises NotFound when there is no such token to revoke."""
    row = connection.row(_REVOKE, which=token_id, at_ms=now.wall_ms)
    if row is None:
        raise NotFound(
            f"Error: there is no token {shown(str(token_id))} that could be revoked; `{program.command('tokens list')}`"
        )
    return SiteTokenRow._make(row)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
