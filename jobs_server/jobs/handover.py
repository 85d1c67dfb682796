"""How far a poll reaches: what one reply may hold in bytes, found before anything is handed over."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice, takewhile
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    LargeBinary,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
)

from ..clock import Now
from ..domain.commands import ClaimJobs
from ..domain.lifecycle import Queue
from ..storage.models import Job
from ..storage.statement import Connection, Statement
from .rows import JobRow
from .sql import ONE, ZERO, deliverable

REPLY_BYTES = 2_000_000
"""How many bytes of jobs a reply holds, unless one job alone is larger."""
_NO_LIMIT = 2**31
_FRAME_BYTES = 600  # the names of the keys, the numbers, the ULIDs and the statuses
_ESCAPED = 6  # so many bytes JSON takes at most for a character or a byte of a text


_NAMES = ("site", "device", "instance", "action", "user_name", "user_id")
_TEXTS = (*_NAMES, "required_params", "optional_params", "user_roles")
_texts = itemgetter(*map(JobRow._fields.index, _TEXTS))


class Seen(NamedTuple):
    """What a look at what waits found, before anything is handed over."""

    any_stop: bool
    fits: bool
    """Whether all of it goes out in one reply; False as well where nobody weighed it."""


class Outgrown(Exception):
    """What waits fitted one reply when it was looked at, and no longer does."""


class _Weighed(NamedTuple):
    rank: str
    is_stop: int
    size: int


WITHIN_REACH = and_(
    Job.rank <= bindparam("upto"),
    Job.rank
    <= case((Job.is_stop == ONE, bindparam("last_stop", type_=Text)), else_=bindparam("last_other", type_=Text)),
)
"""Within what `reach` found, on SQLite: stop commands up to one rank, other jobs up to another."""


def within_reply(queue: Queue, *, ends_at_stop: bool = False, stops_only: bool = False) -> ColumnElement[bool]:
    """Write the same for PostgreSQL in one statement, since it knows how long a text is without reading it."""
    jobs = _sizes(queue, func.octet_length, *((Job.is_stop == ONE,) if stops_only else ()))
    if ends_at_stop:
        jobs = jobs.where(up_to_first_stop(queue))
    weighed = jobs.correlate(None).subquery().c
    order = (weighed.is_stop.desc(), weighed.rank)
    total = func.sum(weighed.size).over(order_by=order, rows=(None, 0)).label("total")
    counted = select(weighed.rank, func.row_number().over(order_by=order).label("number"), total).subquery().c
    fits = or_(counted.total <= literal_column(str(REPLY_BYTES)), counted.number == ONE)
    return Job.rank.in_(select(counted.rank).where(fits, counted.number <= bindparam("most", type_=BigInteger)))


def up_to_first_stop(queue: Queue) -> ColumnElement[bool]:
    """Write that no stop command that may be handed over waits before a job."""
    first_stop = select(func.min(Job.rank)).where(deliverable(queue), Job.is_stop == ONE).correlate(None)
    return Job.rank <= func.coalesce(first_stop.scalar_subquery(), literal_column("'~'"))


def _sizes(queue: Queue, octets: Any, *where: ColumnElement[bool]) -> Select[Any]:
    """Write how large the jobs are in a reply that may be handed over; never too small."""
    size: Any = literal_column(str(_FRAME_BYTES))
    for name in (Job.site, Job.device, Job.instance, Job.action, Job.user_name, Job.user_id):
        size += func.length(name) * literal_column(str(_ESCAPED))
    for params in (Job.required_params, Job.optional_params, Job.user_roles):
        size += octets(params)
    return select(Job.rank, Job.is_stop, size.label("size")).where(deliverable(queue), *where)


def _in_order(queue: Queue, *where: ColumnElement[bool]) -> Statement:
    """Write the sizes for SQLite, which works out each when it is asked for it."""
    return Statement(_sizes(queue, lambda text: func.length(cast(text, LargeBinary)), *where).order_by(Job.rank))


ALL = {queue: _in_order(queue) for queue in Queue}
STOPS = {queue: _in_order(queue, Job.is_stop == ONE) for queue in Queue}
OTHERS = {queue: _in_order(queue, Job.is_stop == ZERO) for queue in Queue}
_ANY = {queue: Statement(select(func.max(Job.is_stop)).where(deliverable(queue))) for queue in Queue}


def look(connection: Connection, command: ClaimJobs, now: Now) -> Seen | None:
    """Look at what a poll would get; None when it would get nothing."""
    values = {"site": command.site, "wall_ms": now.wall_ms, "boot_ms": now.boot_ms}
    if connection.is_postgresql or not _asks_for_all(command):
        return _any(connection, command, values)
    left, any_stop = REPLY_BYTES, None
    with closing(connection.each(ALL[command.queue], **values)) as jobs:
        for _, is_stop, size in jobs:
            left, any_stop = left - size, any_stop or bool(is_stop)
            if left < 0:
                return _any(connection, command, values)
    return None if any_stop is None else Seen(any_stop, fits=True)


def check_fits(rows: Sequence[JobRow]) -> None:
    """Raise Outgrown when jobs are more than a reply holds."""
    if len(rows) < 2:  # One alone goes whatever its size.
        return
    most = sum(_FRAME_BYTES + _ESCAPED * sum(map(len, _texts(row))) for row in rows)
    if most > REPLY_BYTES and sum(map(_size, rows)) > REPLY_BYTES:
        raise Outgrown


def reach(connection: Connection, command: ClaimJobs, values: Mapping[str, Any]) -> dict[str, Any]:
    """Find how far a reply goes, as values for `statements.CLAIM_SOME`.

    Stop commands go before other jobs, both in their order, and at least one job goes. What is claimed ends at the
    first stop command: what comes after it comes with the next poll. Of stops alone all go.
    """
    if connection.is_postgresql:
        return {"most": command.limit or _NO_LIMIT}
    if command.stops_only:
        return _stops_alone(connection, command, values)
    claimed = command.claim_id is not None
    room = _Room(command.limit or _NO_LIMIT)
    with closing(_each(connection, STOPS[command.queue], values)) as stops:
        last_stop = room.fill(islice(stops, 1) if claimed else stops)
    with closing(_each(connection, OTHERS[command.queue], values)) as others:
        ends = claimed and last_stop
        last_other = room.fill(takewhile(lambda job: job.rank < last_stop, others) if ends else others)
    return {"last_stop": last_stop, "last_other": last_other, "upto": max(last_stop, last_other)}


def _stops_alone(connection: Connection, command: ClaimJobs, values: Mapping[str, Any]) -> dict[str, Any]:
    with closing(_each(connection, STOPS[command.queue], values)) as stops:
        last_stop = _Room(command.limit or _NO_LIMIT).fill(stops)
    return {"last_stop": last_stop, "last_other": "", "upto": last_stop}


def _asks_for_all(command: ClaimJobs) -> bool:
    return (command.claim_id, command.limit, command.only, command.stops_only) == (None, None, None, False)


def _any(connection: Connection, command: ClaimJobs, values: Mapping[str, Any]) -> Seen | None:
    any_stop = connection.rows(_ANY[command.queue], **values)[0][0]
    if any_stop is None or (command.stops_only and not any_stop):
        return None
    return Seen(bool(any_stop), fits=False)


def _size(job: JobRow) -> int:
    """Return how large a job is in a reply, as `_sizes` counts it."""
    names = (job.site, job.device, job.instance, job.action, job.user_name, job.user_id)
    params = (job.required_params, job.optional_params, job.user_roles)
    return _FRAME_BYTES + _ESCAPED * sum(map(len, names)) + sum(len(text.encode()) for text in params)


def _each(connection: Connection, statement: Statement, values: Mapping[str, Any]) -> Generator[_Weighed]:
    cursor = connection.each(statement, **values)
    try:
        yield from map(_Weighed._make, cursor)
    finally:
        cursor.close()


class _Room:
    """What a reply has room for."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._bytes = REPLY_BYTES
        self._is_empty = True

    def fill(self, jobs: Iterable[_Weighed]) -> str:
        """Put jobs in until one does not fit, and return the last one's rank; blank when there was none."""
        last = ""
        for job in jobs:
            if not self._count or (job.size > self._bytes and not self._is_empty):
                self._bytes = 0  # What comes later is not handed over before what waits longer.
                break
            self._count, self._bytes, self._is_empty = self._count - 1, self._bytes - job.size, False
            last = job.rank
        return last
