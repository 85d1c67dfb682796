"""Whether the jobs can be read, and which backup there is to go back to when they cannot."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, func, select

from .. import program
from ..jobs.sql import EVENT, JOB
from ..storage.models import Job, JobEvent
from ..storage.sqlite import DAMAGED, NO_DATABASE
from ..storage.statement import Connection, Statement
from . import backups

if TYPE_CHECKING:
    from ..config import Settings

_ROWS = 200
_CHUNK_BYTES = 1024 * 1024


def _read(columns: Sequence[Column[Any]], by: Column[Any]) -> Statement:
    """Write what reads the newest rows whole and gives one back, so that large jobs need no memory."""
    newest = select(*columns).order_by(by.desc()).limit(_ROWS).subquery()
    return Statement(select(*(func.max(column) for column in newest.c)))


_READS = (_read(JOB, Job.id), _read((Job.ulid, Job.status), Job.ulid), _read(EVENT, JobEvent.seq))


def read_jobs(connection: Connection, waiting: Iterable[Statement]) -> None:
    """Read the newest jobs and events by their tables and indexes, and what waits. Raises what the driver raises."""
    for statement in (*_READS, *waiting):
        connection.rows(statement)


def sentence(reason: str, settings: Settings) -> str:
    """Add to the reason for which a database cannot be used what is to be done; of a damaged file, what to restore."""
    if reason not in (DAMAGED, NO_DATABASE):
        return reason
    found = newest_good(settings)
    if found is None:
        return f"{reason}, and there is no good backup in the folder of the backups: stop the server, and keep the file"
    return f"{reason}: stop the server and restore the newest good backup, {program.command(f'restore {found.name}')}"


def newest_good(settings: Settings) -> Path | None:
    """Return the newest backup that can be read to its end; each was looked through when it was made."""
    try:
        made = backups.listed(settings.backups)
        return next((each.path for each in made if _is_whole(each.path, each.path.stat().st_mtime_ns)), None)
    except OSError:
        return None


@lru_cache(maxsize=64)
def _is_whole(path: Path, _changed_ns: int) -> bool:
    """Whether a compressed file is whole, by its checksum; looked at once for as long as it is unchanged."""
    try:
        with gzip.open(path) as content:
            while content.read(_CHUNK_BYTES):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True
