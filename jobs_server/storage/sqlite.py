"""What is special about SQLite: one writer, and durability by pragmas on each connection."""

from __future__ import annotations

import glob
import os
import stat
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import program
from .disk_room import FULL, DiskRoom
from .file_identity import REPLACED, FileIdentity
from .precedence import Precedence
from .sqlite_driver import driver

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

NAME = "sqlite"
BEGIN = "jobs_server_begin"
"""Execution option: the statement that opens a SQLAlchemy transaction on SQLite."""
BUSY = "it is busy"
DAMAGED, NO_DATABASE = "its file is damaged", "its file is no database"
UNOPENED = f"its file cannot be opened (was it ever prepared? serve once, or run `{program.command('db upgrade')}`)"
_ERRORS = "its disk reports errors"
_LASTING = (DAMAGED, NO_DATABASE)
_RESTORING, _BEFORE = ".restoring", ".before-"
"""What a restore adds to the name of a database: while it makes another, and to keep the one that was there."""
_OWN = 0.95
"""How much of the longest wait a connection waits for other processes by itself; to tell it another time costs 9 us."""
_READERS_MS = 250
_READERS_PART = 8
"""On a full disk a unit waits so long for readers, and no more than such a part of the time that is left to it.

A reader that does not end lets the units behind one another still use the rest of the log.
"""

_OURS = (driver.IntegrityError, driver.ProgrammingError)


class SQLite:
    """Speak to SQLite."""

    name = NAME
    one_writer = True
    reserved = 0
    failure: type[Exception] = driver.Error

    def __init__(self, engine: Engine) -> None:
        self.in_memory = is_memory(engine.url)
        self._file = engine.url.database
        self._identity = FileIdentity(None if self.in_memory else path_of(engine.url))
        self.precedence = Precedence(None if self.in_memory else Path(self._file or "").absolute().parent)
        self.room = DiskRoom(None if self.in_memory else Path(path_of(engine.url)))
        _set_up(engine, self._identity)

    def begin(self, raw: Any, _site: str | None, timeout_ms: int, waited_ms: int, *, urgent: bool = False) -> None:
        """Open a write unit: the only one, whichever site's it is.

        Raises where the file is another one now, or the disk is full and the unit is not urgent.
        """
        if self._identity.has_changed():
            raise driver.OperationalError(REPLACED)
        own_ms, left_ms = round(timeout_ms * _OWN), max(0, timeout_ms - waited_ms)
        if self.room.is_full():
            left_ms -= self._begin_on_a_full_disk(raw, own_ms, left_ms, urgent=urgent)
        if not urgent:
            self.precedence.give_way()
        if left_ms >= own_ms:
            raw.execute("BEGIN IMMEDIATE")
            return
        with _busy_timeout(raw, left_ms, own_ms):
            raw.execute("BEGIN IMMEDIATE")

    def _begin_on_a_full_disk(self, raw: Any, own_ms: int, left_ms: int, *, urgent: bool) -> int:
        """Have the log begin anew, whose bytes are there, for a write unit that is urgent; refuse all others.

        Return how long that may have waited for readers, in ms.
        """
        if not urgent:
            raise driver.OperationalError(FULL)
        with suppress(driver.Error, OSError):
            _, frames, _ = raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if self.room.is_log_half_used(frames, raw.execute("PRAGMA page_size").fetchone()[0]):
                return _wait_for_readers(raw, own_ms, left_ms)
        return 0

    def fault(self) -> str | None:
        """Return what is wrong with the file, so that nothing is kept that comes; None when nothing is."""
        return REPLACED if self._identity.has_changed() else None

    def is_full(self) -> bool:
        """Whether the disk of the file is full."""
        return self.room.is_full()

    def announced(self) -> AbstractContextManager[None]:
        """Have the writers of other processes give way until an urgent write unit has begun."""
        return self.precedence.announced()

    def begin_reading(self, raw: Any) -> None:
        """Open a read transaction."""
        raw.execute("BEGIN")

    def commit(self, raw: Any, _site: str | None) -> None:
        """Commit a write unit; other processes see its changes by themselves."""
        raw.commit()

    def rollback(self, raw: Any) -> None:
        """Undo a write unit."""
        raw.rollback()

    def repair(self) -> None:
        """Let the files beside the database be written by whom it may be.

        SQLite makes these files with the mode of the database. Made while that was read-only, they would keep it so for
        good.
        """
        for beside in () if self.in_memory else (Path(f"{self._file}-wal"), Path(f"{self._file}-shm")):
            with suppress(OSError):
                mode = stat.S_IMODE(beside.stat().st_mode)
                if wider := stat.S_IMODE(Path(self._file or "").stat().st_mode) & ~mode:
                    beside.chmod(mode | wider)

    def meaning(self, error: Exception) -> str | type[Exception]:
        """Return why the database failed; Exception when the fault is ours."""
        if isinstance(error, _OURS):
            return Exception
        found = reason(error)
        return FULL if found in (_ERRORS, UNOPENED) and self.room.is_full() else found


