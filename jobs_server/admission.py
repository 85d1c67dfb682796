"""What a command meets at a site before it is taken: a lock-out, a reservation, too many jobs that wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from . import lockouts, reservations, statements
from .actors import Actor
from .clock import Now
from .config import Settings
from .db import Connection
from .errors import TooMany, shown
from .reservations import Held


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
    if met.reserved is not None:
        reservations.refuse_others(reservations.holders(connection, site, now), site, actor)
    if met.full is not None:
        raise TooMany(
            f"Error: {settings.max_waiting_jobs} jobs wait at {shown(site)} already, as many as may;"
            " cancel some, or see why its site software does not take them"
        )


def admit_stop(connection: Connection, site: str, actor: Actor, now: Now, settings: Settings) -> None:
    """Refuse a stop by somebody who is no holder, where only holders may stop; nothing else holds a stop up."""
    if not settings.strangers_may_stop:
        reservations.refuse_others(reservations.holders(connection, site, now), site, actor)


def refuse_elsewhere(held: Sequence[Held], site: str, actor: Actor) -> None:
    """Refuse as `admit` does, by what a calendar elsewhere said."""
    reservations.refuse_others(list(held), site, actor)
