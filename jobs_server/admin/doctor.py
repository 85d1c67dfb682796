"""Looks an installation over, explains what is wrong and what to do, and can mend what is safe to mend."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from .. import clock
from ..auth.gate import KEYS_FILE
from ..auth.issuer_keys import IssuerKeys
from ..config import CONFIG_FILE, variable
from ..errors import TaskFailed, Unavailable
from ..jobs import queries
from ..jobs.remote_calendar import RemoteCalendar
from ..service import service_of
from ..storage import network_share, postgresql, revisions, sqlite
from ..storage.database import reason_of
from ..storage.models import Job
from ..storage.sqlite_driver import driver, has_wal_bug
from ..storage.statement import Statement
from ..upkeep import backups, maintenance
from . import doctor_postgresql, repairs
from .installation import Finding, Grade, Patient

_BACKUP_AGE = timedelta(hours=48)
_AHEAD_MS = 60_000  # a clock that was set back by less is no news
_NEWEST = Statement(select(func.max(Job.accepted_ms)))


def look_over(app: Flask) -> Iterator[Finding]:
    """Look at one thing after another; what cannot be looked at is a finding too."""
    patient = Patient(app)
    for check in CHECKS[patient.database.kind.name]:
        try:
            yield from check(patient)
        except (Unavailable, TaskFailed, OSError, DBAPIError, driver.Error, httpx.HTTPError) as error:
            name = check.__name__.strip("_").replace("_", " ")
            yield Finding(name, Grade.BAD, f"could not be looked at: {reason_of(error)}")


def _settings(patient: Patient) -> Iterator[Finding]:
    loaded = service_of(patient.app)
    changed = [variable(name) for name, origin in loaded.origins.items() if origin != "default"]
    yield Finding("settings", Grade.GOOD, f"all can be read; set are: {', '.join(changed) or 'none'}.")
    if loaded.settings.workers > 1 and patient.is_on_sqlite:
        yield Finding(
            "settings", Grade.NOTE, "JOBS_WORKERS: more than one process gains nothing with SQLite; unset it."
        )


def _sqlite(_patient: Patient) -> Iterator[Finding]:
    which = f"SQLite {driver.sqlite_version}, driver {driver.__name__}"
    if has_wal_bug(driver.sqlite_version_info):
        sentence = (
            f"{which}: versions 3.7.0 to 3.51.2 have a rare bug that can damage a database. Install pysqlite3 where"
            " there is a package for this machine, or a newer Python; and keep backups."
        )
        yield Finding("SQLite", Grade.NOTE, sentence)
    else:
        yield Finding("SQLite", Grade.GOOD, f"{which}, without the bug that can damage a database.")


def _disk(patient: Patient) -> Iterator[Finding]:
    folder = _existing(patient.file or Path(patient.settings.instance))
    share = network_share.network_share(folder)
    if share and patient.is_on_sqlite:
        sentence = (
            f"{folder} is on a network share ({share}), where SQLite's locks do not hold and two servers would damage"
            " the database: name a folder on a disk of this machine with JOBS_INSTANCE."
        )
        yield Finding("disk", Grade.BAD, sentence)
    free_mb, wanted_mb = shutil.disk_usage(folder).free >> 20, patient.settings.disk_free_mb
    enough = free_mb >= wanted_mb
    what_to_do = "" if enough else "; delete old files, or move the backups elsewhere with JOBS_BACKUP_FOLDER"
    grade = Grade.GOOD if enough else Grade.BAD
    yield Finding("disk", grade, f"{free_mb:,} MB are free at {folder}, of {wanted_mb:,} wanted{what_to_do}.")


def _permissions(patient: Patient) -> Iterator[Finding]:
    folder = Path(patient.settings.instance)
    if not folder.is_dir():
        yield Finding("permissions", Grade.NOTE, f"{folder} is not there yet; the first start makes it.")
        return
    closed = [path for path in (folder, patient.file) if path and not os.access(path, os.R_OK | os.W_OK)]
    for path in closed:
        sentence = f"{path} cannot be written by this user: run the service as its owner, or give it to this user."
        yield Finding("permissions", Grade.BAD, sentence)
    if patient.file and os.name != "nt" and patient.file.stat().st_uid != os.geteuid():
        owner = patient.file.stat().st_uid
        sentence = f"{patient.file} belongs to user {owner}: run commands as that user, lest it lose files to this one."
        yield Finding("permissions", Grade.NOTE, sentence)
    config = folder / CONFIG_FILE
    if os.name != "nt" and config.exists() and config.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        sentence = f"{config} may hold secrets and others can read it: chmod 600 {config}"
        yield Finding("permissions", Grade.NOTE, sentence, lambda: repairs.close(config))
    elif not closed:
        yield Finding("permissions", Grade.GOOD, f"{folder} can be read and written.")


def _migration(patient: Patient) -> Iterator[Finding]:
    if not patient.is_there:
        lacking = "there is none yet" if patient.is_on_sqlite else "it has no tables yet"
        sentence = f"{lacking}; the first start makes what is needed."
        yield Finding("database", Grade.NOTE, sentence, lambda: repairs.prepare(patient))
        return
    found, newest = patient.revision, revisions.newest()
    if found == newest:
        yield Finding("database", Grade.GOOD, f"its tables are this version's (migration {found}).")
    else:
        sentence = f"it is at migration {found}, this version's is {newest}: restart the server, which migrates it."
        yield Finding("database", Grade.BAD, sentence, lambda: repairs.prepare(patient))


def _integrity(patient: Patient) -> Iterator[Finding]:
    if patient.file is None:
        return
    try:
        counts = backups.verify(patient.file)
    except TaskFailed as failure:
        sentence = f"{failure.message}. Stop the server and restore the newest good backup: flask restore FILE"
        yield Finding("integrity", Grade.BAD, sentence)
    else:
        sentence = f"{counts.jobs:,} jobs with {counts.events:,} events were read through, and are whole."
        yield Finding("integrity", Grade.GOOD, sentence)


def _clock(patient: Patient) -> Iterator[Finding]:
    if not patient.is_there:
        return
    with patient.database.reading() as connection:
        newest_ms = connection.rows(_NEWEST)[0][0] or 0
    ahead_ms = newest_ms - clock.now_ms()
    if ahead_ms > _AHEAD_MS:
        sentence = (
            f"the newest job is {timedelta(seconds=ahead_ms // 1000)} in the future: this clock was set back, or was"
            " ahead when the job came. Set it right, and keep it so by NTP."
        )
        yield Finding("clock", Grade.BAD, sentence)
    else:
        yield Finding("clock", Grade.GOOD, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, after the newest job.")


def _indexes(patient: Patient) -> Iterator[Finding]:
    if patient.file is None or patient.revision != revisions.newest():
        return  # a migration makes those that are new
    if slow := repairs.slow(patient):
        sentence = f"polls do not use {', '.join(slow)}: they will be slow with a long history."
        yield Finding("indexes", Grade.BAD, sentence, lambda: repairs.rebuild(patient))
    else:
        yield Finding("indexes", Grade.GOOD, "polls find what waits by an index, however long the history is.")


def _backups(patient: Patient) -> Iterator[Finding]:
    if patient.file is None or not maintenance.of(patient.app).keeps_backups:
        return
    made = backups.listed(patient.settings.backups)
    if made and datetime.now(UTC) - made[0].made <= _BACKUP_AGE:
        sentence = f"the newest of {len(made)} in {patient.settings.backups} is of {made[0].made:%Y-%m-%d %H:%M} UTC."
        yield Finding("backups", Grade.GOOD, sentence)
        return
    age = f"the newest is {(datetime.now(UTC) - made[0].made).days} days old" if made else "there is none"
    sentence = f"{age} in {patient.settings.backups}: run flask backup, and see in the log why none was made."
    yield Finding("backups", Grade.NOTE, sentence, lambda: repairs.back_up(patient))


def _server(patient: Patient) -> Iterator[Finding]:
    host, port = patient.address
    place = f"http://{host}:{port}"
    try:
        alive = httpx.get(f"{place}/healthz", timeout=3, trust_env=False).text.strip() == "alive"
    except httpx.HTTPError:
        alive = False
    if alive:
        yield Finding("server", Grade.GOOD, f"it answers at {place}.")
        yield from _readiness(place)
        yield from _sites(place)
    elif _somebody_listens(host, port):
        sentence = f"port {port} is taken by another program: stop that one, or set JOBS_PORT to another port."
        yield Finding("server", Grade.BAD, sentence)
    else:
        yield Finding("server", Grade.NOTE, f"nothing answers at {place}: start it with flask serve.")


def _readiness(place: str) -> Iterator[Finding]:
    told = httpx.get(f"{place}/readyz", timeout=5, trust_env=False)
    if told.status_code != 200:
        yield from (Finding("server", Grade.BAD, line) for line in told.text.splitlines())


def _sites(place: str) -> Iterator[Finding]:
    for site in httpx.get(f"{place}/jobs/sites", timeout=5, trust_env=False).json():
        if site["state"] == "silent":
            since = datetime.fromtimestamp((site["silentSince_ms"] or 0) / 1000, UTC)
            sentence = f"its software has not asked for jobs since {since:%Y-%m-%d %H:%M:%S} UTC: see whether it runs."
            yield Finding(f"site {site['site']}", Grade.NOTE, sentence)
        elif site["state"] == "online":
            yield Finding(f"site {site['site']}", Grade.GOOD, "its software asks for jobs.")


def _sign_in(patient: Patient) -> Iterator[Finding]:
    issuer = patient.settings.issuer
    if issuer:
        keys = IssuerKeys(issuer, Path(patient.settings.instance) / KEYS_FILE)
        if keys.answers():
            yield Finding("sign-in", Grade.GOOD, f"{issuer} answers; a server keeps its keys for when it does not.")
        else:
            sentence = (
                f"{issuer} cannot be asked for its keys: see the address and the internet; kept keys go on working."
            )
            yield Finding("sign-in", Grade.NOTE, sentence)
    elif patient.settings.host not in ("127.0.0.1", "::1", "localhost"):
        sentence = "whoever can reach the port may command the telescope: no sign-in is set."
        yield Finding("sign-in", Grade.NOTE, sentence)


def _calendar(patient: Patient) -> Iterator[Finding]:
    url = patient.settings.calendar_url
    if not url:
        return
    sites = patient.settings.sites
    if not sites and patient.is_there:
        with patient.database.reading() as connection:
            sites = tuple(queries.sites(connection))
    fault = RemoteCalendar(url).fault(sites[0] if sites else "?", clock.now_ms())
    if fault is None:
        yield Finding("calendar", Grade.GOOD, f"{url} says who has reserved a telescope.")
    else:
        sentence = (
            f"{url} does not say who has reserved a telescope ({fault}): see JOBS_CALENDAR_URL and the internet."
            " What it told before is used for up to a day; after that only admins may command."
        )
        yield Finding("calendar", Grade.BAD, sentence)


def _postgresql(patient: Patient) -> Iterator[Finding]:
    """Look at all of it, and no further where it does not answer: that is told once."""
    yield from doctor_postgresql.server(patient)
    yield from doctor_postgresql.connections(patient)
    yield from _migration(patient)
    if patient.is_there:
        yield from _clock(patient)
    if patient.is_there and patient.revision == revisions.newest():  # a migration makes those that are new
        yield from doctor_postgresql.indexes(patient)


_OF_SQLITE = (_sqlite, _migration, _integrity, _clock, _indexes, _backups)
CHECKS: Mapping[str, tuple[Callable[[Patient], Iterator[Finding]], ...]] = {
    kind: (_settings, _disk, _permissions, *of_the_database, _server, _sign_in, _calendar)
    for kind, of_the_database in ((sqlite.NAME, _OF_SQLITE), (postgresql.NAME, (_postgresql,)))
}


def _existing(path: Path) -> Path:
    """Give the folder that a path is in or will be in."""
    return next(parent for parent in (path, *path.absolute().parents) if parent.is_dir())


def _somebody_listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False
