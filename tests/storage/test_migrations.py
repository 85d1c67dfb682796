"""A database of the first version opens under this one with nothing lost; where it cannot, it stays as it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from flask import Flask
from sqlalchemy import URL

from jobs_server import clock, create_app
from jobs_server.config import Settings
from jobs_server.errors import StartRefused
from jobs_server.service import service_of
from jobs_server.storage import migrations
from jobs_server.storage.database import open_database
from jobs_server.storage.sqlite_driver import driver
from jobs_server.upkeep import backups, startup

from ..conftest import inside
from ..faults import ledger
from ..support.commands import run, run_apart
from ..support.disks import fill, mounted
from ..support.observatory import Observatory

pytestmark = pytest.mark.sqlite("files that earlier versions left")

FIRST = "0001"
JOBS = 100_000

# One finished job as the first version wrote it, and as many copies as are wanted, each with its history.
COPIES = """
WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {count})
INSERT INTO job SELECT number, printf('01%024d', number), 'wmd', 'camera', 'c1', 'expose', '{{"time": 1.5}}', '{{}}',
    'Vera', 'auth0|vera', '[]', 0, 1700000000000 + number, 1700000000000 + number, 1, 0, 900000, -1, 0, 0,
    'COMPLETE', 'ended', NULL, 1700000000000, 1, 'EXPIRED', 'withdrawn', NULL, NULL, NULL FROM numbers
