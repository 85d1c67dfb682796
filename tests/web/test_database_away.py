"""While PostgreSQL is away, or refuses, every page says so in words (503, Retry-After), and none is a bare 500.

`GET /` and `/docs` were 500 with a traceback when it was stopped, a right was lost, a statement took too long or the
search path was wrong: the error page itself read the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url
from werkzeug.test import TestResponse

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.storage import postgresql
from jobs_server.upkeep import startup
from jobs_server.upkeep.checks import HealthTimes

from ..conftest import inside
from ..support import postgres

ROLE = "desk_of_pages"
FILLED = {"ulid": "0" * 26, "day": "2026-11-30", "name": "theme.css", "asked_version": "1", "secret": "none"}
NEEDS_NONE = {"/healthz", "/openapi.json", "/favicon.ico"}
"""What answers as ever."""
TABLES = "job, job_event, reservation, lockout, site_token"


@dataclass
class Served:
    """An app, and the PostgreSQL of its own that it speaks to."""

    app: Flask
    cluster: postgres.Cluster

    @property
    def name(self) -> str:
        return service_of(self.app).database.engine.url.database or ""

    def run(self, sql: str) -> None:
        self.cluster.run(sql, self.name)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    instance = tmp_path_factory.mktemp("instance")
    with postgres.cluster() as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOBS_INSTANCE", str(instance))
        name = make_url(cluster.database()).database or ""
        cluster.run(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{postgres.PASSWORD}'")
        for which in ("TABLES", "SEQUENCES"):
            cluster.run(f"GRANT ALL ON ALL {which} IN SCHEMA public TO {ROLE}", name)
        settings = {"DATABASE_URL": cluster.url(name, ROLE), "DATABASE_TIMEOUT_SECONDS": 0.3, "DISK_FREE_MB": 0}
        app = create_app({"INSTANCE": str(instance), **settings})
        service_of(app).health.times = HealthTimes(kept_seconds=0)
        startup.prepare(app)
        inside(app).sends()
        yield Served(app, cluster)
        service_of(app).database.close()


@contextmanager
def away(served: Served) -> Iterator[str]:
    served.cluster.kill()  # as `pg_ctl stop -m immediate`, which asks nobody
    try:
        yield "it cannot be reached"
    finally:
        served.cluster.start()


@contextmanager
def without_rights(served: Served) -> Iterator[str]:
    served.run(f"REVOKE SELECT ON {TABLES} FROM {ROLE}")
    try:
        yield "this role lacks a right on it"
    finally:
        served.run(f"GRANT SELECT ON {TABLES} TO {ROLE}")


@contextmanager
def with_another_search_path(served: Served) -> Iterator[str]:
    served.run(f"ALTER ROLE {ROLE} SET search_path = elsewhere")
    service_of(served.app).database.close()  # it is that of new connections
    try:
        yield "it was never prepared"
    finally:
        served.run(f"ALTER ROLE {ROLE} RESET search_path")
        service_of(served.app).database.close()


@contextmanager
def with_locked_tables(served: Served) -> Iterator[str]:
    url = make_url(served.cluster.url(served.name))
    with psycopg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database
    ) as connection:
        connection.execute(f"LOCK TABLE {TABLES} IN ACCESS EXCLUSIVE MODE".encode())
        yield "it is busy"


@contextmanager
def with_statements_that_take_too_long(served: Served) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgresql, "statement_ms", lambda _: 1)
        service_of(served.app).database.close()
        with with_locked_tables(served) as reason:
            yield reason
    service_of(served.app).database.close()


FAULTS = {
    "away": away,
    "without rights": without_rights,
    "with another search path": with_another_search_path,
    "with locked tables": with_locked_tables,
    "with statements that take too long": with_statements_that_take_too_long,
}


def pages(app: Flask) -> Iterator[str]:
    """The paths of all that can be looked at, the stream aside, which ends only with its viewer."""
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.rule.endswith("/stream"):
            path = rule.rule
            for name in rule.arguments:
                path = "/".join(
                    FILLED.get(name, "none") if part.startswith("<") and name in part else part
                    for part in path.replace(f"<{name}>.", f"{FILLED.get(name, 'none')}.").split("/")
                )
            yield path


def is_in_words(answer: TestResponse, reason: str) -> bool:
    """Whether an answer says what is wrong, and when to try again."""
    in_time = answer.headers.get("Retry-After") == "2"
    return answer.status_code == 503 and in_time and reason in answer.text


@pytest.mark.parametrize("fault", FAULTS)
def test_every_page_says_in_words_that_the_database_cannot_be_used(served: Served, fault: str) -> None:
    client, found = served.app.test_client(), dict[str, TestResponse]()
    with FAULTS[fault](served) as reason:
        for path in pages(served.app):
            found[path] = client.get(path, query_string={"site": "wmd"}, headers={"Accept": "text/html"})
        stop = client.post("/act/stop", data={"site": "wmd", "how": "now"}, headers={"Referer": "http://localhost/"})
        cookie = client.get("/", headers={"Cookie": "site=wmd"})
    assert not {path: each.status_code for path, each in found.items() if each.status_code == 500}
    unwell = {path for path, each in found.items() if each.status_code == 503}
    assert {"/", "/docs", "/jobs-log", "/night", "/send", "/settings", "/reservations"} <= unwell
    silent = {path for path in unwell - {"/readyz"} if not is_in_words(found[path], reason)}
    assert not silent, {path: found[path].text[:300] for path in silent}
    assert is_in_words(stop, reason)
    assert is_in_words(cookie, reason)
    assert reason in found["/readyz"].text
    assert found["/"].mimetype == "text/html"
    assert client.get("/?site=wmd").status_code == 200, "it did not come back by itself"
