"""A site's own list of targets, in the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import bindparam, case, delete, func, select, text

from ..errors import BadRequest, NotFound, shown
from ..storage.models import SiteTarget
from ..storage.statement import Connection, Statement
from . import targets
from .directions import Direction
from .sky import Place
from .targets import Target, key_of

MOST = 20_000
"""How many targets a site's own list may have."""
LONGEST_NAME, LONGEST_NOTE, LONGEST_KIND = 100, 500, 60
_CANDIDATES = 50
_COLUMNS = "site, key, name, kind, ra_hours, dec_degrees, magnitude, note, by_name, at_ms"


class OwnTarget(NamedTuple):
    """One row of a site's own list; see `models.SiteTarget`."""

    name: str
    kind: str = ""
    ra_hours: float | None = None
    """ICRS; None, as the declination, of a target that is looked up by its name, such as a planet."""
    dec_degrees: float | None = None
    magnitude: float | None = None
    note: str = ""
    by_name: str = ""
    at_ms: int = 0


_ALL = tuple(getattr(SiteTarget, name) for name in OwnTarget._fields)
_SITE = SiteTarget.site == bindparam("of_site")
_LIKE = Statement(
    select(*_ALL)
    .where(_SITE, SiteTarget.key.like(bindparam("pattern"), escape="\\"))
    .order_by(case((SiteTarget.key == bindparam("wanted"), 0), else_=1), func.length(SiteTarget.key), SiteTarget.key)
    .limit(_CANDIDATES)
)
_LIST = Statement(
    select(*_ALL).where(_SITE, SiteTarget.key > bindparam("after")).order_by(SiteTarget.key).limit(bindparam("most"))
)
_CALLED = Statement(select(*_ALL).where(_SITE, SiteTarget.key == bindparam("key")))
_COUNT = Statement(select(func.count()).select_from(SiteTarget).where(_SITE))
_WRITE = Statement(
    text(
        f"INSERT INTO site_target ({_COLUMNS}) VALUES (:of_site, :key, :name, :kind, :ra_hours, :dec_degrees,"  # noqa: S608
        " :magnitude, :note, :by_name, :at_ms) ON CONFLICT (site, key) DO UPDATE SET name = excluded.name,"
        " kind = excluded.kind, ra_hours = excluded.ra_hours, dec_degrees = excluded.dec_degrees,"
        " magnitude = excluded.magnitude, note = excluded.note, by_name = excluded.by_name, at_ms = excluded.at_ms"
    )
)
_DELETE = Statement(delete(SiteTarget).where(_SITE, SiteTarget.key == bindparam("wanted")).returning(SiteTarget.name))


def listed(connection: Connection, site: str, after: str = "", most: int = MOST) -> list[OwnTarget]:
    """Return a site's own list in the order of the names, at most so many from after a name on."""
    rows = connection.rows(_LIST, of_site=site, after=key_of(after), most=most)
    return [OwnTarget._make(row) for row in rows]


def count(connection: Connection, site: str) -> int:
    """Return how many targets a site's own list has."""
    return int(connection.rows(_COUNT, of_site=site)[0][0])


def like(connection: Connection, site: str, name: str) -> list[OwnTarget]:
    """Return the targets of a site's own list that have a text in their names, first the one with that name."""
    key = key_of(name)
    if not key:
        return []
    plain = key.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = connection.rows(_LIKE, of_site=site, pattern=f"%{plain}%", wanted=key)
    return [OwnTarget._make(row) for row in rows]


def called(connection: Connection, site: str, name: str) -> list[OwnTarget]:
    """Return the target of a site's own list with exactly this name, however the name is written; none or one."""
    return [OwnTarget._make(row) for row in connection.rows(_CALLED, of_site=site, key=key_of(name))]


def checked(wanted: OwnTarget) -> OwnTarget:
    """Return a target that can be kept: with both coordinates, or with a name that is known.

    Raises BadRequest when one coordinate is missing, NotFound when no catalogue knows the name.
    """
    if (wanted.ra_hours is None) != (wanted.dec_degrees is None):
        raise BadRequest(f"Error: {shown(wanted.name)} needs ra_hours and dec_degrees, or neither")
    if wanted.ra_hours is None and not targets.named(wanted.name, 0, None):
        raise NotFound(f"Error: {shown(wanted.name)} has no coordinates, and no catalogue here knows the name")
    return wanted


def save(connection: Connection, site: str, wanted: Iterable[OwnTarget]) -> int:
    """Put targets into a site's own list, in the place of those of the same names; return how many.

    Raises BadRequest when the list would be too long.
    """
    rows = {key_of(each.name): each for each in wanted}
    connection.run_many(_WRITE, [{"of_site": site, "key": key, **each._asdict()} for key, each in rows.items()])
    if (wanted_count := count(connection, site)) > MOST:
        raise BadRequest(f"Error: a site's own list may have {MOST} targets, and this one would have {wanted_count}")
    return len(rows)


def remove(connection: Connection, site: str, name: str) -> str:
    """Take a target off a site's own list, and return its name. Raises NotFound."""
    rows = connection.rows(_DELETE, of_site=site, wanted=key_of(name))
    if not rows:
        raise NotFound(f"Error: {shown(site)} has no target {shown(name)} in its own list")
    return str(rows[0][0])


def as_targets(rows: Iterable[OwnTarget], at_ms: int, place: Place | None) -> Iterator[Target]:
    """Yield own targets where they stand at a moment; one without a place that no catalogue knows is left out."""
    for row in rows:
        if row.ra_hours is not None and row.dec_degrees is not None:
            direction = Direction(row.ra_hours, row.dec_degrees)
            yield Target(row.name, direction, row.kind, (), row.magnitude, note=row.note)
        elif known := targets.named(row.name, at_ms, place):
            yield known[0]._replace(name=row.name, note=row.note)
