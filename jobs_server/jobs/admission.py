"""What a command meets at a site before it is taken: a lock-out, a reservation, too many jobs that wait."""

from __future__ import annotations

from typing import NamedTuple

from ..clock import Now
from ..config import Settings
from ..domain.actors import Actor, Known
from ..errors import TooMany, shown
from ..storage.statement import Connection
from . import lockouts, reservations, statements


class Met(NamedTuple):
    """What a new job meets at a site; see `statements.MEET`."""

    last_ulid: str | None
    newest_waiting_ms: int | None
    lockout: int | None
    full: int | None
    reserved: int | None


def meet(connection: Connection, site: str, now: Now, settings: Settings) -> Met:
    """See what a new job meets, at the cost of one statement."""
    rows = connection.rows(statements.MEET, site=site, cap=settings.max_waiting_jobs, wall_ms=now.wall_ms)
    return Met._make(rows[0])


def admit(connection: Connection, site: str, met: Met, actor: Actor, now: Now, settings: Settings) -> None:
    """Refuse what is no stop command while the telescope is locked out or held by others, or too many jobs wait."""
    if met.lockout is not None:
        lockouts.refuse(connection, site)
    if met.reserved is not None and not settings.calendar_url:  # a calendar elsewhere was asked before
        reservations.refuse_others(reservations.holders(connection, site, now), site, actor)
    if met.full is not None:
        raise TooMany(
            f"Error: {settings.max_waiting_jobs} jobs wait at {shown(site)} already, as many as may;"
            " cancel some, or see why its site software does not take them"
        )


def admit_stop(connection: Connection, site: str, actor: Actor, now: Now, settings: Settings) -> None:
    """Refuse a stop by somebody who is no holder, where only holders may stop; nothing else holds a stop up.

    Whoever sits at the observatory's PC may stop always. A calendar elsewhere was asked before.
    """
    if not (settings.strangers_may_stop or settings.calendar_url or actor.known is Known.CONSOLE):
        reservations.refuse_others(reservations.holders(connection, site, now), site, actor)
