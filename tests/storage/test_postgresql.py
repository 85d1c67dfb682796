"""What this service promises, kept on PostgreSQL: delivered once, in order, and nothing stepped over."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import text

from jobs_server import clock, create_app
from jobs_server.domain import actors
from jobs_server.domain.lifecycle import Queue
from jobs_server.errors import Conflict, Unavailable
from jobs_server.jobs import events, operations, queries, reservations
from jobs_server.jobs.operations import Event
from jobs_server.jobs.reservations import ReservationRow
from jobs_server.service import service_of
from jobs_server.storage import migrations, postgresql
from jobs_server.storage.database import Database
from jobs_server.storage.flask_extension import db
from jobs_server.storage.statement import Statement
from jobs_server.upkeep import startup

from ..conftest import inside
from ..live.test_long_poll import Poll, someone_waits
from ..support import postgres, servers
from ..support.observatory import Observatory
from ..support.waiting import until

PREPARE = """
import sys
from jobs_server import create_app
from jobs_server.upkeep import startup as serving
serving.prepare(create_app({"DATABASE_URL": sys.argv[1], "INSTANCE": sys.argv[2]}))
"""


@pytest.fixture(scope="module")
def cluster() -> postgres.Cluster:
    return postgres.shared()


@pytest.fixture
def make(cluster: postgres.Cluster, tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Make apps on one database, as several servers are."""
    url, made = cluster.database(), list[Flask]()

    def one_more(**settings: object) -> Flask:
        app = create_app({"TESTING": True, "DATABASE_URL": url, "INSTANCE": str(tmp_path / "instance"), **settings})
        startup.prepare(app)
        made.append(app)
        return app

    yield one_more
    for app in made:
        database(app).close()


@pytest.fixture
def app(make: Callable[..., Flask]) -> Flask:
    return make()


def database(app: Flask) -> Database:
    found = service_of(app).database
    assert isinstance(found, Database)
    return found


