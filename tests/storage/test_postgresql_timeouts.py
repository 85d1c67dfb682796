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
from jobs_server.storage import notifications
from jobs_server.storage.notifications import Listener
from jobs_server.storage.statement import Statement
from jobs_server.upkeep import startup
from jobs_server.upkeep.checks import HealthTimes

from ..conftest import inside
from ..support import postgres
from ..support.observatory import Reply
from ..support.relay import Relay, relay
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
            read = pool.submit(is_read, app).result(PATIENCE_SECONDS / 2)  # as whether a session has ended
            assert read == [(1,)]
        assert all(each.is_alive() for each in posts)
    for each in posts:
        each.join(PATIENCE_SECONDS)
    database.close()


def is_read(app: Flask) -> list[tuple[object, ...]]:
    with service_of(app).database.reading(urgent=True) as connection:
        return connection.rows(Statement(text("SELECT 1")))


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


class TestPathThatPassesNothing:
    """A network path that keeps TCP alive and passes nothing: connections hung over 45 s, and expiry stood still."""

    @pytest.fixture
    def wire(self) -> Iterator[Relay]:
        with relay(postgres.shared().port) as wire:
            yield wire

    @pytest.fixture
    def behind(self, wire: Relay, make: Make) -> Flask:
        return make(DATABASE_URL=through(wire, make))

    @pytest.mark.parametrize("which", [*READS, "a job", "a stop", "readyz"])
    def test_no_request_hangs(self, wire: Relay, behind: Flask, which: str) -> None:
        site = inside(behind)
        asks = READS | {
            "a job": lambda _: status(site.asks()),
            "a stop": lambda _: status(site.asks("stop")),
            "readyz": lambda app: (app.test_client().get("/readyz").status_code, "2"),
        }
        site.sends()
        with ThreadPoolExecutor(2) as pool:
            wire.stop_up()
            hung = pool.submit(asks[which], behind)  # by a connection from before
            assert hung.result(PATIENCE_SECONDS) == (503, "2")
            assert pool.submit(asks[which], behind).result(PATIENCE_SECONDS) == (503, "2")  # by a new one
            wire.mend()
        service_of(behind).health.times = HealthTimes(kept_seconds=0)
        assert asks[which](behind)[0] in (200, 404)

    def test_what_is_wrong_is_said(self, wire: Relay, behind: Flask) -> None:
        inside(behind).sends()
        wire.stop_up()
        assert "it does not answer (is the network to it whole?)" in inside(behind).asks().text
        wire.mend()

    def test_a_commit_without_an_answer_is_not_called_undone(self, wire: Relay, behind: Flask) -> None:
        database = service_of(behind).database
        with pytest.raises(Unavailable, match="may or may not have been done"), database.transaction("wmd"):
            wire.stop_up()
        wire.mend()

    def test_the_duty_lapses_and_another_server_takes_it(
        self, wire: Relay, behind: Flask, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, seconds in {"DUTY": 0.1, "LAPSE": 1.0, "SILENT": 2.0, "ANSWER": 1.0}.items():
            monkeypatch.setattr(notifications, f"_{name}_SECONDS", seconds)
        first, second = (service_of(app).listener for app in (behind, make()))
        assert first
        assert second
        first.worker.start(after_seconds=0)
        until(lambda: first.on_duty)
        second.worker.start(after_seconds=0)
        until(lambda: second.hears)
        assert not second.on_duty
        wire.stop_up()
        until(lambda: second.on_duty)
        assert not first.on_duty
        wire.mend()
        for each in (first, second):
            ends(each)


def ends(listener: Listener) -> None:
    """End a listener, which else ends with its process, by the loss of whatever connection it just has."""
    listener.worker._stopped.set()
    name = listener._database.engine.url.database
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    until(lambda: postgres.shared().run(cut) is not None and not listener.worker.is_alive)


def through(wire: Relay, make: Make) -> str:
    """Return the URL by which the database of these apps is reached over a wire."""
    url = service_of(make()).database.engine.url
    return url.set(port=wire.port).render_as_string(hide_password=False)


def status(answer: Reply) -> tuple[int, str | None]:
    return answer.status, answer.headers.get("Retry-After")