def is_memory(url: URL) -> bool:
    """Whether a URL names SQLite in memory."""
    return url.get_backend_name() == NAME and url.database in (None, "", ":memory:")


def path_of(url: URL) -> str:
    """Return the path of the file that a URL names."""
    return str(url.database).removeprefix("file:").partition("?")[0]


def engine_options(url: URL, threads: int, timeout_seconds: float) -> dict[str, Any]:
    """Return the options with which SQLAlchemy makes the engine."""
    connect_args = {"timeout": timeout_seconds * _OWN, "check_same_thread": False}
    options: dict[str, Any] = {"module": driver, "connect_args": connect_args}
    if not is_memory(url):
        # Each thread may hold one connection of `Database` and one of the engine's own, as ORM sessions do.
        options |= {"pool_size": threads, "max_overflow": threads, "pool_timeout": timeout_seconds}
    return options


def beside(file: Path) -> tuple[Path, ...]:
    """Return the paths at which SQLite keeps what belongs to a file beside the file."""
    return tuple(file.with_name(file.name + suffix) for suffix in ("-wal", "-shm", "-journal"))


def unfinished(file: Path) -> Path:
    """Return the path at which a restore makes what is to take the place of a database."""
    return file.with_name(f"{file.name}{_RESTORING}")


def aside(file: Path, made: datetime) -> Path:
    """Return a free path at which a restore keeps the database that was there."""
    name = f"{file.name}{_BEFORE}{made:%Y%m%dT%H%M%SZ}"
    names = (name, *(f"{name}-{number}" for number in range(2, 100)))
    return next(path for path in map(file.with_name, names) if not os.path.lexists(path))


def leftovers(file: Path) -> list[Path]:
    """List what restores left beside a database, in the order of its names."""
    patterns = (f"{glob.escape(file.name)}{kind}*" for kind in (_RESTORING, _BEFORE))
    return sorted(path for pattern in patterns for path in file.parent.glob(pattern))


def forget_second_names(file: Path) -> None:
    """Delete the names that a restore gave to a database that it then did not replace.

    Used under two names at once, a database has two logs, and is damaged.
    """
    if file.stat().st_nlink > 1:
        for path in leftovers(file):
            if path.samefile(file):
                path.unlink()


def use_write_ahead_log(engine: Engine, timeout_seconds: float) -> None:
    """Switch the file to WAL, which it then stays in.

    The switch needs the file for itself for a moment and SQLite does not wait for that: two processes may start
    together. Raises what the driver raises when the file cannot be used.
    """
    deadline = time.monotonic() + timeout_seconds
    connection = engine.raw_connection()
    try:
        while True:
            try:
                connection.driver_connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[union-attr]
            except driver.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return
    finally:
        connection.close()


def _wait_for_readers(raw: Any, own_ms: int, left_ms: int) -> int:
    """Have the log begin anew as soon as nobody reads from it, and return how long that may have waited, in ms.

    A checkpoint that waits for nobody is not enough: where each unit meets another reader, as the feed's, which reads
    what the unit before has changed, the log grows past the bytes that are there.
    """
    wait_ms = min(_READERS_MS, left_ms // _READERS_PART)
    with _busy_timeout(raw, wait_ms, own_ms):
        raw.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    return wait_ms


@contextmanager
def _busy_timeout(raw: Any, wait_ms: int, own_ms: int) -> Iterator[None]:
    """Have a connection wait so long for others in a block, and as long as it does by itself after it."""
    raw.execute(f"PRAGMA busy_timeout = {wait_ms}")
    try:
        yield
    finally:
        raw.execute(f"PRAGMA busy_timeout = {own_ms}")


def _set_up(engine: Engine, identity: FileIdentity) -> None:
    """Make every connection of an engine durable and checked, of one file, and its transactions explicit."""
    from sqlalchemy import event  # Here, since some commands read the file by the driver alone.

    @event.listens_for(engine, "do_connect")
    def on_do_connect(*_: object) -> None:
        if identity.has_changed():
            raise driver.OperationalError(REPLACED)

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        identity.learn()
        connection.isolation_level = None  # The driver must not open transactions of its own.
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")  # What was acknowledged survives a power cut.
        connection.execute("PRAGMA cache_size = -512")  # These are KiB, and there may be a cache for each thread.

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))


def refusal(reason: str) -> str:
    """Write the sentence of a refusal for which the database is the reason."""
    advice = "a backup is to be restored, and /readyz names it" if reason in _LASTING else "try again in a moment"
    return f"Error: the database cannot be used now: {reason}. Nothing was changed; {advice}."


def reason(error: BaseException) -> str:
    """Return in a few words why the database failed."""
    text = str(error).lower()
    return next((sentence for sign, sentence in _SIGNS.items() if sign in text), text.splitlines()[0] if text else BUSY)


_SIGNS = {
    REPLACED: REPLACED,
    "locked": BUSY,
    "full": FULL,
    "i/o error": _ERRORS,
    "readonly": "it may only be read",
    "no such table": f"it was never prepared (serve once, or run `{program.command('db upgrade')}`)",
    "unable to open": UNOPENED,
    "malformed": DAMAGED,
    "not a database": NO_DATABASE,
}
