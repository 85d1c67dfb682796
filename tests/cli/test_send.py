"""What `flask jobs send` is given becomes a command without a way through JSON; what JSON cannot hold is refused."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from jobs_server.domain.strict_json import MAX_NESTING

from ..support.observatory import Observatory


@pytest.mark.parametrize(
    ("parameter", "why"),
    [
        ("key=\udcff", "a text holds half of a character"),
        ("\udcff=5", "a text holds half of a character"),
        (f"key={'[' * MAX_NESTING}{']' * MAX_NESTING}", f"it is nested deeper than {MAX_NESTING} levels"),
    ],
    ids=["half a character", "half a character as a name", "too deep"],
)
def test_what_no_json_could_hold_is_refused(shared_app: Flask, desk: Observatory, parameter: str, why: str) -> None:
    arguments = ["jobs", "send", "widget", "w1", "turn", "--site", desk.site, "-p", parameter]
    result = FlaskCliRunner(shared_app).invoke(args=arguments)
    assert (result.exit_code, result.stderr) == (1, f"Error: the body is not JSON: {why}\n")
    assert desk.lists() == []


def test_what_json_can_hold_is_sent_as_it_is(shared_app: Flask, desk: Observatory) -> None:
    value = {"☄": [10**30, 1.5, None, {"": "\n"}]}
    arguments = ["jobs", "send", "widget", "w1", "turn", "--site", desk.site, "-p", f"key={json.dumps(value)}"]
    assert FlaskCliRunner(shared_app).invoke(args=arguments).exit_code == 0
    assert desk.polls()[0]["required_params"] == {"key": value}
