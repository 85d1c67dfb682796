"""What a server does by itself: every few seconds labels and silences, once a day a backup and old jobs deleted."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import clock
from ..clock import Now
from ..config import Settings
from ..errors import TaskFailed, Unavailable
from ..jobs import admission, expiry, plan_keys
from ..live.presence_store import note_silences
from ..storage.database import Database
from ..worker import Worker, attempt
from . import backups, preview_backups, retention, timekeeping

if TYPE_CHECKING:
    from ..service import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DailyTimes:
    """Times of the daily work, all in seconds."""

    first_look_seconds: float = 300.0
    """After how long a server looks first at what is due: one that was just started has other things to do."""
    look_seconds: float = 60.0
    retry_seconds: float = 3600.0
    """After how long a backup that failed is tried again."""


def sweep(database: Database, settings: Settings, started: Now) -> int:
    """Label what is to be labelled now, site by site; nothing is written when there is nothing."""
    with database.reading() as connection:
        sites = expiry.sites_to_expire(connection, clock.read(), started, settings)
        old_keys = any(keys.any_old_keys(connection, clock.read()) for keys in (admission, plan_keys))
    count = 0
    for site in sites:
        with database.transaction(site) as connection:
            count += expiry.expire(connection, site, clock.read(), started, settings)
    if old_keys:
        with database.transaction() as connection:
            admission.forget_old_keys(connection, clock.read())
            plan_keys.forget_old_keys(connection, clock.read())
    return count


class FileWatch:
    """Look at the database's file, and log when it is found to be another one, and when it is the right one again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._logged: str | None = None

    def is_well(self) -> bool:
        """Whether the database's file is the one that was opened."""
        fault = self._database.fault
        if fault != self._logged:
            self._logged = fault
            log.log(logging.ERROR if fault else logging.INFO, "the database: %s", fault or "its file is back")
        return fault is None


def sweeper(service: Service) -> Worker:
    """Return what labels jobs that are too old or silent, and notes which sites are silent, while on duty."""
    started, database, settings, presence = clock.read(), service.database, service.settings, service.feed.presence

    watch = FileWatch(database)

    def work() -> None:
        if watch.is_well() and service.is_on_duty:
            attempt("the time could not be kept", lambda: timekeeping.look(database, settings, clock.read()))
            attempt("jobs could not be labelled", lambda: sweep(database, settings, started))
            attempt(
                "a site's silence could not be noted",
                lambda: note_silences(database, presence, settings.sites),
            )

    failure = "old jobs and silent sites could not be looked for"
    return Worker("sweeper", settings.sweep_seconds, work, does="labels old jobs", failure=failure)


class DailyWork:
    """Do once a day what an installation needs, and remember what could not be done."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        on_duty: Callable[[], bool] = lambda: True,
        times: DailyTimes | None = None,
        forget: Callable[[int], object] = lambda _now_ms: None,
    ) -> None:
        """`on_duty`: whether it is this server, of several on one database, that is to prune.

        `forget` is called once a day with the time, to delete what is too old of what sites say of themselves.
        """
        self.settings = settings
        self.times = times or DailyTimes()
        self._database = database
        self._pruned_on: date | None = None
        self._forget = forget
        self._forgot_on: date | None = None
        self._doubt = ""
        self._is_backed_up = False
        self.backup_failure: str | None = None
        """Why the last backup that was due could not be made; none when it was, or when none was due yet."""
        self._not_before = 0.0
        self._on_duty = on_duty
        self.worker = Worker(
            "daily work",
            lambda: self.times.look_seconds,
            lambda: self.look(clock.utc_now().astimezone()),
            does="makes backups and deletes old jobs",
            failure="the daily work could not be done",
        )

    def start(self) -> None:
        """Work in the background; several processes on one file need not look at once."""
        self.worker.start(random.uniform(1, 2) * self.times.first_look_seconds)  # noqa: S311

    @property
    def failing(self) -> str | None:
        """Why the last backup of this server, or of a timer beside it, failed; none when it did not."""
        return self.backup_failure or backups.noted_failure(Path(self.settings.instance))

    def look(self, now: datetime) -> None:
        """Do what is due: a backup, and only then, when the clock can be right, the deletion of what the backup holds.

        Whatever keeps one thing from being done, the other is tried, and both are due again.
        """
        for work in (self._look_at_the_clock, self._back_up_if_due, self._prune_if_due, self._forget_if_due):
            attempt("the daily work could not be done", partial(work, now))

    def _look_at_the_clock(self, now: datetime) -> None:
        """Note whether the clock may be days ahead: what a clock in the wrong year calls old is all that there is."""
        if not self._on_duty():
            return
        before, self._doubt = self._doubt, "it could not be looked at"
        reading = Now(round(now.timestamp() * 1000), clock.read().boot_ms)
        found = timekeeping.look(self._database, self.settings, reading)
        self._doubt = found.sentence if found else ""
        if found and not before and self.settings.keep_days:
            log.error("old jobs are not deleted while this machine's clock is in doubt: %s", self._doubt)

    def _prune_if_due(self, now: datetime) -> None:
        if not self.settings.keep_days or now.date() == self._pruned_on or not self._on_duty():
            return
        if self._doubt or not self._is_backed_up:
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

    def _forget_if_due(self, now: datetime) -> None:
        """Delete pictures, curves and states of devices that are too old, unless the clock is in doubt."""
        if now.date() == self._forgot_on or not self._on_duty() or self._doubt:
            return
        self._forgot_on = now.date()
        self._forget(round(now.timestamp() * 1000))

    def _back_up_if_due(self, now: datetime) -> None:
        self._is_backed_up = not backups.are_made_daily(self.settings)
        if self._is_backed_up or time.monotonic() < self._not_before:
            return
        try:
            self._refuse_another_file()
            newest = backups.newest(backups.listed(self.settings.backups), now)
            if is_due(newest.made if newest else None, now):
                self._back_up()
        except (TaskFailed, OSError) as failure:
            self.backup_failure = failure.message if isinstance(failure, TaskFailed) else str(failure)
            self._not_before = time.monotonic() + self.times.retry_seconds
            log.error("backup failed: %s", self.backup_failure)  # noqa: TRY400
        else:
            self._is_backed_up = True

    def _back_up(self) -> None:
        new = backups.make(backups.database_file(self.settings.url), self.settings.backups)
        pictures = preview_backups.copy_new(self.settings, self.settings.backups)
        self.backup_failure = None
        log.info(
            "backup made: %s, %d jobs, %d bytes, %d more pictures", new.path, new.counts.jobs, new.size_bytes, pictures
        )

    def _refuse_another_file(self) -> None:
        if fault := self._database.fault:
            raise TaskFailed(f"no backup was made of the database: {fault}")


def is_due(newest: datetime | None, now: datetime) -> bool:
    """Whether a backup is due: none was made since noon, when an observatory's day begins."""
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    if now < noon:
        noon -= timedelta(days=1)
    return newest is None or newest < noon
