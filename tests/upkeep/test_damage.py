"""A damaged database is no ready one, and whoever is told of it is told which backup to restore."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.storage.sqlite_driver import open_file
from jobs_server.upkeep import backups, damage, startup
from jobs_server.upkeep.alerts import Watch
from jobs_server.upkeep.checks import HealthTimes

from ..conftest import inside
from ..support.commands import run

pytestmark = pytest.mark.sqlite("its file, and the backups of it")

JOBS = 200
REFUSAL = (
    "Error: the database cannot be used now: its file is damaged. Nothing was changed; a backup is to be restored, and"
    " /readyz names it."
)


def spoil(file: Path, seed: int) -> None:
    """Overwrite a tenth of a database's pages, but for those by which it is known to be one of this version."""
    with closing(open_file(file, "rw")) as connection:
        ((pages,), (size,)) = (connection.execute(f"PRAGMA page_{what}").fetchone() for what in ("count", "size"))
        kept = {1} | {
            row[0] for row in connection.execute("SELECT rootpage FROM sqlite_master WHERE name LIKE 'alemb%'")
        }
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    others = [page for page in range(1, pages + 1) if page not in kept]
    with file.open("rb+") as content:
        for page in random.Random(seed).sample(others, pages // 10):
            content.seek((page - 1) * size)
            content.write(b"\xa5" * size)


@pytest.fixture(params=range(3))
def damaged(request: pytest.FixtureRequest, file_app: Flask) -> Flask:
    """An app whose database was damaged while it was not served, with two backups, of which the newer is cut off."""
    site, service = inside(file_app), service_of(file_app)
    service.health.times = HealthTimes(kept_seconds=0.0)
    for number in range(JOBS):
        site.sends(required_params={"number": number, "filler": "x" * 1000})
    file = Path(str(service.database.engine.url.database))
    made = backups.make(file, service.settings.backups).path
    made.rename(made.with_name("jobs-20260102T000000Z.db.gz"))
    (made.parent / "jobs-20260103T000000Z.db.gz").write_bytes(
        (made.parent / "jobs-20260102T000000Z.db.gz").read_bytes()[:-99]
    )
    service.database.close()
    spoil(file, request.param)
    return file_app


SENTENCE = (
    "the database cannot be used: its file is damaged: stop the server and restore the newest good backup, flask"
    " restore jobs-20260102T000000Z.db.gz"
)


def test_readiness_reads_jobs_and_names_the_newest_good_backup(damaged: Flask) -> None:
    answer = damaged.test_client().get("/readyz")
    assert (answer.status_code, answer.text) == (503, f"{SENTENCE}\n")
    (alert,) = Watch(service_of(damaged), lambda _: None).found()
    assert alert.sentence == f"T{SENTENCE[1:]}."


@pytest.mark.usefixtures("damaged")
def test_the_doctor_names_the_backup(tmp_path: Path) -> None:
    told = "".join(run(tmp_path / "instance", "doctor").stdout.split())  # its lines are as wide as the terminal
    assert "flaskrestorejobs-20260102T000000Z.db.gz" in told


def test_what_a_request_has_met_is_told_though_a_look_does_not_meet_it(
    damaged: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(damage, "_READS", ())
    replies = [inside(damaged).posts("getrecentjobs", {"site": "wmd", "timeRange": 86_400_000}) for _ in range(2)]
    assert [(reply.status, reply.text) for reply in replies] == [(503, REFUSAL)] * 2
    assert damaged.test_client().get("/readyz").text == f"{SENTENCE}\n"


def test_where_there_is_no_good_backup_that_is_said(damaged: Flask) -> None:
    for archive in service_of(damaged).settings.backups.iterdir():
        archive.write_bytes(archive.read_bytes()[:-99])
    assert "and there is no good backup in the folder" in damaged.test_client().get("/readyz").text


def test_a_restored_database_is_ready(damaged: Flask, tmp_path: Path) -> None:
    service_of(damaged).database.close()
    archive = service_of(damaged).settings.backups / "jobs-20260102T000000Z.db.gz"
    assert run(tmp_path / "instance", "restore", str(archive), "--yes").returncode == 0
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path / "instance"), "DISK_FREE_MB": 0})
    startup.prepare(app)
    assert "damaged" not in app.test_client().get("/readyz").text
    assert len(inside(app).lists()) == JOBS
    service_of(app).database.close()
