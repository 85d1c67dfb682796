"""Look an installation over: what a server looks at in itself (`upkeep.checks`), and what only a person asks for."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from .. import clock, program
from ..config import CONFIG_FILE, variable
from ..errors import TaskFailed, Unavailable
from ..jobs import alert_addresses, queries
from ..observatory import profiles
from ..state import previews
from ..storage import migrations, network_share, postgresql, sqlite
from ..storage.database import reason_of
from ..storage.sqlite_driver import driver, has_wal_bug
from ..storage.statement import Statement
from ..upkeep import backups, checks, clock_checks, damage
from ..upkeep.findings import Finding, Grade
from . import repairs
from .installation import Installation

_CLOCKS_DIFFER_MS = 2_000
_OWN = 1 + postgresql.PostgreSQL.reserved  # each process hears of changes by one of its own, and keeps some for stops
_PROCESSES = 4  # a server has so many at most where JOBS_WORKERS is not set

_SERVER = Statement(
    text("SELECT current_setting('server_version'), current_setting('fsync'), current_setting('full_page_writes')")
)
_CONNECTIONS = Statement(
    text(
        "SELECT CAST(current_setting('max_connections') AS int)"
        " - CAST(current_setting('superuser_reserved_connections') AS int),"
        " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
    )
)


def look_over(installation: Installation) -> Iterator[Finding]:
    """Look at one thing after another; what cannot be looked at is a finding too."""
    for check in CHECKS[installation.database.kind.name]:
        try:
            yield from check(installation)
        except (Unavailable, TaskFailed, OSError, DBAPIError, driver.Error) as error:
            name = check.__name__.strip("_").replace("_", " ")
            yield Finding(name, Grade.BAD, f"could not be looked at: {reason_of(error)}")


def _settings(installation: Installation) -> Iterator[Finding]:
    loaded = installation.loaded
    changed = [variable(name) for name, origin in loaded.origins.items() if origin != "default"]
    yield Finding("settings", Grade.GOOD, f"all can be read; set are: {', '.join(changed) or 'none'}.")
    if loaded.settings.workers > 1 and installation.is_on_sqlite:
        yield Finding(
            "settings", Grade.NOTE, "JOBS_WORKERS: more than one process gains nothing with SQLite; unset it."
        )


def _sqlite(_: Installation) -> Iterator[Finding]:
    which = f"SQLite {driver.sqlite_version}, driver {driver.__name__}"
    if has_wal_bug(driver.sqlite_version_info):
        sentence = (
            f"{which}: versions 3.7.0 to 3.51.2 have a rare bug that can damage a database. Install pysqlite3 where"
            " there is a package for this machine, or a newer Python; and keep backups."
        )
        yield Finding("SQLite", Grade.NOTE, sentence)
    else:
        yield Finding("SQLite", Grade.GOOD, f"{which}, without the bug that can damage a database.")


def _disk(installation: Installation) -> Iterator[Finding]:
    folder = _existing(installation.file or Path(installation.settings.instance))
    share = network_share.network_share(folder)
    if share and installation.is_on_sqlite:
        sentence = (
            f"{folder} is on a network share ({share}), where SQLite's locks do not hold and two servers would damage"
            " the database: name a folder on a disk of this machine with JOBS_INSTANCE."
        )
        yield Finding("disk", Grade.BAD, sentence)
    yield from checks.disk(folder, installation.settings.disk_free_mb)


def _permissions(installation: Installation) -> Iterator[Finding]:
    folder = Path(installation.settings.instance)
    if not folder.is_dir():
        yield Finding("permissions", Grade.NOTE, f"{folder} is not there yet; the first start makes it.")
        return
    closed = [path for path in (folder, installation.file) if path and not os.access(path, os.R_OK | os.W_OK)]
    for path in closed:
        sentence = f"{path} cannot be written by this user: run the service as its owner, or give it to this user."
        yield Finding("permissions", Grade.BAD, sentence)
    if installation.file and os.name != "nt" and installation.file.stat().st_uid != os.geteuid():
        owner = installation.file.stat().st_uid
        sentence = (
            f"{installation.file} belongs to user {owner}: run commands as that user, lest it lose files to this one."
        )
        yield Finding("permissions", Grade.NOTE, sentence)
    config = folder / CONFIG_FILE
    if os.name != "nt" and config.exists() and config.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        sentence = f"{config} may hold secrets and others can read it: chmod 600 {config}"
        yield Finding("permissions", Grade.NOTE, sentence, lambda: repairs.close(config))
    elif not closed:
        yield Finding("permissions", Grade.GOOD, f"{folder} can be read and written.")


def _migration(installation: Installation) -> Iterator[Finding]:
    if not installation.is_there:
        lacking = "there is none yet" if installation.is_on_sqlite else "it has no tables yet"
        sentence = f"{lacking}; the first start makes what is needed."
        yield Finding("database", Grade.NOTE, sentence, lambda: repairs.prepare(installation))
        return
    finding = checks.revision(installation.revision)
    yield finding if finding.grade is Grade.GOOD else replace(finding, fix=lambda: repairs.prepare(installation))


def _integrity(installation: Installation) -> Iterator[Finding]:
    if installation.file is None:
        return
    try:
        counts = backups.verify(installation.file)
    except TaskFailed as failure:
        good = damage.newest_good(installation.settings)
        name = good.name if good else "FILE"  # a whole path is cut off on a terminal
        restore = program.command(f"restore {name}")
        sentence = f"{failure.message}. Stop the server and restore the newest good backup: {restore}"
        yield Finding("integrity", Grade.BAD, sentence)
    else:
        sentence = f"{counts.jobs:,} jobs with {counts.events:,} events were read through, and are whole."
        yield Finding("integrity", Grade.GOOD, sentence)


def _clock(installation: Installation) -> Iterator[Finding]:
    if not installation.is_there or installation.revision != migrations.newest():
        return  # a migration makes what the clock is held against
    with installation.database.reading() as connection:
        found = list(clock_checks.dates(connection, installation.settings))
    # What was found of the dates of jobs is said of the clock, which is to be set right.
    yield from (replace(each, about="clock") if each.about == "dates" else each for each in found)
    if not any(each.about in ("clock", "dates") for each in found):
        yield Finding("clock", Grade.GOOD, f"{clock.utc_now():%Y-%m-%d %H:%M:%S} UTC, after the newest job.")


def _indexes(installation: Installation) -> Iterator[Finding]:
    if installation.file is None or installation.revision != migrations.newest():
        return  # a migration makes those that are new
    if slow := repairs.slow(installation):
        sentence = f"polls do not use {', '.join(slow)}: they will be slow with a long history."
        yield Finding("indexes", Grade.BAD, sentence, lambda: repairs.rebuild(installation))
    else:
        yield Finding("indexes", Grade.GOOD, "polls find what waits by an index, however long the history is.")


def _backups(installation: Installation) -> Iterator[Finding]:
    if installation.file is not None:
        for finding in checks.newest_backup(installation.settings):
            missed = finding.grade is Grade.NOTE
            yield replace(finding, fix=lambda: repairs.back_up(installation)) if missed else finding


def _server(installation: Installation) -> Iterator[Finding]:
    host, port = installation.address
    place = f"http://{host}:{port}"
    try:
        alive = _get(host, port, "/healthz", timeout_seconds=3)[1].strip() == "alive"
    except OSError:
        alive = False
    if alive:
        yield Finding("server", Grade.GOOD, f"it answers at {place}.")
        yield from _readiness(host, port)
        yield from _sites(host, port)
    elif _somebody_listens(host, port):
        sentence = f"port {port} is taken by another program: stop that one, or set JOBS_PORT to another port."
        yield Finding("server", Grade.BAD, sentence)
    else:
        yield Finding("server", Grade.NOTE, f"nothing answers at {place}: start it with {program.command('serve')}.")


def _get(host: str, port: int, path: str, timeout_seconds: float = 5.0) -> tuple[int, str]:
    """Return the status and the text of an answer of this machine's server; raise OSError where there is none.

    The standard library asks, since a client with pools and proxies takes longer to load than all that is looked at.
    """
    asking = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    try:
        asking.request("GET", path)
        answer = asking.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise OSError(f"http://{host}:{port}{path} gave no answer of a server: {error!r}") from error
    finally:
        asking.close()


def _readiness(host: str, port: int) -> Iterator[Finding]:
    status, lines = _get(host, port, "/readyz")
    if status != 200:
        yield from (Finding("server", Grade.BAD, line) for line in lines.splitlines())


def _sites(host: str, port: int) -> Iterator[Finding]:
    status, told = _get(host, port, "/jobs/sites")
    for site in json.loads(told) if status == 200 else ():  # /readyz says why it has no list.
        if site["state"] == "silent":
            since = datetime.fromtimestamp((site["silentSince_ms"] or 0) / 1000, UTC)
            sentence = f"its software has not asked for jobs since {since:%Y-%m-%d %H:%M:%S} UTC: see whether it runs."
            yield Finding(f"site {site['site']}", Grade.NOTE, sentence)
        elif site["state"] == "online":
            yield Finding(f"site {site['site']}", Grade.GOOD, "its software asks for jobs.")


def _previews(installation: Installation) -> Iterator[Finding]:
    """Look whether pictures can be kept, and whether those that the database names are there."""
    folder = installation.settings.previews
    if folder.exists() and not os.access(folder, os.R_OK | os.W_OK):
        sentence = f"{folder} cannot be written by this user: run the service as its owner, or give it to this user."
        yield Finding("pictures", Grade.BAD, sentence)
        return
    try:
        if not installation.is_there or installation.revision != migrations.newest():
            return  # A migration makes the table.
        with installation.database.reading() as connection:
            count, size = previews.totals(connection)
            named = previews.files_named(connection)
    except (Unavailable, DBAPIError, driver.Error):
        return  # What is the matter with the database is said once, where the database is looked at.
    if lost := sum(1 for file in named if not (folder / file).is_file()):
        sentence = (
            f"{lost} of {count} are not in {folder}: name the folder that has them with JOBS_PREVIEW_FOLDER, or copy"
            " them back from the folder previews beside the backups."
        )
        yield Finding("pictures", Grade.NOTE, sentence)
    else:
        used = f"{size / 1e6:,.0f} MB of at most {installation.settings.preview_mb:,}"
        yield Finding("pictures", Grade.GOOD, f"{count:,} of jobs are kept in {folder}, {used}.")


def _site_tokens(installation: Installation) -> Iterator[Finding]:
    if installation.settings.site_tokens != "required":
        return
    if installation.is_there and installation.revision == migrations.newest():
        with installation.database.reading() as connection:
            yield from checks.refused(
                connection, installation.settings, profiles.load(Path(installation.settings.instance))
            )


def _sign_in(installation: Installation) -> Iterator[Finding]:
    issuer = installation.settings.issuer
    if issuer:
        from ..auth.issuer_keys import KEYS_FILE, IssuerKeys

        keys = IssuerKeys(issuer, Path(installation.settings.instance) / KEYS_FILE)
        if keys.is_reachable():
            yield Finding("sign-in", Grade.GOOD, f"{issuer} answers; a server keeps its keys for when it does not.")
        else:
            sentence = (
                f"{issuer} cannot be asked for its keys: see the address and the internet; kept keys go on working."
            )
            yield Finding("sign-in", Grade.NOTE, sentence)
    elif installation.settings.host not in ("127.0.0.1", "::1", "localhost"):
        sentence = "whoever can reach the port may command the telescope: no sign-in is set."
        yield Finding("sign-in", Grade.NOTE, sentence)


def _calendar(installation: Installation) -> Iterator[Finding]:
    url, shown = installation.settings.calendar_url, installation.settings.calendar_address
    if not url:
        return
    sites = installation.settings.sites
    if not sites and installation.is_there:
        with installation.database.reading() as connection:
            sites = tuple(queries.sites(connection))
    from ..jobs.remote_calendar import RemoteCalendar

    fault = RemoteCalendar(url).fault(sites[0] if sites else "?", clock.now_ms())
    if fault is None:
        yield Finding("calendar", Grade.GOOD, f"{shown} says who has reserved a telescope.")
    else:
        sentence = (
            f"{shown} does not say who has reserved a telescope ({fault}): see JOBS_CALENDAR_URL and the internet."
            " What it told before is used for up to a day; after that only admins may command."
        )
        yield Finding("calendar", Grade.BAD, sentence)


def _own_alerts(installation: Installation) -> Iterator[Finding]:
    """Look whether the addresses take alerts that people have named for alerts of their own."""
    if installation.settings.own_alerts == "off":
        return
    try:
        if not installation.is_there or installation.revision != migrations.newest():
            return  # A migration makes the table.
        with installation.database.reading() as connection:
            found = alert_addresses.list_all(connection)
    except (Unavailable, DBAPIError, driver.Error):
        return  # What is the matter with the database is said once, where the database is looked at.
    for each in found:
        if each.failing_since_ms is not None:
            since = datetime.fromtimestamp(each.failing_since_ms / 1000, UTC)
            sentence = (
                f"{each.place} of {each.person_name or 'the operator'} takes none since {since:%Y-%m-%d %H:%M} UTC:"
                f" {each.failure}. The page Notifications has the address, and a button that tries it."
            )
            yield Finding("own alerts", Grade.NOTE, sentence)
    if found and all(each.failing_since_ms is None for each in found):
        yield Finding("own alerts", Grade.GOOD, f"{len(found)} addresses of people's own are named, and none fails.")


def _postgresql_server(installation: Installation) -> Iterator[Finding]:
    """Look at the server: whether it answers, keeps what it has acknowledged, and knows the time."""
    with installation.database.reading() as connection:
        ((version, *keeps),) = connection.rows(_SERVER)
        apart_ms = abs(clock_checks.clocks_apart_ms(connection))
    unsafe = [name for name, value in zip(("fsync", "full_page_writes"), keeps, strict=True) if value == "off"]
    if unsafe:
        sentence = (
            f"PostgreSQL {version} runs with {' and '.join(unsafe)} off: a power cut there loses jobs or damages the"
            " database. Switch it on in postgresql.conf."
        )
        yield Finding("PostgreSQL", Grade.BAD, sentence)
    else:
        yield Finding("PostgreSQL", Grade.GOOD, f"PostgreSQL {version} answers, and keeps what it acknowledged.")
    if apart_ms > _CLOCKS_DIFFER_MS:
        sentence = f"PostgreSQL's clock and this one's are {apart_ms / 1000:,.0f} s apart: set both right by NTP."
        yield Finding("clock", Grade.NOTE, sentence)


def _connections(installation: Installation) -> Iterator[Finding]:
    """Look at whether there are connections enough for this server."""
    with installation.database.reading() as connection:
        ((most, used),) = connection.rows(_CONNECTIONS)
    settings = installation.settings
    wanted = (settings.workers or _PROCESSES) * (settings.database_connections + _OWN)
    sentence = f"this server may open {wanted} connections of PostgreSQL's {most}, of which {used} are open now"
    if wanted > most:
        sentence += ": raise max_connections there, or lower JOBS_WORKERS or JOBS_DATABASE_CONNECTIONS here."
        yield Finding("connections", Grade.BAD, sentence)
    else:
        yield Finding("connections", Grade.GOOD, f"{sentence}; other servers need as many each.")


def _postgresql_indexes(installation: Installation) -> Iterator[Finding]:
    """Look at whether all indexes are there and whole; which of them a plan uses hangs on how much there is."""
    if lacking := repairs.lacking(installation.database):
        sentence = f"{', '.join(lacking)} are missing or not whole: polls will be slow with a long history."
        yield Finding("indexes", Grade.BAD, sentence, lambda: repairs.complete(installation))
    else:
        yield Finding("indexes", Grade.GOOD, "all are there and whole.")


def _postgresql(installation: Installation) -> Iterator[Finding]:
    """Look at all of it, and no further where it does not answer: that is one finding."""
    yield from _postgresql_server(installation)
    yield from _connections(installation)
    yield from _migration(installation)
    if installation.is_there:
        yield from _clock(installation)
    if installation.is_there and installation.revision == migrations.newest():  # a migration makes those that are new
        yield from _postgresql_indexes(installation)


_OF_SQLITE = (_sqlite, _migration, _integrity, _clock, _indexes, _backups)
_OF_PEOPLE = (_site_tokens, _sign_in, _calendar, _own_alerts)
CHECKS: Mapping[str, tuple[Callable[[Installation], Iterator[Finding]], ...]] = {
    kind: (_settings, _disk, _permissions, *of_the_database, _previews, _server, *_OF_PEOPLE)
    for kind, of_the_database in ((sqlite.NAME, _OF_SQLITE), (postgresql.NAME, (_postgresql,)))
}


def _existing(path: Path) -> Path:
    """Return the folder that a path is in or will be in."""
    return next(parent for parent in (path, *path.absolute().parents) if parent.is_dir())


def _somebody_listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False
