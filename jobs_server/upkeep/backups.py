"""Copies of the database: made while it is served, verified, compressed, and kept for days, weeks and months.

A copy is one moment of the database, whatever is written meanwhile: SQLite's backup API reads it inside one read
transaction, through a connection like any other (never the file itself: see `sqlite_driver`).
"""

from __future__ import annotations

import gzip
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from .. import clock
from ..config import Settings
from ..errors import TaskFailed, on_one_line
from ..storage.database import reason_of
from ..storage.sqlite import is_memory, path_of
from ..storage.sqlite_driver import driver, open_file

_NOTE = "backup-failed.txt"
"""The file in the instance folder by which a backup beside the server tells it of a failure."""
_NAME = "jobs-%Y%m%dT%H%M%SZ.db.gz"
_PATTERN = "jobs-*.db.gz"
_PART = ".part"
_CLOCK_SLACK = timedelta(minutes=1)  # a clock that was set back by less is no news
_CHUNK_BYTES = 1024 * 1024

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is to do."""


@dataclass(frozen=True, kw_only=True)
class BackupRules:
    """What is kept of the backups, and how one is made."""

    days: int = 7
    weeks: int = 4
    months: int = 12
    """Of so many days, weeks and months that have a backup the newest is kept."""
    spare_bytes: int = 16 * 1024 * 1024
    """So much is to stay free on the disk beside a backup."""
    pages: int = 500
    """So many pages are copied at once: a few milliseconds, so that others are served in between."""
    stale_seconds: float = 60 * 60
    """A part that nothing was written to for so long is of a backup that was cut off."""


RULES = BackupRules()


@dataclass(frozen=True, slots=True)
class Counts:
    """What a database holds."""

    jobs: int
    events: int


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup in a folder; its time is that of its name, which copying the file does not change."""

    path: Path
    made: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """What came of making a backup."""

    path: Path
    counts: Counts
    size_bytes: int
    dropped: tuple[Path, ...]
    """The older backups that nobody needs any more."""


def are_made_daily(settings: Settings) -> bool:
    """Whether a server with these settings makes backups by itself."""
    url = settings.url
    return settings.backup_daily and url.get_backend_name() == "sqlite" and not is_memory(url)


def database_file(url: URL) -> Path:
    """Return the file of a SQLite database. Raises TaskFailed when it has none."""
    if url.get_backend_name() != "sqlite":
        raise TaskFailed("this is for SQLite; PostgreSQL is backed up with pg_dump and restored with pg_restore")
    if is_memory(url):
        raise TaskFailed("a database in memory cannot be backed up")
    return Path(path_of(url))


def listed(folder: Path) -> list[Backup]:
    """Return the backups in a folder, newest first."""
    found = []
    for path in folder.glob(_PATTERN):
        with suppress(ValueError):
            found.append(Backup(path, datetime.strptime(path.name, _NAME).replace(tzinfo=UTC)))
    return sorted(found, key=lambda backup: backup.made, reverse=True)


def newest(found: Iterable[Backup], now: datetime) -> Backup | None:
    """Return the newest of some backups; what is dated in the future says nothing of how long ago a backup was made."""
    return max((each for each in found if not _is_ahead(each, now)), key=lambda each: each.made, default=None)


def farthest_ahead(found: Iterable[Backup], now: datetime) -> Backup | None:
    """Return the backup that is dated farthest in the future; None when none is."""
    return max((each for each in found if _is_ahead(each, now)), key=lambda each: each.made, default=None)


def _is_ahead(backup: Backup, now: datetime) -> bool:
    return backup.made > now + _CLOCK_SLACK


def make(source: Path, folder: Path, progress: Progress = lambda *_: None, rules: BackupRules = RULES) -> Made:
    """Back up a database into a folder, verify the copy, and drop what is no longer to be kept.

    Raises TaskFailed with one sentence; then no file is left that looks like a backup, and the older ones are there.
    """
    folder = _usable(folder)
    _check_room(source, folder, rules.spare_bytes)
    now = clock.utc_now()
    final = folder / now.strftime(_NAME)
    with translated(f"no backup was made in {folder}"), _parts(final, rules.stale_seconds) as (copy, packed):
        counts = _copy(source, copy, progress, rules.pages)
        if verify(copy, progress) != counts:
            raise TaskFailed(f"no backup was made: the copy of {source} does not hold what the database holds")
        _pack(copy, packed, progress)
        packed.replace(final)
        keep_names(folder)
        size_bytes = final.stat().st_size
    return Made(final, counts, size_bytes, tuple(_drop_old(folder, rules)))


def note_failure(instance: Path, sentence: str | None) -> None:
    """Note for the server that a backup beside it failed, or delete the note."""
    note = instance / _NOTE
    if sentence is None:
        note.unlink(missing_ok=True)
    else:
        note.write_text(sentence, encoding="utf-8")


def noted_failure(instance: Path) -> str | None:
    """Return why a backup beside the server failed; none when no failure was noted."""
    try:
        return (instance / _NOTE).read_text(encoding="utf-8") or None
    except OSError:
        return None


def verify(path: Path, progress: Progress = lambda *_: None, called: str | None = None) -> Counts:
    """Read a database file through, read-only. Raises TaskFailed when it is damaged or not this service's."""
    called = called or path.name
    progress("verify", 0, 0)
    with translated(f"{called} is no good"), closing(open_file(path, "ro")) as connection:
        report = "\n".join(str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)"))
        faults = report.splitlines()  # one row may hold several faults
        if faults != ["ok"]:
            raise TaskFailed(f"{called} is damaged: {on_one_line('; '.join(faults))}")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"job", "job_event", "alembic_version"} <= tables:
            raise TaskFailed(f"{called} is not a database of this service")
        return _count(connection)


