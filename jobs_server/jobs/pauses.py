"""Pauses of a site's queue: meanwhile stop commands alone are handed over and begin.

To pause a queue and to let it go on are writes of their own. What a pause does stands in the statements that hand jobs
over and let them start.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ..clock import Now
from ..domain.actors import Actor, Known
from ..errors import Conflict, QueuePaused, shown
from ..storage.models import QueuePause
from ..storage.statement import Connection
from . import reservations
from .reservations import Held
from .site_holds import SiteHolds


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


_PAUSES = SiteHolds[PauseRow](QueuePause, PauseRow, "resumed")


def in_force(connection: Connection, site: str) -> PauseRow | None:
    """Return the pause of a site's queue; None when there is none."""
    return _PAUSES.in_force(connection, site)


def everywhere(connection: Connection) -> list[PauseRow]:
    """List the pauses in force at all sites."""
    return _PAUSES.everywhere(connection)


def latest(connection: Connection, site: str, count: int = 20) -> list[PauseRow]:
    """List the latest pauses of a site's queue, newest first, the one in force among them."""
    return _PAUSES.latest(connection, site, count)


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
    return _PAUSES.begin(connection, site, note, actor, now.wall_ms)


def put_back(connection: Connection, row: PauseRow) -> None:
    """Keep a pause as it was in another database."""
    _PAUSES.begin(connection, row.site, row.note, Actor(row.by_id, row.by_name, Known(row.by_known)), row.since_ms)


def resume(connection: Connection, site: str, actor: Actor, now: Now, held: Sequence[Held] | None = None) -> PauseRow:
    """Let the queue of a site go on, whoever paused it.

    Raises Conflict when it is not paused, Unauthorized when somebody else holds the telescope.
    """
    _check_may(connection, site, actor, now, held)
    paused = in_force(connection, site)
    if paused is None:
        raise Conflict(f"Error: the queue of {shown(site)} is not paused")
    return _PAUSES.end(connection, paused.id, actor, now)


def _check_may(connection: Connection, site: str, actor: Actor, now: Now, held: Sequence[Held] | None) -> None:
    """Refuse who may not command the site now. Raises Unauthorized."""
    found = reservations.holders(connection, site, now) if held is None else list(held)
    reservations.refuse_others(found, site, actor)
