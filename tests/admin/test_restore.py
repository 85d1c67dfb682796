"""A backup comes back whole, and nothing old comes alive with it."""

from __future__ import annotations

import gzip
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs_server import clock, create_app
from jobs_server.auth import site_tokens
from jobs_server.domain.actors import Actor, Known
from jobs_server.jobs import lockouts
from jobs_server.service import service_of
from jobs_server.storage import sqlite_driver
from jobs_server.storage.database import Database
from jobs_server.upkeep import backups, startup

from ..conftest import inside
from ..faults import ledger
from ..support import servers
from ..support.commands import run, run_apart
from ..support.observatory import Observatory, a_command

pytestmark = pytest.mark.sqlite("PostgreSQL has backups of its own")

# Restores, and stops where it is told to, so that it can be killed there.
STOPPING = """
import pathlib, sys, time
from jobs_server import create_app
from jobs_server.admin.restore import restore
from jobs_server.service import service_of
archive, where = sys.argv[1:]
def progress(step, done, total):
    if step == where:
        print(step, flush=True)
        time.sleep(600)
restore(pathlib.Path(archive), service_of(create_app()).settings, progress)
"""


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    return tmp_path / "instance"


def file_of(app: Flask) -> Path:
    return Path(str(service_of(app).database.engine.url.database))


def database(app: Flask) -> Database:
    found: Database = service_of(app).database
    return found


def close(app: Flask) -> None:
    service_of(app).database.close()


def backed_up(app: Flask, folder: Path) -> Path:
    """Back up an app's database, and end the app."""
    made = backups.make(file_of(app), folder)
    close(app)
    return made.path


def opened(instance: Path) -> Observatory:
    """An observatory on a database as it now is."""
    app = create_app({"TESTING": True, "INSTANCE": str(instance)})
    startup.prepare(app)
    return inside(app)


def in_every_state(observatory: Observatory) -> dict[str, dict[str, Any]]:
    """Send jobs, and bring each to another point of its life."""
    jobs = {}
    for name in ("done", "running", "plain", "claimed", "canceled", "waiting"):
        jobs[name] = observatory.sends(required_params={"mark": name})
        if name == "plain":
            observatory.polls()
        elif name in ("done", "running", "claimed"):
            observatory.polls(claimId=name)
        if name in ("done", "running"):
            observatory.starts(jobs[name], claimId=name)
    observatory.reports(jobs["done"], "COMPLETE")
    observatory.asks_to_cancel(jobs["canceled"])
    return jobs


def test_nothing_old_comes_alive(file_app: Flask, instance: Path, tmp_path: Path) -> None:
    jobs = in_every_state(inside(file_app))
    archive = backed_up(file_app, tmp_path)
    ended = run(instance, "restore", str(archive), "--yes")
    assert ended.returncode == 0, ended.stderr
    assert f"{instance}/jobs.db is now {archive.name}: 6 jobs with" in ended.stdout
    site = opened(instance)
    histories = {name: site.history(job) for name, job in jobs.items()}
    assert histories == {
        "done": ["UNREAD", "RECEIVED", "STARTED", "COMPLETE"],
        "running": ["UNREAD", "RECEIVED", "STARTED", "EXPIRED"],
        "plain": ["UNREAD", "RECEIVED", "EXPIRED"],
        "claimed": ["UNREAD", "RECEIVED", "EXPIRED"],
        "canceled": ["UNREAD", "CANCELED"],
        "waiting": ["UNREAD", "EXPIRED"],
    }
    why = site.shows(jobs["waiting"])["history"][-1]
    assert (why["message"], why["by"]["known"]) == (
        f"restored from the backup {archive.name}: what was unfinished in it is not run",
        "server",
    )
    for options in ({}, {"claimId": "claimed"}, {"claimId": "new"}):
        assert site.polls(**options) == site.polls(alternateQueue=True, **options) == []
    assert site.starts(jobs["claimed"], claimId="claimed").status == 409
    assert site.reports(jobs["waiting"], "STARTED").status == 409


def test_the_sites_word_on_what_it_had_in_hand_still_stands(file_app: Flask, instance: Path, tmp_path: Path) -> None:
    jobs = in_every_state(inside(file_app))
    run(instance, "restore", str(backed_up(file_app, tmp_path)), "--yes")
    site = opened(instance)
    for name in ("running", "plain", "claimed"):
        assert site.reports(jobs[name], "COMPLETE").status == 200
        assert site.history(jobs[name])[-1] == "COMPLETE (against the label)"


