"""Pauses of a site's queue: meanwhile stop commands alone are handed over and begin.

To pause a queue and to let it go on are writes of their own. What a pause does stands in the statements that hand jobs
over and let them start.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import bindparam, insert, select, update

from ..clock import Now
from ..domain.actors import Actor
from ..errors import Conflict, QueuePaused, shown
from ..storage.models import QueuePause
from ..storage.statement import Connection, Statement
from . import reservations
from .reservations import Held
from .sql import at_most


class PauseRow(NamedTuple):
    """One row of the table `queue_pause`; see `models.QueuePause`."""

    id: int
    site: str
    note: str
    since_ms: int
    by_known: str
    by_id: str
    by_name: str
    resumed_ms: int | None
    resumed_by_known: str | None
    resumed_by_id: str | None
    resumed_by_name: str | None


_ALL = tuple(getattr(QueuePause, name) for name in PauseRow._fields)
_PAUSE = ("site", "note", "since_ms", "by_known", "by_id", "by_name")
_RESUME = ("resumed_ms", "resumed_by_known", "resumed_by_id", "resumed_by_name")

_IN_FORCE = Statement(select(*_ALL).where(QueuePause.site == bindparam("site"), QueuePause.resumed_ms.is_(None)))
_EVERYWHERE = Statement(select(*_ALL).where(QueuePause.resumed_ms.is_(None)).order_by(QueuePause.site))
_LATEST = Statement(
    select(*_ALL).where(QueuePause.site == bindparam("site")).order_by(QueuePause.id.desc()).limit(at_most("count"))
)
_INSERT = Statement(insert(QueuePause).values({name: bindparam(name) for name in _PAUSE}).returning(*_ALL))
_END = Statement(
    update(QueuePause)
    .where(QueuePause.id == bindparam("id"), QueuePause.resumed_ms.is_(None))
    .values({name: bindparam(name) for name in _RESUME})
    .returning(*_ALL)
)


def in_force(connection: Connection, site: str) -> PauseRow | None:
    """Return the pause of a site's queue; None when there is none."""
    row = connection.row(_IN_FORCE, site=site)
    return PauseRow._make(row) if row else None


def everywhere(connection: Connection) -> list[PauseRow]:
    """List the pauses in force at all sites."""
    return [PauseRow._make(row) for row in connection.rows(_EVERYWHERE)]


def latest(connection: Connection, site: str, count: int = 20) -> list[PauseRow]:
    """List the latest pauses of a site's queue, newest first, the one in force among them."""
    return [PauseRow._make(row) for row in connection.rows(_LATEST, site=site, count=count)]


def refuse(connection: Connection, site: str) -> None:
    """Raise QueuePaused with who, since when and why, when a site's queue is paused."""
    if paused := in_force(connection, site):
        raise QueuePaused(f"Error: {sentence(paused)}; only stop commands begin until it is resumed")


def sentence(paused: PauseRow) -> str:
    """Return in words who paused a queue, since when and why."""
    since = datetime.fromtimestamp(paused.since_ms / 1000, UTC)
    who, why = shown(paused.by_name), shown(paused.note, longest=500)
    return f"the queue of {shown(paused.site)} is paused by {who} since {since:%Y-%m-%d %H:%M} UTC: {why}"


def pause(
    connection: Connection, site: str, note: str, actor: Actor, now: Now, held: Sequence[Held] | None = None
) -> PauseRow:
    """Pause the queue of a site; `held` is who holds the telescope, None: as the calendar here says.

    Raises Conflict when it is paused already, Unauthorized when somebody else holds the telescope.
    """
    _check_may(connection, site, actor, now, held)
    if paused := in_force(connection, site):
        raise Conflict(f"Error: {sentence(paused)}")
    by = {"by_known": actor.known.value, "by_id": actor.id, "by_name": actor.name}
    return PauseRow._make(connection.rows(_INSERT, site=site, note=note, since_ms=now.wall_ms, **by)[0])


def put_back(connection: Connection, row: PauseRow) -> None:
    """Keep a pause as it was in another database."""
    connection.rows(_INSERT, **{name: getattr(row, name) for name in _PAUSE})


def resume(connection: Connection, site: str, actor: Actor, now: Now, held: Sequence[Held] | None = None) -> PauseRow:
    """Let the queue of a site go on, whoever paused it.

    Raises Conflict when it is not paused, Unauthorized when somebody else holds the telescope.
    """
    _check_may(connection, site, actor, now, held)
    paused = in_force(connection, site)
    if paused is None:
        raise Conflict(f"Error: the queue of {shown(site)} is not paused")
    by = {"resumed_by_known": actor.known.value, "resumed_by_id": actor.id, "resumed_by_name": actor.name}
    return PauseRow._make(connection.rows(_END, id=paused.id, resumed_ms=now.wall_ms, **by)[0])


def _check_may(connection: Connection, site: str, actor: Actor, now: Now, held: Sequence[Held] | None) -> None:
    """Refuse who may not command the site now. Raises Unauthorized."""
    found = reservations.holders(connection, site, now) if held is None else list(held)
    reservations.refuse_others(found, site, actor)
