"""Write units that wait for each other share one flush of the disk.

Whoever has the lock of the writers runs the units of those who wait behind it too, each in a savepoint of its own, and
commits all at once. Nobody is answered and nobody woken before that, and no unit waits for another to arrive. Where
the commit fails, or the database takes all back, each unit runs once more by itself: nothing had been changed, and a
full disk refuses only whom it must.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from ..errors import DatabaseUnavailable
from .connections import Connections, Writing
from .fair_lock import Ticket
from .sqlite import BUSY, refusal
from .statement import Connection

Result = TypeVar("Result")
CallBack = Callable[[str | None, float, list[Any]], None]

_MOST_UNITS = 32
"""So many units share a flush; each further one is answered later for each that shares it."""


class _Unit(Generic[Result]):
    """What a write unit does with a connection, and what came of it."""

    __slots__ = ("changes", "commit_seconds", "error", "is_committed", "is_urgent", "result", "was_taken", "work")

    def __init__(self, work: Callable[[Connection], Result], *, is_urgent: bool) -> None:
        self.work, self.is_urgent = work, is_urgent
        self.was_taken = False
        """Whether somebody else ran the unit, or tried to."""
        self.is_committed = False
        self.commit_seconds = 0.0
        self.changes: list[Any] = []
        self.error: Exception | None = None
        self.result: Result | None = None

    def run(self, connection: Connection, failure: type[Exception]) -> bool:
        """Whether the unit is done, in a savepoint of its own: what it refuses is taken back at once.

        False where the database failed: then the unit is to run by itself, which finds out why.
        """
        connection.save()
        try:
            self.result = self.work(connection)
        except failure:
            connection.undo()
            return False
        except Exception as error:
            connection.undo()
            self.error = error
            return True
        connection.keep()
        self.changes = connection.changes
        return True


class _Taken(Exception):
    """Somebody else, who had the lock, ran the unit."""


class _Leading(Writing):
    """Lend a connection for one write unit, and for those that wait behind it; unless another took it along."""

    __slots__ = ("_unit",)

    def __init__(self, connections: Connections, site: str | None, call_back: CallBack, unit: _Unit[Any]) -> None:
        super().__init__(connections, site, call_back, urgent=unit.is_urgent)
        self._unit = unit

    def _lock(self) -> None:
        self._connections.lock(urgent=self._urgent, offer=self._unit)
        if self._unit.was_taken:
            raise _Taken


def write(
    connections: Connections,
    site: str | None,
    work: Callable[[Connection], Result],
    call_back: CallBack,
    *,
    urgent: bool = False,
) -> Result:
    """Do the work of a write unit, commit it, call back, and return what the work returned.

    The work may be done twice, the second time as if the first had not been.
    Raises what the work raises, and Unavailable; then nothing was changed.
    """
    if connections.kind.one_writer and not connections.kind.in_memory:
        unit = _Unit(work, is_urgent=urgent)
        try:
            is_done = _lead(connections, site, call_back, unit)
        except _Taken:
            is_done = unit.is_committed
            if is_done and unit.error is None:
                call_back(site, unit.commit_seconds, unit.changes)
        if is_done:
            if unit.error is not None:
                raise unit.error
            return cast(Result, unit.result)
    with Writing(connections, site, call_back, urgent=urgent) as connection:
        return work(connection)


def _lead(connections: Connections, site: str | None, call_back: CallBack, unit: _Unit[Any]) -> bool:
    """Whether a unit was committed, with those that waited behind it; False where it has to run by itself.

    Raises what the unit's own work raises: then nobody else's was begun.
    """
    others: list[Ticket] = []
    writing = _Leading(connections, site, call_back, unit)
    try:
        with writing as connection:
            unit.result = unit.work(connection)
            if not unit.is_urgent:
                _run_others(connections, connection, others)
    except DatabaseUnavailable:
        if not others:
            raise
    finally:
        for ticket in others:
            other = cast("_Unit[Any]", ticket.offer)
            other.is_committed = other.is_committed and writing.is_committed
            other.commit_seconds = writing.commit_seconds
            ticket.serve()
    return writing.is_committed


def _run_others(connections: Connections, connection: Connection, others: list[Ticket]) -> None:
    """Run the units that wait, in their order, up to an urgent one, whose answer waits for no further ones.

    Raises Unavailable where the database took back what was done before.
    """
    while len(others) < _MOST_UNITS - 1 and (ticket := connections.write_lock.take()):
        others.append(ticket)
        other = cast("_Unit[Any]", ticket.offer)
        other.was_taken = True
        other.is_committed = other.run(connection.another(), connections.kind.failure)
        if not connection.is_open:
            raise DatabaseUnavailable(refusal(BUSY))
        if other.is_urgent:
            return
