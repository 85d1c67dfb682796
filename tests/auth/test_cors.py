"""A web page of an allowed origin can read every answer, errors too; any other page can read none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.errors import Unavailable
from jobs_server.service import service_of
from jobs_server.storage.connections import Lent
from jobs_server.storage.database import Database

from ..support import databases
from ..support.observatory import a_command

ALLOWED = ("https://ui.example.org", "http://192.168.1.7:8080", "http://[::1]:3000")
FOREIGN = (
    *(
        "https://evil.example",
        "http://ui.example.org",
        "https://ui.example.org:8443",
        "https://ui.example.org.evil.com",
    ),
    *("https://evil.com/https://ui.example.org", "https://uiXexample.org", "http://:", "null", ""),
)
GOOD = json.dumps(a_command()).encode()

ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "a good one": (200, {"path": "/jobs/newjob", "data": GOOD}),
    "at the root": (200, {"path": "/newjob", "data": GOOD}),
    "a bad body": (400, {"path": "/jobs/newjob", "data": b"{"}),
    "a bad poll": (400, {"path": "/jobs/getnewjobs", "data": b"{}"}),
    "no such route": (404, {"path": "/jobs/nothing"}),
    "no such job": (404, {"path": "/jobs/getjob", "data": b'{"site": "wmd", "ulid": "x"}'}),
    "a wrong method": (405, {"path": "/jobs/newjob", "method": "GET"}),
    "a body too large": (413, {"path": "/jobs/newjob", "data": b" " * 300_000}),
    "a key used again": (422, {"path": "/jobs/newjob", "data": GOOD, "headers": {"Idempotency-Key": "used"}}),
    "a busy database": (503, {"path": "/jobs/newjob", "data": GOOD}),
    "a poll of a busy database": (503, {"path": "/jobs/getnewjobs", "data": b'{"site": "wmd"}'}),
}


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "ALLOWED_ORIGINS": ALLOWED})
    used = json.dumps(a_command(action="stop"))
    app.test_client().post("/jobs/newjob", data=used, headers={"Idempotency-Key": "used"})
    yield app
    service_of(app).database.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def ask(client: FlaskClient, monkeypatch: pytest.MonkeyPatch, answer: str, origin: str | None) -> Any:
    """Send the request that gets this answer, as a page of an origin would."""
    status, request = ANSWERS[answer]
    if status == 503:
        monkeypatch.setattr(Lent, "__enter__", busy)
    origins = {} if origin is None else {"Origin": origin}
    reply = client.open(**({"method": "POST"} | request | {"headers": request.get("headers", {}) | origins}))
    is_foreign = origin in FOREIGN and request.get("method") != "GET"
    assert reply.status_code == (403 if is_foreign else status), reply.get_data()
    return reply


def busy(_database: Database) -> Any:
    raise Unavailable("Error: the database cannot be used now: it is busy.")


@pytest.mark.parametrize("origin", ALLOWED)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_allowed_page_can_read_every_answer(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, answer: str, origin: str
) -> None:
    headers = ask(client, monkeypatch, answer, origin).headers
    assert headers["Access-Control-Allow-Origin"] == origin
    assert headers["Vary"] == "Origin"
    exposed = headers["Access-Control-Expose-Headers"]
    named = {"Retry-After", "X-Claim-Held", "X-Claim-Spent", "X-Error", "X-Stops-Only"}
    assert {name.strip() for name in exposed.split(",")} == named
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize("origin", [*FOREIGN, None])
@pytest.mark.parametrize("answer", ANSWERS)
def test_any_other_page_can_read_none(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, answer: str, origin: str | None
) -> None:
    headers = ask(client, monkeypatch, answer, origin).headers
    assert not [name for name in headers.keys() if name.startswith("Access-Control-")]  # noqa: SIM118


@pytest.mark.parametrize("path", ["/jobs/newjob", "/newjob", "/jobs/getnewjobs", "/jobs/newjob/"])
def test_a_preflight_names_what_a_page_may_send(client: FlaskClient, path: str) -> None:
    asked = "authorization, content-type, idempotency-key, last-event-id"
    reply = preflight(client, path, ALLOWED[0], asked)
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == ALLOWED[0]
    assert names(reply, "Access-Control-Allow-Headers") == {
        *("authorization", "content-type", "idempotency-key", "last-event-id")
    }
    assert names(reply, "Access-Control-Allow-Methods") == {"get", "post", "options"}


def test_a_preflight_does_not_grant_what_is_not_named(client: FlaskClient) -> None:
    reply = preflight(client, "/jobs/newjob", ALLOWED[0], "authorization, x-something")
    assert names(reply, "Access-Control-Allow-Headers") == {"authorization"}


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_preflight_of_any_other_page_grants_nothing(client: FlaskClient, origin: str) -> None:
    reply = preflight(client, "/jobs/newjob", origin, "authorization")
    assert not [name for name in reply.headers.keys() if name.startswith("Access-Control-")]  # noqa: SIM118


def test_by_default_no_page_is_allowed(shared_app: Flask) -> None:
    reply = shared_app.test_client().post("/jobs/newjob", data=GOOD, headers={"Origin": ALLOWED[0]})
    assert "Access-Control-Allow-Origin" not in reply.headers


def preflight(client: FlaskClient, path: str, origin: str, headers: str) -> Any:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}
    return client.options(path, headers={"Origin": origin, **asked})


def names(reply: Any, header: str) -> set[str]:
    return {name.strip().lower() for name in reply.headers[header].split(",")}
