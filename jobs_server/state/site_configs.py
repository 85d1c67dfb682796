"""Configs of sites, as the public site software puts them or a person does: the newest is in force, ten are kept.

They are rows of the database, and no files: several servers share them, backups hold them, and the name of a site is
never a path.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, NamedTuple

import orjson
from sqlalchemy import bindparam, delete, func, insert, select

from ..errors import Conflict, NotFound, shown
from ..storage.database import Database
from ..storage.models import SiteConfig
from ..storage.statement import Connection, Statement
from .storing import OURS

KEPT = 10
MOST_BYTES = 512 * 1024
"""How large a config may be as it is sent; those of real sites are up to a fifth of that."""
MOST_SITES = 100
MOST_DELETED = 20
"""Of so many sites whose config was deleted last, what was before can be restored."""
_MOST_TOGETHER_BYTES = 8 * 1024 * 1024
EVERY_SITE = "all"
"""In the place of a site, this asks for all of them, so that no site can be called so."""
_RESERVED = frozenset((EVERY_SITE, "phase_status", "allopenstatus", "nightlog"))

_OTHER = SiteConfig.__table__.alias()
_OF_SITE = SiteConfig.site == bindparam("of_site")
_IS_NEWEST = SiteConfig.id == select(func.max(_OTHER.c.id)).where(_OTHER.c.site == SiteConfig.site).scalar_subquery()
_NUMBER = Statement(select(func.max(SiteConfig.id)))
_IN_FORCE = Statement(
    select(SiteConfig.site, SiteConfig.config)
    .where(_IS_NEWEST, SiteConfig.config.is_not(None))
    .order_by(SiteConfig.site)
)
_NEWEST = Statement(select(SiteConfig.config).where(_OF_SITE).order_by(SiteConfig.id.desc()).limit(1))
_FIND = Statement(select(SiteConfig.config).where(_OF_SITE, SiteConfig.id == bindparam("of_id")))
_LIST = Statement(
    select(SiteConfig.id, SiteConfig.at_ms, SiteConfig.by, func.length(SiteConfig.config))
    .where(_OF_SITE)
    .order_by(SiteConfig.id.desc())
)
_INSERT = Statement(insert(SiteConfig).values({name: bindparam(name) for name in ("site", "config", "at_ms", "by")}))
_PRUNE = Statement(
    delete(SiteConfig).where(
        _OF_SITE,
        SiteConfig.id.not_in(
            select(_OTHER.c.id).where(_OTHER.c.site == bindparam("of_site")).order_by(_OTHER.c.id.desc()).limit(KEPT)
        ),
    )
)
_DELETED = Statement(
    select(SiteConfig.site).where(_IS_NEWEST, SiteConfig.config.is_(None)).order_by(SiteConfig.id.desc())
)
_FORGET = Statement(delete(SiteConfig).where(_OF_SITE))
_SIZES = Statement(
    select(SiteConfig.site, func.length(SiteConfig.config)).where(_IS_NEWEST, SiteConfig.site != bindparam("of_site"))
)


class KeptConfig(NamedTuple):
    """One of the configs of a site that are kept."""

    id: int
    at_ms: int
    by: str
    characters: int | None
    """How long it is; none: the config was deleted then."""


def written(config: dict[str, Any]) -> str:
    """Write a config as it is kept."""
    return orjson.dumps(config).decode()


def in_force(connection: Connection) -> dict[str, str]:
    """Return the configs in force as JSON by site."""
    return dict(connection.rows(_IN_FORCE))


def of_site(connection: Connection, site: str) -> str | None:
    """Return the config of a site that is in force, as JSON; None where there is none."""
    row = connection.row(_NEWEST, of_site=site)
    return None if row is None else row[0]


def kept(connection: Connection, site: str) -> list[KeptConfig]:
    """List the configs of a site that are kept, the newest, which is in force, first."""
    return [KeptConfig._make(row) for row in connection.rows(_LIST, of_site=site)]


def put(database: Database, site: str, config: str | None, by: str, now_ms: int) -> bool:
    """Put a config in force, or with None take the one in force away; return whether that changed anything.

    The same config once more writes nothing. Raises Conflict when a site may not be called so, or when there would be
    too many sites or too large configs.
    """
    with database.reading() as connection:
        if of_site(connection, site) == config:
            return False
    if config is not None:
        check_name(site)
    with database.transaction(OURS) as connection:
        if config is not None:
            _check_room(connection, site, config)
        connection.run(_INSERT, site=site, config=config, at_ms=now_ms, by=by)
        connection.run(_PRUNE, of_site=site)
        if config is None:
            for deleted, *_ in connection.rows(_DELETED)[MOST_DELETED:]:
                connection.run(_FORGET, of_site=deleted)
    return True


def restore(database: Database, site: str, number: int, by: str, now_ms: int) -> None:
    """Put a config that is kept in force again. Raises NotFound."""
    with database.reading() as connection:
        row = connection.row(_FIND, of_site=site, of_id=number)
    if row is None or row[0] is None:
        raise NotFound(f"Error: no such config of {shown(site)} is kept; only the last {KEPT} are")
    put(database, site, row[0], by, now_ms)


def check_name(site: str) -> None:
    """Raise Conflict when a site may not be called so: the name stands for something else in an address."""
    if site in _RESERVED:
        raise Conflict(f"Error: no site can be called {site}: in addresses the word stands for something else")


def _check_room(connection: Connection, site: str, config: str) -> None:
    others = [(name, size) for name, size in connection.rows(_SIZES, of_site=site) if size is not None]
    if len(others) >= MOST_SITES:
        raise Conflict(
            f"Error: {len(others)} sites have a config already, and no more can; delete one on the page Site"
        )
    if len(config) + sum(size for _, size in others) > _MOST_TOGETHER_BYTES:
        raise Conflict("Error: the configs of all sites together would be too large; delete one on the page Site")


class AllConfigs:
    """The configs of all sites as one JSON object, written once for as long as nothing changes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._number: int | None = -1
        self._written = b"{}"

    def written(self, connection: Connection) -> bytes:
        """Return the object: by site, its config."""
        found = connection.row(_NUMBER)
        number = found[0] if found else None
        if number != self._number:
            with self._lock:  # What is read after the number is no older than the number says.
                configs = {site: orjson.Fragment(config) for site, config in in_force(connection).items()}
                self._written, self._number = orjson.dumps(configs), number
        return self._written
