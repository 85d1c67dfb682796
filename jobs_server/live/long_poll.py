"""Polls that wait: answered the moment there is a job, with no connection to the database held until then."""

from __future__ import annotations

import time

from .. import clock
from ..domain.actors import Actor
from ..domain.commands import ClaimJobs
from ..errors import Unavailable
from ..jobs import handover, operations, queries
from ..jobs.operations import Handover
from ..storage.database import Database
from ..storage.statement import Connection
from .disconnect import Client
from .feed import Feed

_CLOCK_SECONDS = 1.0  # So soon a job is seen that a change of the wall clock makes due.
_SHORTEST_SECONDS = 0.005
_AWAY_SECONDS = 0.5  # So soon a waiting poll looks again for a database that went away.


def poll(database: Database, feed: Feed, command: ClaimJobs, actor: Actor, client: Client) -> Handover:
    """Hand over what waits; when there is nothing, wait as long as the poll says for something to come.

    Raises Crowded when too many wait already.
    """
    feed.presence.heard(command.site, command.queue, client.name)
    answer = _take(database, command, actor, client)
    if answer.replayed:
        feed.replays += 1
    if answer.settled or not command.wait_seconds:
        return answer
    with (
        feed.presence.waiting(command.site, command.queue),
        feed.waiting(command.site, client, stops_only=command.stops_only) as subscriber,
    ):
        deadline = time.monotonic() + command.wait_seconds
        while True:
            left = deadline - time.monotonic()
            try:
                answer = _take(database, command, actor, client)
                if answer.settled:
                    return answer
                pause = _until_due(database, command)
            except Unavailable:
                if left <= 0 or feed.stopping:
                    raise
                pause = _AWAY_SECONDS
            if left <= 0 or feed.stopping or client.disconnected():
                return answer
            subscriber.wait(min(left, pause))


def _take(database: Database, command: ClaimJobs, actor: Actor, client: Client) -> Handover:
    """Hand over what there is. A poll that gets nothing writes nothing."""
    with database.reading() as connection:
        before = operations.replay(connection, command)
        if before.replayed:
            return before
        seen = handover.look(connection, command, clock.read())
    if seen is None or client.disconnected():
        return before  # Nothing waits, or nobody is there to get it.
    try:
        return _claim(database, command, actor, seen)
    except handover.Outgrown:
        return _claim(database, command, actor, seen._replace(fits=False))


def _claim(database: Database, command: ClaimJobs, actor: Actor, seen: handover.Seen) -> Handover:
    def claim(connection: Connection) -> Handover:
        return operations.claim(connection, command, actor, clock.read(), fits=seen.fits)

    return database.write(command.site, claim, urgent=seen.any_stop)


def _until_due(database: Database, command: ClaimJobs) -> float:
    """Return for how many seconds at most to sleep, for the sake of jobs that are held back."""
    with database.reading() as connection:
        due_ms = queries.next_due_ms(
            connection, command.site, command.queue, clock.read(), stops_only=command.stops_only
        )
    if due_ms is None:
        return command.wait_seconds
    return min(_CLOCK_SECONDS, max(due_ms / 1000, _SHORTEST_SECONDS))
