"""Every snippet of the guides runs, as it stands, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from jobs_server import config

from ..support import servers
from ..support.programs import needs

DOCS = servers.ROOT / "docs"
GUIDES = ("operators-guide.md", "site-programmers-guide.md", "web-clients-guide.md")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.running("gunicorn", tmp_path_factory.mktemp("guides") / "instance") as server:
        yield server


def snippets(guide: str) -> list[tuple[str, str]]:
    text = (DOCS / guide).read_text(encoding="utf-8")
    return re.findall(r"^```(python|sh|js)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.sqlite("the guides back up a file")
@pytest.mark.parametrize(("guide", "number"), [(guide, n) for guide in GUIDES for n in range(len(snippets(guide)))])
def test_a_snippet_runs(guide: str, number: int, server: servers.Server, tmp_path: Path) -> None:
    kind, text = snippets(guide)[number]
    command = {
        "python": [sys.executable],
        "sh": [needs("bash"), "-euo", "pipefail"],
        "js": [str(compute_driver_executable()[0]), "--input-type=module"],
    }[kind]
    (tmp_path / "jobs-server").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobs_server "$@"\n', encoding="utf-8")
    (tmp_path / "jobs-server").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBS_")}
    environment |= {
        "PYTHONPATH": str(servers.ROOT),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "JOBS_INSTANCE": str(server.log.parent),
        "JOBS_PORT": str(server.port),
    }
    done = subprocess.run(
        command,
        input=text.replace("ADDRESS", f"{server.url}/jobs"),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_that_is_named_exists() -> None:
    of_tests = {"JOBS_TEST_ALL", "JOBS_TEST_ALPACA", "JOBS_TEST_FIRST_EDITION", "JOBS_TEST_KILLS"}
    known = {config.variable(name) for name in config.names()} | of_tests
    for path in (*DOCS.glob("*.md"), servers.ROOT / "CHANGELOG.md", servers.ROOT / "CONTRIBUTING.md"):
        assert set(re.findall(r"\bJOBS_[A-Z0-9_]+[A-Z0-9]", path.read_text(encoding="utf-8"))) <= known, path


def test_every_file_that_is_linked_exists() -> None:
    for path in DOCS.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), (path, target)


def test_the_version_that_is_told_is_the_one_in_setup_cfg() -> None:
    text = (servers.ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert f"version = {version('jobs-server')}\n" in text
