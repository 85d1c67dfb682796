"""What is asked often is found by an index on PostgreSQL too, planned for the values at hand or once for all values."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from jobs_server import create_app
from jobs_server.jobs import events
from jobs_server.service import service_of
from jobs_server.storage.database import Database
from jobs_server.storage.models import Job
from jobs_server.storage.statement import Statement

from ..conftest import inside
from ..support import postgres
from .test_storage import HOT, MAY_SORT, ULID_INDEX

JOBS = 20_000
"""Where reading all of a table costs far more than an index; smaller ones PostgreSQL rightly reads whole."""
A_ULID = f"{JOBS // 2:026d}"
VALUES = {"site": "site1", "ulid": A_ULID, "user_id": "u", "key": A_ULID, "claim_id": "a", "sites": "{site1,site2}"}

HOT_HERE = HOT | {
    "what happened at a site": (events._AT_SITE, "ix_job_event_site_seq"),
    "last events of sites": (events._LAST_EVENTS, "ix_job_event_site_seq"),
    "last event of a site": (events._LAST_EVENT, "ix_job_event_site_seq"),
}
INDEXES = {"sqlite_autoindex_idempotency_key_1": "uq_idempotency_key_site_user_id_key"}
LARGE = ("job", "job_event", "idempotency_key")
MAY_SORT_HERE = (
    *MAY_SORT,
    *("history", "a page of a history", "the newest of a history", "what happened at a site"),  # events of one job
    *("claim some", "how large"),  # what waits; how large it is, PostgreSQL finds out while it claims
)


@pytest.fixture(scope="module", params=["fresh", "after ANALYZE"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A history of finished jobs at five sites, and some work at one of them."""
    url = postgres.shared().database()
    app = create_app({"TESTING": True, "DATABASE_URL": url, "INSTANCE": str(tmp_path_factory.mktemp("instance"))})
    site = inside(app, "site1")
    site.reports(site.sends(), "COMPLETE")
    database: Database = service_of(app).database
    with database.engine.begin() as connection:
        fill(connection)
    for _ in range(9):
        site.sends()
    site.polls(claimId="a", limit=3)
    if request.param == "after ANALYZE":
        with database.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    yield database.engine
    database.close()


def fill(connection: Connection) -> None:
    """Copy the one job there is, with three events and a key for each; nothing counts the rows by itself."""
    for table in LARGE:
        connection.exec_driver_sql(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    own = ("id", "ulid", "site", "timestamp_ms", "replica_phase")
    copied = ", ".join(column.name for column in Job.__table__.columns if column.name not in own)
    connection.exec_driver_sql(
        f"INSERT INTO job (ulid, site, timestamp_ms, replica_phase, {copied})"
        f" SELECT lpad(n::text, 26, '0'), 'site' || n %% 5, timestamp_ms - {JOBS} + n, 'withdrawn', {copied}"
        f" FROM job, generate_series(1, {JOBS}) n"
    )
    connection.exec_driver_sql(
        "INSERT INTO job_event (job_id, site, at_ms, queue, status, actor_known, actor_id, actor_name)"
        " SELECT id, site, accepted_ms, 0, step, 'site', site, site"
        " FROM job, unnest(ARRAY['UNREAD', 'RECEIVED', 'COMPLETE']) step"
    )
    connection.exec_driver_sql(
        "INSERT INTO idempotency_key (site, user_id, key, command_hash, job_id, created_ms)"
        " SELECT site, 'u', ulid, '', id, accepted_ms FROM job"
    )


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_hot_statements_use_their_index(filled: Engine, mode: str) -> None:
    with filled.connect() as connection:
        connection.exec_driver_sql(f"SET plan_cache_mode = {mode}")
        plans = {name: plan(connection, statement) for name, (statement, _) in HOT_HERE.items()}
    faults = {name: plans[name] for name, (_, index) in HOT_HERE.items() if not is_good(name, index, plans[name])}
    assert not faults, "\n\n".join(f"{name}:\n{found}" for name, found in faults.items())


def is_good(name: str, index: str, found: str) -> bool:
    """Whether a plan finds what it wants by an index, and reads no large table whole."""
    wanted = INDEXES.get(index, index)
    if index == ULID_INDEX:  # one that has the ULID, or where it is one of the few that a site has in hands
        found_by_index = re.search(r"Index Cond: .*\bulid (=|IS NOT NULL)|using ix_job_(replica_)?unfinished", found)
    else:
        found_by_index = re.search(rf"Index.* using {wanted}\b|Index Scan on {wanted}\b", found)
    reads_all = re.search(rf"Seq Scan on ({'|'.join(LARGE)})\b", found)
    sorts = "Sort" in found and not name.startswith(MAY_SORT_HERE)
    return bool(found_by_index) and not reads_all and not sorts


def plan(connection: Connection, statement: Statement) -> str:
    """Return the plan of a statement that is prepared, as the driver prepares what is run often."""
    sql, fixed = statement.compiled("postgresql")
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", sql)))
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", sql)
    values = ", ".join(f"'{fixed.get(name, VALUES.get(name, 1))}'" for name in names)
    connection.exec_driver_sql(f"PREPARE hot AS {numbered}")
    lines = connection.exec_driver_sql(f"EXPLAIN EXECUTE hot{f'({values})' if values else ''}").scalars().all()
    connection.exec_driver_sql("DEALLOCATE hot")
    return "\n".join(lines)
