"""`flask jobs`: what a person types at the observatory's PC, and what they read."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner

from jobs_server import create_app

from ..conftest import inside, over_http
from ..support import databases, servers
from ..support.observatory import Observatory, a_command

Run = Callable[..., Result]


@pytest.fixture
def run(shared_app: Flask, desk: Observatory) -> Run:
    """Run a `flask jobs` command at the desk's site, on a terminal of a usual width."""

    def run(*arguments: str, standard_input: str | None = None, site: bool = True, width: int = 80) -> Result:
        at = ("--site", desk.site) if site else ()
        command = ["jobs", *arguments, *at]
        return FlaskCliRunner(shared_app).invoke(args=command, input=standard_input, env={"COLUMNS": str(width)})

    return run


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


class TestSend:
    """`flask jobs send`."""

    def test_a_job_is_sent_and_named(self, run: Run, desk: Observatory) -> None:
        said = good(run("send", "camera", "camera_1_1", "expose", "--user", "Vera"))
        (job,) = desk.polls()
        assert said == f"Sent expose to camera camera_1_1 at {desk.site}: {job['ulid']}\n"
        assert (job["user_name"], job["user_id"], job["required_params"]) == ("Vera", "Vera", {})

    def test_without_a_name_it_is_from_whoever_is_signed_in(
        self, run: Run, desk: Observatory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOGNAME", "tycho")
        good(run("send", "camera", "camera_1_1", "expose"))
        assert desk.polls()[0]["user_name"] == "tycho"

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            *(("5", 5), ("1.50", 1.5), ("true", True), ("null", None), ("[1, 2]", [1, 2]), ('{"a": 1}', {"a": 1})),
            *(("light", "light"), ('"5"', "5"), ("", ""), ("a=b", "a=b"), ("1,1", "1,1"), ("+5", "+5"), ("ü ☄", "ü ☄")),
            *(("NaN", "NaN"), ("1e400", "1e400"), ("05:30:00", "05:30:00"), ("007", "007"), ("9" * 30, int("9" * 30))),
        ],
    )
    def test_a_parameter_is_json_or_else_text(self, run: Run, desk: Observatory, text: str, value: object) -> None:
        good(run("send", "widget", "w1", "turn", "-p", f"key={text}"))
        kept = desk.polls()[0]["required_params"]["key"]
        assert (kept, type(kept)) == (value, type(value))

    def test_each_parameter_goes_where_the_action_takes_it(self, run: Run, desk: Observatory) -> None:
        good(run("send", "camera", "c", "expose", "-p", "time=5", "-p", "count=3", "-p", "unheard_of=1"))
        (job,) = desk.polls()
        assert job["required_params"] == {"time": 5, "unheard_of": 1}
        assert job["optional_params"] == {"count": 3}

    @pytest.mark.parametrize("parameter", ["time", "=5", ""])
    def test_a_parameter_without_a_name_is_refused(self, run: Run, desk: Observatory, parameter: str) -> None:
        result = run("send", "camera", "c", "expose", "-p", parameter)
        assert result.exit_code == 2
        assert f"{parameter!r} is not KEY=VALUE" in result.output
        assert desk.polls() == []

    @pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
    def test_a_job_comes_from_a_file(self, run: Run, desk: Observatory, tmp_path: Path, mark: str) -> None:
        (tmp_path / "job.json").write_text(mark + json.dumps(a_command(site=desk.site)), encoding="utf-8")
        good(run("send", "--file", str(tmp_path / "job.json"), site=False))
        (job,) = desk.polls()
        assert (job["user_name"], job["required_params"]) == ("Vera", a_command()["required_params"])

    @pytest.mark.parametrize("how", [("-",), ("--file", "-")])
    def test_or_from_standard_input(self, run: Run, desk: Observatory, how: tuple[str, ...]) -> None:
        body = {"device": "mount", "instance": "m", "action": "park"}
        good(run("send", *how, "--user", "Vera", standard_input=json.dumps(body)))
        (job,) = desk.polls()
        assert (job["action"], job["user_name"], job["optional_params"]) == ("park", "Vera", {})

    def test_a_site_that_is_named_goes_before_the_files(self, run: Run, desk: Observatory) -> None:
        good(run("send", "-", standard_input=json.dumps(a_command(site="elsewhere"))))
        assert len(desk.polls()) == 1

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            *(("{", "is not JSON"), ("", "is not JSON: it is empty"), ('{"site": NaN}', "is not JSON")),
            *(("[]", "must hold one JSON object"), ('"job"', "must hold one JSON object")),
            *(('{"device": "c"}', "missing required key instance"), ('{"device": 5}', "missing required key instance")),
        ],
    )
    def test_a_file_that_holds_no_job_is_refused(self, run: Run, desk: Observatory, text: str, why: str) -> None:
        result = run("send", "-", standard_input=text)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert why in result.stderr
        assert desk.lists() == []

    def test_a_file_that_is_no_text_is_refused(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "job.json").write_bytes(b"\xff\xfe\x00")
        result = run("send", "--file", str(tmp_path / "job.json"))
        assert result.exit_code == 1
        assert "is not JSON" in result.stderr

    @pytest.mark.parametrize(
        "arguments", [(), ("camera",), ("camera", "c"), ("camera", "c", "expose", "more"), ("--file", "nowhere.json")]
    )
    def test_half_a_command_is_refused_with_its_usage(self, run: Run, arguments: tuple[str, ...]) -> None:
        result = run("send", *arguments)
        assert result.exit_code == 2
        assert "Usage: " in result.stderr

    @pytest.mark.parametrize("more", [("-p", "a=1"), ("camera", "c", "expose")])
    def test_a_file_and_a_command_are_not_mixed(self, run: Run, desk: Observatory, more: tuple[str, ...]) -> None:
        result = run("send", "--file", "-", *more, standard_input=json.dumps(a_command(site=desk.site)))
        assert result.exit_code == 2
        assert "a job from a file is sent as it is" in result.stderr
        assert desk.lists() == []

    def test_for_programs_it_prints_the_job(self, run: Run, desk: Observatory) -> None:
        said = good(run("send", "camera", "c", "expose", "--json"))
        assert [json.loads(said)] == desk.polls()


