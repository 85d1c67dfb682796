"""When serving begins: the database is prepared, or the start refused with one sentence.

Preparing is no part of `create_app`: commands such as `flask settings` must run on a broken installation.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, cast

import click
from flask import Flask
from flask.cli import run_command
from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from werkzeug.serving import is_running_from_reloader

from .. import auth, create_app
from ..config import Settings
from ..errors import StartRefused, Unavailable
from ..jobs import remote_calendar
from ..live import feed, presence_store
from ..service import Service, service_of
from ..storage import network_share, postgresql, revisions, sqlite, sqlite_driver
from ..storage.database import Database, reason_of
from ..storage.extension import db
from ..storage.sqlite import is_memory
from ..storage.statement import Statement
from ..worker import Worker
from . import alerts, checks, logs, maintenance

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)

_MIGRATION_SECONDS = 60
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

_REVISION = text("SELECT version_num FROM alembic_version")
_TOUCH = Statement(text("UPDATE alembic_version SET version_num = version_num"))


def set_up(app: Flask) -> None:
    """Give an app its migrations, and its tables where they cannot have been made before.

    Flask's own `run` command has no hook for the start of serving; it makes the app inside its Click context, so that
    is where a database is prepared for it.
    """
    context = click.get_current_context(silent=True)
    if context is not None:
        _set_up_migrations(app)  # for `flask db`
    if _database(app).in_memory:
        prepare(app)
    if context is not None and context.command is run_command:
        begin(app)
        if not is_running_from_reloader():
            announce(app)
            announce_address("flask run", context.params["host"], context.params["port"] or 5000)


def processes(settings: Settings) -> int:
    """Give how many processes are to serve; SQLite has one writer, so that more would gain nothing there."""
    if settings.workers:
        return settings.workers
    return 1 if settings.url.get_backend_name() == sqlite.NAME else min(4, os.cpu_count() or 1)


def application() -> Flask:
    """Make the app for a WSGI server: prepared, or the process ended with one sentence."""
    if click.get_current_context(silent=True) is not None:
        return create_app()  # loaded by a `flask` command, which shows refusals itself
    with refusals_end_the_process():
        app = create_app()
        begin(app)
    announce(app)
    return app


def begin(app: Flask) -> None:
    """Prepare the database and start what runs beside the requests. Raises StartRefused.

    Called where the server's own signal handlers are set already.
    """
    logs.begin(_settings(app))
    prepare(app)
    start_workers(app)
    checks.of(app).serving_since = time.monotonic()
    if threading.current_thread() is threading.main_thread():  # only there may signals be set
        for number in (signal.SIGTERM, signal.SIGINT):
            _end_well_on(number, service_of(app).feed)
    # What is there now stays: else each full collection goes through it, and all threads wait.
    gc.collect()
    gc.freeze()


def start_workers(app: Flask) -> None:
    """Start what works beside the requests, and have `/readyz` know all of it."""
    service, daily_work = service_of(app), maintenance.of(app)
    workers = _hear_others(service)
    sweeper = maintenance.sweeper(service)
    sweeper.start()
    daily_work.start()
    workers += [sweeper, daily_work.worker]
    if watcher := alerts.watcher(app):
        watcher.start()
        workers.append(watcher)
    if service.calendar is not None:
        remote_calendar.start(service.calendar, service.database, service.settings)
        workers.append(service.calendar.worker)
    if service.gate.keys is not None:
        workers.append(service.gate.keys.worker)  # begins when the first token is shown
    checks.of(app).workers = tuple(workers)


def _hear_others(service: Service) -> list[Worker]:
    """Hear what other servers on the same database commit, and which sites they hear; return what does so."""
    heard = service.listener
    if heard is None:
        return []
    shared = presence_store.SharedPresence(service.database, service.feed.presence)
    heard.on_notice += [service.feed.nudge, shared.hear]
    service.feed.hears = lambda: heard.hears
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
    """Create or migrate the database; two processes that start together do it once.

    Raises StartRefused when it is no database, not writable, newer than this code, or somebody else's.
    """
    settings = _settings(app)
    database = _database(app)
    if not database.in_memory:
        make_folder(settings)
    auth.sessions.prepare(app, settings)
    where = settings.url.render_as_string(hide_password=True)
    on_sqlite = database.kind.name == sqlite.NAME
    try:
        database.kind.repair()
        if on_sqlite and not database.in_memory:
            sqlite.use_write_ahead_log(database.engine, _MIGRATION_SECONDS)
        with database.engine.connect() as connection:
            if not on_sqlite:
                postgresql.check(connection)
            behind = _is_behind(connection, where)
        if behind:
            _migrate(app)
        with database.transaction() as transaction:
            transaction.run(_TOUCH)  # shows that it can be written
    except (DBAPIError, Unavailable, database.kind.failure) as error:
        raise StartRefused(f"the database {where} cannot be used: {reason_of(error)}") from None
    if on_sqlite:
        _warn_of_old_sqlite()
        _warn_of_network_share(settings)


def _is_behind(connection: Connection, where: str) -> bool:
    """Tell whether migrations are to be run. Raises StartRefused when running them would be wrong."""
    inspector = inspect(connection)
    found = connection.execute(_REVISION).scalar() if inspector.has_table("alembic_version") else None
    if found is None:
        foreign = [name for name in inspector.get_table_names() if name != "alembic_version"]
        if foreign:
            raise StartRefused(
                f"{where} holds tables that are not this service's ({', '.join(foreign[:3])});"
                " name another database with JOBS_DATABASE_URL"
            )
    elif found not in revisions.known():
        raise StartRefused(
            f"{where} was written by a newer version of jobs_server (migration {found});"
            " install that version, or name another database with JOBS_DATABASE_URL"
        )
    return found != revisions.newest()


def _migrate(app: Flask) -> None:
    from alembic import command

    with app.app_context():
        command.upgrade(migrations(app), "head")


def migrations(app: Flask) -> Config:
    """Give what Alembic's commands take, for an app whose context is pushed."""
    _set_up_migrations(app)
    return cast("Config", app.extensions["migrate"].migrate.get_config())


