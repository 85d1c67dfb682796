"""The doctor names what is wrong with a PostgreSQL, and mends only what is safe to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from flask import Flask

from jobs_server import clock, create_app
from jobs_server.service import service_of
from jobs_server.storage import migrations
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import postgres, servers
from ..support.clocks import Clocks
from .test_doctor import consult, finds_a_clock_set_back


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    """A cluster that keeps what it acknowledges, as one should that is in use."""
    with postgres.cluster(durable=True) as made:
        yield made


@pytest.fixture
def served(
    cluster: postgres.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Flask]]:
    """Make apps on databases of their own, or on one that is named."""
    monkeypatch.setenv("JOBS_PORT", str(servers.free_port()))
    made = list[Flask]()

    def make(url: str | None = None, **settings: object) -> Flask:
        named = {"DATABASE_URL": url or cluster.database(), "INSTANCE": str(tmp_path / "instance")}
        made.append(create_app({"TESTING": True} | named | settings))
        return made[-1]

    yield make
    for app in made:
        service_of(app).database.close()


@pytest.fixture
def app(served: Callable[..., Flask]) -> Flask:
    app = served()
    startup.prepare(app)
    return app


def test_all_is_well(app: Flask) -> None:
    inside(app).sends()
    code, found = consult(app)
    assert code == 0
    for about in ("settings", "disk", "permissions", "PostgreSQL", "connections", "database", "clock", "indexes"):
        assert found[about]["grade"] == "good", found[about]
    assert not {"SQLite", "integrity", "backups"} & set(found)


def test_nothing_there_yet_is_no_fault_and_can_be_mended(
    served: Callable[..., Flask], cluster: postgres.Cluster
) -> None:
    app = served(cluster.database(prepared=False))
    code, found = consult(app)
    assert (code, found["database"]["grade"]) == (0, "note")
    assert "it has no tables yet" in found["database"]["sentence"]
    assert "prepared" in consult(app, "--fix")[1]["database"]["done"]
    assert inside(app).sends()


def test_a_database_behind_this_version_is_mended_when_no_server_has_it_open(
    served: Callable[..., Flask], cluster: postgres.Cluster
) -> None:
    url = cluster.database()
    app, other = served(url), served(url)
    with app.app_context():
        command.downgrade(migrations.alembic_config(service_of(app).database), "-1")
    code, found = consult(app)
    assert (code, found["database"]["grade"]) == (1, "bad")
    with service_of(other).database.reading():
        code, found = consult(app, "--fix")
    assert (code, "a server has it open" in found["database"]["done"]) == (1, True)
    service_of(other).database.close()
    assert "prepared" in consult(app, "--fix")[1]["database"]["done"]
    assert consult(app)[1]["database"]["grade"] == "good"


def test_a_missing_index_is_bad_and_made_when_it_may_mend(app: Flask) -> None:
    with service_of(app).database.engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_job_waiting")
        connection.exec_driver_sql(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_job_recent'::regclass"
        )  # as a REINDEX CONCURRENTLY leaves it that broke off
    code, found = consult(app)
    assert (code, found["indexes"]["grade"]) == (1, "bad")
    assert "ix_job_recent, ix_job_waiting" in found["indexes"]["sentence"]
    assert consult(app, "--fix")[1]["indexes"]["done"]
    assert consult(app)[1]["indexes"]["grade"] == "good"


def test_a_server_that_may_forget_what_it_acknowledged_is_bad(served: Callable[..., Flask]) -> None:
    app = served(postgres.shared().database())  # quick, as tests have it
    code, found = consult(app)
    assert (code, found["PostgreSQL"]["grade"]) == (1, "bad")
    assert "fsync and full_page_writes off" in found["PostgreSQL"]["sentence"]


def test_a_clock_that_was_set_back_is_bad(app: Flask, clocks: Clocks) -> None:
    finds_a_clock_set_back(app, clocks)


def test_clocks_that_differ_are_told(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = clock.now_ms()
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms + 90_000)
    code, found = consult(app)
    assert (code, found["clock"]["grade"]) == (0, "note")
    assert "90 s apart" in found["clock"]["sentence"]


def test_too_few_connections_are_bad(served: Callable[..., Flask]) -> None:
    code, found = consult(served(WORKERS=8, DATABASE_CONNECTIONS=50))
    assert (code, found["connections"]["grade"]) == (1, "bad")
    assert "may open 424 connections" in found["connections"]["sentence"]


def test_one_that_does_not_answer_is_told_once_and_without_its_password(
    served: Callable[..., Flask], cluster: postgres.Cluster
) -> None:
    code, found = consult(served(cluster.url("postgres", port=servers.free_port())))
    assert (code, [about for about, row in found.items() if row["grade"] == "bad"]) == (1, ["postgresql"])
    assert "it cannot be reached" in found["postgresql"]["sentence"]
    assert postgres.PASSWORD not in str(found)
    assert "%20" not in str(found)
