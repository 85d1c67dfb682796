"""Keep room for stops on the disk of a SQLite file, and watch whether the disk is full."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from ..errors import Unavailable
from ..storage import disk_room
from ..storage.database import Database
from ..storage.sqlite import SQLite
from ..storage.statement import Statement
from ..worker import Worker

if TYPE_CHECKING:
    from ..service import Service

BALLAST = "ballast"
LOOK_SECONDS = 1.0
_CHUNK_PAGES = 64
"""So many pages are written at once, that nobody waits for long."""

_FREE_PAGES = Statement(text("SELECT freelist_count, page_size FROM pragma_freelist_count, pragma_page_size"))
_MAKE = Statement(text("CREATE TABLE IF NOT EXISTS disk_room (filler BLOB)"))
_FILL = Statement(text("INSERT INTO disk_room VALUES (zeroblob(:filler_bytes))"))
_DROP = Statement(text("DROP TABLE IF EXISTS disk_room"))
_CHECKPOINT = Statement(text("PRAGMA wal_checkpoint(PASSIVE)"))

log = logging.getLogger(__name__)


class DiskWatch:
    """Take room in advance while there is some, and give the ballast up when there is none."""

    def __init__(self, database: Database, ballast_mb: int, disk_free_mb: int) -> None:
        kind = database.kind
        assert isinstance(kind, SQLite)
        assert kind.room.file is not None
        self._database, self._room, self._file = database, kind.room, kind.room.file
        self._ballast = self._file.with_name(BALLAST)
        self._ballast_bytes = ballast_mb << 20
        self._wanted_bytes = disk_free_mb << 20
        self._logged = False
        self._is_written = False

    def look(self) -> None:
        """Take or give up room, as the disk now is."""
        if self._database.fault:
            return
        full = self._room.is_full()
        if full != self._logged:
            self._logged = full
            log.log(logging.ERROR if full else logging.INFO, "the disk is full" if full else "the disk has room again")
        if full:
            self._give_up_ballast()
        else:
            self.take()

    def take(self) -> None:
        """Take what is missing of the room in advance; none where the disk has no more than a little."""
        if self._database.fault or self._room.is_full():
            return
        with suppress(Unavailable):
            self._stock_pages()
            if not self._is_written:
                return  # The room is there once the file has its bytes: a reader may keep them in the log until later.
            self._lengthen_log()
        disk_room.fill_index(self._file)
        disk_room.keep(self._file)
        self._make_ballast()

    def _unheard(self) -> Database:
        """Return the database without those who wait for commits, since no job is changed."""
        return replace(self._database, on_commit=[], on_commit_seconds=[])

    def _stock_pages(self) -> None:
        """Fill up the free pages in the file when half of them are used, and have all of them written to the file."""
        with self._database.reading() as connection:
            free, page_bytes = connection.rows(_FREE_PAGES)[0]
        wanted = self._room.stock_pages(page_bytes)
        if free >= wanted // 2:
            if not self._is_written:
                self._write_back()
            return
        self._is_written = False
        database = self._unheard()
        with database.transaction() as connection:
            connection.run(_MAKE)
        for _ in range((wanted - free) // _CHUNK_PAGES + 1):
            with database.transaction() as connection:
                connection.run(_FILL, filler_bytes=_CHUNK_PAGES * page_bytes)
        with database.transaction() as connection:
            connection.run(_DROP)
        self._write_back()

    def _write_back(self) -> None:
        """Have what stands in the log written to the file; a reader may keep some of it there until a later look."""
        with self._database.reading() as connection:
            _, in_log, written = connection.rows(_CHECKPOINT)[0]
        self._is_written = in_log == written

    def _lengthen_log(self) -> None:
        path = self._file.with_name(f"{self._file.name}-wal")
        wanted = self._room.log_bytes()
        if path.exists() and path.stat().st_size < wanted // 2:
            with self._unheard().transaction():  # no process writes to the log meanwhile
                disk_room.lengthen(path, wanted)

    def _make_ballast(self) -> None:
        """Make the ballast where the disk has room beside it; it may not be a hole, so it is written."""
        if (
            not self._ballast_bytes
            or self._ballast.exists()
            or self._ballast_bytes + self._wanted_bytes > _free(self._file)
        ):
            return
        block = os.urandom(1 << 20)  # what compresses well is no room on some disks
        with suppress(OSError), self._ballast.open("wb") as file:
            for _ in range(self._ballast_bytes >> 20):
                file.write(block)
        self._room.missing_bytes = 0

    def _give_up_ballast(self) -> None:
        with suppress(OSError):
            size = self._ballast.stat().st_size
            self._ballast.unlink()
            self._room.missing_bytes = size
            log.warning("the ballast is deleted: %d MB are free for stops and what hands them over", size >> 20)


def _free(file: Path) -> int:
    found = os.statvfs(file.parent) if hasattr(os, "statvfs") else None
    return found.f_bavail * found.f_frsize if found else 0


def watcher(service: Service) -> Worker | None:
    """Return what keeps room on the disk of a service's SQLite file; none where it is no file."""
    kind, settings = service.database.kind, service.settings
    if not isinstance(kind, SQLite) or kind.in_memory:
        return None
    watch = DiskWatch(service.database, settings.ballast_mb, settings.disk_free_mb)
    return Worker(
        "disk watch",
        LOOK_SECONDS,
        watch.look,
        does="keeps room for stops on the disk",
        failure="room for stops could not be kept on the disk",
    )
