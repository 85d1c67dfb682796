"""What is looked at to see whether an installation is well: each thing once, for all who ask.

`/readyz`, the alerts and `flask doctor` read the same findings, each its own sentence of them: the doctor's is for
whoever may see the installation and says what to do, that of `/readyz` is for anybody, and an alert's wakes somebody.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL

from .. import clock, program
from ..auth import site_refusals
from ..errors import TaskFailed, Unavailable, shown
from ..storage import migrations
from ..storage.database import reason_of
from ..storage.sqlite import DAMAGED
from ..storage.statement import Connection
from ..worker import Worker
from . import backups, clock_checks, damage, rehearsal, stop_checks
from .findings import Finding, Grade

if TYPE_CHECKING:
    from ..config import Settings
    from ..service import Service
    from .maintenance import DailyWork

WRITE_SECONDS = 1.0
"""How long a look waits for the turn to write: a monitor does not wait for longer."""
_DAMAGE_SECONDS = 600.0
"""For how long damage that something met is told, though a look does not meet it."""
_BACKUP_AGE = timedelta(hours=48)


def database(service: Service, write_seconds: float = WRITE_SECONDS) -> Iterator[Finding]:
    """Look whether a job could be kept, whether the tables are this version's, and whether the jobs can be read."""
    try:
        found = revision(rehearsal.rehearse(service, write_seconds))
        if found.grade is Grade.GOOD:
            with service.database.reading() as connection:
                damage.read_jobs(connection, (stop_checks.WAITING, stop_checks.STOPS))
    except Unavailable as error:
        yield _unusable(reason_of(error), service)
    else:
        # What was asked a while ago may have met pages that a look of a moment does not.
        is_damaged = service.database.was_damaged(_DAMAGE_SECONDS)
        yield _unusable(DAMAGED, service) if is_damaged else found


def _unusable(reason: str, service: Service) -> Finding:
    sentence = f"cannot be used: {damage.sentence(reason, service.settings)}"
    return Finding(
        "database", Grade.BAD, sentence, public=f"the database {sentence}", alert=f"The database {sentence}."
    )


def file(service: Service) -> Iterator[Finding]:
    """Look whether the database's file is the one that was opened, and whether it was found to be damaged."""
    if reason := service.database.fault or (service.database.was_damaged(_DAMAGE_SECONDS) and DAMAGED):
        yield _unusable(reason, service)


def revision(found: str | None) -> Finding:
    """Judge the migration that a database is at."""
    newest = migrations.newest()
    if found == newest:
        return Finding("database", Grade.GOOD, f"its tables are this version's (migration {found}).")
    return Finding(
        "database",
        Grade.BAD,
        f"it is at migration {found}, this version's is {newest}: restart the server, which migrates it.",
        public="the database is not of this version: restart the server, which migrates it",
    )


def disk(folder: Path, wanted_mb: int) -> Iterator[Finding]:
    """Look how much is free on the disk that a folder is on."""
    try:
        free_mb = shutil.disk_usage(folder).free >> 20
    except OSError as error:
        sentence, what = f"could not be looked at: {reason_of(error)}", "disk of the jobs cannot be looked at"
        public, alert = f"the {what}: {error.strerror}", f"The {what}: {error.strerror}."
        yield Finding("disk", Grade.BAD, sentence, public=public, alert=alert)
        return
    sentence = f"{free_mb:,} MB are free at {folder}, of {wanted_mb:,} wanted"
    if free_mb >= wanted_mb:
        yield Finding("disk", Grade.GOOD, f"{sentence}.")
        return
    yield Finding(
        "disk",
        Grade.BAD,
        f"{sentence}; delete old files, or move the backups elsewhere with JOBS_BACKUP_FOLDER.",
        public=f"the disk runs full: {free_mb} MB are free where the jobs are kept, of {wanted_mb} wanted",
        alert=f"The disk runs full: {free_mb} MB are free, of {wanted_mb} wanted.",
    )


def disk_of_the_jobs(service: Service) -> Iterator[Finding]:
    """Look at the disk that the database's file is on; at none where it is no file."""
    if path := file_of(service.settings.url):
        yield from disk(path.parent, service.settings.disk_free_mb)


def last_backup(daily_work: DailyWork) -> Iterator[Finding]:
    """Look whether the backup that was last due could be made."""
    if failure := daily_work.failing:
        public = "the last backup failed; the log says why"
        yield Finding("backup", Grade.BAD, f"the last failed: {failure}.", None, public, f"A backup failed: {failure}.")