class TestKey:
    """`flask jobs send --key`."""

    def test_the_same_command_with_the_same_key_is_sent_once(self, run: Run, desk: Observatory) -> None:
        said = [good(run("send", "camera", "c", "expose", "--key", "tonight")) for _ in range(2)]
        assert said[0] == said[1]
        assert len(desk.polls()) == 1

    def test_another_command_with_the_same_key_is_refused(self, run: Run, desk: Observatory) -> None:
        good(run("send", "camera", "c", "expose", "--key", "tonight"))
        result = run("send", "camera", "c", "darkslide_open", "--key", "tonight")
        assert result.exit_code == 1
        assert "was sent before with another command" in result.output

    def test_without_a_key_each_is_a_command_of_its_own(self, run: Run, desk: Observatory) -> None:
        assert good(run("send", "camera", "c", "expose")) != good(run("send", "camera", "c", "expose"))


class TestCancel:
    """`flask jobs cancel`."""

    def test_what_waits_will_not_begin(self, run: Run, desk: Observatory) -> None:
        job = desk.sends()
        said = good(run("cancel", job["ulid"], "--user", "Vera", site=False))
        assert said == f"Canceled: expose for camera camera_1_1 at {desk.site} will not begin.\n"
        assert desk.status(job) == "CANCELED"
        assert desk.shows(job)["history"][-1]["by"]["name"] == "Vera"

    def test_of_what_runs_the_site_is_asked_to_end_it(self, run: Run, desk: Observatory) -> None:
        job = desk.sends()
        desk.reports(job, "EXPOSING")
        said = good(run("cancel", job["ulid"], site=False))
        assert said == f"{desk.site} is asked to end expose for camera camera_1_1, now EXPOSING.\n"
        assert desk.reports(job, "EXPOSING").job["cancelRequested"]

    def test_what_has_ended_or_is_not_there_is_refused(self, run: Run, desk: Observatory) -> None:
        job = desk.sends()
        desk.reports(job, "COMPLETE")
        for ulid, why in (
            (job["ulid"], "is COMPLETE; there is nothing left to cancel"),
            ("01NO", "there is no job 01NO"),
        ):
            result = run("cancel", ulid, site=False)
            assert result.exit_code == 1
            assert why in result.output

    def test_for_programs_it_prints_the_job(self, run: Run, desk: Observatory) -> None:
        job = desk.sends()
        assert json.loads(good(run("cancel", job["ulid"], "--json", site=False)))["ulid"] == job["ulid"]


