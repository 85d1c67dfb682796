"""What keeps the jobs: which software, and how large they have become."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text

from .statement import Connection, Statement

_STORAGE = Statement(
    text("SELECT 'SQLite ' || sqlite_version(), NULL"),
    on_postgresql=text(
        "SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1),"
        " pg_database_size(current_database())"
    ),
)


class Storage(NamedTuple):
    """What keeps the jobs."""

    software: str
    size_bytes: int | None  # none: SQLite, whose files tell


def look(connection: Connection) -> Storage:
    """Tell what keeps the jobs, and how large they have become."""
    return Storage(*connection.rows(_STORAGE)[0])
