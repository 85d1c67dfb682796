"""What `flask doctor --fix` does: only what is safe, each raising TaskFailed when it cannot be done."""

from __future__ import annotations

import re
import time
from pathlib import Path

from sqlalchemy import Index, inspect, text

from ..domain.lifecycle import Queue
from ..errors import StartRefused, TaskFailed
from ..jobs import statements
from ..storage import migrations
from ..storage.database import Database
from ..storage.models import Job, JobEvent
from ..storage.statement import Statement
from ..upkeep import backups
from .installation import Installation

_LOOKS = 20
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'jobs_server' AND pid <> pg_backend_pid()"
)
_VALID = text("SELECT relname FROM pg_class JOIN pg_index ON indexrelid = oid WHERE indisvalid")
_QUEUE_PLANS = {
    "ix_job_waiting": statements.CLAIM[Queue.PRIMARY],
    "ix_job_replica_waiting": statements.CLAIM[Queue.ALTERNATE],
}


def close(config: Path) -> str:
    """Let only its owner read a file."""
    config.chmod(0o600)
    return f"only its owner can read {config} now."


def prepare(installation: Installation) -> str:
    """Create or migrate the database, when no server has it open."""
    installation.database.close()  # the checks so far hold the file as a server would
    if _is_in_use(installation):
        raise TaskFailed("a server has it open: restart that one, which does the same")
    try:
        migrations.make_folder(installation.settings.instance)
        migrations.prepare(installation.database)
    except StartRefused as refused:
        raise TaskFailed(refused.message) from None
    return "the database is prepared for this version."


def _is_in_use(installation: Installation) -> bool:
    if not installation.is_on_sqlite:
        return _others_are_connected(installation.database)
    try:
        if installation.file is not None:
            backups.check_unused(installation.file)
    except TaskFailed:
        return True
    return False


def _others_are_connected(database: Database) -> bool:
    for _ in range(_LOOKS):  # PostgreSQL lists for a moment what was just closed
        with database.engine.connect() as connection:
            if not connection.execute(_OTHERS).scalar_one():
                return False
        time.sleep(0.1)
    return True


def rebuild(installation: Installation) -> str:
    """Make the indexes that are missing, build anew those that polls do not use, and forget what misleads the planner.

    The statistics of `ANALYZE`, which some tool may have made, are none that the queries were written for.
    """
    unused = slow(installation)
    with installation.database.engine.begin() as connection:
        for index in _declared():
            index.create(connection, checkfirst=True)
        for name in unused:
            connection.execute(text(f"REINDEX {name}"))
        if inspect(connection).has_table("sqlite_stat1"):
            connection.execute(text("DELETE FROM sqlite_stat1"))
    installation.database.close()  # connections that are open plan as before
    if still := slow(installation):
        raise TaskFailed(f"polls still do not use {', '.join(still)}: make a backup, and restore it")
    return "the indexes were built anew."


def lacking(database: Database) -> list[str]:
    """List the indexes of jobs and events that are missing in PostgreSQL, or that were not built to their end."""
    with database.engine.connect() as connection:
        there = connection.execute(_VALID).scalars().all()
    return sorted({str(index.name) for index in _declared()} - set(there))


def complete(installation: Installation) -> str:
    """Make the indexes that PostgreSQL lacks; meanwhile nothing can be written."""
    names = lacking(installation.database)
    with installation.database.engine.begin() as connection:
        for index in (each for each in _declared() if each.name in names):
            index.drop(connection, checkfirst=True)
            index.create(connection)
    return "the indexes are made."


def _declared() -> list[Index]:
    return [index for each in (Job, JobEvent) for index in each.__table__.indexes]


def back_up(installation: Installation) -> str:
    """Make a backup."""
    made = backups.make(backups.database_file(installation.settings.url), installation.settings.backups)
    return f"{made.path} was made."


def slow(installation: Installation) -> list[str]:
    """List the indexes that polls should use and do not."""
    return [index for index, statement in _QUEUE_PLANS.items() if index not in _plan(installation.database, statement)]


def _plan(database: Database, statement: Statement) -> str:
    sql, fixed = statement.compiled("sqlite")
    values = {name: fixed.get(name, 1) for name in re.findall(r":(\w+)", sql)}
    with database.engine.connect() as connection:
        return "\n".join(str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values))