def test_work_goes_on(file_app: Flask, instance: Path, tmp_path: Path) -> None:
    here, key = inside(file_app), {"Idempotency-Key": "once"}
    old = here.posts("newjob", a_command(), key).job
    archive = backed_up(file_app, tmp_path)
    run(instance, "restore", str(archive), "--yes")
    site = opened(instance)
    assert site.posts("newjob", a_command(), key).job["statusId"] == f"EXPIRED#{old['ulid']}", "a retry came alive"
    new = site.sends()
    assert new["ulid"] > old["ulid"]
    assert site.polls() == [new]


def test_positions_in_the_stream_are_void(file_app: Flask, instance: Path, tmp_path: Path) -> None:
    """The numbers of events count anew from the backup's last, so that an old position would name other events."""

    def epoch() -> str:
        ((found,),) = ledger.select(instance / "jobs.db", "SELECT epoch FROM feed_record")
        return str(found)

    inside(file_app).sends()
    before, archive = epoch(), backed_up(file_app, tmp_path)
    run(instance, "restore", str(archive), "--yes")
    assert epoch() != before


def test_who_was_locked_out_since_stays_locked_out(file_app: Flask, instance: Path, tmp_path: Path) -> None:
    archive = backups.make(file_of(file_app), tmp_path).path
    vera, now = Actor("vera", "Vera", Known.CONSOLE), clock.read()
    with database(file_app).transaction() as connection:
        lockouts.put_on(connection, "wmd", "hands on the mirror", vera, now)
    close(file_app)
    said = run(instance, "restore", str(archive), "--yes").stdout
    assert "Locked out since the backup, and still so: wmd.\n" in said
    refusal = opened(instance).asks()
    assert refusal.status == 423
    assert "locked out by Vera" in refusal.text
    assert "hands on the mirror" in refusal.text


def test_a_token_that_was_revoked_since_stays_revoked(file_app: Flask, instance: Path, tmp_path: Path) -> None:
    with database(file_app).transaction() as connection:
        (lost, lost_token), (kept, kept_token) = (
            site_tokens.create(connection, "wmd", name, "vera", clock.read()) for name in ("lost laptop", "dome")
        )
    archive = backups.make(file_of(file_app), tmp_path).path
    with database(file_app).transaction() as connection:
        site_tokens.revoke(connection, lost.id, clock.read())
    close(file_app)
    run(instance, "restore", str(archive), "--yes")
    app = create_app({"INSTANCE": str(instance)})
    with database(app).reading() as connection:
        assert site_tokens.find(connection, lost_token) is None
        found = site_tokens.find(connection, kept_token)
    assert found is not None
    assert found.name == kept.name
    close(app)


def test_tokens_that_were_made_since_are_named_since_they_are_gone(
    file_app: Flask, instance: Path, tmp_path: Path
) -> None:
    def makes(name: str) -> tuple[int, str]:
        with database(file_app).transaction() as connection:
            row, token = site_tokens.create(connection, "wmd", name, "vera", clock.read())
        return row.id, token

    makes("dome pc")
    archive = backups.make(file_of(file_app), tmp_path).path
    _, late = makes("new dome pc")
    revoked, _ = makes("lost laptop")
    with database(file_app).transaction() as connection:
        site_tokens.revoke(connection, revoked, clock.read())
    close(file_app)
    said = run(instance, "restore", str(archive), "--yes").stdout
    assert (
        "Site tokens that were made after the backup are gone: new dome pc (wmd);"
        " make new ones with: flask tokens create\n" in said
    )
    app = create_app({"INSTANCE": str(instance)})
    with database(app).reading() as connection:
        assert site_tokens.find(connection, late) is None
    close(app)


def test_what_was_there_is_kept_aside_whole(file_app: Flask, instance: Path, tmp_path: Path) -> None:
    here = inside(file_app)
    early = here.sends(required_params={"mark": "early"})
    archive = backups.make(file_of(file_app), tmp_path).path
    here.sends(required_params={"mark": "late"})
    close(file_app)
    said = run(instance, "restore", str(archive), "--yes").stdout
    (aside,) = instance.glob("jobs.db.before-*")
    assert f"The database that was there is {aside};" in said
    assert [job.mark for job in ledger.read(aside)] == ["early", "late"]
    assert [job.ulid for job in ledger.read(instance / "jobs.db")] == [early["ulid"]]
    left = {path.name for path in instance.iterdir() if path.name.startswith("jobs.db")}
    assert left == {"jobs.db", aside.name}


def test_it_makes_a_database_where_there_is_none(file_app: Flask, tmp_path: Path) -> None:
    inside(file_app).sends()
    archive = backed_up(file_app, tmp_path)
    ended = run(tmp_path / "new" / "instance", "restore", str(archive), "--yes")
    assert ended.returncode == 0, ended.stderr
    assert len(opened(tmp_path / "new" / "instance").lists()) == 1


