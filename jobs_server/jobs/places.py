"""Places in the order of what waits at a site: between which two ranks a job comes.

The order is one for both queues; which stop commands wait is that of the queue that everybody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, bindparam, func, or_, select, update

from ..domain import ranks
from ..domain.lifecycle import Phase, Queue
from ..storage.models import Job
from ..storage.statement import Connection, Statement
from .sql import ONE, THIS_SITE, in_phase


class Place(NamedTuple):
    """A place between two that wait."""

    low: str
    """The rank of what waits before it; `ranks.LOWEST` for none."""
    high: str | None
    """The rank of what waits behind it; none: nothing does."""


def _of_waiting(which: ColumnElement[str], *where: ColumnElement[bool]) -> dict[Queue, Statement]:
    waits = {queue: in_phase(queue, Phase.WAITING) for queue in Queue}
    return {queue: Statement(select(which).where(THIS_SITE, waits[queue], *where)) for queue in Queue}


_RANK = bindparam("rank", type_=Job.rank.type)
_NEXT_ABOVE = _of_waiting(func.min(Job.rank), Job.rank > _RANK)
_NEXT_BELOW = _of_waiting(func.max(Job.rank), Job.rank < _RANK)
_HIGHEST = _of_waiting(func.max(Job.rank))
_LAST_STOP = _of_waiting(func.max(Job.rank), Job.is_stop == ONE)
_LAST_STOP_OR_NEXT = _of_waiting(func.max(Job.rank), or_(Job.is_stop == ONE, Job.is_next == ONE))
_STOP_BETWEEN = _of_waiting(
    func.min(Job.ulid), Job.is_stop == ONE, Job.rank > _RANK, Job.rank < bindparam("upto", type_=Job.rank.type)
)
_NEWEST = Statement(select(func.max(Job.ulid)))
_ALL = {
    queue: Statement(select(Job.rank, Job.ulid, Job.id).where(THIS_SITE, in_phase(queue, Phase.WAITING)))
    for queue in Queue
}
_RANK_ANEW = Statement(
    update(Job).where(Job.id == bindparam("job_id", type_=BigInteger)).values(rank=bindparam("new_rank"))
)


def first(connection: Connection, site: str, *, behind_next: bool = False) -> Place:
    """Return the place behind the stop commands that wait, and before all else.

    `behind_next`: behind the jobs too that were sent to go before what waits.
    """
    ahead = _LAST_STOP_OR_NEXT if behind_next else _LAST_STOP
    low = connection.rows(ahead[Queue.PRIMARY], site=site)[0][0] or ranks.LOWEST
    return Place(low, min(_found(connection, _NEXT_ABOVE, site, low), default=None))


def last(connection: Connection, site: str) -> Place:
    """Return the place behind all that waits."""
    highest = (connection.rows(_HIGHEST[queue], site=site)[0][0] for queue in Queue)
    return Place(max(filter(None, highest), default=ranks.LOWEST), None)


def before(connection: Connection, site: str, rank: str) -> Place:
    """Return the place right before what waits with a rank."""
    return Place(max(_found(connection, _NEXT_BELOW, site, rank), default=ranks.LOWEST), rank)


def stop_between(connection: Connection, site: str, rank: str, upto: str) -> str | None:
    """Return the ULID of a stop command that waits between two ranks; None when there is none."""
    ulid: str | None = connection.rows(_STOP_BETWEEN[Queue.PRIMARY], site=site, rank=rank, upto=upto)[0][0]
    return ulid


def free_rank(connection: Connection, site: str, find: Callable[[], Place]) -> str:
    """Return a rank for a place, which `find` returns; where it would be long, all that waits is ranked anew first."""
    rank = _rank_at(connection, find())
    if len(rank) <= ranks.LONGEST:
        return rank
    _rank_anew(connection, site)
    return _rank_at(connection, find())


def _rank_at(connection: Connection, place: Place) -> str:
    if place.high is not None:
        return ranks.between(place.low, place.high)
    return ranks.behind(place.low, connection.rows(_NEWEST)[0][0])


def _found(connection: Connection, statements: dict[Queue, Statement], site: str, rank: str) -> Iterator[str]:
    found = (connection.rows(statements[queue], site=site, rank=rank)[0][0] for queue in Queue)
    return filter(None, found)


def _rank_anew(connection: Connection, site: str) -> None:
    waiting = sorted({row for queue in Queue for row in connection.rows(_ALL[queue], site=site)})
    dealt = ranks.anew([ulid for _, ulid, _ in waiting])
    values = [{"job_id": job_id, "new_rank": rank} for (_, _, job_id), rank in zip(waiting, dealt, strict=True)]
    connection.run_many(_RANK_ANEW, values)
