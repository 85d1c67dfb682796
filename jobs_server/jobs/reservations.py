"""Who holds the telescope when: the calendar that this service keeps itself.

One rule: while nobody has reserved the telescope, anybody may command it; while somebody has, only holders and admins.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    delete,
    insert,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from ..clock import Now, in_utc
from ..domain.actors import Actor
from ..errors import Conflict, Forbidden, NotFound, Unauthorized, shown
from ..storage.models import Reservation
from ..storage.statement import Connection, Statement

REALTIME = "realtime"
"""Reservations of this type are somebody's at the controls: those of two people never overlap."""


MOST_LISTED = 1000
"""So many reservations of one person a list has."""


class ReservationRow(NamedTuple):
    """One row of the table `reservation`; see `models.Reservation`."""

    event_id: str
    site: str
    start_ms: int
    end_ms: int
    creator_id: str
    creator: str
    title: str
    reservation_type: str
    resource_id: str
    project_id: str
    note: str
    origin: str
    last_modified_ms: int
    project_priority: str = ""


class Held(NamedTuple):
    """Somebody who holds a telescope, and until when."""

    creator_id: str
    creator: str
    end_ms: int


_ALL = tuple(getattr(Reservation, name) for name in ReservationRow._fields)
_HELD = tuple(getattr(Reservation, name) for name in Held._fields)
_SITE = Reservation.site == bindparam("site")
_THIS = Reservation.event_id == bindparam("event_id")


def now_at_site() -> ColumnElement[bool]:
    """Write that a reservation is running; binds `site` and `wall_ms`."""
    at: ColumnElement[int] = bindparam("wall_ms", type_=BigInteger)
    return and_(_SITE, Reservation.end_ms > at, Reservation.start_ms <= at)


def _is_free() -> ColumnElement[bool]:
    """Write that nobody else's real-time reservation overlaps the new times."""
    other = select(Reservation.id).where(
        _SITE,
        Reservation.end_ms > bindparam("start_ms"),
        Reservation.start_ms < bindparam("end_ms"),
        Reservation.reservation_type == literal_column(f"'{REALTIME}'"),
        Reservation.creator_id != bindparam("creator_id"),
        Reservation.event_id != bindparam("event_id"),
    )
    return or_(bindparam("reservation_type") != literal_column(f"'{REALTIME}'"), not_(other.correlate(None).exists()))


_NEW: dict[str, ColumnElement[Any]] = {name: bindparam(name) for name in ReservationRow._fields}
_CHANGED = {name: value for name, value in _NEW.items() if name not in ("event_id", "creator_id")}

_RUNNING = Statement(select(*_HELD).where(now_at_site()).order_by(Reservation.start_ms))
_BETWEEN = Statement(
    select(*_ALL)
    .where(_SITE, Reservation.end_ms > bindparam("start_ms"), Reservation.start_ms < bindparam("end_ms"))
    .order_by(Reservation.start_ms, Reservation.event_id)
)
_FIND = Statement(select(*_ALL).where(_THIS))
_OF_CREATOR = Statement(
    select(*_ALL)
    .where(Reservation.creator_id == bindparam("creator_id"), Reservation.end_ms >= bindparam("time_ms"))
    .order_by(Reservation.start_ms, Reservation.event_id)
    .limit(MOST_LISTED)
)
_CONTENT = tuple(name for name in ReservationRow._fields if name not in ("event_id", "last_modified_ms"))
_SAME = Statement(select(*_ALL).where(*(getattr(Reservation, name) == bindparam(name) for name in _CONTENT)))
_INSERT = Statement(
    insert(Reservation)
    .from_select(
        list(_NEW), select(*_NEW.values()).where(_is_free(), not_(select(Reservation.id).where(_THIS).exists()))
    )
    .returning(*_ALL)
)
_UPDATE = Statement(update(Reservation).where(_THIS, _is_free()).values(_CHANGED).returning(*_ALL))
_DELETE = Statement(delete(Reservation).where(_THIS).returning(*_ALL))


def holders(connection: Connection, site: str, now: Now) -> list[Held]:
    """List who holds a telescope now."""
    return at(connection, site, now.wall_ms)


def at(connection: Connection, site: str, time_ms: int) -> list[Held]:
    """List who holds a telescope at a time."""
    return [Held._make(row) for row in connection.rows(_RUNNING, site=site, wall_ms=time_ms)]


def find(connection: Connection, event_id: str) -> ReservationRow | None:
    """Find a reservation by its id."""
    row = connection.row(_FIND, event_id=event_id)
    return None if row is None else ReservationRow._make(row)


