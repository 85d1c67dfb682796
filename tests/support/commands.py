"""Commands of the service, run as a person at the terminal runs them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from jobs_server import create_app
from jobs_server.service import service_of

from . import databases
from .servers import ROOT, environment


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(instance: Path, *arguments: str, **settings: object) -> Ended:
    """Run a command such as `backup` on an instance folder, in this process."""
    app = create_app(databases.at(instance) | settings)
    result = app.test_cli_runner().invoke(args=list(arguments))
    service_of(app).database.close()
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def run_apart(instance: Path, *arguments: str, **settings: str) -> Ended:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "jobs_server", *arguments]
    variables = environment(instance, settings)
    ended = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120, check=False)
    return Ended(ended.returncode, ended.stdout, ended.stderr)