class TestCancelAll:
    """`flask jobs cancel-all`."""

    def test_what_waits_is_canceled_and_the_site_is_told(self, run: Run, desk: Observatory) -> None:
        waiting = desk.sends()
        said = good(run("cancel-all", "--user", "Vera"))
        (stop,) = desk.polls()
        assert (stop["action"], stop["user_name"]) == ("cancel_all_commands", "Vera")
        assert desk.status(waiting) == "CANCELED"
        assert (
            said == f"What waited at {desk.site} is canceled; the stop itself now waits for the site: {stop['ulid']}\n"
        )

    def test_its_help_says_that_it_is_no_emergency_stop(self, run: Run) -> None:
        assert "no emergency stop" in good(run("cancel-all", "--help"))


class TestList:
    """`flask jobs list`."""

    @pytest.mark.parametrize("width", [80, 200])
    def test_the_table_is_readable(self, run: Run, desk: Observatory, width: int) -> None:
        jobs = [desk.sends(), desk.sends("move_relative", device="focuser", instance="focuser1")]
        desk.starts(jobs[0])
        lines = [line for line in good(run("list", width=width)).splitlines() if line.strip()]
        assert lines[0].split() == ["UTC", "Job", "What", "By", "Status"]
        assert max(map(len, lines)) <= width
        for job in jobs:  # a ULID is copied from here: never cut, never wrapped
            assert sum(job["ulid"] in line for line in lines) == 1
        if width == 200:
            assert "expose camera camera_1_1" in lines[2]
            assert lines[2].rstrip().endswith("STARTED")
            assert lines[3].rstrip().endswith("UNREAD")

    def test_a_site_that_reads_the_alternate_queue_sees_both(self, run: Run, desk: Observatory) -> None:
        desk.reports(desk.sends(), "MIRRORED", alternateQueue=True)
        assert "UNREAD (alternate queue: MIRRORED)" in good(run("list", width=200))

    def test_a_name_cannot_command_the_terminal(self, run: Run, desk: Observatory) -> None:
        job = desk.sends(user_name="\x1b[2J\x1b]0;mine\x07", action="a\nb\x9b\u202e")
        desk.reports(job, "\x1b[31mred")
        for said in (good(run("list", width=200)), good(run("show", job["ulid"], site=False, width=200))):
            assert all(character.isprintable() for line in said.split("\n") for character in line)

    def test_it_looks_back_as_far_as_asked(self, run: Run, desk: Observatory) -> None:
        job = desk.sends()
        assert job["ulid"] in good(run("list", "--hours", "0.5"))
        assert good(run("list", "--hours", "0")) == f"No jobs at {desk.site} in the last 0 hours.\n"

    def test_nothing_is_said_to_be_nothing(self, run: Run, desk: Observatory) -> None:
        assert good(run("list")) == f"No jobs at {desk.site} in the last 24 hours.\n"
        assert json.loads(good(run("list", "--json"))) == []

    @pytest.mark.parametrize("hours", ["-1", "many", "nan", "inf", "1e308"])
    def test_hours_are_a_number(self, run: Run, hours: str) -> None:
        refused = run("list", "--hours", hours)
        assert refused.exit_code == 2
        assert "--hours" in refused.stderr

    def test_for_programs_it_prints_what_the_route_answers(self, run: Run, desk: Observatory) -> None:
        desk.sends(required_params={"n": 10**30})
        assert json.loads(good(run("list", "--json"))) == desk.lists()


