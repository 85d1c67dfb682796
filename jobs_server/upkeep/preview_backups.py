"""Copies of the pictures beside the backups of the database: each picture once, since a picture never changes.

Copies stay when the picture has been deleted as too old, until all copies together are twice what pictures may take.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..config import Settings
from ..errors import TaskFailed
from ..state import previews

FOLDER = "previews"
"""The folder of the copies, in that of the backups."""
_SPARE_BYTES = 64 * 1024 * 1024
"""So much is to stay free on the disk of the copies."""
_MB = 1_000_000


def copy_new(settings: Settings, folder: Path) -> int:
    """Copy the pictures that were not copied yet to a folder of backups; return how many.

    Raises TaskFailed when one cannot be copied; those before it are whole.
    """
    target, count = folder / FOLDER, 0
    try:
        for path in previews.files_in(settings.previews):
            copied = target / path.relative_to(settings.previews)
            if not path.name.startswith(".") and not copied.exists():
                count += _copy(path, copied)
    except OSError as error:
        raise TaskFailed(f"the pictures were not backed up to {target}: {error.strerror}") from None
    _make_room(target, 2 * settings.preview_mb * _MB)
    return count


def bring_back(settings: Settings, folder: Path, files: Iterable[str]) -> int:
    """Copy the pictures that a restored database names and that are missing from a folder of backups; return how many.

    What cannot be copied stays missing: the database is what matters.
    """
    count = 0
    for file in files:
        path, target = folder / FOLDER / file, settings.previews / file
        if path.is_file() and not target.exists():
            with suppress(OSError):
                count += _copy(path, target)
    return count


def _copy(path: Path, copied: Path) -> int:
    """Copy a file, which has its name only when it is whole; return 0 where the file has gone meanwhile."""
    copied.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(copied.parent).free < _SPARE_BYTES + path.stat().st_size:
        raise OSError(None, "its disk has no room")
    part = copied.with_name(f".{copied.name}-{os.getpid()}.part")
    try:
        shutil.copy2(path, part)
        part.replace(copied)
    except FileNotFoundError:
        return 0
    finally:
        part.unlink(missing_ok=True)
    return 1


def _make_room(target: Path, most_bytes: int) -> None:
    """Delete the oldest copies past what all together may have."""
    found = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in previews.files_in(target))
    left = sum(size for _, size, _ in found) - most_bytes
    for _, size, path in found:
        if left <= 0:
            return
        with suppress(OSError):
            path.unlink()
        left -= size