@pytest.mark.parametrize("kind", ["flask", "gunicorn"])
def test_it_is_refused_while_a_server_runs(kind: str, instance: Path, tmp_path: Path) -> None:
    with servers.running(kind, instance) as server:
        assert run(instance, "backup", str(tmp_path)).returncode == 0
        (backup,) = backups.listed(tmp_path)
        before = (instance / "jobs.db").stat()
        ended = run_apart(instance, "restore", str(backup.path), "--yes")
        assert ended.returncode == 1
        assert ended.stderr == f"Error: {instance}/jobs.db is in use: stop the server first, then restore\n"
        assert (instance / "jobs.db").stat().st_ino == before.st_ino
        assert server.process.poll() is None
    assert run_apart(instance, "restore", str(backup.path), "--yes").returncode == 0


def test_it_asks_first(file_app: Flask, instance: Path, tmp_path: Path) -> None:
    archive = backed_up(file_app, tmp_path)
    ended = run(instance, "restore", str(archive))  # nobody answers
    assert ended.returncode == 1
    assert f"Replace {instance}/jobs.db by {archive.name}?" in ended.stdout
    assert list(instance.glob("*before*")) == []


def spoiled(archive: Path, how: str) -> Path:
    """Make something that is no good backup."""
    bad = archive.with_name("bad.gz")
    content = gzip.decompress(archive.read_bytes())
    if how == "cut off":
        bad.write_bytes(archive.read_bytes()[:-1000])
    elif how == "changed":
        data = bytearray(archive.read_bytes())
        data[len(data) // 2] ^= 0xFF
        bad.write_bytes(data)
    elif how == "empty":
        bad.touch()
    elif how == "a letter":
        bad.write_bytes(gzip.compress(b"Dear diary, " * 1000))
    elif how == "damaged before":
        middle = len(content) // 2
        bad.write_bytes(gzip.compress(content[:middle] + b"\xa5" * 20_000 + content[middle + 20_000 :]))
    else:
        bad.write_bytes(content)
        with closing(sqlite_driver.open_file(bad, "rw")) as connection:
            if how == "newer":
                connection.execute("UPDATE alembic_version SET version_num = '9999'")
            else:
                for table in ("job_event", "idempotency_key", "job"):
                    connection.execute(f"DROP TABLE {table}")
    return bad


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("cut off", "it is cut off, or no backup of this service"),
        ("changed", "bad.gz"),
        ("empty", "bad.gz"),
        ("a letter", "its file is no database"),
        ("damaged before", "damaged"),
        ("newer", "was written by a newer version of jobs_server (migration 9999)"),
        ("foreign", "bad.gz is not a database of this service"),
    ],
)
def test_what_is_no_good_is_refused_and_the_database_stays(
    file_app: Flask, instance: Path, tmp_path: Path, how: str, sentence: str
) -> None:
    here = inside(file_app)
    for number in range(40):
        here.sends(required_params={"filler": "x" * 1000, "number": number})
    bad = spoiled(backed_up(file_app, tmp_path), how)
    before = (instance / "jobs.db").read_bytes()
    ended = run(instance, "restore", str(bad), "--yes")
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert sentence in ended.stderr
    assert (instance / "jobs.db").read_bytes() == before
    assert sorted(path.name for path in instance.iterdir()) == ["jobs.db"]


@pytest.mark.parametrize("where", ["unpack", "verify"])
def test_killed_on_its_way_it_leaves_the_database_as_it_was(
    file_app: Flask, instance: Path, tmp_path: Path, where: str
) -> None:
    job = inside(file_app).sends()
    archive = backed_up(file_app, tmp_path)
    arguments = [sys.executable, "-c", STOPPING, str(archive), where]
    variables = servers.environment(instance)
    with subprocess.Popen(arguments, cwd=servers.ROOT, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{where}\n"
        process.kill()
    assert opened(instance).polls() == [job]


def test_a_damaged_database_is_replaced(file_app: Flask, instance: Path, tmp_path: Path) -> None:
    job = inside(file_app).sends()
    archive = backed_up(file_app, tmp_path)
    (instance / "jobs.db").write_text("Dear diary, " * 1000, encoding="utf-8")
    (instance / "jobs.db-wal").write_text("an old log", encoding="utf-8")
    assert run(instance, "restore", str(archive), "--yes").returncode == 0
    assert not (instance / "jobs.db-wal").exists(), "the old log would be taken for the new one's"
    assert opened(instance).status(job) == "EXPIRED"
    (aside,) = instance.glob("jobs.db.before-*Z")
    assert aside.read_text(encoding="utf-8").startswith("Dear diary")
