"""What `flask jobs send` is given becomes a command without a way through JSON; what JSON cannot hold is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from jobs_server.domain.strict_json import MAX_NESTING
from jobs_server.service import service_of

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


def test_a_filter_that_the_site_does_not_name_goes_out_with_a_caution(file_app: Flask) -> None:
    """A profile lists its filters; filter `Zz` or camera `cam #9` goes out without a caution."""
    instance = Path(service_of(file_app).settings.instance)
    (instance / "site.toml").write_text('code = "wmd"\n[devices.camera]\nfilters = ["R", "V"]\n', encoding="utf-8")
    devices = {"camera/c1": {"filters": ["Zz"], "limits": {"time": [0, 60]}}}
    file_app.test_client().post("/jobs/capabilities", json={"site": "wmd", "devices": devices})
    run = FlaskCliRunner(file_app).invoke
    to_wmd = ("jobs", "send", "--site", "wmd", "--json")
    result = run(args=[*to_wmd, "camera", "c1", "expose", "-p", "filter=Zz", "-p", "time=61"])
    assert result.stderr == (
        "Caution: wmd has no filter 'Zz'; it has R, V.\nCaution: c1 takes a time from 0 to 60, not 61.\n"
    )
    assert json.loads(result.stdout)["required_params"] == {"time": 61}
    result = run(args=[*to_wmd, "camera", "cam #9", "expose"])
    assert result.stderr == "Caution: wmd has no camera 'cam #9'; it has c1.\n"
    assert run(args=[*to_wmd, "camera", "cam #9", "stop"]).stderr == ""


def test_a_profile_that_cannot_be_read_hinders_no_job(file_app: Flask) -> None:
    file = Path(service_of(file_app).settings.instance) / "site.toml"
    arguments = ["jobs", "send", "widget", "w1", "turn", "--site", "wmd"]
    file.write_text("code", encoding="utf-8")
    result = FlaskCliRunner(file_app).invoke(args=arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("What wmd has is not known now: ")


def test_a_slew_to_a_name_that_is_down_is_sent_only_with_a_yes(file_app: Flask) -> None:
    instance = Path(service_of(file_app).settings.instance)
    (instance / "site.toml").write_text('code = "wmd"\nlatitude_deg = 89.0\nlongitude_deg = 0.0\n', encoding="utf-8")
    slew = ("jobs", "send", "--site", "wmd", "mount", "mount1", "go", "--json", "--target")
    run = FlaskCliRunner(file_app).invoke
    refused = run(args=[*slew, "acrux"])
    assert refused.exit_code == 1
    assert "Caution: Acrux stands " in refused.stderr
    assert "below the horizon." in refused.stderr
    assert "nothing is sent; with --sure it is sent all the same" in refused.stderr
    sent = json.loads(run(args=[*slew, "acrux", "--sure"]).stdout)
    assert sent["optional_params"]["object"] == "Acrux"
    assert run(args=[*slew, "polaris"]).exit_code == 0
    assert "no target here is called 'no such thing'" in run(args=[*slew, "no such thing"]).stderr


def test_a_job_is_held_until_a_time(shared_app: Flask, desk: Observatory) -> None:
    """`flask jobs send` could not say when a job may go out."""
    at = (datetime.now(UTC) + timedelta(hours=20)).replace(microsecond=0)
    arguments = ["jobs", "send", "mount", "mount1", "park", "--site", desk.site, "--not-before"]
    run = FlaskCliRunner(shared_app).invoke
    result = run(args=[*arguments, at.astimezone(timezone(timedelta(hours=-7))).isoformat()])
    assert result.exit_code == 0, result.output
    assert f", held until {at:%Y-%m-%dT%H:%M:%SZ}: " in result.stdout
    assert desk.polls() == []
    assert desk.posts("getqueue", {"site": desk.site}).json["jobs"][0]["notBefore_ms"] == at.timestamp() * 1000
    for time, why in (
        ("tonight", "--not-before must be a time such as 2026-11-24T20:15, not 'tonight'; nothing was sent"),
        (f"{at:%Y-%m-%dT%H:%M}", "with its offset, such as +01:00"),
        ((at + timedelta(hours=20)).isoformat(), "notBefore must be at most 36 hours ahead"),
    ):
        result = run(args=[*arguments, time])
        assert (result.exit_code, why in result.stderr) == (1, True), result.stderr
    assert len(desk.lists()) == 1
