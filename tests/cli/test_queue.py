"""`flask queue`, and what of `flask jobs` changes what waits."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner

from ..jobs.test_claims import ulids
from ..jobs.test_queue import MOUNT, sends
from ..support.observatory import Observatory

Run = Callable[..., Result]


@pytest.fixture
def run(shared_app: Flask, desk: Observatory) -> Run:
    def run(*arguments: str) -> Result:
        return FlaskCliRunner(shared_app).invoke(args=list(arguments))

    return run


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_job_is_moved(run: Run, desk: Observatory) -> None:
    a, b, c = sends(desk, 3)
    said = good(run("jobs", "move", c["ulid"], "first", "--user", "Vera"))
    assert said == f"expose for camera camera_1_1 at {desk.site} goes first now.\n"
    assert json.loads(good(run("jobs", "move", a["ulid"], "last", "--json")))["ulid"] == a["ulid"]
    assert ulids(desk.polls()) == ulids([c, b, a])
    result = run("jobs", "move", a["ulid"], "first")
    assert (result.exit_code, "is RECEIVED; only what waits" in result.output) == (1, True)
    assert "there is no job nothing" in run("jobs", "move", "nothing", "first").output


def test_a_job_is_edited_key_by_key(run: Run, desk: Observatory) -> None:
    job = desk.sends(required_params={"time": 1, "image_type": "light"}, optional_params={"count": 2})
    good(run("jobs", "edit", job["ulid"], "-p", "time=30", "-p", "count=3", "--instance", "camera_2"))
    (edited,) = desk.polls()
    assert edited["required_params"] == {"time": 30, "image_type": "light"}
    assert (edited["optional_params"], edited["deviceInstance"]) == ({"count": 3}, "camera_2")
    assert "must say what is to be changed" in run("jobs", "edit", job["ulid"]).output


def test_a_job_is_sent_again_as_a_new_one(run: Run, desk: Observatory) -> None:
    job = desk.sends()
    desk.polls()
    other = desk.sends(**MOUNT)
    good(run("jobs", "again", job["ulid"], "--next", "--user", "Vera"))
    new, last = desk.polls()
    assert (new["required_params"], new["user_name"], last["ulid"]) == (job["required_params"], "Vera", other["ulid"])
    assert new["ulid"] != job["ulid"]


def test_a_queue_is_paused_shown_and_resumed(run: Run, desk: Observatory) -> None:
    job = desk.sends()
    said = good(run("queue", "pause", "--site", desk.site, "--note", "clouds", "--user", "Vera"))
    assert said.startswith(f"the queue of {desk.site} is paused by Vera since ")
    assert desk.polls() == []
    shown = good(run("queue", "show", "--site", desk.site))
    assert "clouds" in shown
    assert job["ulid"] in shown
    assert good(run("queue", "resume", "--site", desk.site)) == f"The queue of {desk.site} goes on.\n"
    assert ulids(desk.polls()) == [job["ulid"]]
    assert "is not paused" in run("queue", "resume", "--site", desk.site).output
