"""`flask template`: plans and commands to use again, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner

from ..support.observatory import Observatory
from ..support.plans import plans

Run = Callable[..., Result]
SERIES = "device,instance,action,time,filter\ncamera,c1,expose,60,R\ncamera,c1,expose,30,V\n"


@pytest.fixture
def run(shared_app: Flask, desk: Observatory) -> Run:
    def call(*arguments: str) -> Result:
        return FlaskCliRunner(shared_app).invoke(args=["template", *arguments, "--site", desk.site, "--user", "vera"])

    return call


def test_a_plan_of_a_file_is_kept_listed_sent_and_deleted(run: Run, desk: Observatory, tmp_path: Path) -> None:
    """Templates were there on pages and over HTTP, and not at the terminal."""
    file = tmp_path / "series.csv"
    file.write_text(SERIES, encoding="utf-8")
    assert run("save", "Two filters", str(file)).stdout == f"Saved: Two filters (plan) at {desk.site}.\n"
    assert run("list").stdout == "Two filters  (plan, your own, saved by vera)\n"
    sent = json.loads(run("send", "Two filters", "--json").stdout)
    assert (sent["title"], sent["of"], sent["state"]) == ("series", 2, "running")
    (job,) = desk.polls()
    assert job["optional_params"]["filter"] == "R"
    assert run("delete", "Two filters").stdout == f"Deleted: Two filters at {desk.site}.\n"
    assert run("list").stdout == f"No templates at {desk.site}.\n"
    gone = run("send", "Two filters")
    assert (gone.exit_code, "there is no template 'Two filters'" in gone.stderr) == (1, True)


def test_a_job_is_kept_for_everybody_and_sent_again_to_begin_later(run: Run, desk: Observatory) -> None:
    job = desk.sends("home", device="mount", instance="mount1", required_params={}, optional_params={})
    desk.polls()
    assert run("save", "Home", "--job", job["ulid"], "--of-site").exit_code == 0
    assert run("list").stdout == "Home  (command, of the site, saved by vera)\n"
    late = run("send", "Home", "--not-before", "2126-01-01T00:00:00Z")
    assert (late.exit_code, "at most 36 hours ahead" in late.stderr) == (1, True)
    assert run("send", "Home", "--until", "2126-01-01T00:00:00Z").exit_code == 2
    assert run("send", "Home").stdout.startswith(f"Sent home to mount mount1 at {desk.site}: ")
    assert [each["action"] for each in desk.polls()] == ["home"]


def test_a_plan_that_was_sent_is_kept(run: Run, desk: Observatory) -> None:
    plan = plans(desk)
    assert run("save", "M42", "--plan", plan["id"]).exit_code == 0
    assert json.loads(run("list", "--json").stdout)[0]["plan"]["title"] == "M42"


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["save", "x"], 2, "say FILE, --plan ID or --job ULID, one of the three"),
        (["save", "x", "--plan", "none"], 1, "there is no plan none"),
        (["save", "x", "--job", "none"], 1, "there is no job none"),
        (["delete", "x"], 1, "there is no template x among your own"),
        (["send", "x", "--not-before", "tonight"], 1, "there is no template 'x'"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: list[str], code: int, why: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, why in result.stderr) == (code, True), result.stderr


def test_a_broken_line_is_named_and_nothing_is_saved(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text(SERIES + 'camera,c1,"expose,5,B\n', encoding="utf-8")
    result = run("save", "x", str(file))
    assert (result.exit_code, "line 4" in result.stderr, "nothing was saved" in result.stderr) == (1, True, True)
    assert "No templates" in run("list").stdout
