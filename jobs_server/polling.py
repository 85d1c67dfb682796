"""Polls that wait: answered the moment there is a job, with no connection to the database held until then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from . import clock, jobs, queries
from .actors import Actor
from .commands import ClaimJobs
from .db import Database
from .errors import Unavailable
from .feed import Feed
from .hangup import Client
from .queries import JobRow

_CLOCK_SECONDS = 1.0  # how soon a job is seen that a change of the wall clock makes due
_SHORTEST_SECONDS = 0.005
_AWAY_SECONDS = 0.5  # how soon a poll that waits looks again for a database that went away


class Answer(NamedTuple):
    """What a poll gets."""

    jobs: Sequence[JobRow] = ()
    replayed: bool = False  # what its claim id had got before
    spent: bool = False  # its claim id got jobs before, none of them is to be run any more, and it gets no others


def poll(database: Database, feed: Feed, command: ClaimJobs, actor: Actor, client: Client) -> Answer:
    """Hand over what waits; when there is nothing, wait as long as the poll says for something to come.

    Raises Crowded when too many wait already.
    """
    feed.presence.heard(command.site, command.queue, client.name)
    answer = _take(database, command, actor, client)
    if answer is not None and answer.replayed:
        feed.replays += 1
    if answer is not None or not command.wait_seconds:
        return answer or Answer()
    with feed.presence.waiting(command.site, command.queue), feed.waiting(command.site, client) as waiter:
        deadline = time.monotonic() + command.wait_seconds
        while True:
            left = deadline - time.monotonic()
            try:
                if (answer := _take(database, command, actor, client)) is not None:
                    return answer
                pause = _until_due(database, command)
            except Unavailable:
                if left <= 0 or feed.stopping:
                    raise
                pause = _AWAY_SECONDS
            if left <= 0 or feed.stopping or client.hung_up():
                return Answer()
            waiter.wait(min(left, pause))


def _take(database: Database, command: ClaimJobs, actor: Actor, client: Client) -> Answer | None:
    """Hand over what there is; None when there is nothing yet. A poll that gets nothing writes nothing."""
    with database.reading() as connection:
        replayed = jobs.replay(connection, command)
        if replayed is not None:
            return Answer(replayed, replayed=True, spent=not replayed)
        if not queries.any_deliverable(connection, command.site, command.queue, clock.read()):
            return None
    if client.hung_up():
        return Answer()  # nobody is there to get any
    with database.transaction(command.site) as connection:
        claimed = jobs.claim(connection, command, actor, clock.read())
    return Answer(claimed) if claimed else None


def _until_due(database: Database, command: ClaimJobs) -> float:
    """Tell how long at most to sleep for the sake of jobs that are held back, in seconds."""
    with database.reading() as connection:
        due_ms = queries.next_due_ms(connection, command.site, command.queue, clock.read())
    if due_ms is None:
        return command.wait_seconds
    return min(_CLOCK_SECONDS, max(due_ms / 1000, _SHORTEST_SECONDS))
