"""What a site has and can do, as the site says: kept on disk at once, until it says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json
from sqlalchemy import bindparam, select, text

from ..clock import Now
from ..storage.database import Database
from ..storage.models import SiteCapabilities
from ..storage.statement import Connection, Statement
from .storing import OURS

_FIND = Statement(
    select(SiteCapabilities.devices, SiteCapabilities.at_ms).where(SiteCapabilities.site == bindparam("of_site"))
)
_WRITE = Statement(
    text(
        "INSERT INTO site_capabilities (site, devices, at_ms) VALUES (:site, :devices, :at_ms)"
        " ON CONFLICT (site) DO UPDATE SET devices = excluded.devices, at_ms = excluded.at_ms"
    )
)


class Capabilities(NamedTuple):
    """What a site has and can do."""

    devices: Mapping[str, Mapping[str, Any]]
    """By type/instance: `actions`, `filters`, `binnings`, `limits`, and what else the site says."""
    at_ms: int
    """When the site first said so."""
    text: str
    """The devices as JSON."""


def of_site(connection: Connection, site: str) -> Capabilities | None:
    """Return what a site has and can do; None while the site has not said."""
    row = connection.row(_FIND, of_site=site)
    return None if row is None else Capabilities(from_json(row[0]), row[1], row[0])


def keep(database: Database, site: str, devices: Mapping[str, Any], now: Now) -> Capabilities:
    """Keep what a site says that it has and can do; the same again writes nothing. Raises Unavailable."""
    text = to_json(devices).decode()
    with database.reading() as connection:
        known = of_site(connection, site)
    if known is not None and known.text == text:
        return known
    with database.transaction(OURS) as connection:
        connection.run(_WRITE, site=site, devices=text, at_ms=now.wall_ms)
    return Capabilities(devices, now.wall_ms, text)
