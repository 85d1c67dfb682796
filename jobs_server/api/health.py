"""Whether the service can do its work, in words, for monitors and for whoever looks. Nothing in them is a secret."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from flask import Blueprint, Flask, Response, current_app
from sqlalchemy import column, select, table

from ..auth import Access, needs
from ..config import Settings
from ..errors import Unavailable
from ..service import service_of
from ..storage import revisions
from ..storage.database import reason_of
from ..storage.sqlite import is_memory
from ..storage.statement import Statement
from ..upkeep import backups, maintenance
from ..worker import Worker
from .describe import describe

EXTENSION = "jobs_server.health"

bp = Blueprint("health", __name__)

_PROBE = "  "  # in the place of a site: no site is blank
_WRITE_SECONDS = 1.0  # a monitor does not wait for longer
_KEPT_SECONDS = 1.0  # anybody may ask, so an answer is good for a moment
_BACKUP_AGE = timedelta(hours=48)
_REVISION = Statement(select(column("version_num")).select_from(table("alembic_version")))


@bp.get("/healthz")
@describe(gives=str, media="text/plain")
@needs(Access.ANYBODY)
def healthz() -> Response:
    """Say that the process is alive and answers; whether it can work, readyz says."""
    return _text(200, ["alive"])


@bp.get("/readyz")
@describe(gives=str, media="text/plain")
@needs(Access.ANYBODY)
def readyz() -> Response:
    """Say whether jobs can be taken and handed over now; each problem is a line, with 503."""
    found = of(current_app).problems()
    return _text(503 if found else 200, found or ["ready"])


class Health:
    """Look at one app's installation."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._looked = -_KEPT_SECONDS
        self._problems: list[str] = []
        self.serving_since: float | None = None
        """When serving began, by the monotonic clock: since then there was time for a backup."""
        self.workers: Sequence[Worker] = ()
        """What was started beside the requests when serving began."""

    def problems(self) -> list[str]:
        """List what keeps the service from its work; what was found a moment ago is given again."""
        with self._lock:
            if time.monotonic() - self._looked >= _KEPT_SECONDS:
                self._problems = list(self.look())
                self._looked = time.monotonic()
            return self._problems

    def look(self) -> Iterator[str]:
        """Look at everything now."""
        checks: tuple[Callable[[], Iterator[str]], ...] = (self._database, self._disk, self._threads, self._backups)
        for check in checks:
            yield from check()

    def _database(self) -> Iterator[str]:
        """See that a write could begin, and that the tables are this version's."""
        database = service_of(self._app).database
        database = replace(database, timeout_seconds=_WRITE_SECONDS, on_commit=[])  # nothing is written
        try:
            with database.transaction(_PROBE) as connection:
                row = connection.row(_REVISION)
        except Unavailable as error:
            yield f"the database cannot be used: {reason_of(error)}"
            return
        if row is None or row[0] != revisions.newest():
            yield "the database is not of this version: restart the server, which migrates it"

    def _disk(self) -> Iterator[str]:
        settings = self._settings
        if settings.url.get_backend_name() != "sqlite" or is_memory(settings.url):
            return
        folder = backups.database_file(settings.url).parent
        free_mb = shutil.disk_usage(folder).free >> 20 if folder.is_dir() else 0
        if free_mb < settings.disk_free_mb:
            wanted = settings.disk_free_mb
            yield f"the disk runs full: {free_mb} MB are free where the jobs are kept, of {wanted} wanted"

    def _threads(self) -> Iterator[str]:
        if not service_of(self._app).feed.is_well():
            yield "the thread that watches for changes has ended, and live pages are late: restart the server"
        for worker in self.workers:
            if worker.has_died:
                yield f"the thread that {worker.does} has ended: restart the server"

    def _backups(self) -> Iterator[str]:
        keeper = maintenance.of(self._app)
        if keeper.failing:
            yield "the last backup failed; the log says why"
        if not keeper.keeps_backups or self.serving_since is None:
            return
        try:
            made = backups.listed(self._settings.backups)
        except OSError:
            yield "the folder of the backups cannot be read; the log says why"
            return
        up = timedelta(seconds=time.monotonic() - self.serving_since)
        age = datetime.now(UTC) - made[0].made if made else up
        if age > _BACKUP_AGE:
            yield f"the last backup is {age.days} days old" if made else "there is no backup yet"

    @property
    def _settings(self) -> Settings:
        return service_of(self._app).settings


def register(app: Flask) -> None:
    """Give an app its health, and the routes that tell it."""
    app.extensions[EXTENSION] = Health(app)
    app.register_blueprint(bp)


def of(app: Flask) -> Health:
    """Give an app's health."""
    return cast(Health, app.extensions[EXTENSION])


def _text(status: int, lines: list[str]) -> Response:
    response = Response("\n".join(lines) + "\n", status, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
