"""`/readyz` tries what a new job needs: it said ready while every newjob was 503, as the role had lost its rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import make_url, text

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.storage.statement import Statement
from jobs_server.upkeep import startup
from jobs_server.upkeep.checks import HealthTimes

from ..conftest import inside
from ..support import postgres

ROLE = "desk_with_few_rights"
COUNTS = "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM job_event), (SELECT count(*) FROM idempotency_key)"
ALL = "ALL TABLES IN SCHEMA public"

NOT_READY = {
    f"REVOKE INSERT ON job FROM {ROLE}": "this role lacks a right on it",
    f"REVOKE UPDATE ON job FROM {ROLE}": "this role lacks a right on it",
    f"REVOKE SELECT ON lockout FROM {ROLE}": "this role lacks a right on it",
    f"REVOKE INSERT ON job_event FROM {ROLE}": "this role lacks a right on it",
    f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {ROLE}": "this role lacks a right on it",
    f"REVOKE ALL ON SCHEMA public FROM {ROLE}, public": "it was never prepared (serve once, or run `flask db upgrade`)",
    f"ALTER ROLE {ROLE} SET default_transaction_read_only = on": "it may only be read",
}


@pytest.fixture
def url() -> Iterator[str]:
    """A database for a role that has no right but those that were granted."""
    cluster = postgres.shared()
    name = make_url(cluster.database()).database or ""
    cluster.run(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{postgres.PASSWORD}'")
    for rights in (f"ALL ON {ALL}", "ALL ON ALL SEQUENCES IN SCHEMA public", "ALL ON SCHEMA public"):
        cluster.run(f"GRANT {rights} TO {ROLE}", name)
    yield cluster.url(name, ROLE)
    cluster.run(f"DROP OWNED BY {ROLE}", name)
    cluster.run(f"DROP ROLE {ROLE}")


def ready(app: Flask) -> tuple[int, str]:
    answer = app.test_client().get("/readyz")
    return answer.status_code, answer.text


@pytest.mark.parametrize("how", NOT_READY)
def test_a_role_that_may_not_what_a_new_job_needs_is_not_ready(url: str, how: str, tmp_path: Path) -> None:
    app = create_app({"TESTING": True, "DATABASE_URL": url, "INSTANCE": str(tmp_path), "DISK_FREE_MB": 0})
    service_of(app).health.times = HealthTimes(kept_seconds=0)
    try:
        startup.prepare(app)
        assert ready(app) == (200, "ready\n")
        postgres.shared().run(how, make_url(url).database or "")
        service_of(app).database.close()  # a role's own settings are those of new connections
        assert ready(app) == (503, f"the database cannot be used: {NOT_READY[how]}\n")
        refused = inside(app).asks("stop")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
    finally:
        service_of(app).database.close()


def test_looking_leaves_no_row_and_is_counted_as_no_commit(file_app: Flask) -> None:
    service_of(file_app).health.times = HealthTimes(kept_seconds=0)
    inside(file_app).sends()
    heard: list[object] = []
    database = service_of(file_app).database
    database.on_commit.append(heard.append)
    database.on_commit_seconds.append(heard.append)
    database.on_changes.append(heard.append)
    with database.reading() as connection:
        before = connection.rows(Statement(text(COUNTS)))
    for _ in range(3):
        assert "the database" not in ready(file_app)[1]
    with database.reading() as connection:
        assert connection.rows(Statement(text(COUNTS))) == before == [(1, 1, 0)]
    assert heard == []
