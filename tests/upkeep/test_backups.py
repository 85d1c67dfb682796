"""Backups are one whole moment of a database that is being written, and stay when the making of another fails."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs_server import create_app
from jobs_server.errors import TaskFailed
from jobs_server.service import service_of
from jobs_server.upkeep import backups, maintenance, retention, startup
from jobs_server.upkeep.backups import Backup, BackupRules
from jobs_server.upkeep.maintenance import DailyTimes

from ..conftest import inside
from ..faults import ledger
from ..faults.load import Load
from ..support import servers
from ..support.commands import run, run_apart
from ..support.disks import fill, mounted
from ..support.waiting import until

pytestmark = pytest.mark.sqlite("PostgreSQL has backups of its own")

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)

# Makes a backup, and stops where it is told to, so that it can be killed there.
STOPPING = """
import pathlib, sys, time
from jobs_server.upkeep import backups
source, folder, where = sys.argv[1:]
def progress(step, done, total):
    if step == where:
        print(step, flush=True)
        time.sleep(600)
backups.make(pathlib.Path(source), pathlib.Path(folder), progress)
"""


def file_of(app: Flask) -> Path:
    return Path(str(service_of(app).database.engine.url.database))


def test_a_backup_made_under_load_is_one_whole_moment(tmp_path: Path) -> None:
    instance, folder = tmp_path / "instance", tmp_path / "elsewhere"
    with servers.running("gunicorn", instance) as server:
        load = Load(server.url, posters=4, claimers=2)
        with load.running():
            until(lambda: len(load.finished) >= 20)
            known = set(load.acknowledged.values())
            ended = run_apart(instance, "backup", str(folder))
    assert ended.returncode == 0, ended.stderr
    (backup,) = backups.listed(folder)
    assert f"{backup.path}: " in ended.stdout
    backups.unpack(backup.path, tmp_path / "copy.db")
    kept = {job.ulid for job in ledger.read(tmp_path / "copy.db")}
    assert known <= kept, "what was acknowledged before the backup is not in it"
    assert kept <= set(load.acknowledged.values()), "there is a job that nobody sent"
    assert sorted(path.name for path in folder.iterdir()) == [backup.path.name]


def test_without_a_folder_it_goes_where_the_settings_say(file_app: Flask, tmp_path: Path) -> None:
    inside(file_app).sends()
    assert run(tmp_path / "instance", "backup").returncode == 0
    assert run(tmp_path / "instance", "backup", BACKUP_FOLDER=str(tmp_path / "disk2")).returncode == 0
    assert len(backups.listed(tmp_path / "instance" / "backups")) == len(backups.listed(tmp_path / "disk2")) == 1


def test_a_folder_that_is_missing_is_made(file_app: Flask, tmp_path: Path) -> None:
    folder = tmp_path / "on" / "another" / "disk"
    assert run(tmp_path / "instance", "backup", str(folder)).returncode == 0
    assert len(backups.listed(folder)) == 1


@pytest.mark.parametrize("where", ["copy", "verify", "compress"])
def test_a_backup_killed_on_its_way_leaves_nothing_that_looks_like_one(
    file_app: Flask, tmp_path: Path, where: str
) -> None:
    inside(file_app).sends()
    folder = tmp_path / "backups"
    old = backups.make(file_of(file_app), folder).path
    before = old.read_bytes()
    arguments = [sys.executable, "-c", STOPPING, str(file_of(file_app)), str(folder), where]
    with subprocess.Popen(arguments, cwd=servers.ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{where}\n"
        process.kill()
    assert [backup.path for backup in backups.listed(folder)] == [old]
    assert old.read_bytes() == before
    for part in folder.glob(".*"):
        os.utime(part, (0, 0))  # as found long after
    assert inside(file_app).sends()
    new = backups.make(file_of(file_app), folder)
    assert new.counts == backups.Counts(2, 2)
    assert list(folder.glob(".*")) == []


class TestWhenItCannotBeMade:
    """One sentence says why, with exit code 1, and what was there stays."""

    def test_into_a_folder_that_is_a_file(self, file_app: Flask, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        ended = run(tmp_path / "instance", "backup", str(tmp_path / "file" / "backups"))
        assert ended.returncode == 1
        assert ended.stderr == f"Error: no backup can be made in {tmp_path}/file/backups: Not a directory\n"

    def test_into_a_folder_that_may_only_be_read(self, file_app: Flask, tmp_path: Path) -> None:
        with mounted(tmp_path / "small") as folder:
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
            ended = run(tmp_path / "instance", "backup", str(folder / "backups"))
            again = run(tmp_path / "instance", "backup", str(folder))
        assert (ended.returncode, again.returncode) == (1, 1)
        assert ended.stderr == f"Error: no backup can be made in {folder}/backups: Read-only file system\n"
        assert "Read-only file system" in again.stderr
        assert again.stderr.count("\n") == 1

    def test_of_a_database_that_is_not_there(self, tmp_path: Path) -> None:
        ended = run(tmp_path / "nowhere", "backup")
        assert ended.returncode == 1
        assert "there is nothing to back up at" in ended.stderr
        assert not (tmp_path / "nowhere" / "jobs.db").exists()

    def test_onto_a_disk_without_room(self, file_app: Flask, tmp_path: Path) -> None:
        with mounted(tmp_path / "small") as folder:
            with pytest.raises(TaskFailed, match=r"it needs \d+ MB in .* and \d+ MB are free"):
                backups.make(file_of(file_app), folder)
            assert list(folder.iterdir()) == []

    def test_onto_a_disk_that_fills_up_meanwhile(self, file_app: Flask, tmp_path: Path) -> None:
        with mounted(tmp_path / "small") as folder:
            old = backups.make(file_of(file_app), tmp_path / "elsewhere").path
            shutil.move(old, folder / "jobs-20200101T000000Z.db.gz")
            fill(folder)
            no_look_at_the_room = BackupRules(spare_bytes=-(1 << 40))
            with pytest.raises(TaskFailed, match=r"the disk is full|No space left"):
                backups.make(file_of(file_app), folder, rules=no_look_at_the_room)
            assert sorted(path.name for path in folder.iterdir()) == ["ballast", "jobs-20200101T000000Z.db.gz"]

    def test_of_a_damaged_database(self, file_app: Flask, tmp_path: Path) -> None:
        for number in range(200):
            inside(file_app).sends(required_params={"filler": "x" * 2000, "number": number})
        path = file_of(file_app)
        service_of(file_app).database.close()
        with path.open("r+b") as content:
            content.seek(path.stat().st_size // 2)
            content.write(b"\xa5" * 8192)
        with pytest.raises(TaskFailed, match="damaged"):
            backups.make(path, tmp_path / "backups")
        assert list((tmp_path / "backups").iterdir()) == []

    def test_of_a_database_in_memory_or_elsewhere(self) -> None:
        with pytest.raises(TaskFailed, match="memory"):
            backups.database_file(service_of(create_app({"DATABASE_URL": "sqlite://"})).database.engine.url)


def test_what_is_written_reads_back(file_app: Flask, tmp_path: Path) -> None:
    inside(file_app).sends()
    made = backups.make(file_of(file_app), tmp_path)
    with gzip.open(made.path) as content:
        assert content.read(16) == b"SQLite format 3\0"
    assert made.counts == backups.Counts(1, 1)
    assert made.size_bytes == made.path.stat().st_size


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.integers(0, 3 * 366 * 24), max_size=80))
def test_days_weeks_and_months_are_kept(hours_ago: set[int]) -> None:
    made = [Backup(Path(str(hours)), NOON - timedelta(hours=hours)) for hours in hours_ago]
    keep = backups.kept(made)
    newest = sorted(made, key=lambda backup: backup.made, reverse=True)
    assert not newest or newest[0].path in keep, "the newest is always kept"
    assert len(keep) <= backups.RULES.days + backups.RULES.weeks + backups.RULES.months
    days = list(dict.fromkeys(backup.made.date() for backup in newest))[: backups.RULES.days]
    for day in days:
        assert next(backup.path for backup in newest if backup.made.date() == day) in keep
    assert backups.kept([backup for backup in made if backup.path in keep]) == keep, "choosing again drops more"


def test_older_ones_are_deleted_and_other_files_are_not(file_app: Flask, tmp_path: Path) -> None:
    for day in range(1, 31):
        (tmp_path / f"jobs-202001{day:02}T120000Z.db.gz").touch()
    (tmp_path / "jobs-mine.db.gz").touch()
    made = backups.make(file_of(file_app), tmp_path)
    left = {path.name for path in tmp_path.iterdir() if path.is_file()}
    days = {f"jobs-202001{day:02}T120000Z.db.gz" for day in (30, 29, 28, 27, 26, 25, 19)}
    assert left == days | {made.path.name, "jobs-mine.db.gz"}
    assert len(made.dropped) == 23


class TestDaily:
    """A server backs up by itself, once after each noon."""

    @pytest.mark.parametrize(
        ("newest", "now", "due"),
        [
            (None, NOON, True),
            (NOON - timedelta(hours=1), NOON, True),
            (NOON, NOON + timedelta(hours=23), False),
            (NOON - timedelta(hours=20), NOON - timedelta(hours=1), False),
            (NOON - timedelta(hours=25), NOON - timedelta(hours=1), True),
            (NOON - timedelta(hours=9), NOON.astimezone(timezone(timedelta(hours=-10))), False),  # 2 in the morning
        ],
    )
    def test_it_is_due_when_there_is_none_since_noon(self, newest: datetime | None, now: datetime, due: bool) -> None:
        assert maintenance.is_due(newest, now) is due

    def test_it_is_made_once(self, file_app: Flask, tmp_path: Path) -> None:
        keeper, now = service_of(file_app).daily_work, datetime.now().astimezone()
        for _ in range(3):
            keeper.look(now)
        assert len(backups.listed(tmp_path / "instance" / "backups")) == 1
        assert keeper.backup_failure is None

    def test_a_failure_is_remembered_until_one_is_made(
        self, file_app: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        obstacle = tmp_path / "instance" / "backups"
        obstacle.touch()
        keeper, now = service_of(file_app).daily_work, datetime.now().astimezone()
        keeper.times = DailyTimes(retry_seconds=0.0)
        keeper.look(now)
        assert keeper.backup_failure == f"no backup can be made in {obstacle}: File exists"
        assert "backup failed: no backup can be made" in caplog.text
        obstacle.unlink()
        keeper.look(now)
        assert keeper.backup_failure is None

    def test_a_broken_disk_is_a_failure_and_ends_nothing(
        self, file_app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object) -> None:
            raise OSError(5, "Input/output error")

        keeper = service_of(file_app).daily_work
        keeper.times = DailyTimes(first_look_seconds=0.01, look_seconds=0.01, retry_seconds=0.0)
        with monkeypatch.context() as broken:
            broken.setattr(backups, "listed", fails)
            keeper.start()
            until(lambda: caplog.text.count("backup failed: [Errno 5] Input/output error") >= 2)
            assert keeper.failing == "[Errno 5] Input/output error"
        until(lambda: keeper.failing is None)
        keeper.worker.stop()

    def test_what_nobody_thought_of_keeps_neither_backups_nor_the_next_day_from_coming(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object) -> None:
            raise ZeroDivisionError

        app = create_app({"INSTANCE": str(tmp_path), "KEEP_DAYS": 9})
        startup.prepare(app)
        monkeypatch.setattr(retention, "prune", fails)
        service_of(app).daily_work.look(datetime.now().astimezone())
        assert "the daily work could not be done" in caplog.text
        assert len(backups.listed(tmp_path / "backups")) == 1
        service_of(app).database.close()

    def test_it_can_be_switched_off(self, tmp_path: Path) -> None:
        app = create_app({"INSTANCE": str(tmp_path), "BACKUP_DAILY": False})
        service_of(app).daily_work.look(datetime.now().astimezone())
        assert not (tmp_path / "backups").exists()

    def test_it_runs_beside_the_server(self, file_app: Flask, tmp_path: Path) -> None:
        keeper = service_of(file_app).daily_work
        keeper.times = DailyTimes(first_look_seconds=0.01)
        keeper.start()
        until(lambda: backups.listed(tmp_path / "instance" / "backups"))
        keeper.worker.stop()
