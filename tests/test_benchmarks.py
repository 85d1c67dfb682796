"""The measurements run, so that they cannot rot; what they find is no matter of tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks import routes

from .support.servers import ROOT


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn, which is measured, does not run on Windows")
def test_each_route_is_measured_beside_the_floor() -> None:
    command = [sys.executable, "-m", "benchmarks.routes", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    measured = [(row[0].removeprefix("| "), int(row[1])) for row in rows]
    assert measured == [(case.name, connections) for case in routes.CASES for connections in routes.CONNECTIONS]
    assert all(float(row[2]) > 0 for row in rows)
