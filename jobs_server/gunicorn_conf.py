"""gunicorn's configuration (`--config python:jobs_server.gunicorn_conf`): what `flask serve` runs on Linux and macOS.

The names are gunicorn's settings; what may differ between installations comes from this service's own settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from . import create_app
from .api import shared_counts
from .front import gunicorn_worker
from .front.bounds import bounds_of
from .service import service_of
from .upkeep import unfailing_streams
from .upkeep.handles import allow_enough
from .upkeep.startup import announce, announce_address, begin, processes, refusals_end_the_process

unfailing_streams.begin()
with refusals_end_the_process():
    _made = [create_app()]
_service = service_of(_made[0])
_settings = _service.settings

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108

bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
allow_enough()
proc_name = "jobs-server"
# gunicorn's threaded worker, with whole requests alone for its threads.
worker_class = gunicorn_worker.WholeRequestWorker
gunicorn_worker.WholeRequestWorker.bounds = bounds_of(_settings, _service.origins)
workers = processes(_settings)
# Threads must outnumber all streams, waiting polls and calls together.
threads = _settings.threads
# A stop waits for requests under way; a stream never ends by itself.
graceful_timeout = 2
# Longer than a proxy keeps its idle connections (60 s), which would else send a request into a closing one.
keepalive = 75
# The heartbeat's file: on a disk, a stall of the disk would look like a dead worker.
worker_tmp_dir = str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None
# Nobody steers it through a socket of gunicorn's own.
control_socket_disable = True


def application() -> Flask:
    """Return the prepared app of a worker, or end the process with one sentence.

    The first of one worker takes the app that told the settings; each later one reads them anew.
    """
    with refusals_end_the_process():
        app = _made.pop() if _made else create_app()
        begin(app)
    announce(app)
    return app


def pre_fork(_arbiter: object, worker: Any) -> None:
    """Leave the app to the first worker where that is the only one."""
    if workers > 1 or worker.age > 1:
        _made.clear()


def when_ready(_arbiter: object) -> None:
    """Print where to look, once the port is this server's."""
    announce_address("serve", _settings.host, _settings.port)


def on_exit(_arbiter: object) -> None:
    """Leave nothing behind."""
    shared_counts.forget_counts()
