"""Each thing is looked at once; whoever asks is told of it in words that are meant for them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from sqlalchemy import make_url

from jobs_server.service import service_of
from jobs_server.upkeep import backups, checks
from jobs_server.upkeep.findings import Grade


@pytest.mark.sqlite("the disk that its file is on")
def test_a_full_disk_is_told_with_its_place_only_to_who_may_see_it(
    file_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=42 << 20))
    (found,) = checks.disk_of_the_jobs(service_of(file_app))
    assert (found.about, found.grade) == ("disk", Grade.BAD)
    assert found.sentence == (
        f"42 MB are free at {tmp_path / 'instance'}, of 500 wanted; delete old files, or move the backups elsewhere"
        " with JOBS_BACKUP_FOLDER."
    )
    assert found.public == "the disk runs full: 42 MB are free where the jobs are kept, of 500 wanted"
    assert found.alert == "The disk runs full: 42 MB are free, of 500 wanted."


@pytest.mark.sqlite("the disk that its file is on")
def test_a_disk_with_room_is_good_and_nobody_is_told(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12_345 << 20))
    (found,) = checks.disk_of_the_jobs(service_of(file_app))
    assert (found.grade, found.public, found.alert) == (Grade.GOOD, "", "")
    assert "12,345 MB are free" in found.sentence


@pytest.mark.sqlite("PostgreSQL has backups of its own")
@pytest.mark.parametrize(
    ("age_days", "serving_days", "grade", "public"),
    [
        (1, 9, Grade.GOOD, ""),
        (3, 0, Grade.NOTE, "the last backup is 3 days old"),
        (3, None, Grade.NOTE, ""),
        (None, 1, Grade.NOTE, ""),
        (None, 3, Grade.NOTE, "there is no backup yet"),
    ],
)
def test_an_old_backup_is_a_problem_only_of_a_server_that_had_time_for_one(
    file_app: Flask, age_days: int | None, serving_days: int | None, grade: Grade, public: str
) -> None:
    settings = service_of(file_app).settings
    folder = settings.backups
    folder.mkdir()
    if age_days is not None:
        made = datetime.now(UTC) - timedelta(days=age_days, minutes=1)
        (folder / made.strftime(backups._NAME)).touch()
    serving = None if serving_days is None else timedelta(days=serving_days)
    (found,) = checks.newest_backup(settings, serving)
    assert (found.grade, found.public) == (grade, public)


@pytest.mark.sqlite("its file")
def test_the_sizes_are_those_of_the_file_and_of_its_log(file_app: Flask, tmp_path: Path) -> None:
    url = service_of(file_app).settings.url
    sizes = checks.file_sizes(url)
    path = tmp_path / "instance" / "jobs.db"
    assert sizes == {"database": path.stat().st_size, "wal": Path(f"{path}-wal").stat().st_size}
    assert checks.file_sizes(url.set(database=str(tmp_path / "none.db"))) == {"database": 0, "wal": 0}
    assert checks.file_sizes(make_url("sqlite://")) == {}
