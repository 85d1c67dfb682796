"""The folders of demos: which of them a demo still runs in, and which a demo that was killed has left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

from filelock import FileLock, Timeout

PREFIX = "jobs-demo-"

_LOCK = "demo.lock"
_MARK = "a-demo-of-jobs-server"
"""Written once the lock is held: a folder without the mark may be another program's, or have its lock only soon."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Have other demos know that a demo runs in a folder, for as long as the block does and the process lives."""
    with FileLock(folder / _LOCK):
        (folder / _MARK).touch()
        yield


def delete_left() -> None:
    """Delete the folders of this user's demos in which none runs any more; one that cannot be deleted stays."""
    for folder in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if _is_demos(folder) and not _is_held(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_demos(folder: Path) -> bool:
    is_own = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
    return is_own and not folder.is_symlink() and (folder / _MARK).is_file()


def _is_held(folder: Path) -> bool:
    """Whether a process holds the lock of a folder; one that was let go is never taken again."""
    try:
        with FileLock(folder / _LOCK, timeout=0):
            return False
    except Timeout:
        return True
