"""Any web page may be let in, as by the original service; only where a token says who commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.auth import console_links
from jobs_server.errors import ConfigError
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..support import databases, issuers
from ..support.observatory import a_command

ELSEWHERE = {"Origin": "https://anything.example"}
OURS = {"Origin": "http://localhost"}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with issuers.real(tmp_path_factory.mktemp("issuer")) as url:
        yield url


@pytest.fixture(scope="module")
def app(issuer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    sign_in = {"OIDC_ISSUER": issuer, "OIDC_AUDIENCE": "jobs", "ALLOWED_ORIGINS": ("*",)}
    app = create_app({"TESTING": True} | databases.at(tmp_path_factory.mktemp("instance")) | sign_in)
    startup.prepare(app)
    yield app
    service_of(app).database.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def sends(client: FlaskClient, headers: dict[str, str]) -> Any:
    return client.post("/jobs/newjob", json=a_command(user_id="vera"), headers=headers)


def test_while_anyone_may_command_it_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="would let any page on the internet command the telescope"):
        create_app({"DATABASE_URL": "sqlite://", "INSTANCE": str(tmp_path), "ALLOWED_ORIGINS": ("*",)})


def test_a_page_from_anywhere_commands_with_a_token_and_reads_every_answer(client: FlaskClient, issuer: str) -> None:
    token = {"Authorization": f"Bearer {issuers.real_token(issuer)['id_token']}"}
    good, refused = sends(client, ELSEWHERE | token), sends(client, ELSEWHERE)
    assert (good.status_code, good.get_json()["user_name"]) == (200, "Vera Rubin")
    assert (refused.status_code, "valid access token" in refused.text) == (401, True)
    assert [reply.headers["Access-Control-Allow-Origin"] for reply in (good, refused)] == ["*", "*"]
    assert "Access-Control-Allow-Credentials" not in good.headers


def test_a_preflight_from_anywhere_names_authorization(client: FlaskClient) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    reply = client.options("/jobs/newjob", headers=ELSEWHERE | asked)
    assert (reply.status_code, reply.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert "authorization" in reply.headers["Access-Control-Allow-Headers"].lower()


def test_it_makes_no_use_of_a_sign_in_on_our_pages(app: Flask, client: FlaskClient) -> None:
    secret = console_links.create(Path(service_of(app).settings.instance), "chief")
    assert client.get(f"/sign-in/link/{secret}").status_code == 303
    assert sends(client, OURS).status_code == 200
    assert sends(client, ELSEWHERE).status_code == 401
    assert client.post("/act/stop", data={"site": "wmd"}, headers=ELSEWHERE).status_code == 401


def test_it_does_not_pass_for_the_sites_software(client: FlaskClient) -> None:
    reply = client.post("/jobs/getnewjobs", json={"site": "wmd"}, headers=ELSEWHERE)
    assert (reply.status_code, reply.text) == (403, "[]")
    assert client.post("/jobs/getnewjobs", json={"site": "wmd"}).status_code == 200
