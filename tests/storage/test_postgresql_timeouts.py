"""On PostgreSQL nothing is waited for without end, and a stop finds a connection whatever the others wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from jobs_server import create_app
from jobs_server.errors import Unavailable
from jobs_server.service import service_of
from jobs_server.storage.statement import Statement
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import postgres
from ..support.waiting import PATIENCE_SECONDS, until

Make = Callable[..., Flask]

READS: dict[str, Callable[[Flask], tuple[int, str | None]]] = {}


def read(name: str, path: str, body: object = None) -> None:
    def ask(app: Flask) -> tuple[int, str | None]:
        client = app.test_client()
        answer = client.get(path) if body is None else client.post(path, json=body)
        return answer.status_code, answer.headers.get("Retry-After")

    READS[name] = ask


read("a poll", "/jobs/getnewjobs", {"site": "wmd"})
read("a list", "/jobs/getrecentjobs", {"site": "wmd", "timeRange": 60_000})
read("a page of the log", "/jobs-log?site=wmd")
read("the night", "/night?site=wmd")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make apps on one database, as several servers are; what they wait for is soon over."""
    url, made = postgres.shared().database(), list[Flask]()

    def one_more(**settings: object) -> Flask:
        named = {"DATABASE_URL": url, "INSTANCE": str(tmp_path), "DATABASE_TIMEOUT_SECONDS": 0.2}
        app = create_app({"TESTING": True} | named | settings)
        startup.prepare(app)
        made.append(app)
        return app

    yield one_more
    for app in made:
        service_of(app).database.close()


@contextmanager
def locked(app: Flask, table: str) -> Iterator[None]:
    """Lock a table for the length of a block, as VACUUM FULL does."""
    url = service_of(app).database.engine.url
    with psycopg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database
    ) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


@pytest.mark.parametrize("which", READS)
def test_reads_heed_a_time_out_while_a_table_is_locked(make: Make, which: str) -> None:
    """A table locked for 25 s held polls, lists and pages for 24.6 s."""
    app = make()
    inside(app).sends()
    with ThreadPoolExecutor(1) as pool:
        with locked(app, "job"):
            assert pool.submit(READS[which], app).result(PATIENCE_SECONDS) == (503, "2")
        assert READS[which](app)[0] in (200, 404)


def test_a_statement_that_takes_too_long_is_ended_and_the_connection_is_good(make: Make) -> None:
    database = service_of(make()).database
    with pytest.raises(Unavailable, match="it is busy"), database.reading() as connection:
        connection.rows(Statement(text("SELECT pg_sleep(600)")))
    with database.reading() as connection:
        assert connection.rows(Statement(text("SELECT 1"))) == [(1,)]


def test_all_locks_of_a_write_unit_together_are_waited_for_no_longer_than_the_database_may(make: Make) -> None:
    """Each lock had the whole time for itself: whoever met two that were taken waited twice as long."""
    here, there = make(DATABASE_TIMEOUT_SECONDS=60), make(DATABASE_TIMEOUT_SECONDS=0.2)
    show = Statement(text("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"))
    with service_of(here).database.transaction("wmd"):
        refused = inside(there).asks()
        assert (refused.status, "it is busy" in refused.text) == (503, True)
    with service_of(there).database.transaction("wmd") as connection:
        assert connection.rows(show) == [("600ms", "200ms")]


def test_migrations_and_repairs_take_as_long_as_they_take(make: Make) -> None:
    with service_of(make()).database.engine.begin() as connection:
        shown = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
        assert connection.exec_driver_sql(shown).all() == [("0", "0")]


@pytest.mark.parametrize("how", ["a stop", "a cancel"])
def test_a_stop_finds_a_connection_when_all_others_wait(make: Make, how: str) -> None:
    """The pool was used up by those who waited at one site, and stops at other sites got 503."""
    app = make(DATABASE_CONNECTIONS=2, DATABASE_TIMEOUT_SECONDS=60)
    database, job = service_of(app).database, inside(app).sends()
    posts = [threading.Thread(target=inside(app, "mrc").sends) for _ in range(2)]
    with service_of(make(DATABASE_TIMEOUT_SECONDS=60)).database.transaction("mrc"):
        for each in posts:
            each.start()
        until(partial(all_taken, app))
        site = inside(app)
        deed = partial(site.asks, "stop") if how == "a stop" else partial(site.asks_to_cancel, job)
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(deed)
            assert done.result(PATIENCE_SECONDS / 2).status == 200
        assert all(each.is_alive() for each in posts)
    for each in posts:
        each.join(PATIENCE_SECONDS)
    database.close()


def all_taken(app: Flask) -> bool:
    return "Current Checked out connections: 2" in service_of(app).database.engine.pool.status()


def test_connections_kept_for_stops_are_closed_and_made_anew_with_the_others(make: Make) -> None:
    app = make()
    mine = Statement(text("SELECT pg_backend_pid()"))
    with service_of(app).database.transaction("wmd", urgent=True) as connection:
        first = connection.rows(mine)
    service_of(app).database.close()
    with service_of(app).database.transaction("wmd", urgent=True) as connection:
        assert connection.rows(mine) != first
