"""Whether the service can do its work is told in words, quickly, to anybody, and without secrets."""

from __future__ import annotations

import io
import logging
import os
import shutil
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.auth.issuer_keys import IssuerKeys
from jobs_server.service import service_of
from jobs_server.storage.sqlite_driver import driver
from jobs_server.upkeep import backups, logs, startup
from jobs_server.upkeep.checks import HealthTimes
from jobs_server.worker import Worker

from ..conftest import inside
from ..support import databases, servers
from ..support.waiting import until
from .test_metrics import figure


@pytest.fixture
def healthy(file_app: Flask) -> Flask:
    """An app that looks at itself anew each time, and that has been serving for three days."""
    service_of(file_app).health.times = HealthTimes(kept_seconds=0.0)
    service_of(file_app).health.serving_since = time.monotonic() - timedelta(days=3).total_seconds()
    backup_made(file_app, datetime.now(UTC))
    return file_app


def backup_made(app: Flask, at: datetime) -> Path:
    folder = service_of(app).daily_work.settings.backups
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    made = folder / at.strftime("jobs-%Y%m%dT%H%M%SZ.db.gz")
    made.touch()
    return made


def readiness(app: Flask) -> tuple[int, list[str]]:
    reply = app.test_client().get("/readyz")
    assert reply.mimetype == "text/plain"
    assert reply.headers["Cache-Control"] == "no-store"
    return reply.status_code, reply.text.splitlines()


@pytest.mark.parametrize("kind", ["flask", "gunicorn"])
def test_a_server_that_was_just_started_is_alive_and_ready(kind: str, tmp_path: Path) -> None:
    with (
        servers.running(kind, tmp_path) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client,
    ):
        told = [(reply.status_code, reply.text) for reply in (client.get("/healthz"), client.get("/readyz"))]
    assert told == [(200, "alive\n"), (200, "ready\n")]


def test_all_is_well(healthy: Flask) -> None:
    assert readiness(healthy) == (200, ["ready"])


@pytest.mark.sqlite("its file")
def test_looking_writes_nothing(healthy: Flask) -> None:
    inside(healthy).sends()
    log = Path(f"{service_of(healthy).database.engine.url.database}-wal")
    before = (log.stat().st_size, log.stat().st_mtime_ns)
    readiness(healthy)
    assert (log.stat().st_size, log.stat().st_mtime_ns) == before


def test_looking_is_counted_as_no_commit(healthy: Flask) -> None:
    inside(healthy).sends()
    before = figure(healthy, "jobs_commit_seconds_count")
    assert before
    for _ in range(3):
        readiness(healthy)
    assert figure(healthy, "jobs_commit_seconds_count") == before


@pytest.mark.sqlite("one writer at a time")
def test_a_locked_database_is_a_problem(healthy: Flask) -> None:
    service_of(healthy).health.times = HealthTimes(kept_seconds=0.0, write_seconds=0.05)
    other = driver.connect(service_of(healthy).database.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert readiness(healthy) == (503, ["the database cannot be used: it is busy"])
    assert healthy.test_client().get("/healthz").status_code == 200
    other.close()
    assert readiness(healthy) == (200, ["ready"])


def test_a_database_of_another_version_is_a_problem(healthy: Flask) -> None:
    with service_of(healthy).database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    assert readiness(healthy) == (503, ["the database is not of this version: restart the server, which migrates it"])


@pytest.mark.sqlite("the disk that its file is on")
def test_a_disk_that_runs_full_is_a_problem(healthy: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=42 << 20))
    assert readiness(healthy) == (
        503,
        ["the disk runs full: 42 MB are free where the jobs are kept, of 500 wanted"],
    )