def _set_up_migrations(app: Flask) -> None:
    from flask_migrate import Migrate

    Migrate(app, db, directory=str(revisions.MIGRATIONS))


def make_folder(settings: Settings) -> None:
    """Make the instance folder; a database named elsewhere must be in a folder that is there already."""
    try:
        Path(settings.instance).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartRefused(
            f"the instance folder {settings.instance} cannot be made ({error.strerror});"
            " name another with JOBS_INSTANCE"
        ) from None


def announce(app: Flask) -> None:
    """Say where the data is, and who may command."""
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
    """Say where to look, and how the command opens it to the LAN."""
    click.echo(f"The service answers at http://{_reached_at(host)}:{port}/jobs.", err=True)
    if host in _LOOPBACK:
        click.echo(f"Only this PC can reach it; open it to the LAN with: {command} --host 0.0.0.0", err=True)


def _reached_at(host: str) -> str:
    """Give the address under which others find a listener; of one that listens everywhere, this PC's on the LAN."""
    if host not in _ANYWHERE:
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks which of this PC's addresses would be used
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


def _warn_of_network_share(settings: Settings) -> None:
    if settings.url.database and not is_memory(settings.url):
        folder = Path(settings.url.database).parent
        if share := network_share.network_share(folder if folder.is_dir() else Path(settings.instance)):
            log.warning(
                "%s is on a network share (%s): SQLite's locks do not hold there, and two servers would damage the"
                " database; name a folder on a disk of this machine with JOBS_INSTANCE",
                folder,
                share,
            )


def _warn_of_old_sqlite() -> None:
    if sqlite_driver.has_wal_bug(sqlite_driver.driver.sqlite_version_info):
        log.warning(
            "SQLite %s has a rare bug that can damage a database; there is no newer one for this machine among the"
            " packages, so keep backups, or use a Python built with SQLite 3.51.3 or newer",
            sqlite_driver.driver.sqlite_version,
        )


def _settings(app: Flask) -> Settings:
    return service_of(app).settings


def _database(app: Flask) -> Database:
    return service_of(app).database
