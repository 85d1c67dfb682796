"""When serving begins: the database is prepared, or the start refused with one sentence.

Preparing is no part of `create_app`: commands such as `flask settings` must run on a broken installation.
"""

from __future__ import annotations

import gc
import io
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import click
from flask import Flask
from flask.cli import run_command
from sqlalchemy import URL
from werkzeug.serving import is_running_from_reloader

from .. import program
from ..auth import sessions
from ..config import Settings, variable
from ..errors import StartRefused, Unavailable
from ..jobs import remote_calendar
from ..live import feed, presence_store
from ..service import Service, service_of
from ..storage import migrations, postgresql, sqlite
from ..storage.database import Database
from ..worker import Worker
from . import (
    alerts,
    clock_checks,
    disk_watch,
    handles,
    logs,
    maintenance,
    memory,
    own_alerts,
    plan_work,
    unfailing_streams,
)

log = logging.getLogger(__name__)

_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_GARBAGE = (10_000, 20, 50)
"""After how many new objects the collector looks through them, and after how many looks through older ones."""


def set_up(app: Flask) -> None:
    """Prepare a database in memory, and begin to serve where `flask run` made the app.

    Flask's own `run` command has no hook for the start of serving; it makes the app inside its Click context.
    """
    context = click.get_current_context(silent=True)
    if _database(app).in_memory:
        prepare(app)
    if context is not None and context.command is run_command:
        begin(app)
        if not is_running_from_reloader():
            announce(app)
            announce_address("run", context.params["host"], context.params["port"] or 5000)


def processes(settings: Settings) -> int:
    """Return how many processes are to serve; SQLite has one writer, so that more would gain nothing there."""
    if settings.workers:
        return settings.workers
    return 1 if settings.url.get_backend_name() == sqlite.NAME else min(4, os.cpu_count() or 1)


def begin(app: Flask) -> None:
    """Prepare the database and start what runs beside the requests. Raises StartRefused.

    Called where the server's own signal handlers are set already.
    """
    unfailing_streams.begin()
    logs.begin(_settings(app))
    memory.give_back_large_pieces()
    handles.hold_against_threads(service_of(app).feed)
    prepare(app)
    _warn_of_clocks(app)
    start_workers(app)
    service_of(app).health.serving_since = time.monotonic()
    if threading.current_thread() is threading.main_thread():  # only there may signals be set
        for number in (signal.SIGTERM, signal.SIGINT):
            _end_well_on(number, service_of(app).feed)
    # What is there now stays: else each full collection goes through it, and all threads wait. None is made before:
    # it would take a tenth of a second, and find next to nothing.
    gc.freeze()
    # A request makes hundreds of objects and keeps nearly none, so that a look through the young finds little.
    gc.set_threshold(*_GARBAGE)


def _warn_of_clocks(app: Flask) -> None:
    """Log when the database's machine has another time."""
    with suppress(Unavailable):  # a database that has just gone is no reason not to start
        for finding in clock_checks.clock_of_the_database(service_of(app)):
            log.warning("%s", finding.public)


def start_workers(app: Flask) -> None:
    """Start what works beside the requests, and have `/readyz` know all of it."""
    service = service_of(app)
    workers = _hear_others(service)
    sweeper = maintenance.sweeper(service)
    sweeper.start()
    planned = plan_work.worker(service)
    service.plans.wake = planned.wake
    planned.start(after_seconds=0)
    service.daily_work.start()
    workers += [sweeper, planned, service.daily_work.worker]
    if watch := disk_watch.watcher(service):
        watch.start(after_seconds=0)
        workers.append(watch)
    if watcher := alerts.watcher(service):
        watcher.start()
        workers.append(watcher)
    if sender := own_alerts.sender(service):
        sender.worker.start()
        workers.append(sender.worker)
    if service.calendar is not None:
        remote_calendar.start(service.calendar, service.database, service.settings)
        workers.append(service.calendar.worker)
    if service.gate.keys is not None:
        workers.append(service.gate.keys.worker)  # it begins when the first token is shown
    service.storing.worker.start()
    service.health.workers = (*workers, service.storing.worker)


