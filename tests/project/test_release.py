"""A release is a tag that says what setup.cfg says, and the changelog tells of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from flask import Flask

from ..support.programs import needs
from ..support.servers import ROOT

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-24\n\n- Something.\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project at version 1.2.3, with one commit."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "check-tag", tmp_path / ".ci")
    (tmp_path / "setup.cfg").write_text("[metadata]\nversion = 1.2.3\n", encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "x")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run([needs("git"), *arguments], cwd=folder, check=True, capture_output=True)


def checks(folder: Path, *tags: str) -> tuple[int, str]:
    command = [sys.executable, str(folder / ".ci" / "check-tag"), *tags]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_a_commit_without_a_tag_is_no_release(project: Path) -> None:
    assert checks(project) == (0, "")


def test_a_tag_that_is_the_version_is_good(project: Path) -> None:
    git(project, "tag", "v1.2.3")
    git(project, "tag", "before-the-move")
    assert checks(project) == checks(project, "v1.2.3") == (0, "")


@pytest.mark.parametrize("tag", ["v1.2.4", "v1.2", "v1.2.3rc1"])
def test_any_other_is_not(project: Path, tag: str) -> None:
    git(project, "tag", tag)
    assert checks(project) == (1, f"the tag is {tag}, setup.cfg says 1.2.3: it would be v1.2.3\n")


def test_a_release_that_the_changelog_does_not_know_is_not_good(project: Path) -> None:
    (project / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n", encoding="utf-8")
    code, said = checks(project, "v1.2.3")
    assert (code, "CHANGELOG.md has no section [1.2.3]" in said) == (1, True)


def test_this_commit_is_no_release_or_a_good_one() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone, so there are no tags to look at")
    assert checks(ROOT) == (0, "")


def test_the_commands_tell_the_version(shared_app: Flask) -> None:
    told = shared_app.test_cli_runner().invoke(args=["version"]).stdout.splitlines()
    assert told[0] == f"jobs-server {version('jobs-server')}"
    assert "SQLite 3." in told[1]
