"""Which SQLite library is used, and the way to open a file with it: nothing else may open one."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast


def has_wal_bug(version: tuple[int, ...]) -> bool:
    """Whether a SQLite may corrupt a WAL database (fixed in 3.51.3; backports 3.44.6 and 3.50.7).

    Source: https://sqlite.org/wal.html#walresetbug.
    """
    return (3, 7, 0) <= version < (3, 51, 3) and not (
        (3, 44, 6) <= version < (3, 45, 0) or (3, 50, 7) <= version < (3, 51, 0)
    )


def _choose_driver() -> ModuleType:
    """Take the interpreter's SQLite unless it has the WAL bug and a newer one is installed.

    Two SQLite libraries in one process drop each other's file locks, so no other place chooses.
    """
    if has_wal_bug(sqlite3.sqlite_version_info):
        try:
            from pysqlite3 import dbapi2
        except ImportError:
            return sqlite3
        return cast(ModuleType, dbapi2)
    return sqlite3


driver = _choose_driver()


def open_file(path: Path, mode: Literal["ro", "rw", "rwc"], timeout_seconds: float = 1.0) -> Any:
    """Open a SQLite file by the driver alone: read-only, for writing too, or made when it is not there."""
    return driver.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=timeout_seconds
    )
