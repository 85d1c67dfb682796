"""The README keeps what it promises: the newcomer's commands, the ten lines; each promise has its test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs_server import create_app
from jobs_server.client import SiteClient
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..conftest import LONG
from ..support import databases, servers
from ..support.waiting import until

README = (servers.ROOT / "README.md").read_text(encoding="utf-8")
PROMISES = (servers.ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
WHO: dict[str, Any] = {"user_name": "Vera", "user_id": "auth0|vera"}


def snippet(heading: str) -> str:
    """Cut the code below a heading out of the README."""
    return README.split(f"## {heading}\n", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]


def test_site_software_in_ten_lines(tmp_path: Path) -> None:
    program = tmp_path / "site.py"
    program.write_text(snippet("Site software in ten lines"), encoding="utf-8")
    assert len([line for line in program.read_text(encoding="utf-8").splitlines() if line]) <= 10
    with servers.running("gunicorn", tmp_path / "instance") as server, SiteClient(server.url, "wmd") as client:
        done, stopped, wrong = (
            client.submit("camera", "c1", "expose", {"time": seconds}, **WHO) for seconds in (0, "3600", "empty")
        )
        command = [sys.executable, str(program), server.url]
        process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(servers.ROOT)})
        try:
            until(lambda: client.get(done).status == "COMPLETE")
            until(lambda: client.get(stopped).status == "EXPOSING")
            client.cancel(stopped, **WHO)
            until(lambda: client.get(stopped).status == "CANCELED")
            until(lambda: client.get(wrong).status == "FAILED")
        finally:
            process.kill()
            process.wait()


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    (command,) = [line for line in shell_lines() if line.endswith("pytest")]
    ci = servers.ROOT / ".ci" / "run"
    if not ci.exists():
        pytest.skip("the CI script is not part of this copy")
    assert command in ci.read_text(encoding="utf-8").splitlines()


def test_it_watches_before_it_sends() -> None:
    start = README.split("## Start\n", 1)[1].split("## ", 1)[0]
    sends, watches = (start.index(f"flask jobs {command}") for command in ("send", "watch"))
    assert watches < sends
    assert "```" in start[watches:sends], "to watch takes a terminal of its own"


def test_its_first_job_is_one_for_a_site_that_was_set_up_with_other_filters(tmp_path: Path) -> None:
    """It named a filter R: where the set-up named L alone, the job failed."""
    app = create_app({"TESTING": True, "BALLAST_MB": 0} | databases.at(tmp_path))
    startup.prepare(app)
    given = {"name": "Wendelstein", "code": "wmd", "place": "Munich", "devices": ["camera"], "filters": "L"}
    assert app.test_client().post("/set-up", data=given).status_code == 303
    [line] = [line for line in shell_lines() if " jobs send " in line]
    sent = app.test_cli_runner().invoke(args=line.split()[1:])
    service_of(app).database.close()
    assert sent.exit_code == 0, sent.output
    assert "Caution" not in sent.output


def test_all_say_the_same_of_how_many_tests_run_at_a_time() -> None:
    setup = (servers.ROOT / "setup.cfg").read_text(encoding="utf-8")
    (number,) = re.findall(r"^addopts = .*-n (\d+)", setup, re.MULTILINE)
    word = {"2": "two", "3": "three", "4": "four"}[number]
    contributing = (servers.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for text in (README, contributing):
        assert re.findall(r"(\w+)(?: tests)? at a time[,:]", text) == [word]


def test_every_flask_command_in_it_exists() -> None:
    runner = create_app().test_cli_runner()
    named = {match.group(1) for match in re.finditer(r"\.venv/bin/flask ([a-z-]+(?: [a-z][a-z-]*)?)", README)}
    for words in named - {"run"}:
        shown = runner.invoke(args=[*words.split(), "--help"])
        assert shown.exit_code == 0, (words, shown.output)


@pytest.mark.parametrize("path", re.findall(r"`(tests/[\w/]+\.py)", PROMISES))
def test_every_test_that_a_promise_names_exists(path: str) -> None:
    assert (servers.ROOT / path).is_file()


@pytest.mark.parametrize("name", [*databases.CORE, *LONG])
def test_every_test_file_that_a_run_picks_or_puts_first_exists(name: str) -> None:
    assert (servers.ROOT / "tests" / f"{name}.py").is_file()


def test_example_lines_in_help_texts_stay_lines() -> None:
    shown = create_app().test_cli_runner().invoke(args=["jobs", "send", "--help"]).output
    assert "\n  flask jobs send - < job.json\n" in shown
