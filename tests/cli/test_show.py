"""`jobs-server jobs list` and `show` read the file by themselves, and print what `flask jobs` prints of an app."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskCliRunner

from jobs_server.__main__ import main
from jobs_server.cli.sqlite_reads import SQLiteReads
from jobs_server.jobs import queries
from jobs_server.jobs.rows import in_a_list
from jobs_server.service import service_of
from jobs_server.state import previews

from ..conftest import inside
from ..state.pictures import png
from ..support.observatory import Observatory

pytestmark = pytest.mark.sqlite("PostgreSQL is read through SQLAlchemy")

Run = Callable[..., Result]


@pytest.fixture
def observatory(file_app: Flask) -> Observatory:
    """An observatory with jobs of many kinds behind it."""
    observatory = inside(file_app)
    for status in ("EXPOSING", "COMPLETE", "FAILED"):
        job = observatory.sends(required_params={"n": 10**30})
        observatory.starts(job, secondsUntilComplete=7)
        observatory.reports(job, status, message="seeing 1.2 arcsec ☄")
    observatory.reports(observatory.sends(), "MIRRORED", alternateQueue=True)
    observatory.sends(site="elsewhere")
    observatory.sends(user_name="\x1b[2J")
    return observatory


def run_alone(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})


@pytest.mark.parametrize("more", [(), ("--json",), ("--hours", "0")])
def test_a_list_is_the_same_with_an_app_and_without(
    file_app: Flask, observatory: Observatory, more: tuple[str, ...]
) -> None:
    arguments = ("jobs", "list", "--site", "wmd", *more)
    alone = run_alone(*arguments)
    through = FlaskCliRunner(file_app).invoke(args=list(arguments), env={"COLUMNS": "200"})
    assert (alone.exit_code, alone.output) == (0, through.output)
    assert "elsewhere" not in alone.output


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_job_is_the_same_with_an_app_and_without(
    file_app: Flask, observatory: Observatory, more: tuple[str, ...]
) -> None:
    for job in observatory.lists():
        arguments = ("jobs", "show", job["ulid"], *more)
        alone = run_alone(*arguments)
        through = FlaskCliRunner(file_app).invoke(args=list(arguments), env={"COLUMNS": "200"})
        assert (alone.exit_code, alone.output) == (0, through.output)


def test_a_list_says_why_a_job_failed_and_nothing_of_one_that_did_not(observatory: Observatory) -> None:
    lines = run_alone("jobs", "list", "--site", "wmd").output.splitlines()
    why = "seeing 1.2 arcsec ☄"
    assert [why in line for line in lines if "FAILED" in line] == [True]
    assert not [line for line in lines if why in line and "FAILED" not in line]
    assert observatory.lists()


def test_both_ways_read_the_same_rows(file_app: Flask, observatory: Observatory, tmp_path: Path) -> None:
    database = service_of(file_app).database
    with SQLiteReads(tmp_path / "instance" / "jobs.db", 1.0) as reads, database.reading() as connection:
        read = [row for page in reads.recent("wmd", 0) for row in page]
        assert read == [row for page in queries.recent(database, "wmd", 0) for row in page.jobs]
        assert len(read) == 5
        assert [row for page in reads.recent("wmd", read[3].timestamp_ms) for row in page] == [
            row for row in read if row.timestamp_ms >= read[3].timestamp_ms
        ]
        assert reads.reasons("wmd", 0) == queries.reasons(database, "wmd", 0)
        assert set(reads.reasons("wmd", 0).values()) == {"seeing 1.2 arcsec ☄"}
        for row in read:
            whole = queries.job_anywhere(connection, row.ulid)
            assert whole is not None
            assert in_a_list(whole) == row
            assert reads.job_with_history(row.ulid) == (whole, queries.history(connection, row.id))
            assert reads.pictures(row.id) == [each.name for each in previews.of_job(connection, row.id)]
        assert reads.job_with_history("nonsense") is None


def test_a_job_is_shown_with_its_result_and_the_names_of_its_pictures(
    file_app: Flask, observatory: Observatory
) -> None:
    job = observatory.sends()
    assert "Result" not in run_alone("jobs", "show", job["ulid"]).output
    assert "Pictures" not in run_alone("jobs", "show", job["ulid"]).output
    observatory.reports(job, "EXPOSING", result={"frames": 1, "fwhm_arcsec": 2.5})
    observatory.reports(job, "COMPLETE", result={"frames": 2})
    for name in ("first.png", "second [2J"):
        query = {"site": "wmd", "ulid": job["ulid"], "name": name}
        reply = file_app.test_client().post("/jobs/preview", query_string=query, data=png(4, 4))
        assert reply.status_code == 200, reply.text
    alone = run_alone("jobs", "show", job["ulid"]).output
    assert re.search(r'Result +{"frames":2,"fwhm_arcsec":2.5} *\n', alone), alone
    assert re.search(r"Pictures +second \[2J, first.png *\n", alone), alone
    through = FlaskCliRunner(file_app).invoke(args=["jobs", "show", job["ulid"]], env={"COLUMNS": "200"})
    assert through.output == alone


def test_the_reads_go_by_indexes(observatory: Observatory, tmp_path: Path) -> None:
    from jobs_server.cli import sqlite_reads

    with SQLiteReads(tmp_path / "instance" / "jobs.db", 1.0) as reads:
        for sql in (sqlite_reads._RECENT, sqlite_reads._BY_ULID, sqlite_reads._HISTORY):
            values = dict.fromkeys(re.findall(r":(\w+)", sql), 1)
            plan = [row[3] for row in reads._rows(f"EXPLAIN QUERY PLAN {sql}", values)]
            assert all(re.search(r"USING (COVERING )?INDEX", step) for step in plan), plan


def test_an_unknown_job_is_said_to_be_unknown(observatory: Observatory) -> None:
    result = run_alone("jobs", "show", "nonsense")
    assert (result.exit_code, result.stderr) == (1, "Error: there is no job nonsense\n")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda folder: None, "its file cannot be opened (was it ever prepared?"),
        (lambda folder: folder.mkdir(), "it was never prepared"),
        (
            lambda folder: (folder.mkdir(), (folder / "jobs.db").write_bytes(b"no database" * 999)),
            "its file is no data",
        ),
    ],
    ids=["no folder", "no file", "another file"],
)
def test_a_database_that_cannot_be_read_is_said_to_be_so(
    tmp_path: Path, damage: Callable[[Path], object], why: str
) -> None:
    damage(tmp_path / "instance")
    for command in (["jobs", "list", "--site", "wmd"], ["jobs", "show", "x"], ["lockout", "list", "--site", "wmd"]):
        result = run_alone(*command)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"Error: the database cannot be used now: {why}")


def test_a_database_that_is_named_is_read(
    monkeypatch: pytest.MonkeyPatch, observatory: Observatory, tmp_path: Path
) -> None:
    monkeypatch.setenv("JOBS_INSTANCE", str(tmp_path / "another"))
    for url in (f"sqlite:///{tmp_path}/instance/jobs.db", f"sqlite:///{tmp_path}/instance/jobs.db?timeout=3"):
        monkeypatch.setenv("JOBS_DATABASE_URL", url)
        assert len(json.loads(run_alone("jobs", "list", "--site", "wmd", "--json").output)) == 5
