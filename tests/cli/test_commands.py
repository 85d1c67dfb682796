"""Commands are found by name: what a list says of them is true, and each loads what it uses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup

from jobs_server.__main__ import FLASKS, main
from jobs_server.cli import COMMANDS, DB
from jobs_server.cli.jobs import COMMANDS as JOBS
from jobs_server.cli.lazy_commands import NamedCommand, Place

from ..conftest import inside
from ..support import servers

ALL: Mapping[str, Place] = {**COMMANDS, **FLASKS, "db": DB, **{f"jobs {name}": place for name, place in JOBS.items()}}

SERVERS = ("flask", "sqlalchemy", "alembic", "pydantic", "jobs_server.jobs.operations", "jobs_server.service")
"""What takes long to load and only a server, or a command that writes, has a use for."""


@pytest.mark.parametrize("name", ALL)
def test_a_list_says_of_a_command_what_its_own_help_says(name: str) -> None:
    stand_in = NamedCommand(name, ALL[name])
    command = stand_in.command()
    assert command.get_short_help_str(1000) == stand_in.get_short_help_str(1000)
    assert command.name == name.rsplit(maxsplit=1)[-1]


def test_the_table_is_what_the_command_line_has() -> None:
    assert set(main.list_commands(click.Context(main))) == {*COMMANDS, *FLASKS, "db"}


def test_what_is_installed_with_the_service_brings_no_commands_of_its_own(shared_app: Flask) -> None:
    setup = ConfigParser()
    setup.read(servers.ROOT / "setup.cfg", encoding="utf-8")
    needed = set(re.findall(r"^([\w-]+)", setup["options"]["install_requires"], re.MULTILINE))
    plugins = {each.name: each.dist.name.lower() for each in entry_points(group="flask.commands") if each.dist}
    group = FlaskGroup(create_app=lambda: shared_app)
    listed = set(group.list_commands(group.make_context("flask", [], resilient_parsing=True)))
    assert listed - {name for name, package in plugins.items() if package not in needed} == {*COMMANDS, *FLASKS, "db"}


def loaded_by(code: str, instance: Path, *arguments: str) -> set[str]:
    """Run Python in a process of its own, and list the modules that it has loaded at its end."""
    end = "\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + end, *arguments],
        cwd=instance.parent,
        env=servers.environment(instance) | {"PYTHONPATH": str(servers.ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def loaded_by_command(instance: Path, *arguments: str) -> set[str]:
    code = "import sys\nfrom jobs_server.__main__ import main\nmain(sys.argv[1:], standalone_mode=False)"
    return loaded_by(code, instance, *arguments)


@pytest.fixture
def kept(file_app: Flask, tmp_path: Path) -> Path:
    """The instance folder of a database with a job in it."""
    inside(file_app).sends()
    return tmp_path / "instance"


@pytest.mark.sqlite("PostgreSQL is read through SQLAlchemy")
@pytest.mark.parametrize(
    "command",
    [
        *(["--help"], ["jobs", "--help"], ["jobs", "list", "--help"], ["jobs", "watch", "--help"]),
        *(["jobs", "list", "--site", "wmd"], ["jobs", "list", "--site", "wmd", "--json"]),
        *(["simulate", "--help"], ["version"], ["serve", "--help"], ["settings", "--json"]),
    ],
    ids=" ".join,
)
def test_what_needs_no_server_loads_none(kept: Path, command: list[str]) -> None:
    loaded = loaded_by_command(kept, *command)
    expected = {"sqlalchemy"} & loaded if command[0] == "settings" else set()
    assert loaded & set(SERVERS) == expected


def test_what_speaks_http_alone_loads_the_client_alone() -> None:
    loaded = loaded_by("import jobs_server.cli.simulate, jobs_server.cli.watch_service", servers.ROOT / "nowhere")
    assert "jobs_server.client" in loaded
    assert loaded & set(SERVERS) == set()


def test_what_draws_codes_for_phones_is_loaded_where_one_is_shown_alone(kept: Path) -> None:
    loaded = loaded_by(
        "from jobs_server.upkeep import startup; startup.announce_address('serve', '192.0.2.7', 1)", kept
    )
    assert "jobs_server.upkeep.startup" in loaded
    assert "segno" not in loaded


@pytest.mark.sqlite("psycopg would load PostgreSQL's dialect")
@pytest.mark.parametrize("command", [["jobs", "send", "camera", "c", "expose", "--site", "wmd"], ["tokens", "list"]])
def test_what_writes_the_database_makes_no_app(kept: Path, command: list[str]) -> None:
    loaded = loaded_by_command(kept, *command)
    assert "sqlalchemy" in loaded
    assert loaded & {"flask", "alembic", "httpx", "tomlkit", "rich.progress", "psycopg"} == set()


@pytest.mark.sqlite("PostgreSQL is read through SQLAlchemy")
@pytest.mark.parametrize("arguments", [["--help"], ["jobs", "list", "--site", "wmd"], ["nonsense"]], ids=" ".join)
def test_flask_makes_no_whole_app_to_find_a_command(kept: Path, arguments: list[str]) -> None:
    code = (
        "import os, sys\nfrom flask.cli import main\n"
        f"os.chdir({str(servers.ROOT)!r})\n"
        "sys.argv[0] = 'flask'\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert loaded_by(code, kept, *arguments) & {"sqlalchemy", "jobs_server.service", "pydantic"} == set()


def test_flask_has_the_whole_app_for_commands_of_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "routes"],
        cwd=servers.ROOT,
        env=servers.environment(tmp_path / "instance"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "/jobs/newjob" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "incomplete", "found"),
    [
        *(([], "ver", ["version"]), ([], "ru", ["run"]), (["jobs"], "ca", ["cancel", "cancel-all"])),
        *((["jobs", "list"], "--h", ["--hours", "--help"]), (["run"], "--por", ["--port"])),
    ],
)
def test_the_tab_key_completes(words: list[str], incomplete: str, found: list[str]) -> None:
    completion = ShellComplete(main, {}, "jobs-server", "_JOBS_SERVER_COMPLETE")
    assert [item.value for item in completion.get_completions(words, incomplete)] == found


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["nonsense"])
    assert result.exit_code == 2
    assert "No such command 'nonsense'" in result.output


def test_debug_mode_is_set_for_commands_of_flask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "0")
    result = CliRunner().invoke(main, ["--debug", "routes"])
    assert result.exit_code == 0, result.output
    assert "/jobs/newjob" in result.output


def test_a_file_of_variables_is_read_where_there_is_a_package_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "variables").write_text("JOBS_SITES=wmd\n", encoding="utf-8")
    monkeypatch.setattr("jobs_server.__main__.find_spec", lambda _name: None)
    result = CliRunner().invoke(main, ["-e", str(tmp_path / "variables"), "version"])
    assert result.exit_code == 2
    assert "python-dotenv must be installed" in result.output
