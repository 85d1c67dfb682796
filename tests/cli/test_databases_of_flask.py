"""`jobs-server` works on the database that the app works on, also where its URL is more than a path."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from jobs_server.__main__ import main

pytestmark = pytest.mark.sqlite("only URLs of SQLite have these forms")


def lists_jobs(url: str) -> Result:
    arguments = ("jobs", "list", "--site", "wmd")
    return CliRunner().invoke(main, arguments, env={"JOBS_DATABASE_URL": url, "COLUMNS": "200"})


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_prepared(url: str) -> None:
    assert lists_jobs(url).output == "No jobs at wmd in the last 24 hours.\n"


def test_a_relative_file_uri_is_below_the_folder_of_the_app_not_the_one_at_hand(
    file_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lists_jobs(f"sqlite:///{tmp_path}/instance/jobs.db").exit_code == 0
    assert "cannot be opened" in lists_jobs("sqlite:///file:instance/jobs.db?mode=ro&uri=true").stderr
