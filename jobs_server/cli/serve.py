"""`flask serve`: the server for every day, gunicorn where it runs and waitress elsewhere."""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .. import program
from ..config import Settings, variable
from . import installation

if TYPE_CHECKING:
    from flask import Flask

_DRAIN_BYTES = 16 * 1024 * 1024  # larger bodies are cut off by the server, smaller ones refused in our own words
_CONNECTIONS = 1000  # beside the threads, as gunicorn has
_NO_SOCKETS = (
    "This server offers no WebSockets: pages of the public UI show the status of the moment when they were loaded."
    " Pages of this service are live all the same; on Linux, gunicorn offers both."
)
_BROWSERS = 200  # idle connections kept beside the threads: browsers hold several each


@click.command
@click.option("--host", help="Address to listen on; 0.0.0.0 opens it to the LAN.  [default: JOBS_HOST, 127.0.0.1]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.  [default: JOBS_PORT, 5000]")
@click.option(
    "--server",
    type=click.Choice(["auto", "gunicorn", "waitress"]),
    default="auto",
    help="auto: gunicorn where it is installed, which is not on Windows, else waitress.",
)
def serve(host: str | None, port: int | None, server: str) -> None:
    """Serve every day's work, and prepare the database first.

    `flask run` is for trying out; this one stands many people, streams and years. Stop it with Ctrl-C.
    """
    settings = installation.settings()
    host, port = host or settings.host, port or settings.port
    chosen = _choose(server)
    check_address(host, port)
    program.hand_on()
    # The listener's settings are read again where the server's own configuration is made.
    os.environ |= {variable("host"): host, variable("port"): str(port)}
    if chosen == "gunicorn":
        _become_gunicorn(settings)
    _run_waitress(installation.app(), settings, host, port)


def _choose(server: str) -> str:
    found = [name for name in ("gunicorn", "waitress") if find_spec(name) and (name, os.name) != ("gunicorn", "nt")]
    if server in found:
        return server
    if server == "auto" and found:
        return found[0]
    raise click.ClickException(
        f"{'no server for every day' if server == 'auto' else server} is installed for this system:"
        " pip install 'jobs-server[serve]'"
    )


def check_address(host: str, port: int) -> None:
    """Raise ClickException, in one sentence, when an address cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name != "nt":  # there it would let two listen on one port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(_why_not(error, host, port)) from None


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is taken by another program, perhaps this service itself, already running;"
            " stop that one, or choose another with --port"
        )
    if error.errno == errno.EACCES:
        return f"port {port} is for the administrator alone; choose one above 1023 with --port"
    return f"{host} port {port} cannot be listened on: {error.strerror or error}; choose this PC's address with --host"


def _become_gunicorn(settings: Settings) -> NoReturn:
    """Go on as gunicorn, in this very process: what started it stops it, and nothing is loaded a second time."""
    from ..api.shared_counts import count_together
    from ..upkeep.startup import processes

    if processes(settings) > 1:
        count_together()
    from gunicorn import __main__ as gunicorn
    from gunicorn.app.wsgiapp import run

    options = ["--config", "python:jobs_server.gunicorn_conf", "jobs_server.gunicorn_conf:application()"]
    sys.argv = [str(gunicorn.__file__), *options]  # From these gunicorn starts anew when it is told to.
    run()
    raise AssertionError("gunicorn ends the process")


def _run_waitress(app: Flask, settings: Settings, host: str, port: int) -> None:
    from ..front.bounds import bounds_of
    from ..front.waitress_server import serve as run
    from ..service import service_of
    from ..upkeep.handles import allow_enough
    from ..upkeep.startup import announce, announce_address, begin

    allow_enough()
    begin(app)
    announce(app)
    announce_address("serve", host, port)
    if settings.companion == "on":
        click.echo(_NO_SOCKETS, err=True)
    options: dict[str, Any] = {
        "threads": settings.threads,
        # Without `poll`, as on Windows, a process can watch 512 connections.
        "connection_limit": settings.threads + (_CONNECTIONS if hasattr(select, "poll") else _BROWSERS),
        "channel_timeout": 75,
        "max_request_body_size": _DRAIN_BYTES,
        "ident": None,
    }
    run(app, bounds_of(settings, service_of(app).origins), host=host, port=port, **options)
