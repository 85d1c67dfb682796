"""Room for stops on a disk that is full, although another program takes each byte that is freed.

What SQLite needs to write is there before: pages inside the database's file, the write-ahead log at its length, which
is never cut, and the log's index. Both files beside the database are deleted with the last connection; a second name
keeps their bytes, and the next start gives the first one back. On a disk that copies what is written (Btrfs, ZFS) old
bytes are no room for new ones, so that nothing of this can be promised there.
"""

from __future__ import annotations

import glob
import os
import shutil
import struct
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FULL = "the disk is full"
STOCK_PAGES = 512
"""So many free pages are kept in the database's file, half of them for stops alone."""
_LEAST_BYTES = 2 << 20
_LOG_BYTES = 8 << 20
_PART = 8
"""No more than such a part of what is free on a disk is taken in advance, or called full."""
_LOG, _INDEX = "-wal", "-shm"
_LOG_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_INDEX_BYTES = 32768
_ATTACHED_BYTE = 128
"""Whoever uses the index of the log holds a shared lock on this byte of it; who is first cuts the index short."""
_held: list[int] = []
"""Files that are never closed: to close one would drop SQLite's own locks on the index in this process."""


class DiskRoom:
    """Know whether the disk of a database's file is full, and how much is kept there in advance."""

    def __init__(self, file: Path | None) -> None:
        """Look at no disk yet; a database in memory has none."""
        self.file = file
        self._folder = str(file.absolute().parent) if file else ""
        self._is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        self.missing_bytes = 0
        """What was freed for the time in which the disk is full, and is to be free again before it is not."""

    def is_full(self) -> bool:
        """Whether so little is free that only what cannot wait is written."""
        if not self._folder:
            return False
        free, size = self._look()
        return free < min(_LEAST_BYTES, size // (2 * _PART)) + self.missing_bytes

    def is_short(self) -> bool:
        """Whether so little is free that the files of before are to be used again as they are."""
        free, size = self._look()
        return free < min(16 * _LEAST_BYTES, size // _PART)

    def log_bytes(self) -> int:
        """Return how long the log is to be."""
        return min(_LOG_BYTES, self._look()[0] // _PART)

    def is_log_half_used(self, frames: int, page_bytes: int) -> bool:
        """Whether so many pages in the log take more than half of the log's bytes."""
        if not self.file:
            return False
        used = _LOG_HEADER_BYTES + frames * (page_bytes + _FRAME_HEADER_BYTES)
        return 2 * used > self.file.with_name(self.file.name + _LOG).stat().st_size

    def stock_pages(self, page_bytes: int) -> int:
        """Return how many free pages the database's file is to have."""
        return min(STOCK_PAGES, self._look()[0] // _PART // page_bytes)

    def _look(self) -> tuple[int, int]:
        """Return how many bytes are free for this process, and how many there are in all."""
        try:
            if not hasattr(os, "statvfs"):
                usage = shutil.disk_usage(self._folder)
                return usage.free, usage.total
            found = os.statvfs(self._folder)
        except OSError:
            return 1 << 60, 1 << 60  # SQLite will say what is wrong
        free = found.f_bfree if self._is_root else found.f_bavail
        return free * found.f_frsize, found.f_blocks * found.f_frsize


def lengthen(log: Path, wanted_bytes: int) -> None:
    """Write zeros behind the end of a log, which SQLite skips; no one else may write to the log meanwhile."""
    with suppress(OSError), log.open("rb+") as file:
        left = wanted_bytes - file.seek(0, os.SEEK_END)
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 20)))
        os.fsync(file.fileno())


def keep(file: Path) -> None:
    """Give the log and its index second names, so that their bytes stay when SQLite deletes them."""
    for suffix in (_LOG, _INDEX):
        path, kept = file.with_name(file.name + suffix), _kept(file, suffix)
        with suppress(OSError):
            if path.exists() and not (kept.exists() and kept.samefile(path)):
                new = kept.with_name(f"{kept.name}.{os.getpid()}")
                for old in file.parent.glob(f"{glob.escape(kept.name)}.*"):
                    old.unlink()
                new.hardlink_to(path)
                new.replace(kept)


def bring_back(file: Path) -> None:
    """Give the log and its index their names back, emptied, where SQLite has deleted them; before it is opened."""
    for suffix in (_LOG, _INDEX):
        path, kept = file.with_name(file.name + suffix), _kept(file, suffix)
        mine = kept.with_name(f"{kept.name}.{os.getpid()}")
        with suppress(OSError):
            if path.exists():
                continue
            kept.replace(mine)  # of several processes that start together one gets it
            if mine.stat().st_nlink > 1:  # a restore has kept it under a name of its own
                mine.unlink()
                continue
            _empty(mine, _LOG_HEADER_BYTES if suffix == _LOG else mine.stat().st_size)
            with suppress(FileExistsError):
                path.hardlink_to(mine)
            mine.replace(kept)


def hold_index(file: Path) -> None:
    """Keep SQLite from cutting the log's index short, whose bytes another program would take.

    SQLite does that when it finds that nobody uses the index. So it is emptied here, as SQLite would, and used.
    """
    path = file.with_name(file.name + _INDEX)
    if fcntl is None or not hasattr(fcntl, "F_OFD_SETLK") or not path.exists():
        return
    handle = os.open(path, os.O_RDWR)
    _held.append(handle)
    with suppress(OSError):  # somebody uses it already
        _lock(handle, fcntl.F_WRLCK)
        with suppress(OSError):
            os.pwrite(handle, bytes(max(_INDEX_BYTES, os.fstat(handle).st_size)), 0)
        _lock(handle, fcntl.F_RDLCK)


def fill_index(file: Path) -> None:
    """Have the disk give the whole index its place, where its blocks are smaller than the pages of the memory.

    SQLite asks for one block in each page; written to, the others would end the process on a full disk (SIGBUS).
    """
    path = file.with_name(file.name + _INDEX)
    if not hasattr(os, "posix_fallocate") or os.statvfs(file.parent).f_bsize >= os.sysconf("SC_PAGE_SIZE"):
        return
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR)
        _held.append(handle)
        os.posix_fallocate(handle, 0, max(_INDEX_BYTES, os.fstat(handle).st_size))


def _kept(file: Path, suffix: str) -> Path:
    return file.with_name(f"{file.name}.room{suffix}")


def _empty(path: Path, header_bytes: int) -> None:
    """Overwrite what SQLite knows a file by, in place."""
    with path.open("rb+") as file:
        file.write(bytes(header_bytes))
        file.flush()
        os.fsync(file.fileno())


def _lock(handle: int, kind: int) -> None:
    """Lock the byte by which SQLite sees who uses an index, for this open file alone and not for the process."""
    fcntl.fcntl(handle, fcntl.F_OFD_SETLK, struct.pack("@hhqqi4x", kind, os.SEEK_SET, _ATTACHED_BYTE, 1, 0))
