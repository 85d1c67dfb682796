"""What is looked at to see whether an installation is well: each thing once, for all who ask.

`/readyz`, the alerts and `flask doctor` read the same findings, each its own sentence of them: the doctor's is for
whoever may see the installation and says what to do, that of `/readyz` is for anybody, and an alert's wakes somebody.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, ColumnElement, bindparam, func, literal_column, select, text
from sqlalchemy.orm import aliased

from .. import clock
from ..auth import site_refusals
from ..clock import Now
from ..domain.actors import Known
from ..domain.lifecycle import END_WORDS, RECEIVED, Phase, Queue
from ..errors import TaskFailed, Unavailable, shown
from ..jobs.sql import in_phase
from ..live.presence import State
from ..storage import migrations, postgresql
from ..storage.database import reason_of
from ..storage.models import Job, JobEvent
from ..storage.sqlite import DAMAGED
from ..storage.statement import Connection, Statement
from ..worker import Worker
from . import backups, damage, rehearsal, timekeeping

if TYPE_CHECKING:
    from ..config import Settings
    from ..service import Service
    from .maintenance import DailyWork

STOP_SECONDS = 10
WRITE_SECONDS = 1.0
"""How long a look waits for the turn to write: a monitor does not wait for longer."""
_DAMAGE_SECONDS = 600.0
"""For how long damage that something met is told, though a look does not meet it."""
_NEWS_MS = 10 * 60 * 1000
_BACKUP_AGE = timedelta(hours=48)

_WAITING = Statement(
    select(Job.site, func.count(), func.min(Job.accepted_ms))
    .where(in_phase(Queue.PRIMARY, Phase.WAITING))
    .group_by(Job.site)
)
_STOPS = Statement(
    select(Job.site, Job.action, Job.ulid, Job.hold_ms, Job.accepted_ms, Job.accepted_boot_ms).where(
        in_phase(Queue.PRIMARY, Phase.WAITING), Job.is_stop == 1
    )
)
_ACTS: list[ColumnElement[str]] = [
    literal_column(f"'{word}'") for word in (RECEIVED.lower(), *chain.from_iterable(END_WORDS.values()))
]
_own_event = aliased(JobEvent)
_last_of_its_own = select(func.max(_own_event.seq)).where(_own_event.job_id == Job.id).correlate(Job).scalar_subquery()
_UNTAKEN = Statement(
    select(Job.ulid).where(
        Job.ulid == bindparam("ulid"),
        in_phase(Queue.PRIMARY, Phase.WAITING, Phase.WITHDRAWN),
        ~select(JobEvent.seq)
        .where(
            *(JobEvent.site == Job.site, JobEvent.seq > _last_of_its_own),
            *(JobEvent.queue == Queue.PRIMARY.value, JobEvent.actor_known == Known.SITE.value),
            func.lower(JobEvent.status).in_(_ACTS),
        )
        .exists(),
    )
)
"""A stop that nobody took, where the site has taken no job since the stop was given up, nor said that one ended."""
_ITS_CLOCK = Statement(text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"))
_APART_MS = 10_000


class Grade(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    NOTE = "note"  # it is worth knowing, and the service works
    BAD = "bad"  # it is to be put right


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing, in a sentence that says what to do where something is to be done."""

    about: str
    grade: Grade
    sentence: str
    fix: Callable[[], str] | None = None
    """Puts it right and returns what was done; none where only a person should."""
    public: str = ""
    """What `/readyz` tells anybody; empty for what keeps nobody from working."""
    alert: str = ""
    """What somebody is woken with; empty for what can wait."""


def database(service: Service, write_seconds: float = WRITE_SECONDS) -> Iterator[Finding]:
    """Look whether a job could be kept, whether the tables are this version's, and whether the jobs can be read."""
    try:
        found = revision(rehearsal.rehearse(service, write_seconds))
        if found.grade is Grade.GOOD:
            with service.database.reading() as connection:
                damage.read_jobs(connection, (_WAITING, _STOPS))
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
    sentence = f"{old} in {folder}: run flask backup, and see in the log why none was made."
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


def what_waits(service: Service) -> Iterator[Finding]:
    """Look what waits in vain, at each site. Raises Unavailable when the jobs cannot be read."""
    with service.database.reading() as connection:
        waiting, stops = connection.rows(_WAITING), connection.rows(_STOPS)
    for site, count, _ in waiting:
        if service.feed.presence.seen(site, Queue.PRIMARY).state is State.SILENT:
            sentence = f"its software is silent, and {count} jobs wait."
            yield Finding(f"silent {site}", Grade.NOTE, sentence, alert=f"{site}: {sentence}")
    now = clock.read()
    for site, action, ulid, hold_ms, *accepted in stops:
        if clock.age_ms(now, Now(*accepted)) - hold_ms > STOP_SECONDS * 1000:
            sentence = f"{action} was not taken within {STOP_SECONDS} s. Use the hard stop."
            yield Finding(stop_key(site, ulid), Grade.BAD, sentence, alert=f"{site}: {sentence}")