class TestShow:
    """`flask jobs show`."""

    def test_one_job_and_its_whole_life(self, run: Run, desk: Observatory) -> None:
        job = desk.sends()
        desk.polls()
        desk.starts(job, secondsUntilComplete=30)
        desk.reports(job, "COMPLETE", message="seeing 1.2 arcsec")
        said = good(run("show", job["ulid"], site=False, width=120))
        for words in (
            "expose for camera camera_1_1",
            "Vera (auth0|vera)",
            '{"time":1.5,"image_type":"light"}',
            "30 s left",
        ):
            assert words in said
        table = [line.split() for line in said.splitlines()]
        told = [row[2] for row in table if len(row) > 2 and row[2] in {"UNREAD", "RECEIVED", "STARTED", "COMPLETE"}]
        assert told == ["UNREAD", "RECEIVED", "STARTED", "COMPLETE"]
        assert "seeing 1.2 arcsec" in said

    def test_for_programs_it_prints_what_the_route_answers(self, run: Run, desk: Observatory) -> None:
        job = desk.sends()
        assert json.loads(good(run("show", job["ulid"], "--json", site=False))) == desk.shows(job)

    def test_an_unknown_job_is_said_to_be_unknown(self, run: Run) -> None:
        result = run("show", "nonsense", site=False)
        assert (result.exit_code, result.stderr) == (1, "Error: there is no job nonsense\n")


@pytest.mark.parametrize("command", [("list",), ("watch",), ("cancel-all",), ("send", "camera", "c", "expose")])
class TestSite:
    """Which site is meant."""

    def test_it_must_be_named(self, run: Run, command: tuple[str, ...]) -> None:
        result = run(*command, site=False)
        assert result.exit_code == 2
        assert "name the site, such as --site wmd" in result.stderr

    def test_a_typo_is_refused(self, command: tuple[str, ...]) -> None:
        app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "SITES": ("wmd", "mrc1")})
        result = app.test_cli_runner().invoke(args=["jobs", *command, "--site", "wmd1"])
        assert result.exit_code == 2
        assert "there is no site wmd1; JOBS_SITES names wmd, mrc1" in result.stderr


def test_where_there_is_one_site_it_need_not_be_named() -> None:
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "SITES": ("mrc1",)})
    good(app.test_cli_runner().invoke(args=["jobs", "send", "camera", "c", "expose"]))
    assert len(inside(app, "mrc1").polls()) == 1


@pytest.mark.parametrize("command", ["send", "list", "show", "watch", "cancel", "cancel-all"])
def test_every_command_has_a_help(run: Run, command: str) -> None:
    said = good(run(command, "--help", site=False))
    assert "Usage: " in said
    assert "--json" in said


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("afar", [False, True], ids=["here", "afar"])
def test_watch_prints_what_happens_as_it_happens(tmp_path: Path, as_json: bool, afar: bool) -> None:
    with (
        servers.running("gunicorn", tmp_path / "instance") as server,
        httpx.Client(trust_env=False, timeout=60) as client,
    ):
        check_watch(over_http(server.url, client), tmp_path / "instance", server.url if afar else None, as_json)


def interrupted(process: subprocess.Popen[str]) -> int:
    """Press Ctrl-C as a person does: again, where the first fell between two steps of Python and the next wait."""
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(servers.STOP_SECONDS)
    raise AssertionError("Ctrl-C does not end it")


def check_watch(observatory: Observatory, instance: Path, url: str | None, as_json: bool) -> None:
    observatory.sends("earlier")
    command = [sys.executable, "-m", "flask", "--app", "jobs_server", "jobs", "watch", "--site", "wmd"]
    command += ["--url", url] if url else []
    environment = servers.environment(instance)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    with subprocess.Popen(
        [*command, *(["--json"] if as_json else [])],
        cwd=servers.ROOT,
        env=environment | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
        **pipes,
    ) as watcher:
        try:
            assert "Watching wmd" in watcher.stderr.readline()  # type: ignore[union-attr]
            if url:
                assert "The site's software is" in watcher.stderr.readline()  # type: ignore[union-attr]
            job = observatory.sends(required_params={"n": 10**30})
            observatory.sends(site="elsewhere")
            observatory.reports(job, "EXPOSING ☄", secondsUntilComplete=7, message="first light")
            lines = [watcher.stdout.readline() for _ in range(2)]  # type: ignore[union-attr]
            assert interrupted(watcher) == 0
        finally:
            watcher.kill()
    assert all(job["ulid"] in line for line in lines)
    if as_json:
        events = [json.loads(line) for line in lines]
        assert [event["event"]["to"] for event in events] == ["UNREAD", "EXPOSING ☄"]
        assert events[1]["job"]["required_params"] == {"n": 10**30}
    else:
        assert "camera camera_1_1 expose: UNREAD" in lines[0]
        assert lines[1].rstrip().endswith("EXPOSING ☄ 7 s left - first light")
