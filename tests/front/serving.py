"""A server of each kind whose clients have little time: `python -m tests.front.serving KIND PORT BOUNDS`.

BOUNDS is JSON, by the names of `Bounds`; the rest is as the settings say.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs_server.config import Settings
from jobs_server.front import bounds

from ..support import servers

KINDS = ("gunicorn", "waitress", "flask")


def start(
    kind: str, instance: Path, shortened: Mapping[str, float], settings: Mapping[str, str] | None = None
) -> servers.Server:
    """Start a server of a kind, with some bounds of its own."""
    instance.mkdir(parents=True, exist_ok=True)
    port = servers.free_port()
    command = [sys.executable, "-m", "tests.front.serving", kind, str(port), json.dumps(shortened)]
    variables = servers.environment(instance, {"JOBS_PORT": str(port)} | dict(settings or {}))
    return servers.launch(command, port, servers.ROOT, variables, instance / "server.log")


def _main(kind: str, port: str, shortened: Mapping[str, Any]) -> None:
    whole = bounds.bounds_of

    def bounds_of(settings: Settings, origins: Mapping[str, str]) -> bounds.Bounds:
        return replace(whole(settings, origins), **shortened)

    bounds.bounds_of = bounds_of
    if kind == "gunicorn":
        from gunicorn.app.wsgiapp import run

        sys.argv = ["gunicorn", "--config", "python:jobs_server.gunicorn_conf", "jobs_server.wsgi:application()"]
        run()
    else:
        from flask.cli import main

        serve = ["run"] if kind == "flask" else ["serve", "--server", kind]
        sys.argv = ["flask", "--app", "jobs_server", *serve, "--port", port]
        main()


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