def newest_backup(settings: Settings, serving: timedelta | None = None) -> Iterator[Finding]:
    """Look how old the newest backup is, where this server makes them; none is missed before there was time for one."""
    if not backups.are_made_daily(settings):
        return
    folder = settings.backups
    try:
        made = backups.listed(folder)
    except OSError as error:
        public = "the folder of the backups cannot be read; the log says why"
        yield Finding("backups", Grade.BAD, f"could not be looked at: {reason_of(error)}", public=public)
        return
    now = clock.utc_now()
    newest = backups.newest(made, now)
    age = now - newest.made if newest else None
    if newest and age is not None and age <= _BACKUP_AGE:
        sentence = f"the newest of {len(made)} in {folder} is of {newest.made:%Y-%m-%d %H:%M} UTC."
        yield Finding("backups", Grade.GOOD, sentence)
        return
    is_missed = serving is not None and (age or serving) > _BACKUP_AGE
    old, public = (
        ("there is none", "there is no backup yet")
        if age is None
        else (f"the newest is {age.days} days old", f"the last backup is {age.days} days old")
    )
    sentence = f"{old} in {folder}: run {program.command('backup')}, and see in the log why none was made."
    yield Finding("backups", Grade.NOTE, sentence, public=public if is_missed else "")


def threads(service: Service, workers: Sequence[Worker]) -> Iterator[Finding]:
    """Look whether all that was started beside the requests is still there."""
    ended = [f"the thread that {worker.does} has ended" for worker in workers if worker.has_died]
    if not service.feed.is_well():
        ended.insert(0, "the thread that watches for changes has ended, and live pages are late")
    from . import logs  # of a server alone: the doctor, which looks at none, loads no Flask

    if logs.has_died():
        ended.append("the thread that writes the log has ended")
    for sentence in ended:
        yield Finding("server", Grade.BAD, f"{sentence}: restart the server", public=f"{sentence}: restart the server")


def refusals_of(service: Service) -> Iterator[Finding]:
    """Look whose software is refused by a server; see `refused`. Raises Unavailable."""
    if service.settings.site_tokens != "required":
        return
    with service.database.reading() as connection:
        yield from refused(connection, service.settings, service.profiles.all())


def refused(connection: Connection, settings: Settings, profiles: Collection[str]) -> Iterator[Finding]:
    """Look at which sites the software shows no valid site token, and is refused.

    Alerts are of sites that there are, by their jobs, the settings or a profile, since anybody on the network can make
    up others.
    """
    if settings.site_tokens != "required":
        return
    now_ms = clock.now_ms()
    for each in site_refusals.found(connection, now_ms):
        what = f"its software is refused since {each.since(now_ms)}, as it shows no valid site token"
        sentence = (
            f"{what} ({shown(each.client) or 'it does not say what it is'}): give it one"
            f" ({program.command('tokens create')} --site {shown(each.site)}), or set JOBS_SITE_TOKENS=off."
        )
        is_one = each.is_known or each.site in settings.sites or each.site in profiles
        alert = f"{each.site}: {what}. It may take that for an empty list." if is_one else ""
        yield Finding(f"refused {each.site}", Grade.BAD, sentence, alert=alert)


def _if_it_can_be_read(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield findings up to where the jobs cannot be read, of which `database` tells."""
    with suppress(Unavailable):
        yield from findings


def file_of(url: URL) -> Path | None:
    """Return the file of a database, which may not be there yet; none where it is no file."""
    try:
        return backups.database_file(url)
    except TaskFailed:
        return None


def file_sizes(url: URL) -> Mapping[str, int]:
    """Return the bytes of a database's file and of its write-ahead log; nothing where it is no file."""
    path = file_of(url)
    files = {"database": path, "wal": path.with_name(f"{path.name}-wal")} if path else {}
    return {name: file.stat().st_size if file.exists() else 0 for name, file in files.items()}


@dataclass(frozen=True, kw_only=True)
class HealthTimes:
    """Times of an app's health, in seconds."""

    write_seconds: float = WRITE_SECONDS
    kept_seconds: float = 1.0
    """How long an answer is good: anybody may ask."""


class Health:
    """Look at a service, and keep for a moment what was found."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.times = HealthTimes()
        self._looked = -math.inf
        self._problems: list[str] = []
        self.serving_since: float | None = None
        """When serving began, by the monotonic clock: since then there was time for a backup."""
        self.workers: Sequence[Worker] = ()
        """What was started beside the requests when serving began."""

    def problems(self, service: Service) -> list[str]:
        """List what keeps the service from its work; what was found a moment ago is given again."""
        with self._lock:
            if time.monotonic() - self._looked >= self.times.kept_seconds:
                self._problems = [finding.public for finding in self.look(service) if finding.public]
                self._looked = time.monotonic()
            return self._problems

    def look(self, service: Service) -> Iterator[Finding]:
        """Look at everything now."""
        yield from database(service, self.times.write_seconds)
        yield from disk_of_the_jobs(service)
        yield from threads(service, self.workers)
        yield from last_backup(service.daily_work)
        yield from _if_it_can_be_read(clock_checks.clock_of(service))
        yield from _if_it_can_be_read(clock_checks.clock_of_the_database(service))
        if self.serving_since is not None:
            yield from newest_backup(service.settings, timedelta(seconds=time.monotonic() - self.serving_since))
