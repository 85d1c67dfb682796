"""Between the processes on one SQLite file: the urgent write units of any go before the others of all.

SQLite's own lock knows no order: whoever asks at the right moment has it, and a process with many writers asks often.
So whoever has an urgent write unit holds a shared lock on the file's folder until that unit has begun, and each other
writer first looks whether anybody does. The lock is the system's own (`flock`), which ends with its process.

It is a courtesy and no condition: where it cannot be had (Windows, some network shares, too many open files), or is
held for too long (by a process that stands still), writers go on without it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LONGEST_SECONDS = 2.0
"""How long an urgent write unit of another process is given way at most."""
_AGAIN_SECONDS = 0.002
_ANNOUNCE_SECONDS = 0.1
"""How long an announcement may take: it meets nothing but looks, which are over at once."""


_forks = 0
"""How often the process and those it comes from were forked: to ask for its number costs a call of the system."""


def _count_fork() -> None:
    global _forks  # noqa: PLW0603  a hook of the process has nowhere else
    _forks += 1


class Precedence:
    """Announce this process's urgent write units to other processes, and give way to theirs."""

    def __init__(self, folder: Path | None) -> None:
        """`folder`: that of the database's file; None: no other process can write there."""
        self._folder = None if sys.platform == "win32" else folder
        self._mutex = threading.Lock()
        self._count = 0
        """How many urgent write units of this process have yet to begin."""
        self._own, self._look = _FolderLock(folder), _FolderLock(folder)

    @contextmanager
    def announced(self) -> Iterator[None]:
        """Have the other processes give way for the length of a block."""
        self._count_announced(1)
        try:
            yield
        finally:
            self._count_announced(-1)

    def give_way(self) -> None:
        """Wait while another process has an urgent write unit that could not yet begin. One caller at a time."""
        if self._folder is None:
            return
        look = self._look
        if look.handle is not None and look.opened_after == _forks:  # without a call more: each write passes here
            try:
                _flock(look.handle, _ALONE)
                _flock(look.handle, _FREE)
            except OSError:
                pass
            else:
                return
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _LONGEST_SECONDS
        # An urgent write unit of this process may wait for the very writer that looks, which then must go on.
        while not (self._count or self._is_free() or time.monotonic() > deadline):
            time.sleep(_AGAIN_SECONDS)

    def _count_announced(self, more: int) -> None:
        if self._folder is None:
            return
        with self._mutex:
            before, self._count = self._count, self._count + more
            if not before:
                self._announce()
            elif not self._count:
                self._own.free()

    def _announce(self) -> None:
        deadline = time.monotonic() + _ANNOUNCE_SECONDS
        while not self._own.take(alone=False) and time.monotonic() < deadline:
            time.sleep(_AGAIN_SECONDS)

    def _is_free(self) -> bool:
        """Whether no process has announced anything, as far as can be known."""
        return self._look.take(alone=True) and self._look.free()


class _FolderLock:
    """One handle of a folder; what is locked by one is locked for the other handles, those of this process too."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.handle: int | None = None
        self.opened_after = 0
        """After how many forks the handle was opened."""

    def take(self, *, alone: bool) -> bool:
        """Whether the lock was had, or cannot be had by anybody."""
        try:
            _flock(self._opened(), _ALONE if alone else _TOGETHER)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def free(self) -> bool:
        """Let go of the lock; return that this is so."""
        with suppress(OSError):
            _flock(self._opened(), _FREE)
        return True

    def _opened(self) -> int:
        """Return the handle; a process that was forked opens one of its own, since the lock of an old one is shared."""
        if self.handle is None or self.opened_after != _forks:
            self._close()
            self.handle, self.opened_after = os.open(self._folder or "", os.O_RDONLY), _forks
        return self.handle

    def _close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    __del__ = _close


if sys.platform == "win32":
    _ALONE = _TOGETHER = _FREE = 0

    def _flock(_handle: int, _how: int) -> None:
        raise OSError("Windows has no such lock")

else:
    import fcntl

    _ALONE, _TOGETHER, _FREE = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_SH | fcntl.LOCK_NB, fcntl.LOCK_UN
    _flock = fcntl.flock
    os.register_at_fork(after_in_child=_count_fork)
