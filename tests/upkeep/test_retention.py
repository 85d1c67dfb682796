"""Old history is let go a little at a time, written whole before it is deleted, and comes back as history only."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.errors import TaskFailed
from jobs_server.jobs import events as changes
from jobs_server.service import service_of
from jobs_server.storage.database import Database
from jobs_server.storage.models import JobEvent
from jobs_server.upkeep import archive, retention, startup

from ..conftest import inside
from ..faults import ledger
from ..support import databases, servers
from ..support.clocks import HOUR, Clocks
from ..support.commands import run
from ..support.disks import fill, mounted
from ..support.observatory import Observatory

AT_ONCE = retention.PruneRules(pause_seconds=0.0)
DAY = 24 * HOUR

# Prunes with an archive, and stops after its first batch, so that it can be killed there.
STOPPING = """
import pathlib, sys, time
from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.upkeep import retention
def progress(done):
    print(done, flush=True)
    time.sleep(600)
database = service_of(create_app()).database
retention.prune(database, int(sys.argv[1]), pathlib.Path(sys.argv[2]), progress)
"""


def database(app: Flask) -> Database:
    found: Database = service_of(app).database
    return found


def finished(site: Observatory, count: int = 1, **changed: Any) -> list[dict[str, Any]]:
    """Send jobs and have them carried out."""
    jobs = [site.sends(**changed) for _ in range(count)]
    site.polls()
    for job in jobs:
        site.reports(job, "EXPOSING", secondsUntilComplete=7, message="clouds")
        site.reports(job, "COMPLETE")
    return jobs


def rows(app: Flask, table: str) -> int:
    with database(app).engine.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def days_ago(clocks: Clocks, days: float) -> int:
    return clocks.now.wall_ms - round(days * retention.DAY_MS)


def shown(site: Observatory, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What everybody sees of jobs; on the alternate queue, which nobody reads here, they expire in silence."""
    return [site.shows(job) | {"replicaStatusId": ""} for job in jobs]


class TestPrune:
    """What is old and waits for nothing goes; all else stays."""

    def test_old_jobs_go_with_their_history_and_keys(self, file_app: Flask, clocks: Clocks) -> None:
        site = inside(file_app)
        site.posts("newjob", b"{}", {"Idempotency-Key": "k"})
        (old,) = finished(site)
        clocks.pass_by(31 * DAY)
        (new,) = finished(site)
        pruned = retention.prune(database(file_app), days_ago(clocks, 30))
        assert (pruned.jobs, pruned.events, pruned.file) == (1, 4, None)
        assert [job["ulid"] for job in site.lists(timeRange=100 * retention.DAY_MS)] == [new["ulid"]]
        assert site.posts("getjob", {"site": "wmd", "ulid": old["ulid"]}).status == 404
        assert (rows(file_app, "job"), rows(file_app, "job_event"), rows(file_app, "prune_permit")) == (1, 4, 0)

    def test_what_was_heard_of_since_stays(self, file_app: Flask, clocks: Clocks) -> None:
        site = inside(file_app)
        job = site.sends()
        site.polls()
        clocks.pass_by(31 * DAY)
        site.reports(job, "EXPOSING")
        assert retention.prune(database(file_app), days_ago(clocks, 30)).jobs == 0

    def test_what_still_waits_stays(self, file_app: Flask, clocks: Clocks) -> None:
        inside(file_app).sends(expiresInSeconds=7 * 24 * 3600)
        clocks.pass_by(2 * DAY)
        assert retention.prune(database(file_app), days_ago(clocks, 1)).jobs == 0

    def test_history_stays_append_only_for_all_others(self, file_app: Flask, clocks: Clocks) -> None:
        finished(inside(file_app))
        clocks.pass_by(2 * DAY)
        retention.prune(database(file_app), days_ago(clocks, 5))
        with (
            database(file_app).engine.begin() as connection,
            pytest.raises(Exception, match="history is append-only"),
        ):
            connection.exec_driver_sql("DELETE FROM job_event")

    def test_a_batch_is_at_most_500_rows(self, file_app: Flask, clocks: Clocks) -> None:
        finished(inside(file_app), 260)
        clocks.pass_by(2 * DAY)
        left = [rows(file_app, "job") + rows(file_app, "job_event")]
        retention.prune(
            database(file_app),
            days_ago(clocks, 1),
            progress=lambda _: left.append(rows(file_app, "job") + rows(file_app, "job_event")),
            rules=AT_ONCE,
        )
        assert left[-1] == 0
        assert len(left) == 4
        assert all(before - after <= retention.RULES.most_rows for before, after in itertools.pairwise(left))

    @pytest.mark.parametrize("events", [499, 500, 1_700])
    def test_a_job_with_a_long_history_goes_in_pieces_too(self, file_app: Flask, clocks: Clocks, events: int) -> None:
        finished(inside(file_app), 2)
        columns = ", ".join(column.name for column in JobEvent.__table__.columns if column.name != "seq")
        more = f"""WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {events - 4})
            INSERT INTO job_event ({columns}) SELECT {columns} FROM number, job_event WHERE seq = 1"""
        with database(file_app).engine.begin() as connection:
            connection.exec_driver_sql(more)
        clocks.pass_by(2 * DAY)
        left = [rows(file_app, "job") + rows(file_app, "job_event")]
        database(file_app).on_commit_seconds.append(
            lambda _: left.append(rows(file_app, "job") + rows(file_app, "job_event"))
        )
        pruned = retention.prune(database(file_app), days_ago(clocks, 1), rules=AT_ONCE)
        assert (pruned.jobs, pruned.events, left[0], left[-1]) == (2, events + 4, events + 6, 0)
        assert all(before - after <= retention.RULES.most_rows for before, after in itertools.pairwise(left))

    def test_others_are_served_between_two_batches(self, file_app: Flask, clocks: Clocks) -> None:
        site = inside(file_app)
        finished(site, 210)
        clocks.pass_by(2 * DAY)
        served: list[int] = []

        def somebody_comes(_: int) -> None:
            other = threading.Thread(target=lambda: served.append(site.asks().status))
            other.start()
            other.join()

        retention.prune(database(file_app), days_ago(clocks, 1), progress=somebody_comes)
        assert served == [200] * 3


