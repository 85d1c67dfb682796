"""A thread that does by itself what an installation needs once a day: a backup, and old jobs deleted."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import cast

from flask import Flask

from ..config import Settings
from ..errors import TaskFailed, Unavailable
from ..service import service_of
from ..storage.database import Database
from ..storage.sqlite import is_memory
from . import backups, retention

EXTENSION = "jobs_server.caretaker"
"""Where an app keeps its `Caretaker`, among its extensions."""

THREAD = "caretaker"

FIRST_LOOK_SECONDS = 300.0  # a server that was just started has other things to do
LOOK_SECONDS = 60.0
RETRY_SECONDS = 3600.0

log = logging.getLogger(__name__)


class Caretaker:
    """Look after one installation, and remember what could not be done."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self._database = database
        self._pruned_on: date | None = None
        self.backup_failure: str | None = None
        """Why the last backup that was due could not be made; none when it was, or when none was due yet."""
        self._not_before = 0.0
        self.on_duty: Callable[[], bool] = lambda: True
        """Tells whether it is this server, of several on one database, that is to prune."""

    @property
    def keeps_backups(self) -> bool:
        """Tell whether this server is to make backups by itself."""
        url = self.settings.url
        return self.settings.backup_daily and url.get_backend_name() == "sqlite" and not is_memory(url)

    def start(self) -> Event:
        """Work in the background until the event that this gives back is set, or the process ends."""
        stop = Event()

        def run() -> None:
            # Several processes on one file need not look at once.
            wait = random.uniform(1, 2) * FIRST_LOOK_SECONDS  # noqa: S311
            while not stop.wait(wait):
                self.look(datetime.now().astimezone())
                wait = LOOK_SECONDS

        Thread(target=run, name=THREAD, daemon=True).start()
        return stop

    @property
    def failing(self) -> str | None:
        """Say why the last backup of this server, or of a timer beside it, failed; none when it did not."""
        return self.backup_failure or backups.noted_failure(Path(self.settings.instance))

    def look(self, now: datetime) -> None:
        """Do what is due; whatever keeps one thing from being done, the other is, and both are due again."""
        for work in (self._prune_if_due, self._back_up_if_due):
            try:
                work(now)
            except Exception:  # whoever looks after an installation for years must not end in silence
                log.exception("the daily work could not be done")

    def _prune_if_due(self, now: datetime) -> None:
        if not self.settings.keep_days or now.date() == self._pruned_on or not self.on_duty():
            return
        self._pruned_on = now.date()
        folder = Path(self.settings.archive_folder).expanduser() if self.settings.archive_folder else None
        before_ms = round(now.timestamp() * 1000) - self.settings.keep_days * retention.DAY_MS
        try:
            pruned = retention.prune(self._database, before_ms, folder)
        except (TaskFailed, Unavailable) as failure:
            log.error("old jobs could not be deleted: %s", failure)  # noqa: TRY400
        else:
            log.info("%d jobs older than %d days were deleted", pruned.jobs, self.settings.keep_days)

    def _back_up_if_due(self, now: datetime) -> None:
        if not self.keeps_backups or time.monotonic() < self._not_before:
            return
        try:
            made = backups.listed(self.settings.backups)
            if not is_due(made[0].made if made else None, now):
                return
            new = backups.make(backups.database_file(self.settings.url), self.settings.backups)
        except (TaskFailed, OSError) as failure:
            self.backup_failure = failure.message if isinstance(failure, TaskFailed) else str(failure)
            self._not_before = time.monotonic() + RETRY_SECONDS
            log.error("backup failed: %s", self.backup_failure)  # noqa: TRY400
        else:
            self.backup_failure = None
            log.info("backup made: %s, %d jobs, %d bytes", new.path, new.counts.jobs, new.size_bytes)


def is_due(newest: datetime | None, now: datetime) -> bool:
    """Tell whether a backup is due: none was made since noon, when an observatory's day begins."""
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    if now < noon:
        noon -= timedelta(days=1)
    return newest is None or newest < noon


def of(app: Flask) -> Caretaker:
    """Give an app's own."""
    if EXTENSION not in app.extensions:
        settings = service_of(app).settings
        made = app.extensions[EXTENSION] = Caretaker(settings, service_of(app).database)
        made.on_duty = lambda: service_of(app).is_on_duty
    return cast(Caretaker, app.extensions[EXTENSION])