def between(connection: Connection, site: str, start_ms: int, end_ms: int) -> list[ReservationRow]:
    """List a site's reservations that touch a span of time, in order."""
    rows = connection.rows(_BETWEEN, site=site, start_ms=start_ms, end_ms=end_ms)
    return [ReservationRow._make(row) for row in rows]


def of_creator(connection: Connection, creator_id: str, time_ms: int) -> list[ReservationRow]:
    """List a person's reservations at all sites that end after a time, in order."""
    rows = connection.rows(_OF_CREATOR, creator_id=creator_id, time_ms=time_ms)
    return [ReservationRow._make(row) for row in rows]


def set_project(
    connection: Connection, event_id: str, project_id: str, actor: Actor, now: Now, *, anybodys: bool = False
) -> ReservationRow:
    """Say for which project a reservation is. Raises NotFound and Forbidden; for `anybodys` see `change`."""
    before = _own(connection, event_id, actor, anybodys=anybodys)
    return change(connection, before._replace(project_id=project_id), actor, now, anybodys=anybodys)


def refuse_others(held: list[Held], site: str, actor: Actor) -> None:
    """Raise Unauthorized when somebody holds the telescope and it is neither a holder nor an admin who asks."""
    if held and not actor.is_admin and all(each.creator_id != actor.id for each in held):
        until = datetime.fromtimestamp(max(each.end_ms for each in held) / 1000, UTC)
        who = shown(" and ".join(dict.fromkeys(each.creator for each in held)))
        raise Unauthorized(
            f"Error: {shown(site)} is reserved by {who} until {until:%Y-%m-%d %H:%M} UTC;"
            " until then only they and admins may command it"
        )


def add(connection: Connection, wanted: ReservationRow, actor: Actor, now: Now) -> ReservationRow:
    """Reserve a telescope for the actor, or an admin for somebody. Raises Conflict when it is taken.

    The same reservation once more, sent without an id of its own, is the one that is there.
    """
    wanted = wanted._replace(last_modified_ms=now.wall_ms)
    _check_owner(wanted, actor)
    if not wanted.event_id:
        if same := connection.row(_SAME, **{name: getattr(wanted, name) for name in _CONTENT}):
            return ReservationRow._make(same)
        wanted = wanted._replace(event_id=str(uuid.uuid4()))
    row = connection.row(_INSERT, **wanted._asdict())
    if row is None:
        if connection.row(_FIND, event_id=wanted.event_id):
            raise Conflict(
                f"Error: there is a reservation {shown(wanted.event_id)} already; modify it, or use another id"
            )
        raise _taken(connection, wanted)
    return ReservationRow._make(row)


def change(
    connection: Connection, wanted: ReservationRow, actor: Actor, now: Now, *, anybodys: bool = False
) -> ReservationRow:
    """Change a reservation; whose it is stays. Raises NotFound, Forbidden, or Conflict when the time is taken.

    `anybodys` when nobody can say who asks, so that each reservation is for anybody to change.
    """
    before = _own(connection, wanted.event_id, actor, anybodys=anybodys)
    wanted = wanted._replace(creator_id=before.creator_id, creator=before.creator, last_modified_ms=now.wall_ms)
    row = connection.row(_UPDATE, **wanted._asdict())
    if row is None:
        raise _taken(connection, wanted)
    return ReservationRow._make(row)


def remove(connection: Connection, event_id: str, actor: Actor, *, anybodys: bool = False) -> ReservationRow:
    """Delete a reservation. Raises NotFound, or Forbidden when it is somebody else's; for `anybodys` see `change`."""
    found = _own(connection, event_id, actor, anybodys=anybodys)
    connection.rows(_DELETE, event_id=event_id)
    return found


def _own(connection: Connection, event_id: str, actor: Actor, *, anybodys: bool) -> ReservationRow:
    row = connection.row(_FIND, event_id=event_id)
    if row is None:
        raise NotFound(f"Error: there is no reservation {shown(event_id)}")
    found = ReservationRow._make(row)
    if not anybodys:
        _check_owner(found, actor)
    return found


def _check_owner(reservation: ReservationRow, actor: Actor) -> None:
    if reservation.creator_id != actor.id and not actor.is_admin:
        raise Forbidden(
            f"Error: this reservation is {shown(reservation.creator)}'s; only they and admins may make or change it"
        )


def _taken(connection: Connection, wanted: ReservationRow) -> Conflict:
    others = between(connection, wanted.site, wanted.start_ms, wanted.end_ms)
    other = next((each for each in others if each.creator_id != wanted.creator_id), None)
    who = f" by {shown(other.creator)} from {in_utc(other.start_ms)} to {in_utc(other.end_ms)}" if other else ""
    return Conflict(f"Error: {shown(wanted.site)} is reserved{who}")