def unpack(archive: Path, target: Path, progress: Progress = lambda *_: None) -> None:
    """Write out a backup, or copy one that is not compressed. Raises TaskFailed when it is cut off."""
    with translated(f"{archive} cannot be restored"):
        size = archive.stat().st_size
        with archive.open("rb") as raw:
            compressed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.open(raw) if compressed else raw as content, target.open("wb") as output:
                for chunk in iter(lambda: content.read(_CHUNK_BYTES), b""):
                    output.write(chunk)
                    progress("unpack", raw.tell(), size)


def check_unused(live: Path) -> None:
    """Raise TaskFailed when a program has a database open.

    Whoever uses a database with a write-ahead log holds a lock on it for as long as it has it open. What is left in
    that log is written back.
    """
    try:
        with closing(open_file(live, "rw")) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except driver.OperationalError as error:
        if "locked" in str(error):
            raise TaskFailed(f"{live} is in use: stop the server first, then restore") from None
    except driver.DatabaseError:
        pass  # it is no database any more, which is why another takes its place: nobody can serve it


def _usable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".trial-{os.getpid()}{_PART}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise TaskFailed(f"no backup can be made in {folder}: {error.strerror}") from None
    return folder


def _check_room(source: Path, folder: Path, spare_bytes: int) -> None:
    """Refuse to begin what would fill the disk: the copy and its compressed form are there together for a while."""
    try:
        needed = round(source.stat().st_size * 1.4) + spare_bytes
    except OSError as error:
        raise TaskFailed(f"there is nothing to back up at {source}: {error.strerror}") from None
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise TaskFailed(f"no backup was made: it needs {needed >> 20} MB in {folder}, and {free >> 20} MB are free")


@contextmanager
def _parts(final: Path, stale_seconds: float) -> Iterator[tuple[Path, Path]]:
    """Name the unfinished copy and its compressed form for a block, and delete both after it; delete those cut off."""
    for old in final.parent.glob(f".jobs-*{_PART}*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > stale_seconds:
                old.unlink()
    copy, packed = (final.with_name(f".{final.stem}-{os.getpid()}.{kind}{_PART}") for kind in ("copy", "packed"))
    try:
        yield copy, packed
    finally:
        for part in (copy, packed, copy.with_name(copy.name + "-journal")):
            with suppress(OSError):
                part.unlink()


def _copy(source: Path, target: Path, progress: Progress, pages: int) -> Counts:
    with closing(open_file(source, "rw")) as reading, closing(open_file(target, "rwc")) as writing:
        reading.execute("BEGIN")  # the copy is of one moment: else each write meanwhile would start it anew
        counts = _count(reading)
        reading.backup(writing, pages=pages, progress=lambda _, left, total: progress("copy", total - left, total))
        reading.execute("ROLLBACK")
        writing.execute("PRAGMA journal_mode = DELETE")  # the copy must need no file beside it
    return counts


def _pack(path: Path, packed: Path, progress: Progress) -> None:
    """Compress a file, and read it back to see that it is whole."""
    size = path.stat().st_size
    with path.open("rb") as content, packed.open("wb") as raw:
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6) as output:
            for chunk in iter(lambda: content.read(_CHUNK_BYTES), b""):
                output.write(chunk)
                progress("compress", content.tell(), size)
        raw.flush()
        os.fsync(raw.fileno())
    with path.open("rb") as content, gzip.open(packed) as back:
        for chunk in iter(lambda: content.read(_CHUNK_BYTES), b""):
            if back.read(len(chunk)) != chunk:
                raise TaskFailed(f"no backup was made: what was written to {packed.parent} reads back otherwise")
        back.read(1)  # the checksum stands at the end


def _count(connection: Any) -> Counts:
    (jobs,), (events,) = (connection.execute(f"SELECT count(*) FROM {t}").fetchone() for t in ("job", "job_event"))  # noqa: S608
    return Counts(jobs, events)


def kept(backups: Iterable[Backup], rules: BackupRules = RULES, now: datetime | None = None) -> set[Path]:
    """Return what to keep: the newest of each of the last 7 days, 4 weeks and 12 months that have one.

    What is dated in the future of `now` is kept beside, and takes the place of no other.
    """
    backups = list(backups)
    keep = {each.path for each in backups if now is not None and _is_ahead(each, now)}
    backups = [each for each in backups if each.path not in keep]
    for period, most in (("%Y-%m-%d", rules.days), ("%G-%V", rules.weeks), ("%Y-%m", rules.months)):
        newest: dict[str, Path] = {}
        for backup in sorted(backups, key=lambda each: each.made, reverse=True):
            newest.setdefault(backup.made.strftime(period), backup.path)
        keep |= set(list(newest.values())[:most])
    return keep


def _drop_old(folder: Path, rules: BackupRules) -> Iterator[Path]:
    backups = listed(folder)
    keep = kept(backups, rules, clock.utc_now())
    for backup in backups:
        if backup.path not in keep:
            with suppress(OSError):
                backup.path.unlink()
                yield backup.path


def keep_names(folder: Path) -> None:
    """Make the disk keep a folder's new names; Windows has no such call and needs none."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise TaskFailed, with one sentence, for files or a database that could not be used in a block."""
    try:
        yield
    except (OSError, EOFError, zlib.error, driver.Error) as error:
        words = getattr(error, "strerror", None) or (
            reason_of(error) if isinstance(error, driver.Error) else "it is cut off, or no backup of this service"
        )
        raise TaskFailed(f"{what}: {words}") from error