def test_the_thread_of_the_feed_that_has_ended_is_a_problem(healthy: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    monkeypatch.setattr(service_of(healthy).feed, "_thread", ended)
    assert readiness(healthy) == (
        503,
        [
            "the thread that watches for changes has ended, and live pages are late: restart the server",
        ],
    )


def test_the_thread_of_the_log_that_has_ended_is_a_problem(healthy: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs.Gathered, "_run", lambda _: None)
    handler = logs.Gathered(io.StringIO())
    logs.ours.addHandler(handler)
    try:
        handler.handle(logs.ours.makeRecord("jobs_server", logging.INFO, "", 0, "hello", (), None))
        until(lambda: handler.has_died)
        assert readiness(healthy) == (503, ["the thread that writes the log has ended: restart the server"])
    finally:
        logs.ours.removeHandler(handler)
        handler.close()
    assert readiness(healthy) == (200, ["ready"])


WORKERS = [
    "labels old jobs",
    "releases the steps of plans in time",
    "makes backups and deletes old jobs",
    "sends alerts",
    "sends people's own alerts",
    "fetches the reservations of the coming day",
    "renews the issuer's keys",
    "keeps the state of devices",
]
OF_POSTGRESQL = ["shares which sites are there", "hears what other servers commit"]


def test_a_worker_that_has_ended_is_a_problem_whichever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(_: Worker, *__: object) -> None:
        """End as a thread does that did not get so far as to its work."""

    monkeypatch.setattr(Worker, "_run", ends)
    elsewhere = "http://127.0.0.1:9"  # where nothing answers
    kept = {"INSTANCE": str(tmp_path), "DATABASE_URL": databases.fresh(), "SITES": ("wmd",)}
    asked = {"ALERT_URL": elsewhere, "CALENDAR_URL": elsewhere, "OIDC_ISSUER": elsewhere, "OIDC_AUDIENCE": "x"}
    app = create_app({**kept, **asked})
    startup.prepare(app)
    startup.start_workers(app)
    assert cast(IssuerKeys, service_of(app).gate.keys).known.keys == ()  # which begins to renew them
    until(lambda: all(worker.has_died for worker in service_of(app).health.workers))
    ended = (OF_POSTGRESQL if service_of(app).listener else []) + WORKERS
    assert readiness(app) == (503, [f"the thread that {does} has ended: restart the server" for does in ended])
    service_of(app).database.close()


@pytest.mark.sqlite("PostgreSQL has backups of its own")
@pytest.mark.parametrize(("days", "ready"), [(0, True), (1, True), (2, False), (9, False)])
def test_a_backup_that_is_too_old_is_a_problem(healthy: Flask, days: int, ready: bool) -> None:
    backup_made(healthy, datetime.now(UTC) - timedelta(days=days, minutes=1))
    assert readiness(healthy) == ((200, ["ready"]) if ready else (503, [f"the last backup is {days} days old"]))


@pytest.mark.sqlite("PostgreSQL has backups of its own")
def test_no_backup_is_a_problem_only_when_there_was_time_for_one(healthy: Flask) -> None:
    backup_made(healthy, datetime.now(UTC)).unlink()
    assert readiness(healthy) == (503, ["there is no backup yet"])
    service_of(healthy).health.serving_since = time.monotonic()
    assert readiness(healthy) == (200, ["ready"])


@pytest.mark.sqlite("PostgreSQL has backups of its own")
def test_a_backup_that_failed_is_a_problem_without_its_path(healthy: Flask) -> None:
    service_of(healthy).daily_work.backup_failure = "no backup can be made in /srv/secret: No space left on device"
    assert readiness(healthy) == (503, ["the last backup failed; the log says why"])


@pytest.mark.sqlite("PostgreSQL has backups of its own")
def test_a_backup_of_a_timer_that_failed_is_a_problem_until_one_is_made(healthy: Flask, tmp_path: Path) -> None:
    (tmp_path / "full").touch()
    commands = healthy.test_cli_runner()
    assert commands.invoke(args=["backup", str(tmp_path / "full" / "b")]).exit_code == 1
    assert readiness(healthy) == (200, ["ready"])  # who types it sees it
    assert commands.invoke(args=["backup", "--alert", str(tmp_path / "full" / "b")]).exit_code == 1
    assert readiness(healthy) == (503, ["the last backup failed; the log says why"])
    assert str(tmp_path / "full" / "b") in (service_of(healthy).daily_work.failing or "")
    assert commands.invoke(args=["backup", "--alert", str(tmp_path / "disk2")]).exit_code == 0
    assert readiness(healthy) == (200, ["ready"])


@pytest.mark.sqlite("PostgreSQL has backups of its own")
def test_a_folder_of_backups_that_cannot_be_read_is_a_problem(healthy: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "listed", broken_disk)
    assert readiness(healthy) == (503, ["the folder of the backups cannot be read; the log says why"])
    assert healthy.test_client().get("/metrics").status_code == 200


@pytest.mark.sqlite("the disk that its file is on")
def test_a_disk_that_cannot_be_looked_at_is_a_problem(healthy: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", broken_disk)
    assert readiness(healthy) == (503, ["the disk of the jobs cannot be looked at: Input/output error"])


def broken_disk(*_: object) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.sqlite("the disk that its file is on")
def test_all_problems_are_told_together(healthy: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    service_of(healthy).daily_work.backup_failure = "x"
    assert len(readiness(healthy)[1]) == 2


@pytest.mark.sqlite("the disk that its file is on")
def test_an_answer_is_good_for_a_moment(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    service_of(file_app).health.times = HealthTimes(kept_seconds=3600.0)
    assert readiness(file_app)[0] == 200
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert readiness(file_app)[0] == 200


def test_a_service_in_memory_can_be_ready() -> None:
    app = create_app({"DATABASE_URL": "sqlite://"})
    assert app.test_client().get("/readyz").status_code == 200
    service_of(app).database.close()


@pytest.mark.sqlite("its file")
def test_what_was_never_prepared_is_not_ready(tmp_path: Path) -> None:
    app = create_app({"INSTANCE": str(tmp_path / "instance")})
    status, problems = readiness(app)
    assert status == 503
    assert "its file cannot be opened" in problems[0]
    assert os.fspath(tmp_path) not in "".join(problems)
    startup.prepare(app)