def finish(app: Flask) -> None:
    """End what works beside the requests and close the database, in a process that goes on after serving."""
    service = service_of(app)
    service.feed.stop()
    for worker in service.health.workers:
        worker.stop()
    service.database.close()


def _hear_others(service: Service) -> list[Worker]:
    """Hear what other servers on the same database commit, and which sites they hear; return what does so."""
    heard = service.listener
    if heard is None:
        return []
    shared = presence_store.SharedPresence(service.database, service.feed.presence)
    heard.on_notice += [service.feed.nudge, shared.hear, service.storing.hear]
    service.feed.hears = service.storing.hears = lambda: heard.hears
    shared.worker.start()
    heard.worker.start(after_seconds=0)
    return [shared.worker, heard.worker]


@contextmanager
def refusals_end_the_process() -> Iterator[None]:
    """End the process with one sentence when the start is refused: a server would show a traceback."""
    try:
        yield
    except StartRefused as refusal:
        sys.stderr.write(f"Error: {refusal.message}\n")
        sys.exit(refusal.exit_code)


def _end_well_on(number: signal.Signals, live: feed.Feed) -> None:
    """End streams and waiting polls before a server's own handler begins to wait for them, and write the log."""
    server_handler = signal.getsignal(number)

    def stop(received: int, frame: FrameType | None) -> None:
        live.stop()
        if callable(server_handler):
            server_handler(received, frame)
        elif server_handler is signal.SIG_DFL:
            logs.finish()
            signal.signal(received, signal.SIG_DFL)
            signal.raise_signal(received)

    signal.signal(number, stop)


def prepare(app: Flask) -> None:
    """Make what an app's database and sessions are kept in, and bring the database up to this version.

    Raises StartRefused when that cannot be done, or would be wrong.
    """
    settings, database = _settings(app), _database(app)
    if not database.in_memory:
        migrations.make_folder(settings.instance)
    sessions.prepare(app, settings)
    migrations.prepare(database)


def announce(app: Flask) -> None:
    """Print where the data is, and who may command."""
    settings = _settings(app)
    click.echo(f"Jobs are kept in {_kept_in(settings.url)}.", err=True)
    if settings.is_open:
        click.echo("No sign-in is set: whoever can reach this port may command the telescope.", err=True)
    else:
        click.echo(f"Who commands must be signed in at {settings.issuer}.", err=True)


def _kept_in(url: URL) -> str:
    if url.get_backend_name() == postgresql.NAME:
        return f"PostgreSQL, database {url.database} at {url.host or 'its usual socket'}"
    return url.database or "memory"


def announce_address(command: str, host: str, port: int) -> None:
    """Print where to look, and how the command opens the port to the LAN."""
    address = f"http://{_reached_at(host)}:{port}"
    click.echo(f"The pages are at {address}/ and programs call {address}/jobs", err=True)
    if host in _LOOPBACK:
        called = program.command(f"{command} --host 0.0.0.0")
        click.echo(f"Only this PC can reach it; open it to the LAN with: {called}", err=True)
    else:
        click.echo(
            "https, and to stand slow clients of very many addresses, need a proxy such as nginx in front.", err=True
        )
        _show_for_phones(f"{address}/")
    names = f"localhost, {socket.gethostname()} and this PC's numbers"
    click.echo(f"Browsers may call it by {names}; name any other in {variable('trusted_hosts')}.", err=True)


def _show_for_phones(address: str) -> None:
    """Print an address as a QR code, on a terminal that can show one: a log is read by nobody's phone."""
    if not sys.stderr.isatty() or not _can_show_blocks(sys.stderr.encoding):
        return
    import segno

    drawn = io.StringIO()
    segno.make(address, micro=False).terminal(drawn, compact=True)
    click.echo("On a phone in this network:", err=True)
    for line in drawn.getvalue().splitlines():
        click.secho(line, fg="bright_white", bg="black", err=True)


def _can_show_blocks(encoding: str) -> bool:
    try:
        "\u2580\u2584\u2588".encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _reached_at(host: str) -> str:
    """Return the address under which others find a listener; of one that listens everywhere, this PC's on the LAN."""
    if host not in _ANYWHERE:
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: the system only chooses the address
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


def _settings(app: Flask) -> Settings:
    return service_of(app).settings


def _database(app: Flask) -> Database:
    return service_of(app).database
