"""What `flask doctor --fix` does: only what is safe, each raising TaskFailed when it cannot be done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from sqlalchemy import Table, inspect, text

from . import backups, serving, statements
from .db import Database, Statement
from .errors import StartRefused, TaskFailed
from .lifecycle import Queue
from .models import Job, JobEvent
from .patient import Patient

_QUEUE_PLANS = {
    "ix_job_waiting": statements.CLAIM[Queue.PRIMARY],
    "ix_job_replica_waiting": statements.CLAIM[Queue.ALTERNATE],
}


def close(config: Path) -> str:
    """Let only its owner read a file."""
    config.chmod(0o600)
    return f"only its owner can read {config} now."


def prepare(patient: Patient) -> str:
    """Create or migrate the database, when no server has it open."""
    patient.database.close()  # what was looked at so far holds the file as a server would
    try:
        if patient.file is not None:
            backups.check_unused(patient.file)
    except TaskFailed:
        raise TaskFailed("a server has it open: restart that one, which does the same") from None
    try:
        serving.prepare(patient.app)
    except StartRefused as refused:
        raise TaskFailed(refused.message) from None
    return "the database is prepared for this version."


def rebuild(patient: Patient) -> str:
    """Make the indexes that are missing, build anew those that polls do not use, and forget what misleads the planner.

    The statistics of `ANALYZE`, which some tool may have made, are none that the queries were written for.
    """
    unused = slow(patient)
    with patient.database.engine.begin() as connection:
        for index in (index for each in (Job, JobEvent) for index in cast(Table, each.__table__).indexes):
            index.create(connection, checkfirst=True)
        for name in unused:
            connection.execute(text(f"REINDEX {name}"))
        if inspect(connection).has_table("sqlite_stat1"):
            connection.execute(text("DELETE FROM sqlite_stat1"))
    patient.database.close()  # connections that are open plan as before
    if still := slow(patient):
        raise TaskFailed(f"polls still do not use {', '.join(still)}: make a backup, and restore it")
    return "the indexes were built anew."


def back_up(patient: Patient) -> str:
    """Make a backup."""
    made = backups.make(backups.database_file(patient.settings.url), patient.settings.backups)
    return f"{made.path} was made."


def slow(patient: Patient) -> list[str]:
    """List the indexes that polls should use and do not."""
    return [index for index, statement in _QUEUE_PLANS.items() if index not in _plan(patient.database, statement)]


def _plan(database: Database, statement: Statement) -> str:
    sql, fixed = statement.compiled("sqlite")
    values = {name: fixed.get(name, 1) for name in re.findall(r":(\w+)", sql)}
    with database.engine.connect() as connection:
        return "\n".join(str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values))
