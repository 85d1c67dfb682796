"""Sign-in on the pages: what the cookie holds, how long it is good, and who gets one by a link from the PC."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from jobs_server import clock, create_app
from jobs_server.auth import console_links, sessions
from jobs_server.errors import StartRefused, Unavailable
from jobs_server.service import service_of
from jobs_server.storage.models import SessionEnd
from jobs_server.storage.statement import Statement
from jobs_server.upkeep import startup

from ..support import databases
from ..support.observatory import a_command

SIGN_IN = {"OIDC_ISSUER": "https://issuer.example", "OIDC_AUDIENCE": "jobs", "SITES": ("wmd",)}
LAN = {"REMOTE_ADDR": "192.168.1.7"}


def served(instance: Path, **settings: object) -> Flask:
    app = create_app({"TESTING": True} | databases.at(instance) | SIGN_IN | settings)
    startup.prepare(app)
    return app


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    return tmp_path / "instance"


@pytest.fixture
def app(instance: Path) -> Iterator[Flask]:
    app = served(instance)
    yield app
    service_of(app).database.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def signs_in(client: FlaskClient, instance: Path, **headers: str) -> TestResponse:
    reply = client.get(f"/sign-in/link/{console_links.create(instance, 'chief')}", headers=headers)
    assert reply.status_code == 303
    return reply


def commands(client: FlaskClient) -> int:
    body = {key: value for key, value in a_command().items() if not key.startswith("user_id")}
    return client.post("/jobs/newjob", json=body | {"user_id": "console|chief"}).status_code


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(client: FlaskClient, instance: Path) -> None:
    cookie = signs_in(client, instance).headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_behind_https_it_goes_over_https_alone(client: FlaskClient, instance: Path) -> None:
    assert "Secure" in signs_in(client, instance, **{"X-Forwarded-Proto": "https"}).headers["Set-Cookie"].split("; ")


def test_it_ends_when_the_setting_says(client: FlaskClient, instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signs_in(client, instance)
    assert commands(client) == 200
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 12 * 3600 - 60)
    assert commands(client) == 200
    monkeypatch.setattr(time, "time", lambda: now + 12 * 3600 + 1)
    assert commands(client) == 401


def test_a_cookie_that_was_changed_or_signed_elsewhere_is_none(
    app: Flask, client: FlaskClient, instance: Path, tmp_path: Path
) -> None:
    signs_in(client, instance)
    cookie = client.get_cookie(sessions.COOKIE)
    assert cookie is not None
    body, _, signature = cookie.value.rpartition(".")
    for value in (f"{body}.{signature[:-2]}", body, f"x{body}.{signature}", "", "a.b.c"):
        stranger = app.test_client()
        stranger.set_cookie(sessions.COOKIE, value)
        assert commands(stranger) == 401
    elsewhere = served(tmp_path / "elsewhere")
    stranger = elsewhere.test_client()
    stranger.set_cookie(sessions.COOKIE, cookie.value)
    assert commands(stranger) == 401
    service_of(elsewhere).database.close()


def test_it_outlives_the_server_whose_key_only_its_owner_can_read(client: FlaskClient, instance: Path) -> None:
    signs_in(client, instance)
    cookie = client.get_cookie(sessions.COOKIE)
    assert cookie is not None
    assert (instance / sessions.KEY_FILE).stat().st_mode & 0o077 == 0
    again = served(instance)
    other = again.test_client()
    other.set_cookie(sessions.COOKIE, cookie.value)
    assert commands(other) == 200
    service_of(again).database.close()


def test_a_key_that_is_too_short_is_refused_at_start(instance: Path) -> None:
    instance.mkdir()
    (instance / sessions.KEY_FILE).write_text("secret", encoding="ascii")
    with pytest.raises(StartRefused, match="too short"):
        served(instance)


def test_signing_out_takes_a_post_of_our_own_page(client: FlaskClient, instance: Path) -> None:
    signs_in(client, instance)
    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out", headers={"Origin": "https://evil.example"}).status_code == 403
    assert commands(client) == 200
    assert client.post("/sign-out", headers={"Origin": "http://localhost"}).status_code == 303
    assert commands(client) == 401


def copied(client: FlaskClient, app: Flask) -> FlaskClient:
    """Return another browser with a copy of the first one's cookie."""
    cookie = client.get_cookie(sessions.COOKIE)
    assert cookie is not None
    thief = app.test_client()
    thief.set_cookie(sessions.COOKIE, cookie.value)
    return thief


def signs_out(client: FlaskClient) -> int:
    return client.post("/sign-out", headers={"Origin": "http://localhost"}).status_code


