"""Texts are kept as they are, whatever encoding the role has on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url, text

from jobs_server import create_app
from jobs_server.errors import BadRequest
from jobs_server.service import service_of
from jobs_server.storage import postgresql
from jobs_server.storage.statement import Statement
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import postgres


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_client_encoding_of_the_role_is_no_matter(encoding: str, tmp_path: Path) -> None:
    """With LATIN1 a job with "日本" was 500; with SQL_ASCII a site came back as bytes, and /metrics stayed 500."""
    cluster, role = postgres.shared(), f"desk_{encoding.lower()}"
    name = make_url(cluster.database()).database or ""
    cluster.run(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{postgres.PASSWORD}'")
    cluster.run(f"ALTER ROLE {role} SET client_encoding = '{encoding}'")
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": cluster.url(name, role)})
    startup.prepare(app)
    site = inside(app, "天文台")
    job = site.sends(user_name="日本 é", required_params={"note": "日本"})
    (got,) = site.polls()
    assert (got["user_name"], got["required_params"], got["site"]) == ("日本 é", {"note": "日本"}, "天文台")
    assert site.history(job) == ["UNREAD", "RECEIVED"]
    metrics = app.test_client().get("/metrics")
    assert (metrics.status_code, "天文台" in metrics.text) == (200, True)
    service_of(app).database.close()
    cluster.run(f"DROP ROLE {role}")


def test_a_connection_that_carries_no_unicode_is_refused(tmp_path: Path) -> None:
    """A pooler between may have its own mind."""
    url = make_url(postgres.shared().database())
    connection = psycopg.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        dbname=url.database,
        client_encoding="LATIN1",
    )
    with connection, pytest.raises(psycopg.OperationalError, match="carries texts as iso8859-1"):
        postgresql.set_up(connection, 1)


def test_what_is_no_text_is_refused(file_app: Flask) -> None:
    with pytest.raises(BadRequest, match="cannot keep"), service_of(file_app).database.reading() as connection:
        connection.rows(Statement(text("SELECT CAST(:it AS VARCHAR)")), it="half a pair: \ud800")
    assert inside(file_app).sends()
