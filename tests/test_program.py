"""Texts that name a command name it as the program was called: outside a checkout `flask` finds no app."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from jobs_server import program
from jobs_server.__main__ import main

from .support import servers

FLASK = (sys.executable, "-m", "flask", "--app", "jobs_server")
JOBS_SERVER = (sys.executable, "-m", "jobs_server")
OF_FLASK = re.compile(r"\bflask (?!shell)[a-z]")
CODE = servers.ROOT / "jobs_server"


@pytest.mark.parametrize(
    ("called", "name"),
    [
        *(("/opt/jobs-server/bin/jobs-server", "jobs-server"), ("C:/desk/Scripts/jobs-server.exe", "jobs-server")),
        *(("/x/jobs_server/__main__.py", "jobs-server"), (".venv/bin/flask", "flask")),
        *(("/x/flask/__main__.py", "flask"), ("/usr/bin/gunicorn", "jobs-server")),
    ],
)
def test_it_is_known_by_which_name_the_program_was_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, called: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [called, "serve"])
    assert program.command("tokens list") == f"{name} tokens list"


def test_another_server_calls_it_by_the_name_that_works_in_its_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["/usr/bin/gunicorn"])
    assert program.name() == "jobs-server"
    (tmp_path / "wsgi.py").touch()
    assert program.name() == "flask"


@pytest.mark.parametrize(("command", "name"), [(FLASK, "flask"), (JOBS_SERVER, "jobs-server")])
def test_the_doctor_names_commands_as_it_was_called_itself(tmp_path: Path, command: tuple[str, ...], name: str) -> None:
    environment = servers.environment(tmp_path, {"JOBS_PORT": str(servers.free_port()), "COLUMNS": "200"})
    done = subprocess.run(
        [*command, "doctor"], cwd=servers.ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert f"start it with {name} serve" in done.stdout


def test_what_a_served_page_says_is_said_by_the_name_that_served_it(tmp_path: Path) -> None:
    """gunicorn takes the program's place, and its own name is none to call commands by."""
    code = (
        "import sys; sys.argv = ['jobs-server', 'serve']; from jobs_server import program; program.hand_on();"
        "sys.argv = ['gunicorn']; import os; os.execv(sys.executable, [sys.executable, '-c',"
        " 'import sys; sys.argv = [\"gunicorn\"]; from jobs_server import program; print(program.name())'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=servers.ROOT,
        env=servers.environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "jobs-server"


def _helps(command: click.Command, words: list[str]) -> list[tuple[list[str], str]]:
    shown = CliRunner().invoke(main, [*words, "--help"], prog_name="jobs-server", env={"COLUMNS": "200"}).output
    found = [(words, shown)]
    own = command.command() if hasattr(command, "command") else command
    if isinstance(own, click.Group) and words != ["db"]:
        for name, each in own.commands.items():
            found += _helps(each, [*words, name])
    return found


@pytest.mark.parametrize("name", [name for name in main.commands if name not in ("run", "shell", "routes", "db")])
def test_no_help_of_jobs_server_names_a_command_of_flask(name: str) -> None:
    wrong = [(words, shown) for words, shown in _helps(main.commands[name], [name]) if OF_FLASK.search(shown)]
    assert wrong == []


def test_no_text_names_a_command_by_the_one_name_alone() -> None:
    """Docstrings speak to programmers, help is shown with the name that was called, and settings' texts too."""
    commands = "|".join((*main.commands, "run"))
    spoken = re.compile(rf"""(?:["'`(: ]|<code>)flask (?:{commands})\b""")
    wrong = []
    for file in (*CODE.rglob("*.py"), *CODE.rglob("*.html"), *CODE.rglob("*.js")):
        text = re.sub(r'"""[\s\S]*?"""', "", file.read_text(encoding="utf-8")) if file.parent.name != "config" else ""
        lines = [line for line in text.splitlines() if not line.lstrip().startswith(("#", "from flask import"))]
        said = (line for line in lines if "Client(" not in line)  # which is what the program calls itself to a service
        wrong += [(file.name, line.strip()) for line in said if spoken.search(line)]
    assert wrong == []