class TestSigningOut:
    """Signing out ends the session on the server, and not only in one browser."""

    def test_a_copied_cookie_sends_no_job_after_it_on_any_server(
        self, app: Flask, client: FlaskClient, instance: Path
    ) -> None:
        signs_in(client, instance)
        another = served(instance)
        thieves = [copied(client, each) for each in (app, another)]
        assert [commands(thief) for thief in thieves] == [200, 200]
        assert signs_out(client) == 303
        assert [commands(thief) for thief in thieves] == [401, 401]
        assert "Sign in" in thieves[0].get("/sign-in").text
        service_of(another).database.close()

    def test_it_ends_no_other_session_of_the_same_person(self, app: Flask, client: FlaskClient, instance: Path) -> None:
        other = app.test_client()
        signs_in(client, instance)
        signs_in(other, instance)
        assert signs_out(client) == 303
        assert commands(other) == 200

    def test_it_holds_for_a_cookie_of_the_first_edition_too(
        self, app: Flask, client: FlaskClient, instance: Path
    ) -> None:
        signs_in(client, instance)
        with client.session_transaction() as session:
            del session["person"]["id"]
            session.modified = True
        thief = copied(client, app)
        assert commands(thief) == 200
        assert signs_out(client) == 303
        assert commands(thief) == 401

    def test_what_is_kept_of_it_goes_when_the_session_would_have_ended(
        self, app: Flask, client: FlaskClient, instance: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(3):
            signs_in(client, instance)
            assert signs_out(client) == 303
        assert ends(app) == 3
        now, now_ms = time.time(), clock.now_ms()
        monkeypatch.setattr(time, "time", lambda: now + 12 * 3600 + 1)
        monkeypatch.setattr(clock, "now_ms", lambda: now_ms + 12 * 3_600_000 + 1000)
        signs_in(client, instance)
        assert signs_out(client) == 303
        assert ends(app) == 1

    def test_while_the_database_is_away_nobody_is_told_to_sign_in_anew(
        self, app: Flask, client: FlaskClient, instance: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signs_in(client, instance)
        with monkeypatch.context() as patched:
            patched.setattr(sessions, "reading", away)
            patched.setattr(sessions, "transaction", away)
            assert commands(client) == 503
            assert client.get("/sign-in").status_code == 200
            assert signs_out(client) == 503
        assert commands(client) == 200


def away(*_arguments: object, **_named: object) -> object:
    raise Unavailable("Error: the database cannot be used now")


def ends(app: Flask) -> int:
    with service_of(app).database.reading() as connection:
        return len(connection.rows(Statement(select(SessionEnd.session))))


class TestLinks:
    """`flask admin link`."""

    def test_it_lets_one_browser_of_this_machine_in_once_as_an_admin(self, app: Flask, instance: Path) -> None:
        made = app.test_cli_runner().invoke(args=["admin", "link", "--user", "chief"])
        path = made.stdout.splitlines()[0].partition(":5000")[2]
        client = app.test_client()
        assert client.get(path, environ_base=LAN).status_code == 403
        assert client.get(path).status_code == 303
        assert "Settings in force" in client.get("/settings").text
        again = app.test_client().get(path)
        assert (again.status_code, "used or is too old" in again.text) == (401, True)

    @pytest.mark.parametrize(
        ("host", "place", "comes_from"),
        [
            ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
            ("192.168.1.5", "192.168.1.5", "192.168.1.5"),
            ("fd00::5", "[fd00::5]", "fd00::5"),
        ],
    )
    def test_it_names_an_address_at_which_the_service_listens(
        self, instance: Path, host: str, place: str, comes_from: str
    ) -> None:
        app = served(instance, HOST=host, PORT=5001)
        link = app.test_cli_runner().invoke(args=["admin", "link"]).stdout.splitlines()[0]
        path = link.removeprefix(f"http://{place}:5001")
        assert path.startswith("/sign-in/link/")
        assert app.test_client().get(path, environ_base=LAN).status_code == 403
        assert app.test_client().get(path, environ_base={"REMOTE_ADDR": comes_from}).status_code == 303
        service_of(app).database.close()

    def test_it_is_good_for_ten_minutes(self, client: FlaskClient, instance: Path) -> None:
        secret = console_links.create(instance, "chief")
        [kept] = (instance / "sign-in-links").iterdir()
        assert secret not in kept.read_text(encoding="utf-8") + kept.name
        link = json.loads(kept.read_text(encoding="utf-8"))
        kept.write_text(json.dumps(link | {"until": link["until"] - console_links.LIFE_SECONDS}), encoding="utf-8")
        assert client.get(f"/sign-in/link/{secret}").status_code == 401
        assert console_links.LIFE_SECONDS == 10 * 60

    @pytest.mark.parametrize("secret", ["x", "..%2F..%2Fjobs.db", "a" * 5000])
    def test_a_guess_opens_nothing(self, client: FlaskClient, secret: str) -> None:
        assert client.get(f"/sign-in/link/{secret}").status_code in (401, 404)
        assert commands(client) == 401