class TestCommand:
    """`flask prune` tells what it does and refuses nonsense."""

    @pytest.fixture
    def old(self, file_app: Flask, clocks: Clocks, tmp_path: Path) -> Callable[..., tuple[int, str]]:
        finished(inside(file_app), 3)
        clocks.pass_by(40 * DAY)

        def prune(*arguments: str, **settings: object) -> tuple[int, str]:
            ended = run(tmp_path / "instance", "prune", *arguments, **settings)
            return ended.returncode, ended.stdout + ended.stderr

        return prune

    def test_it_keeps_the_days_that_are_named_or_set(self, old: Callable[..., tuple[int, str]]) -> None:
        assert old("--days", "50") == (0, "Deleted 0 jobs older than 50 days, with 0 events.\n")
        assert old("--dry-run", KEEP_DAYS=30) == (0, "3 jobs are older than 30 days.\n")
        assert old(KEEP_DAYS=30) == (0, "Deleted 3 jobs older than 30 days, with 12 events.\n")

    def test_it_writes_them_first(self, old: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
        status, said = old("--days", "30", "--archive", str(tmp_path / "old"))
        (file,) = (tmp_path / "old").iterdir()
        assert (status, said.splitlines()[1]) == (0, f"They are in {file}.")
        assert len(gzip.decompress(file.read_bytes()).splitlines()) == 3

    @pytest.mark.parametrize("days", ["0", "-1", "many", "1.5", ""])
    def test_days_are_a_number_from_one(self, old: Callable[..., tuple[int, str]], days: str) -> None:
        status, said = old("--days", days)
        assert status == 2
        assert "--days" in said

    def test_without_a_number_it_deletes_nothing(self, old: Callable[..., tuple[int, str]], file_app: Flask) -> None:
        status, said = old()
        assert status == 2
        assert "say how many days to keep" in said
        assert rows(file_app, "job") == 3


class TestArchive:
    """What is deleted was written before, and comes back as it was."""

    def test_what_comes_back_is_what_went(self, file_app: Flask, clocks: Clocks, tmp_path: Path) -> None:
        site = inside(file_app)
        jobs = finished(site, 120, required_params={"big": 10**30, "text": "Säule\n"})
        before = shown(site, jobs)
        clocks.pass_by(2 * DAY)
        pruned = retention.prune(database(file_app), days_ago(clocks, 1), tmp_path)
        assert rows(file_app, "job") == 0
        for added, known in ((120, 0), (0, 120)):  # and again, which changes nothing
            assert pruned.file is not None
            told = archive.read_back(database(file_app), pruned.file, clocks.now.wall_ms)
            assert (told.added, told.known, told.ended, told.faults) == (added, known, 0, [])
        assert shown(site, jobs) == before

    def test_nothing_old_comes_alive(self, file_app: Flask, clocks: Clocks, tmp_path: Path) -> None:
        site = inside(file_app)
        jobs = [site.sends() for _ in range(4)]
        site.polls(claimId="a", limit=1)
        site.polls(limit=1)
        site.polls(claimId="b", limit=1)
        site.starts(jobs[2], claimId="b")
        with database(file_app).reading() as connection:
            lines = [
                json.dumps(
                    archive.record(
                        connection.rows(retention._ROW, job_id=n)[0], connection.rows(retention._HISTORY, job_id=n)
                    )
                )
                for n in range(1, 5)
            ]
        file = tmp_path / "jobs.jsonl"
        file.write_text("\n".join(lines), encoding="utf-8")
        elsewhere = create_app({"TESTING": True, "DATABASE_URL": databases.fresh()})
        told = archive.read_back(database(elsewhere), file, clocks.now.wall_ms)
        assert (told.added, told.ended) == (4, 4)
        there = inside(elsewhere)
        assert there.polls() == there.polls(alternateQueue=True) == there.polls(claimId="a") == []
        assert [there.status(job) for job in jobs] == ["EXPIRED"] * 4
        assert there.starts(jobs[0], claimId="a").status == 409
        assert there.shows(jobs[3])["history"][-1]["message"] == archive.NOTE
        database(elsewhere).close()

    def test_a_line_of_an_earlier_version_lacks_what_was_added_since(
        self, file_app: Flask, clocks: Clocks, tmp_path: Path
    ) -> None:
        site = inside(file_app)
        finished(site)
        clocks.pass_by(2 * DAY)
        pruned = retention.prune(database(file_app), days_ago(clocks, 1), tmp_path)
        assert pruned.file is not None
        line = json.loads(gzip.decompress(pruned.file.read_bytes()).splitlines()[0])
        for name in archive.ADDED:
            del line["job"][name]
        (tmp_path / "old.jsonl").write_text(json.dumps(line))
        told = archive.read_back(database(file_app), tmp_path / "old.jsonl", clocks.now.wall_ms)
        assert (told.added, told.faults) == (1, [])

    def test_streams_tell_nothing_of_it(self, file_app: Flask, clocks: Clocks, tmp_path: Path) -> None:
        site = inside(file_app)
        finished(site, 2)
        clocks.pass_by(2 * DAY)
        pruned = retention.prune(database(file_app), days_ago(clocks, 1), tmp_path)
        site.sends()
        assert pruned.file is not None
        with database(file_app).reading() as connection:
            newest = changes.newest(connection)
            archive.read_back(database(file_app), pruned.file, clocks.now.wall_ms)
            assert changes.newest(connection) == newest

    def test_a_file_broken_in_the_middle_tells_the_line_and_keeps_what_is_whole(
        self, file_app: Flask, clocks: Clocks, tmp_path: Path
    ) -> None:
        site = inside(file_app)
        jobs = finished(site, 5)
        clocks.pass_by(2 * DAY)
        pruned = retention.prune(database(file_app), days_ago(clocks, 1), tmp_path)
        assert pruned.file is not None
        lines = gzip.decompress(pruned.file.read_bytes()).splitlines()
        lines[1] = lines[1][:50]
        lines[3] = lines[3].replace(b'"status":"COMPLETE"', b'"status":7')
        broken = tmp_path / "broken.jsonl.gz"
        broken.write_bytes(gzip.compress(b"\n".join(lines)))
        ended = run(tmp_path / "instance", "import", str(broken))
        assert ended.returncode == 1
        assert ended.stdout == "3 jobs added, 0 were there already; 0 came in unfinished and are ended.\n"
        assert ended.stderr.startswith("Error: not all of broken.jsonl.gz is in: line 2: is not JSON; line 4: status: ")
        ended = run(tmp_path / "instance", "import", str(pruned.file))
        assert (ended.returncode, ended.stdout.split(";")[0]) == (0, "2 jobs added, 3 were there already")
        assert len(shown(site, jobs)) == 5

    @pytest.mark.parametrize("field", ["timestamp_ms", "heard_ms", "at_ms"])
    @pytest.mark.parametrize("value", [-1, 10**15])
    def test_a_time_that_no_year_holds_is_refused_by_line(
        self, file_app: Flask, clocks: Clocks, tmp_path: Path, field: str, value: int
    ) -> None:
        """Years 1970 to 9000: a job of another year would make each list that reaches it 500."""
        site = inside(file_app)
        finished(site)
        clocks.pass_by(2 * DAY)
        pruned = retention.prune(database(file_app), days_ago(clocks, 1), tmp_path)
        assert pruned.file is not None
        wrong, count = re.subn(
            rb'("%b"):\d+' % field.encode(), rb"\1:%d" % value, gzip.decompress(pruned.file.read_bytes())
        )
        assert count
        (tmp_path / "wrong.jsonl").write_bytes(wrong)
        told = archive.read_back(database(file_app), tmp_path / "wrong.jsonl", clocks.now.wall_ms)
        assert (told.added, told.faults) == (0, [f"line 1: {field}: is no time of the years 1970 to 9000"])

    def test_a_file_that_is_cut_off_keeps_what_is_whole(self, file_app: Flask, clocks: Clocks, tmp_path: Path) -> None:
        finished(inside(file_app), 200)
        clocks.pass_by(2 * DAY)
        pruned = retention.prune(database(file_app), days_ago(clocks, 1), tmp_path)
        assert pruned.file is not None
        pruned.file.write_bytes(pruned.file.read_bytes()[:-200])
        told = archive.read_back(database(file_app), pruned.file, clocks.now.wall_ms)
        assert told.added >= 100
        assert told.faults == [f"the file breaks off after line {told.added}"]

    @pytest.mark.parametrize(
        "content", [b"Dear diary", b"[1, 2]", b'{"format": 2, "job": {}}', b"\xff\xfe", b'{"format": 1}']
    )
    def test_something_else_is_refused(self, file_app: Flask, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "other.jsonl").write_bytes(content)
        ended = run(tmp_path / "instance", "import", str(tmp_path / "other.jsonl"))
        assert ended.returncode == 1
        assert "line 1: " in ended.stderr
        assert rows(file_app, "job") == 0

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (
                b'{"format": 2, "job": {"rank": 7}}',
                "is of format 2, which a newer version of this service writes; this one reads up to 1: import it with"
                " that version",
            ),
            (b'{"format": "2"}', "is no job in the form that `flask prune --archive` writes"),
        ],
    )
    def test_a_line_of_a_newer_format_says_what_it_is(
        self, file_app: Flask, tmp_path: Path, content: bytes, said: str
    ) -> None:
        """It was said to be no job."""
        (tmp_path / "newer.jsonl").write_bytes(content)
        told = archive.read_back(database(file_app), tmp_path / "newer.jsonl", 0)
        assert told.faults == [f"line 1: {said}"]

    def test_a_line_with_a_column_of_a_newer_version_says_so(
        self, file_app: Flask, clocks: Clocks, tmp_path: Path
    ) -> None:
        finished(inside(file_app))
        clocks.pass_by(2 * DAY)
        pruned = retention.prune(database(file_app), days_ago(clocks, 1), tmp_path)
        assert pruned.file is not None
        line = json.loads(gzip.decompress(pruned.file.read_bytes()))
        line["job"]["colour"] = 7
        (tmp_path / "newer.jsonl").write_text(json.dumps(line), encoding="utf-8")
        told = archive.read_back(database(file_app), tmp_path / "newer.jsonl", clocks.now.wall_ms)
        (fault,) = told.faults
        assert fault.startswith("line 1: colour is not known to this version: a newer one may have written it")

    def test_two_prunes_at_once_never_share_one_archives_name(
        self, file_app: Flask, clocks: Clocks, tmp_path: Path
    ) -> None:
        """Both begin in the same second, and each begins before the other has written."""
        site = inside(file_app)
        jobs = finished(site, 2)
        clocks.pass_by(2 * DAY)
        files: list[Path | None] = []

        def prune_beside(done: int) -> None:
            if done and not files:
                files.append(retention.prune(database(file_app), days_ago(clocks, 1), tmp_path).file)

        files.append(
            retention.prune(
                database(file_app), days_ago(clocks, 1), tmp_path, prune_beside, retention.PruneRules(most_rows=4)
            ).file
        )
        assert len(set(files)) == len(list(tmp_path.glob("*.jsonl.gz"))) == 2
        for file in files:
            assert file is not None
            assert archive.read_back(database(file_app), file, clocks.now.wall_ms).added == 1
        assert len(shown(site, jobs)) == 2

    def test_where_nothing_is_old_no_file_is_left(self, file_app: Flask, tmp_path: Path) -> None:
        assert retention.prune(database(file_app), 0, tmp_path / "old").file is None
        assert list((tmp_path / "old").iterdir()) == []

    def test_killed_on_its_way_it_has_deleted_only_what_is_written(
        self, file_app: Flask, clocks: Clocks, tmp_path: Path
    ) -> None:
        site = inside(file_app)
        jobs = finished(site, 150)
        before = shown(site, jobs)
        clocks.pass_by(2 * DAY)
        arguments = [sys.executable, "-c", STOPPING, str(days_ago(clocks, 1)), str(tmp_path / "old")]
        variables = servers.environment(tmp_path / "instance")
        with subprocess.Popen(arguments, cwd=servers.ROOT, env=variables, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            done = int(process.stdout.readline())
            process.kill()
        assert 0 < done < 150
        assert rows(file_app, "job") == 150 - done
        (file,) = (tmp_path / "old").iterdir()
        assert archive.read_back(database(file_app), file, clocks.now.wall_ms).added == done
        assert shown(site, jobs) == before

    def test_on_a_full_disk_nothing_is_deleted(self, file_app: Flask, clocks: Clocks, tmp_path: Path) -> None:
        finished(inside(file_app), 3)
        clocks.pass_by(2 * DAY)
        with mounted(tmp_path / "small") as folder:
            fill(folder)
            with pytest.raises(TaskFailed, match=r"nothing more is deleted: .* No space left"):
                retention.prune(database(file_app), days_ago(clocks, 1), folder)
        assert rows(file_app, "job") == 3


@pytest.mark.sqlite("a disk too small for its file")
def test_on_a_database_without_room_it_ends_in_words_with_nothing_half_deleted(clocks: Clocks, tmp_path: Path) -> None:
    with mounted(tmp_path / "small") as folder:
        app = create_app({"TESTING": True, "INSTANCE": str(folder)})
        startup.prepare(app)
        jobs = finished(inside(app), 150)
        before = shown(inside(app), jobs)
        clocks.pass_by(2 * DAY)
        with database(app).engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        fill(folder)
        ended = run(folder, "prune", "--days", "1")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == (
            "Error: the database cannot be used now: the disk is full. Nothing was changed; try again in a moment.\n"
        )
        assert shown(inside(app), jobs) == before
        (folder / "ballast").unlink()
        assert run(folder, "prune", "--days", "1").stdout.startswith("Deleted 150 jobs")
        assert ledger.select(folder / "jobs.db", "PRAGMA integrity_check") == [("ok",)]
        database(app).close()


def test_the_server_prunes_once_a_day_by_itself(clocks: Clocks, tmp_path: Path) -> None:
    settings = {"KEEP_DAYS": 10, "ARCHIVE_FOLDER": str(tmp_path / "old"), "BACKUP_DAILY": False}
    app = create_app({"TESTING": True} | databases.at(tmp_path / "instance") | settings)
    startup.prepare(app)
    databases.put_on_duty(app)
    finished(inside(app), 2)
    keeper = service_of(app).daily_work
    now = datetime.fromtimestamp(clocks.now.wall_ms / 1000).astimezone()
    for days in range(10):
        keeper.look(now + timedelta(days=days))
    assert rows(app, "job") == 2
    for days in (10, 11):
        keeper.look(now + timedelta(days=days))
    keeper.look(now + timedelta(days=11, hours=1))
    assert rows(app, "job") == 0
    assert len(list((tmp_path / "old").iterdir())) == 1
    database(app).close()
