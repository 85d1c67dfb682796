"""Keys against double sends: the same command sent again with its key makes no second job."""

from __future__ import annotations

import hashlib
import json

from ..clock import Now
from ..domain.commands import SubmitJob
from ..errors import KeyReused
from ..storage.statement import Connection
from . import statements
from .rows import JobRow

LIFE_MS = 24 * 60 * 60 * 1000
"""How long a key is remembered."""


def is_known(connection: Connection, command: SubmitJob, now: Now, key: str) -> bool:
    """Tell whether a key came within a day, with whatever command."""
    names = {"site": command.site, "user_id": command.user_id, "key": key}
    return connection.row(statements.FIND_KEY, **names, since_ms=now.wall_ms - LIFE_MS) is not None


def first_job(connection: Connection, command: SubmitJob, now: Now, key: str) -> JobRow | None:
    """Find the job that this key made within a day; a key older than that is forgotten.

    Raises KeyReused when it came with another command.
    """
    names = {"site": command.site, "user_id": command.user_id, "key": key}
    row = connection.row(statements.FIND_KEY, **names, since_ms=now.wall_ms - LIFE_MS)
    if row is None:
        connection.run(statements.FORGET_KEY, **names)
        return None
    command_hash, *job = row
    if command_hash != _hash(command):
        raise KeyReused(f"Error: the Idempotency-Key {key} was sent before with another command")
    return JobRow._make(job)


def remember(connection: Connection, command: SubmitJob, now: Now, key: str, job: JobRow) -> None:
    """Note which job a key made."""
    connection.run(
        statements.KEEP_KEY,
        site=command.site,
        user_id=command.user_id,
        key=key,
        command_hash=_hash(command),
        job_id=job.id,
        created_ms=now.wall_ms,
    )


def _hash(command: SubmitJob) -> str:
    """Tell one command from another: the checked fields count, in whatever order they came."""
    text = json.dumps(command.model_dump(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
