"""Lock-out: while somebody works on a telescope, nothing but stop commands reaches it (lock-out/tag-out).

To put a lock-out on and to lift it are writes of their own. What a lock-out does stands in the statements that hand
jobs over and let them start, and in what a new job meets.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from ..clock import Now
from ..domain.actors import Actor, Known
from ..errors import Conflict, Forbidden, LockedOut, shown
from ..storage.models import Lockout
from ..storage.statement import Connection
from .site_holds import SiteHolds


class LockoutRow(NamedTuple):
    """One row of the table `lockout`; see `models.Lockout`."""

    id: int
    site: str
    note: str
    since_ms: int
    by_known: str
    by_id: str
    by_name: str
    lifted_ms: int | None
    lifted_by_known: str | None
    lifted_by_id: str | None
    lifted_by_name: str | None


_LOCKOUTS = SiteHolds[LockoutRow](Lockout, LockoutRow, "lifted")


def in_force(connection: Connection, site: str) -> LockoutRow | None:
    """Return the lock-out of a site; None when there is none."""
    return _LOCKOUTS.in_force(connection, site)


def everywhere(connection: Connection) -> list[LockoutRow]:
    """List the lock-outs in force at all sites."""
    return _LOCKOUTS.everywhere(connection)


def latest(connection: Connection, site: str, count: int = 20) -> list[LockoutRow]:
    """List the latest lock-outs of a site, newest first, the one in force among them."""
    return _LOCKOUTS.latest(connection, site, count)


def refuse(connection: Connection, site: str) -> None:
    """Raise LockedOut with who, since when and why, when a site is locked out."""
    if lockout := in_force(connection, site):
        raise LockedOut(f"Error: {sentence(lockout)}; only stop commands reach the telescope until it is lifted")


def sentence(lockout: LockoutRow) -> str:
    """Return in words who locked a telescope out, since when and why."""
    since = datetime.fromtimestamp(lockout.since_ms / 1000, UTC)
    who, why = shown(lockout.by_name), shown(lockout.note, longest=500)
    return f"{shown(lockout.site)} is locked out by {who} since {since:%Y-%m-%d %H:%M} UTC: {why}"


def put_on(connection: Connection, site: str, note: str, actor: Actor, now: Now) -> LockoutRow:
    """Lock a telescope out. Raises Conflict when it is already."""
    if lockout := in_force(connection, site):
        raise Conflict(f"Error: {sentence(lockout)}")
    return _LOCKOUTS.begin(connection, site, note, actor, now.wall_ms)


def lift(connection: Connection, site: str, actor: Actor, now: Now) -> LockoutRow:
    """Lift the lock-out of a telescope, which only whoever put it on or an admin may.

    Raises Conflict when there is none, Forbidden when it is somebody else's.
    """
    lockout = in_force(connection, site)
    if lockout is None:
        raise Conflict(f"Error: {shown(site)} is not locked out")
    if not (actor.is_admin or _same_person(lockout, actor)):
        raise Forbidden(f"Error: {sentence(lockout)}; only {shown(lockout.by_name)} or an admin may lift it")
    return _LOCKOUTS.end(connection, lockout.id, actor, now)


def _same_person(lockout: LockoutRow, actor: Actor) -> bool:
    """Whether an actor is who locked out; who is known by their own word is known by their name too."""
    by_word = (Known.SAID, Known.CONSOLE)
    if actor.known in by_word and lockout.by_known in by_word:
        return lockout.by_id == actor.id or lockout.by_name.casefold() == actor.name.casefold()
    return lockout.by_known == actor.known and lockout.by_id == actor.id