def at_once(deeds: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do several things at the same moment."""
    gate = threading.Barrier(len(deeds))

    def do(deed: Callable[[], object]) -> object:
        gate.wait(60)
        return deed()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(do, deeds))


class TestDelivery:
    def test_the_life_of_a_job(self, app: Flask) -> None:
        site = inside(app)
        sent = site.sends()
        assert site.polls() == [sent]
        assert site.polls() == []
        assert [job["ulid"] for job in site.polls(alternateQueue=True)] == [sent["ulid"]]
        assert site.starts(sent, secondsUntilComplete=4).job["secondsUntilComplete"] == 4
        site.reports(sent, "COMPLETE")
        assert site.history(sent) == ["UNREAD", "RECEIVED", "STARTED", "COMPLETE"]
        assert site.status(sent) == "COMPLETE"
        assert site.reports(sent, "EXPOSING").status == 409

    def test_what_was_sent_comes_back_as_it_was(self, app: Flask) -> None:
        odd = {"n": 10**30, "f": 0.1 + 0.2, "text": "\0 ☄ \U0001f52d", "deep": [[[{}]]], "-": -0.0}
        sent = inside(app).sends(required_params=odd)
        assert sent["required_params"] == odd
        assert inside(app).polls()[0]["required_params"] == odd

    def test_of_many_pollers_on_two_servers_each_job_goes_to_one(self, make: Callable[..., Flask]) -> None:
        sites = [inside(make()), inside(make())]
        sent = {sites[0].sends()["ulid"] for _ in range(40)}
        polls = [partial(sites[number % 2].polls, limit=3) for number in range(8)]
        got = Counter[str]()
        while sum(got.values()) < len(sent):
            for batch in at_once(polls):
                got.update(job["ulid"] for job in batch)
        assert set(got) == sent
        assert set(got.values()) == {1}

    def test_a_claim_id_gets_the_same_jobs_again(self, make: Callable[..., Flask]) -> None:
        first, second = inside(make()), inside(make())
        sent = first.sends()
        assert first.polls(claimId="a") == second.polls(claimId="a") == [sent]
        assert second.polls(claimId="b") == []

    def test_the_same_key_at_once_on_two_servers_makes_one_job(self, make: Callable[..., Flask]) -> None:
        def sends(site: Observatory) -> object:
            body = {"site": "wmd", "device": "camera", "instance": "c", "action": "expose", "user_name": "V"}
            rest = {"user_id": "v", "required_params": {}, "optional_params": {}}
            return site.posts("newjob", body | rest, {"Idempotency-Key": "k"}).job["ulid"]

        sites = [inside(make()), inside(make())]
        told = at_once([partial(sends, sites[number % 2]) for number in range(8)])
        assert len(set(told)) == 1
        assert len(sites[0].lists()) == 1

    def test_a_start_and_a_cancel_at_once_agree(self, make: Callable[..., Flask]) -> None:
        here, there = inside(make()), inside(make())
        for number in range(10):
            job = here.sends()
            here.polls(claimId=f"c{number}")
            started, _ = at_once([partial(here.starts, job, claimId=f"c{number}"), partial(there.asks_to_cancel, job)])
            assert (started.status, here.status(job)) in [(200, "STARTED"), (409, "CANCELED")]

    def test_a_stop_goes_before_what_waits(self, app: Flask) -> None:
        site = inside(app)
        waited = site.sends()
        stop = site.sends("stop")
        assert site.polls() == [stop]
        assert site.status(waited) == "CANCELED"


class TestOrder:
    def test_ulids_rise_in_the_order_of_commits_on_two_servers(self, make: Callable[..., Flask]) -> None:
        apps = [make(), make()]
        sites = [inside(app, site) for app in apps for site in ("wmd", "mrc")]

        def send_many(site: Observatory) -> None:
            for _ in range(15):
                site.sends()

        at_once([partial(send_many, site) for site in sites * 2])
        with database(apps[0]).engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT job.site, ulid FROM job JOIN job_event ON job_id = job.id ORDER BY seq"
            ).all()
        assert len(rows) == 120
        for name in ("wmd", "mrc"):
            ulids = [ulid for site, ulid in rows if site == name]
            assert ulids == sorted(set(ulids))

    def test_a_clock_that_is_behind_on_another_machine_reorders_nothing(
        self, make: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = inside(make()), inside(make(), "mrc")
        before = first.sends()["ulid"]
        now = clock.read()
        monkeypatch.setattr(clock, "read", lambda: clock.Now(now.wall_ms - 3_600_000, now.boot_ms))
        assert second.sends()["ulid"] > before

    def test_a_late_commit_is_not_stepped_over(self, make: Callable[..., Flask]) -> None:
        """A number drawn first may be committed last, but never at the same site: the second writer waits."""
        here, there = make(), make()
        site = inside(here)
        job = site.sends()
        other = inside(there, "mrc").sends()
        with database(here).reading() as connection:
            began = events.last(connection, "wmd")
        drawn, go = threading.Event(), threading.Event()

        def report_late() -> None:
            with database(here).transaction("wmd") as connection:
                found = queries.job(connection, "wmd", job["ulid"])
                assert found
                operations.record(connection, [found], Event(Queue.PRIMARY, "SLEWING"), actors.SERVER, clock.read())
                drawn.set()
                assert go.wait(60)

        late = threading.Thread(target=report_late)
        late.start()
        assert drawn.wait(60)
        second = threading.Thread(target=lambda: site.reports(job, "EXPOSING"))
        second.start()
        inside(there, "mrc").reports(other, "COMPLETE")  # another site goes on, with a larger number
        with database(there).reading() as connection:
            newest = events.newest(connection)
            assert events.last(connection, "wmd") == began, "a position beyond what may still come"
            assert events.after(connection, began, 10, "wmd").events == []
        assert second.is_alive()
        go.set()
        late.join(60)
        second.join(60)
        with database(there).reading() as connection:
            told = events.after(connection, began, 10, "wmd").events
        assert [change.event.status for change in told] == ["SLEWING", "EXPOSING"]
        assert told[0].event.seq < newest < told[1].event.seq

    def test_whoever_waits_too_long_for_a_site_is_refused_and_others_are_served(
        self, make: Callable[..., Flask]
    ) -> None:
        here, there = make(), make(DATABASE_TIMEOUT_SECONDS=1)
        with database(here).transaction("wmd"):
            refused = inside(there).asks()
            assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
            assert "it is busy" in refused.text
            assert inside(there, "mrc").sends()
        assert inside(there).sends()
        with (
            database(here).transaction(),
            pytest.raises(Unavailable, match="busy"),
            database(there).transaction("mrc"),
        ):
            raise AssertionError("a write unit of the whole database is not alone")


def test_a_commit_that_nobody_answered_is_not_called_undone(app: Flask, cluster: postgres.Cluster) -> None:
    def write_on_a_connection_that_dies() -> None:
        with database(app).transaction("wmd") as within:
            (process,) = within.rows(Statement(text("SELECT pg_backend_pid()")))[0]
            cluster.run(f"SELECT pg_terminate_backend({process}, 5000)")

    with pytest.raises(Unavailable, match="may or may not have been done"):
        write_on_a_connection_that_dies()
    assert inside(app).sends(), "the pool kept a connection that is lost"


def test_postgresql_soon_lets_go_of_a_server_whose_machine_died(app: Flask) -> None:
    """What it held, duty and the locks of sites, it would else hold for hours: no word comes from a dead machine."""
    names = "('tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count', 'tcp_user_timeout')"
    asked = Statement(text(f"SELECT name, CAST(setting AS int) FROM pg_settings WHERE name IN {names}"))
    with database(app).reading() as connection:
        found = dict(connection.rows(asked))
    idle, interval, count = (found[f"tcp_keepalives_{name}"] for name in ("idle", "interval", "count"))
    assert 0 < idle + interval * count <= 30
    assert 0 < found["tcp_user_timeout"] <= 30_000


def test_a_lost_notice_holds_a_waiting_poll_up_for_seconds_only(
    make: Callable[..., Flask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = make()
    url = service_of(sender).settings.database_url
    with servers.running("gunicorn", tmp_path / "other", {"JOBS_DATABASE_URL": url}) as desk:
        poll = Poll(desk.url, "wmd")
        until(someone_waits(desk.url, "wmd"))
        monkeypatch.setattr(postgresql.PostgreSQL, "commit", lambda _self, raw, _site: raw.execute("COMMIT"))
        job = inside(sender).sends()  # as of a process that died between its commit and its notice
        assert poll.gets() == [job["ulid"]]


def test_of_two_reservations_at_once_one_is_refused(make: Callable[..., Flask]) -> None:
    def reserve(app: Flask, who: str) -> str:
        wanted = ReservationRow(who, "wmd", 10_000, 20_000, who, who, "", "realtime", "", "", "", "", 0)
        try:
            with database(app).transaction() as connection:
                reservations.add(connection, wanted, actors.console(who, who), clock.read())
        except Conflict:
            return "taken"
        return "reserved"

    apps = [make(), make()]
    told = at_once([partial(reserve, apps[number % 2], f"p{number}") for number in range(6)])
    assert sorted(told) == ["reserved", *["taken"] * 5]


class TestMigrations:
    def test_they_run_up_and_down_and_up_again(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        app = create_app({"DATABASE_URL": cluster.database(prepared=False), "INSTANCE": str(tmp_path)})
        startup.prepare(app)
        assert inside(app).sends()
        with app.app_context():
            config = migrations.alembic_config(service_of(app).database)
            command.downgrade(config, "base")
            with database(app).engine.connect() as connection:
                left = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
                assert connection.exec_driver_sql(left).scalars().all() == ["alembic_version", "alembic_version_pkc"]
                functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
                assert connection.exec_driver_sql(functions).scalar_one() == 0
            command.upgrade(config, "head")
        assert inside(app).sends()
        database(app).close()

    def test_the_tables_are_what_the_models_say(self, app: Flask) -> None:
        with app.app_context():
            command.check(migrations.alembic_config(service_of(app).database))
        with database(app).engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, db.metadata) == []

    def test_two_servers_that_start_together_prepare_it_once(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        url = cluster.database(prepared=False)
        started = [
            subprocess.Popen([sys.executable, "-c", PREPARE, url, str(tmp_path)], cwd=servers.ROOT) for _ in range(3)
        ]
        assert [process.wait(60) for process in started] == [0, 0, 0]
        name = url.rpartition("/")[2]
        assert cluster.run("SELECT version_num FROM alembic_version", name) == [(migrations.newest(),)]

    def test_history_cannot_be_changed(self, app: Flask) -> None:
        inside(app).sends()
        for deed in ("UPDATE job_event SET status = 'X'", "DELETE FROM job_event", "TRUNCATE job_event"):
            with pytest.raises(Exception, match="append-only"), database(app).engine.begin() as connection:
                connection.exec_driver_sql(deed)


def test_the_page_on_the_service_tells_of_postgresql(app: Flask) -> None:
    inside(app).sends()
    shown = app.test_client().get("/settings?site=wmd").text
    assert "PostgreSQL is backed up by <code>pg_dump</code>" in shown
    assert re.search(r"PostgreSQL \d\d\.", shown)
    assert re.search(r"<dt>Database</dt><dd>\d[\d.,]* MB", shown)
    assert "none yet" not in shown
