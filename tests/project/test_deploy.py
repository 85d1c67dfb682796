"""What `deploy/` holds is what the tools that read it take, and fits the service."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jobs_server import config
from jobs_server.cli.agent import agent
from jobs_server.cli.agent import run as run_agent
from jobs_server.cli.serve import serve

from ..support.programs import needs
from ..support.servers import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted(path.name for path in DEPLOY.glob("jobs-server*.*") if path.suffix in (".service", ".timer"))
EXPOSED_AT_MOST = 15  # of 100: systemd calls 20 "OK", and an unhardened service 96


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program in them that is here."""
    for name in UNITS:
        text = (DEPLOY / name).read_text(encoding="utf-8").replace("/opt/jobs-server/bin/jobs-server", "/bin/true")
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_the_units(unit: str, units: Path) -> None:
    verified = run([needs("systemd-analyze"), "verify", str(units / unit)])
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.endswith(".service")])
def test_the_services_are_hardened(unit: str, units: Path) -> None:
    arguments = ["security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}", str(units / unit)]
    judged = run([needs("systemd-analyze"), *arguments])
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    linted = run([needs("hadolint"), str(DEPLOY / "Dockerfile")])
    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_compose_file_is_one_and_builds_that_dockerfile() -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="the extra `test` has it for Linux on x86-64")
    compose = compose_spec.PyCompose.from_yaml((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    compose.validate()
    assert (ROOT / compose.get_service("jobs-server").build.dockerfile).exists()


def test_the_windows_service_runs_a_command_that_there_is() -> None:
    service = ET.parse(DEPLOY / "jobs-server.xml").getroot()
    command, *arguments = shlex.split(service.findtext("arguments", ""))
    assert command == serve.name
    assert serve.make_context("serve", arguments).params["server"] == "waitress"
    assert {env.attrib["name"] for env in service.iter("env")} - {"PYTHONUNBUFFERED"} <= variables()


def test_the_agents_services_run_a_command_that_there_is() -> None:
    unit = (DEPLOY / "jobs-server-agent.service").read_text(encoding="utf-8")
    (by_systemd,) = re.findall(r"^ExecStart=\S+ (.*)$", unit, re.MULTILINE)
    by_winsw = ET.parse(DEPLOY / "jobs-server-agent.xml").getroot().findtext("arguments", "")
    for line in (by_systemd, by_winsw):
        group, command, *arguments = line.split()
        assert (group, command) == (agent.name, run_agent.name)
        given = run_agent.make_context("run", arguments).params
        assert given["config"].name.endswith("agent.toml")
        assert given["folder"]


def test_the_settings_in_the_environment_file_are_settings(tmp_path: Path) -> None:
    text = (DEPLOY / "environment").read_text(encoding="utf-8")
    given = dict(re.findall(r"^#?(JOBS_\w+)=(.*)$", text, re.MULTILINE))
    assert given.keys() <= variables()
    assert config.load(tmp_path, environ=given).settings.host == "0.0.0.0"


def test_the_readme_names_every_file_and_no_other() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    there = {path.name for path in DEPLOY.iterdir() if path.suffix not in (".md", ".dockerignore")} - {"__pycache__"}
    assert named == there


def test_the_command_tells_its_version() -> None:
    told = run([sys.executable, "-m", "jobs_server", "--version"])
    assert told.stdout == f"jobs-server {version('jobs-server')}\n"


def variables() -> set[str]:
    return {config.variable(name) for name in config.names()}


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
