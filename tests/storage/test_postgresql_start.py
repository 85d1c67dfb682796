"""What is wrong with a PostgreSQL is said at the start, in one sentence that hides the password."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import cast
from unittest.mock import MagicMock

import pytest
from sqlalchemy import make_url

from jobs_server import clock, create_app
from jobs_server.admin import to_postgresql
from jobs_server.errors import ConfigError, StartRefused
from jobs_server.live import sse
from jobs_server.service import service_of
from jobs_server.storage import postgresql
from jobs_server.upkeep import clock_checks, startup
from jobs_server.upkeep.checks import HealthTimes

from ..conftest import inside
from ..support import postgres
from ..support.commands import run
from ..support.servers import free_port

SECRET = "opensesame"


@pytest.fixture(scope="module")
def cluster() -> postgres.Cluster:
    return postgres.shared()


def refusal(url: str, folder: Path) -> str:
    """The sentence with which a start is refused."""
    app = create_app({"DATABASE_URL": url, "INSTANCE": str(folder), "DATABASE_TIMEOUT_SECONDS": 1})
    try:
        with pytest.raises(StartRefused) as refused:
            startup.prepare(app)
    finally:
        service_of(app).database.close()
    sentence = refused.value.message
    assert SECRET not in sentence
    assert postgres.PASSWORD not in sentence
    assert "%20" not in sentence
    assert "\n" not in sentence
    return sentence


class TestRefused:
    def test_a_wrong_password(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        url = cluster.url("postgres", password=SECRET)
        assert "the password or the role is wrong" in refusal(url, tmp_path)

    def test_a_wrong_role(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        assert "the password or the role is wrong" in refusal(cluster.url("postgres", role="nobody_there"), tmp_path)

    def test_a_wrong_host(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        url = cluster.url("postgres").replace("127.0.0.1", "no-such-host.invalid")
        assert "its host's name is not known" in refusal(url, tmp_path)

    def test_nobody_there(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        assert "cannot be reached (is it running?)" in refusal(cluster.url("postgres", port=free_port()), tmp_path)

    def test_a_wrong_database(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        assert "no such database" in refusal(cluster.url("not_there"), tmp_path)

    def test_tables_of_somebody_else(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        url = cluster.database(prepared=False)
        cluster.run("CREATE TABLE diary (day text)", url.rpartition("/")[2])
        assert "holds tables that are not this service's (diary)" in refusal(url, tmp_path)

    def test_a_role_without_rights(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        url = cluster.database(prepared=False)
        cluster.run(f"CREATE ROLE guest LOGIN PASSWORD '{SECRET}'")
        assert "lacks a right" in refusal(cluster.url(url.rpartition("/")[2], "guest", SECRET), tmp_path)

    def test_a_database_that_may_only_be_read(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        url = cluster.database()
        cluster.run(f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on")
        assert "it may only be read" in refusal(url, tmp_path)

    def test_a_server_that_is_too_old(
        self, cluster: postgres.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgresql, "OLDEST", 99)
        assert "needs 99 or newer" in refusal(cluster.database(), tmp_path)

    def test_texts_that_are_not_unicode(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        cluster.run("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        assert "ENCODING 'UTF8'" in refusal(cluster.url("latin"), tmp_path)

    def test_without_its_driver(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
        with pytest.raises(ConfigError, match=r"pip install 'jobs-server\[postgres\]'") as refused:
            create_app({"DATABASE_URL": f"postgresql+psycopg://a:{SECRET}@localhost/b", "INSTANCE": str(tmp_path)})
        assert SECRET not in refused.value.message


class TestMigrateDatabase:
    def test_all_is_moved_and_streams_go_on(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        instance, url = tmp_path / "instance", cluster.database(prepared=False)
        old = create_app({"TESTING": True, "INSTANCE": str(instance), "DATABASE_URL": f"sqlite:///{tmp_path}/jobs.db"})
        instance.mkdir()
        startup.prepare(old)
        site = inside(old)
        done, odd = site.sends(), site.sends(required_params={"text": "☄ \0", "n": 10**30})
        site.polls(claimId="a")
        site.reports(done, "COMPLETE")
        waiting = site.sends()
        histories = [site.shows(job)["history"] for job in (done, odd, waiting)]
        with service_of(old).database.reading() as connection:
            position = str(sse.now(connection, "wmd"))
        service_of(old).database.close()
        settings = {"JOBS_DATABASE_URL": f"sqlite:///{tmp_path}/jobs.db"}
        for said in ("were moved", "were there already"):
            ended = run(instance, "migrate-database", "--to", url, **settings)
            assert ended.returncode == 0, ended.stderr
            assert f"3 jobs with {sum(map(len, histories))} events and all else {said}" in ended.stdout
            assert "only%20for" not in ended.stdout
        new = create_app({"TESTING": True, "INSTANCE": str(instance), "DATABASE_URL": url})
        startup.prepare(new)
        moved = inside(new)
        assert [moved.shows(job)["history"] for job in (done, odd, waiting)] == histories
        assert moved.polls() == [waiting]
        assert moved.sends()["ulid"] > waiting["ulid"]
        followed = new.test_client().get("/jobs/stream?site=wmd", headers={"Last-Event-ID": position}, buffered=False)
        told = b"".join(islice(cast(Iterable[bytes], followed.response), 2)).decode()
        followed.close()
        service_of(new).feed.stop()
        assert "event: reset" not in told
        assert told.count('"topic":"jobs"') == 2, told  # handed over, and the new one
        ended = run(instance, "migrate-database", "--to", url, **settings)
        assert ended.returncode == 1
        assert "differ" in ended.stderr or "more rows" in ended.stderr
        service_of(new).database.close()

    def test_large_jobs_are_moved_a_few_at_a_time(
        self, cluster: postgres.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = create_app({"TESTING": True, "INSTANCE": str(tmp_path)})
        startup.prepare(old)
        for number in range(9):
            inside(old).sends(optional_params={"number": number, "note": "x" * 200_000})
        monkeypatch.setattr(to_postgresql, "PAGE_CHARACTERS", 500_000)
        told: list[tuple[str, int]] = []
        url = make_url(cluster.database(prepared=False))
        source = service_of(old).database
        moved = to_postgresql.move(
            service_of(old).settings, source, url, lambda table, done, _total: told.append((table, done))
        )
        source.close()
        assert (moved.rows["job"], moved.rows["job_event"]) == (9, 9)
        assert [done for table, done in told if table == "job"] == [3, 6, 9]
        assert [done for table, done in told if table == "job, verified"] == [3, 6, 9]

    @pytest.mark.parametrize("where", ["job", "job_event", "job_event, verified"])
    def test_broken_off_it_is_run_again(
        self, cluster: postgres.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        monkeypatch.setattr(to_postgresql, "BATCH", 3)
        old = create_app({"TESTING": True, "INSTANCE": str(tmp_path)})
        startup.prepare(old)
        site = inside(old)
        jobs = [site.sends() for _ in range(7)]
        site.polls(limit=4)
        told = [site.shows(job) for job in jobs]
        url = cluster.database(prepared=False)

        def ends(table: str, done: int, _total: int) -> None:
            if (table, done) == (where, 6):
                raise KeyboardInterrupt

        source = service_of(old).database
        settings = service_of(old).settings
        with pytest.raises(KeyboardInterrupt):
            to_postgresql.move(settings, source, make_url(url), ends)
        moved = to_postgresql.move(settings, source, make_url(url))
        source.close()
        assert (moved.rows["job"], moved.rows["job_event"], moved.already) == (7, 11, where.endswith("verified"))
        new = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": url})
        assert [inside(new).shows(job) for job in jobs] == told
        assert [job["ulid"] for job in inside(new).polls()] == [job["ulid"] for job in jobs[4:]]
        service_of(new).database.close()

    def test_a_database_with_other_jobs_is_left_alone(self, cluster: postgres.Cluster, tmp_path: Path) -> None:
        here = f"sqlite:///{tmp_path}/jobs.db"
        old = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": here})
        startup.prepare(old)
        inside(old).sends()
        service_of(old).database.close()
        url = cluster.database()
        other = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": url})
        theirs = inside(other).sends()
        ended = run(tmp_path, "migrate-database", "--to", url, JOBS_DATABASE_URL=here)
        assert ended.returncode == 1
        assert "not this installation's" in ended.stderr
        assert [job["ulid"] for job in inside(other).lists()] == [theirs["ulid"]]
        service_of(other).database.close()


@pytest.mark.parametrize(("minutes", "how"), [(10, "600 s ahead of"), (-10, "600 s behind")])
def test_clocks_ten_minutes_apart_are_said_at_the_start_and_by_readiness(
    cluster: postgres.Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    minutes: int,
    how: str,
) -> None:
    """Two servers whose clocks are 10 minutes apart both said ready, while jobs sent through one expired at once."""
    right = clock.now_ms
    monkeypatch.setattr(clock, "now_ms", lambda: right() + minutes * 60_000)
    app = create_app({"TESTING": True, "DATABASE_URL": cluster.database(), "INSTANCE": str(tmp_path)})
    said = f"this machine's clock is {how} PostgreSQL's"
    for nothing in ("logs", "start_workers", "_end_well_on", "gc"):
        monkeypatch.setattr(startup, nothing, MagicMock())
    startup.begin(app)
    assert [line for line in caplog.messages if said in line]
    service_of(app).health.times = HealthTimes(kept_seconds=0.0)
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, said in answer.text) == (503, True)
    monkeypatch.undo()
    assert app.test_client().get("/readyz").status_code == 200
    service_of(app).database.close()


def test_a_slow_way_to_the_database_is_no_difference_of_clocks(
    cluster: postgres.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, readings = clock.now_ms, iter((-30_000, 30_000))
    app = create_app({"TESTING": True, "DATABASE_URL": cluster.database(), "INSTANCE": str(tmp_path)})
    monkeypatch.setattr(clock, "now_ms", lambda: right() + next(readings))
    assert list(clock_checks.clock_of_the_database(service_of(app))) == []
    service_of(app).database.close()
