"""A restore that is killed at any step leaves the old database or the new one, whole, and can be made again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.errors import StartRefused
from jobs_server.service import service_of
from jobs_server.storage.sqlite_driver import driver
from jobs_server.upkeep import backups, startup

from ..conftest import inside
from ..faults import ledger
from ..support import servers
from ..support.commands import run

pytestmark = [
    pytest.mark.sqlite("PostgreSQL has backups of its own"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked for each step"),
]

# Restores in a child for each step: the child is killed before its first deed on a file, before its second, and so on,
# until a child comes to its end. A deed before which it is killed is one after which it is killed, of the deed before.
KILLING = """
import os, pathlib, shutil, signal, sys
from jobs_server import create_app
from jobs_server.admin.restore import restore
from jobs_server.service import service_of
from jobs_server.upkeep import backups

archive, base, folder = map(pathlib.Path, sys.argv[1:])
DEEDS = {"open", "os.link", "os.rename", "os.remove", "shutil.copyfile", "sqlite3.connect", "pysqlite3.connect"}
if not hasattr(backups.driver, "Connection"):
    raise SystemExit("the driver has no connections to watch")


def killed_before(step, instance):
    left = step

    def deed(*_):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def look(event, arguments):
        if event in DEEDS and any("jobs.db" in str(each) for each in arguments):
            deed()

    sys.addaudithook(look)
    connect = backups.driver.connect
    backups.driver.connect = lambda *given, **named: (deed(), connect(*given, **named))[1]
    settings = service_of(create_app({"INSTANCE": str(instance)})).settings
    restore(archive, settings, lambda *_: deed())


for step in range(1000):
    instance = folder / f"{step:03}"
    shutil.copytree(base, instance)
    child = os.fork()
    if not child:
        killed_before(step, instance)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        print(step, os.waitstatus_to_exitcode(status))
        break
"""


def marks(instance: Path) -> list[str]:
    """Start a service on what is there, and list its jobs."""
    app = create_app({"TESTING": True, "INSTANCE": str(instance)})
    startup.prepare(app)
    service_of(app).database.close()
    return [job.mark for job in ledger.read(instance / "jobs.db")]


def sends(app: Flask, *names: str) -> None:
    for mark in names:
        inside(app).sends(required_params={"mark": mark, "filler": "x" * 5000})


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    """The instance of a server that was killed: part of its jobs is in its log; and the rest of a cut-off restore."""
    base = tmp_path / "base"
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path / "served")})
    startup.prepare(app)
    sends(app, "first")
    early = backups.make(tmp_path / "served" / "jobs.db", tmp_path / "early").path
    sends(app, "second")
    backups.make(tmp_path / "served" / "jobs.db", tmp_path / "archives")
    sends(app, "third")
    shutil.copytree(tmp_path / "served", base)
    service_of(app).database.close()
    assert (base / "jobs.db-wal").stat().st_size
    backups.unpack(early, base / "jobs.db.restoring")
    other = driver.connect(base / "jobs.db.restoring", isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("UPDATE job SET status = 'FROM ANOTHER RESTORE'")
    shutil.copy(base / "jobs.db.restoring-wal", tmp_path / "wal")
    other.close()
    shutil.copy(tmp_path / "wal", base / "jobs.db.restoring-wal")
    return base


def test_killed_before_and_after_each_deed_on_a_file_it_leaves_the_old_state_or_the_new_one(
    cut_off: Path, tmp_path: Path
) -> None:
    """Never a mixture, never an empty database; and restored again, the new one, whatever was left."""
    (archive,) = (tmp_path / "archives").iterdir()
    folder = tmp_path / "killed"
    folder.mkdir()
    arguments = [sys.executable, "-c", KILLING, *map(str, (archive, cut_off, folder))]
    variables = servers.environment(cut_off)
    ended = subprocess.run(
        arguments, cwd=servers.ROOT, env=variables, check=True, capture_output=True, text=True, timeout=600
    )
    steps, code = map(int, ended.stdout.split())
    assert (code, steps > 15) == (0, True), ended.stdout
    old, new = ["first", "second", "third"], ["first", "second"]
    found = []
    for instance in sorted(folder.iterdir()):
        again = shutil.copytree(instance, tmp_path / "again" / instance.name)
        found.append(marks(instance))
        assert run(again, "restore", str(archive), "--yes").returncode == 0
        assert marks(again) == new
        statuses = {job.status for job in ledger.read(again / "jobs.db")}
        assert statuses == {"EXPIRED"}, "a mixture"
    assert [state for state in found if state not in (old, new)] == []
    assert (found[0], found[-1]) == (old, new)
    assert found == sorted(found, key=lambda state: state == new), "the new one, and then the old one again"


def test_no_empty_database_is_made_beside_what_a_restore_has_left(file_app: Flask, tmp_path: Path) -> None:
    """As the restores of earlier versions leave it when they are killed between their two renames."""
    sends(file_app, "kept")
    service_of(file_app).database.close()
    file = tmp_path / "instance" / "jobs.db"
    aside = file.rename(file.with_name("jobs.db.before-20260101T000000Z"))
    with pytest.raises(
        StartRefused, match=r"jobs\.db is missing, and a restore has left jobs\.db\.before-2026.* beside"
    ):
        marks(tmp_path / "instance")
    assert not file.exists()
    aside.rename(file)
    assert marks(tmp_path / "instance") == ["kept"]


def test_a_second_name_of_a_database_that_was_not_replaced_is_deleted(file_app: Flask, tmp_path: Path) -> None:
    """A restore killed before its rename leaves one; used under two names at once, a database is damaged."""
    sends(file_app, "kept")
    service_of(file_app).database.close()
    file = tmp_path / "instance" / "jobs.db"
    second = file.with_name("jobs.db.before-20260101T000000Z")
    second.hardlink_to(file)
    other = file.with_name("jobs.db.before-20250101T000000Z")
    other.write_bytes(b"another")
    assert marks(tmp_path / "instance") == ["kept"]
    assert (second.exists(), other.exists()) == (False, True)


def test_where_a_disk_has_no_hard_links_the_database_that_was_there_is_copied(
    file_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends(file_app, "early")
    archive = backups.make(tmp_path / "instance" / "jobs.db", tmp_path / "archives").path
    sends(file_app, "late")
    service_of(file_app).database.close()

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert run(tmp_path / "instance", "restore", str(archive), "--yes").returncode == 0
    (aside,) = (tmp_path / "instance").glob("jobs.db.before-*")
    assert [job.mark for job in ledger.read(aside)] == ["early", "late"]
    assert marks(tmp_path / "instance") == ["early"]