def stop_key(site: str, ulid: str) -> str:
    """Return what an alert of one stop command is known by."""
    return f"stop {site} {ulid}"


def untaken(service: Service, keys: Iterable[str]) -> set[str]:
    """Return those of these alerts of stops that are not over: an end that the server put on a stop is none.

    Raises Unavailable.
    """
    ulids = {key: key.rpartition(" ")[2] for key in keys}
    if not ulids:
        return set()
    with service.database.reading() as connection:
        return {key for key, ulid in ulids.items() if connection.row(_UNTAKEN, ulid=ulid)}


def refusals_of(service: Service) -> Iterator[Finding]:
    """Look whose software is refused by a server; see `refused`. Raises Unavailable."""
    if service.settings.site_tokens != "required":
        return
    with service.database.reading() as connection:
        yield from refused(connection, service.settings)


def refused(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Look at which sites the software shows no valid site token, and is refused.

    Alerts are of sites that there are, since anybody on the network can make up others.
    """
    if settings.site_tokens != "required":
        return
    now_ms = clock.now_ms()
    for each in site_refusals.found(connection, now_ms):
        what = f"its software is refused since {each.since(now_ms)}, as it shows no valid site token"
        sentence = (
            f"{what} ({shown(each.client) or 'it does not say what it is'}): give it one (flask tokens create --site"
            f" {shown(each.site)}), or set JOBS_SITE_TOKENS=off."
        )
        is_one = each.is_known or each.site in settings.sites
        alert = f"{each.site}: {what}. It may take that for an empty list." if is_one else ""
        yield Finding(f"refused {each.site}", Grade.BAD, sentence, alert=alert)


def clock_of(service: Service) -> Iterator[Finding]:
    """Look at a server's clock and dates; see `dates`. Raises Unavailable."""
    with service.database.reading() as connection:
        yield from dates(connection, service.settings)


def dates(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Look whether the clock may be days ahead, and whether anything is dated in the future, which counts for nothing.

    `/readyz` and alerts do not speak of a few minutes: a clock that NTP sets back catches up with them.
    """
    now = clock.read()
    if doubt := timekeeping.doubt(connection, settings, now):
        yield Finding("clock", Grade.BAD, f"{doubt.sentence}.", alert=f"This machine's clock: {doubt.sentence}.")
    if ahead_ms := timekeeping.job_ahead_ms(connection, now):
        ahead, since = timedelta(seconds=ahead_ms // 1000), "this clock was set back, or was ahead when the job came"
        what = f"the newest job is {ahead} in the future: {since}"
        loud = ahead_ms > _NEWS_MS
        yield Finding(
            "dates",
            Grade.BAD,
            f"{what}. Set it right, and keep it so by NTP; if it is right now, confirm it with {timekeeping.CONFIRM}",
            public=what if loud else "",
            alert=f"The n{what[5:]}." if loud else "",
        )
    if backups.are_made_daily(settings):
        yield from _backup_ahead(settings.backups)


def _backup_ahead(folder: Path) -> Iterator[Finding]:
    """Look whether a backup is dated in the future, so that it does not count as one of today."""
    with suppress(OSError):  # `newest_backup` tells of a folder that cannot be read
        found = backups.farthest_ahead(backups.listed(folder), clock.utc_now())
        if found is None:
            return
        what = f"the backup {found.path.name} is dated in the future and counts for nothing"
        sentence = f"{what}: the clock was ahead when it was made. Delete it in {folder}, or rename it."
        yield Finding("backups", Grade.BAD, sentence, public=what, alert=f"T{sentence[1:]}")


def clock_of_the_database(service: Service) -> Iterator[Finding]:
    """Look whether this machine and the database's agree about the time; `/readyz` speaks of more than some seconds.

    Several servers share a database: what one of them accepts, another finds too old or too young.
    """
    if service.database.kind.name != postgresql.NAME:
        return
    with service.database.reading() as connection:
        apart_ms = clocks_apart_ms(connection)
    if abs(apart_ms) > _APART_MS:
        how = "ahead of" if apart_ms > 0 else "behind"
        what = (
            f"this machine's clock is {abs(apart_ms) / 1000:,.0f} s {how} PostgreSQL's, so that jobs sent by way of"
            " another server may expire at once, or too late; set both right by NTP"
        )
        yield Finding("clock", Grade.BAD, f"{what}.", public=what)


def clocks_apart_ms(connection: Connection) -> int:
    """Return how far this machine's clock is ahead of PostgreSQL's, negative when behind; what the way took is none."""
    before_ms = clock.now_ms()
    there_ms = int(connection.rows(_ITS_CLOCK)[0][0])
    after_ms = clock.now_ms()
    return max(0, before_ms - there_ms) or min(0, after_ms - there_ms)


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
        yield from _if_it_can_be_read(clock_of(service))
        yield from _if_it_can_be_read(clock_of_the_database(service))
        if self.serving_since is not None:
            yield from newest_backup(service.settings, timedelta(seconds=time.monotonic() - self.serving_since))
