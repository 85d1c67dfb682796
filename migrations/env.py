"""Run the migrations on the database that Alembic's configuration names, all of them in one explicit transaction."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection

import jobs_server.storage.models  # noqa: F401  the tables must be known before they are compared
from jobs_server.storage.base import Base
from jobs_server.storage.migrations import DATABASE, INSTANCE, PREPARE_SECONDS, make_folder
from jobs_server.storage.postgresql import lock_key
from jobs_server.storage.sqlite import BEGIN

LOCK_WAIT_MS = PREPARE_SECONDS * 1000


def migrate(connection: Connection) -> None:
    """Run the migrations; whoever comes second waits for the lock and then finds them done."""
    if connection.dialect.name == "postgresql":
        with connection.begin():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock_key('database')})")
            _run(connection)
    else:
        _migrate_sqlite(connection.execution_options(**{BEGIN: "BEGIN IMMEDIATE"}))


def _migrate_sqlite(connection: Connection) -> None:
    # Outside of the transaction, where they count. A table made anew must not take its children with it.
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.execute("PRAGMA foreign_keys = OFF")
    (usual_wait_ms,) = raw.execute("PRAGMA busy_timeout").fetchone()
    raw.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_MS}")
    try:
        with connection.begin():
            _run(connection)
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise RuntimeError(f"a migration would leave rows without their parent: {broken[:3]}")
    finally:  # the service goes on with this connection
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute(f"PRAGMA busy_timeout = {usual_wait_ms}")


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,
        compare_type=True,
        include_object=_is_here,
    )
    context.run_migrations()


def _is_here(thing: Any, _name: str | None, _kind: str, _reflected: bool, _compared: Any) -> bool:
    """Leave out what a model has on another kind of database only."""
    return bool(thing.info.get("only_on") in (None, context.get_context().dialect.name))


if context.is_offline_mode():
    raise SystemExit("migrations run on the database itself: there is no offline mode")
if INSTANCE in context.config.attributes:
    make_folder(context.config.attributes[INSTANCE])
with context.config.attributes[DATABASE].engine.connect() as engine_connection:
    migrate(engine_connection)
