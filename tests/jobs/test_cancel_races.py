"""A stop wins whenever it meets a start: on two connections to one file, at every point where they can meet."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from jobs_server import clock, config, create_app
from jobs_server.domain import commands
from jobs_server.domain.actors import said, site
from jobs_server.errors import Conflict
from jobs_server.jobs import operations
from jobs_server.service import service_of
from jobs_server.storage.database import Database
from jobs_server.storage.statement import Connection, Statement
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import databases
from ..support.observatory import Observatory, Reply, a_command

RACES = 60
ALL = {"device": "all", "instance": "all"}
CANCELERS = ("canceljob", "stop of the device", "stop of the site")
POINTS = ("before the first begins", "while it has begun", "while it has written", "after it is committed")

WAITS_FOR_A_LOCK = Statement(
    text(
        "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
)

Operation = Callable[[Connection], bool]
"""Gives whether the telescope may move now, or still."""


@pytest.fixture
def apps(tmp_path: Path) -> Iterator[tuple[Flask, Flask]]:
    """Two services on one file, with nothing in common but the file."""
    both = tuple(create_app({"TESTING": True} | databases.at(tmp_path)) for _ in range(2))
    for app in both:
        startup.prepare(app)
    yield both[0], both[1]
    for app in both:
        service_of(app).database.close()


def starting(app: Flask, job: dict[str, Any]) -> Operation:
    command = commands.StartJob(site="wmd", ulid=job["ulid"], claim_id="a")

    def start(connection: Connection) -> bool:
        try:
            operations.start(connection, command, site("wmd"), clock.read(), settings(app))
        except Conflict:
            return False
        return True

    return start


def canceling(app: Flask, job: dict[str, Any], how: str) -> Operation:
    vera = said("auth0|vera", "Vera", ())

    def cancel(connection: Connection) -> bool:
        if how == "canceljob":
            command = commands.CancelJob(site="wmd", ulid=job["ulid"])
            return operations.cancel(connection, command, vera, clock.read(), settings(app)).status != "CANCELED"
        stop = a_command("stop", **(ALL if how == "stop of the site" else {}))
        operations.submit(connection, commands.SubmitJob.model_validate(stop), vera, clock.read(), settings(app))
        return True

    return cancel


def settings(app: Flask) -> config.Settings:
    return service_of(app).settings


def database(app: Flask) -> Database:
    found: Database = service_of(app).database
    return found


@pytest.mark.parametrize("canceler", CANCELERS)
@pytest.mark.parametrize("first", ["start", "cancel"])
@pytest.mark.parametrize("point", POINTS)
def test_whatever_the_point_at_which_the_other_comes_a_stop_wins(
    apps: tuple[Flask, Flask], point: str, first: str, canceler: str
) -> None:
    observatory = inside(apps[0])
    job = observatory.sends()
    observatory.polls(claimId="a")
    start, cancel = starting(apps[0], job), canceling(apps[1], job, canceler)
    with ThreadPoolExecutor(1) as other:
        if first == "start":
            may_move, _ = meet(other, (database(apps[0]), start), (database(apps[1]), cancel), point)
        else:
            _, may_move = meet(other, (database(apps[1]), cancel), (database(apps[0]), start), point)
    assert may_move == ((first == "start") == (point != POINTS[0])), "who commits first was not first"
    a_stop_has_won(observatory, job, may_move)


Side = tuple[Database, Operation]


def meet(other: ThreadPoolExecutor, first: Side, second: Side, point: str) -> tuple[bool, bool]:
    """Do the first in this thread; the second comes in another, at a point of the first."""
    come: Callable[[], Future[bool]] = lambda: other.submit(alone, *second)  # noqa: E731
    if point == POINTS[0]:
        late = come().result()
        return alone(*first), late
    with first[0].transaction() as connection:
        if point == POINTS[1]:
            coming = comes_to_the_lock(come, second[0])
        done = first[1](connection)
        if point == POINTS[2]:
            coming = comes_to_the_lock(come, second[0])
    if point == POINTS[3]:
        coming = come()
    return done, coming.result()


def comes_to_the_lock(come: Callable[[], Future[bool]], database: Database) -> Future[bool]:
    """Let the second come, and wait until it is about to begin, which it cannot while the first has begun."""
    coming = come()
    while not stands_at(database):
        pass
    assert not coming.done()
    return coming


def stands_at(database: Database) -> bool:
    if database.kind.one_writer:
        return database.write_lock._held
    with database.reading() as connection:
        return connection.row(WAITS_FOR_A_LOCK) is not None


def alone(database: Database, operation: Operation) -> bool:
    with database.transaction() as connection:
        return operation(connection)


def a_stop_has_won(observatory: Observatory, job: dict[str, Any], may_move: bool) -> None:
    """Hold that either the start was refused, or the site learns with its next report that it is to end."""
    if may_move:
        assert observatory.reports(job, "EXPOSING").job["cancelRequested"] is True
        assert observatory.history(job)[-2:] == ["STARTED (cancel requested)", "EXPOSING"]
    else:
        assert observatory.history(job) == ["UNREAD", "RECEIVED", "CANCELED"]
        assert observatory.starts(job, claimId="a").status == 409


@pytest.mark.parametrize("canceler", CANCELERS)
def test_a_stop_wins_when_both_come_at_once(
    apps: tuple[Flask, Flask], canceler: str, tell: Callable[[str], None]
) -> None:
    telescope, person = inside(apps[0]), inside(apps[1])
    winners: Counter[str] = Counter()
    with ThreadPoolExecutor(2) as threads:
        for number in range(RACES):
            job = telescope.sends()
            claim = f"claim-{number}"
            assert job in telescope.polls(claimId=claim)
            together = threading.Barrier(2)
            start = threads.submit(at_once, together, telescope.starts, job, claimId=claim)
            cancel = threads.submit(at_once, together, asks_to_end, person, job, canceler)
            assert cancel.result() == 200
            may_move = start.result() == 200
            winners["start" if may_move else "cancel"] += 1
            a_stop_has_won(telescope, job, may_move)
            telescope.polls()  # the stop itself
    tell(f"{canceler} against start, {RACES} races: start first {winners['start']}, cancel first {winners['cancel']}")


def asks_to_end(person: Observatory, job: dict[str, Any], how: str) -> Reply:
    if how == "canceljob":
        return person.asks_to_cancel(job)
    return person.asks("stop", **(ALL if how == "stop of the site" else {}))


def at_once(together: threading.Barrier, ask: Callable[..., Reply], *arguments: object, **options: object) -> int:
    together.wait()
    return ask(*arguments, **options).status