"""
EVENTS = """
INSERT INTO job_event (job_id, site, at_ms, queue, status, seconds_until_complete, actor_known, actor_id, actor_name)
SELECT id, site, accepted_ms, 0, step, NULL, 'site', 'wmd', 'wmd' FROM job, (
    SELECT 1 AS number, 'UNREAD' AS step UNION ALL SELECT 2, 'RECEIVED' UNION ALL SELECT 3, 'COMPLETE'
) ORDER BY id, number
"""


def of_the_first_version(folder: Path, jobs: int) -> Path:
    """Make a database as the first version left it, with finished jobs in it."""
    app = create_app({"INSTANCE": str(folder)})
    folder.mkdir(parents=True, exist_ok=True)
    with app.app_context():
        command.upgrade(migrations.alembic_config(service_of(app).database), FIRST)
    database = service_of(app).database
    with database.engine.begin() as connection:
        connection.exec_driver_sql(COPIES.format(count=jobs))
        connection.exec_driver_sql(EVENTS)
    database.engine.dispose()
    return folder / "jobs.db"


def opened(folder: Path) -> tuple[Flask, Observatory]:
    app = create_app({"TESTING": True, "INSTANCE": str(folder)})
    startup.prepare(app)
    return app, inside(app)


def close(app: Flask) -> None:
    service_of(app).database.engine.dispose()


def contents(path: Path) -> list[tuple[Any, ...]]:
    jobs = "SELECT count(*), sum(accepted_ms), min(ulid), max(ulid), count(DISTINCT required_params) FROM job"
    return ledger.select(path, jobs) + ledger.select(path, "SELECT count(*), sum(seq), sum(at_ms) FROM job_event")


def test_a_hundred_thousand_jobs_of_the_first_version_open_with_nothing_lost(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    path = of_the_first_version(tmp_path, JOBS)
    before = contents(path)
    began = time.perf_counter()
    app, site = opened(tmp_path)
    tell(f"{JOBS:,} jobs of the first version, opened by this one in {time.perf_counter() - began:.2f} s")
    assert contents(path) == before
    assert ledger.select(path, "SELECT version_num FROM alembic_version") == [(migrations.newest(),)]
    assert ledger.select(path, "PRAGMA integrity_check") == [("ok",)]
    assert ledger.select(path, "PRAGMA foreign_key_check") == []
    last = f"01{JOBS:024d}"
    assert site.history({"site": "wmd", "ulid": last}) == ["UNREAD", "RECEIVED", "COMPLETE"]
    assert len(site.lists(timeRange=10**15, limit=10)) == 10
    new = site.sends()
    assert new["ulid"] > last
    assert site.polls() == [new]
    close(app)


def test_a_backup_of_the_first_version_is_brought_up_to_this_one(tmp_path: Path) -> None:
    old = of_the_first_version(tmp_path / "old", 10)
    made = backups.make(old, tmp_path)
    ended = run(tmp_path / "new", "restore", str(made.path), "--yes")
    assert ended.returncode == 0, ended.stderr
    app, site = opened(tmp_path / "new")
    assert len(site.lists(timeRange=10**15)) == 10
    close(app)


def test_a_stop_of_the_site_that_waited_over_the_upgrade_is_taken_away_by_no_narrower_one(tmp_path: Path) -> None:
    path = of_the_first_version(tmp_path, 2)
    with driver.connect(path) as connection:
        connection.execute(
            "UPDATE job SET action = ' Cancel_all_commands', is_stop = 1, accepted_ms = ?, phase = 'waiting',"
            " status = 'UNREAD', replica_phase = 'waiting', replica_status = 'UNREAD' WHERE id = 2",
            (clock.now_ms(),),
        )
    connection.close()
    app, site = opened(tmp_path)
    stop = site.sends("stop", device="camera", instance="c1")
    assert [job["ulid"] for job in site.polls()] == [f"01{2:024d}", stop["ulid"]]
    close(app)


def test_what_both_queues_had_one_of_is_told_apart_over_the_upgrade(tmp_path: Path) -> None:
    """The one estimate of both made a job lost on the first queue by a report on the other."""
    path = of_the_first_version(tmp_path, 3)
    runs = "phase = 'guarded', status = 'STARTED', replica_phase = 'running', replica_status = 'EXPOSING'"
    with driver.connect(path) as connection:
        connection.execute(
            f"UPDATE job SET {runs}, seconds_until_complete = 0, cancel_requested = 1, accepted_ms = ? WHERE id = 2",
            (clock.now_ms(),),
        )
        connection.executemany(
            "INSERT INTO job_event (job_id, site, at_ms, queue, status, seconds_until_complete, actor_known, actor_id,"
            " actor_name) VALUES (2, 'wmd', 1, ?, ?, ?, 'site', 'wmd', 'wmd')",
            [(0, "STARTED", 3600), (1, "STARTED", 60), (1, "EXPOSING", 0)],
        )
    connection.close()
    app, site = opened(tmp_path)
    asked = {"site": "wmd", "ulid": f"01{2:024d}"}
    for queue, seconds in (({}, 3600), ({"alternateQueue": True}, 0)):
        shown = site.posts("getjob", asked | queue).job
        assert (shown["secondsUntilComplete"], shown["cancelRequested"]) == (seconds, True)
    other = site.shows({"site": "wmd", "ulid": f"01{1:024d}"})
    assert (other["secondsUntilComplete"], "cancelRequested" in other) == (-1, False)
    close(app)


def test_on_a_full_disk_the_start_is_refused_and_the_database_stays_as_it_was(tmp_path: Path) -> None:
    with mounted(tmp_path / "small") as folder:
        path = of_the_first_version(folder, 200)
        before = contents(path)
        fill(folder)
        app = create_app({"INSTANCE": str(folder)})
        with pytest.raises(StartRefused, match=r"cannot be used: (the disk is full|its disk reports errors)"):
            startup.prepare(app)
        close(app)
        (folder / "ballast").unlink()
        assert ledger.select(path, "SELECT version_num FROM alembic_version") == [(FIRST,)]
        assert contents(path) == before
        app, site = opened(folder)
        assert len(site.lists(timeRange=10**15)) == 200
        close(app)


def test_a_database_is_prepared_without_an_app(tmp_path: Path) -> None:
    opened = open_database(URL.create("sqlite", database=str(tmp_path / "100%.db")), Settings())
    migrations.prepare(opened)
    with opened.reading() as connection:
        assert migrations.revision(connection) == migrations.newest()
    opened.close()


def test_flasks_own_command_makes_the_folder_and_the_database(tmp_path: Path) -> None:
    instance = tmp_path / "new"
    ended = run_apart(instance, "db", "upgrade")
    assert ended.returncode == 0, ended
    assert ledger.select(instance / "jobs.db", "SELECT version_num FROM alembic_version") == [(migrations.newest(),)]


def test_what_waits_keeps_its_order_over_the_upgrade_that_gives_ranks(tmp_path: Path) -> None:
    path = of_the_first_version(tmp_path, 9)
    waits = "status = 'UNREAD', phase = 'waiting', replica_status = 'UNREAD', replica_phase = 'waiting'"
    with driver.connect(path) as connection:
        connection.execute(f"UPDATE job SET {waits}, accepted_ms = ? WHERE id IN (2, 3, 5, 8)", (clock.now_ms(),))
        connection.execute(  # it was handed over already, with its copy, and is asked for again
            f"UPDATE job SET {waits}, accepted_ms = ?, status = 'RECEIVED', phase = 'claimed', claim_id = 'a'"
            " WHERE id IN (4, 7)",
            (clock.now_ms(),),
        )
    connection.close()
    app, site = opened(tmp_path)
    new = site.sends()
    waiting = [f"01{number:024d}" for number in (2, 3, 5, 8)] + [new["ulid"]]
    assert [job["ulid"] for job in site.polls(claimId="a")] == [f"01{number:024d}" for number in (4, 7)]
    assert [job["ulid"] for job in site.polls(claimId="b")] == waiting
    waits_there = sorted(waiting + [f"01{number:024d}" for number in (4, 7)])
    assert [job["ulid"] for job in site.polls(alternateQueue=True)] == waits_there
    close(app)
