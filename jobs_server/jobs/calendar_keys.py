"""The secret in the address of a site's calendar, where a sign-in is set; made anew, the old address works no more."""

from __future__ import annotations

import hmac
import secrets

from sqlalchemy import bindparam, select, text

from ..clock import Now
from ..storage.models import CalendarKey
from ..storage.statement import Connection, Statement

_FIND = Statement(select(CalendarKey.secret).where(CalendarKey.site == bindparam("of_site")))
_WRITE = Statement(
    text(
        "INSERT INTO calendar_key (site, secret, made_ms, made_by) VALUES (:of_site, :secret, :made_ms, :made_by)"
        " ON CONFLICT (site) DO UPDATE SET secret = excluded.secret, made_ms = excluded.made_ms,"
        " made_by = excluded.made_by"
    )
)


def of_site(connection: Connection, site: str) -> str | None:
    """Return the secret of a site's calendar; None while none was made."""
    row = connection.row(_FIND, of_site=site)
    return None if row is None else str(row[0])


def opens(connection: Connection, site: str, shown: str) -> bool:
    """Whether a secret is that of a site's calendar."""
    secret = of_site(connection, site)
    return secret is not None and hmac.compare_digest(secret.encode(), shown.encode("utf-8", "replace"))


def renew(connection: Connection, site: str, by_name: str, now: Now) -> str:
    """Make the secret of a site's calendar anew, and return the secret."""
    secret = secrets.token_urlsafe(24)
    connection.run(_WRITE, of_site=site, secret=secret, made_ms=now.wall_ms, made_by=by_name)
    return secret
