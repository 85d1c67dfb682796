"""The page Notifications: a person names addresses for alerts of their own, tries them, and sees nobody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobs_server import create_app
from jobs_server.jobs import alert_addresses
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..support import databases, issuers
from ..support.issuers import Issuer
from ..support.receivers import Receiver, receiving

ELSEWHERE = {"REMOTE_ADDR": "192.168.1.7"}
CHOSEN = {"on_failed": "yes", "on_done": "yes"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuers.own() as issuer:
        yield issuer


@pytest.fixture
def locked(issuer: Issuer, tmp_path: Path) -> Iterator[Flask]:
    yield from served(tmp_path, OIDC_ISSUER=issuer.url, OIDC_AUDIENCE="jobs", OWN_ALERT_NETWORKS=("127.0.0.1",))


@pytest.fixture
def open_app(tmp_path: Path) -> Iterator[Flask]:
    yield from served(tmp_path)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def served(folder: Path, **settings: object) -> Iterator[Flask]:
    app = create_app({"TESTING": True, "BALLAST_MB": 0, "SITES": ("wmd",)} | databases.at(folder) | settings)
    startup.prepare(app)
    yield app
    service_of(app).database.close()


class Person:
    """Somebody with a browser."""

    def __init__(self, app: Flask, issuer: Issuer | None = None, sub: str = "", *roles: str) -> None:
        self._client: FlaskClient = app.test_client()
        claims: dict[str, Any] = {"https://photonranch.org/user_metadata": {"roles": list(roles)}, "name": sub.title()}
        self._headers = {"Authorization": f"Bearer {issuer.token(sub=sub, **claims)}"} if issuer else {}

    def looks(self, **more: Any) -> str:
        """Return the page's text."""
        answer = self._client.get("/notifications?site=wmd", headers=self._headers, **more)
        assert answer.status_code == 200
        return text_of(answer)

    def posts(self, act: str, **form: str) -> TestResponse:
        """Press a button."""
        return self._client.post(f"/act/{act}", data={"site": "wmd", **form}, headers=self._headers)

    def names(self, url: str, kind: str = "ntfy") -> TestResponse:
        """Name an address."""
        return self.posts("name-alert-address", kind=kind, url=url, **CHOSEN)


def text_of(answer: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def numbers(app: Flask) -> list[int]:
    with service_of(app).database.reading() as connection:
        return [each.id for each in alert_addresses.list_all(connection)]


def test_a_person_names_an_address_and_nobody_sees_what_is_secret_in_it(locked: Flask, issuer: Issuer) -> None:
    vera, chief = Person(locked, issuer, "vera"), Person(locked, issuer, "chief", "admin")
    answer = vera.names("https://ntfy.sh/opensesame")
    assert (answer.status_code, answer.location) == (303, "/notifications?site=wmd")
    assert "ntfy at ntfy.sh" in vera.looks()
    assert "opensesame" not in vera._client.get("/notifications?site=wmd", headers=vera._headers).text
    assert "ntfy at ntfy.sh" not in chief.looks()


def test_a_wrong_address_is_shown_as_typed_with_what_is_wrong(locked: Flask, issuer: Issuer) -> None:
    answer = Person(locked, issuer, "vera").names("ntfy.sh/topic")
    assert answer.status_code == 400
    assert "Write an address that begins with https:// or http://." in text_of(answer)
    assert 'value="ntfy.sh/topic"' in answer.text
    assert numbers(locked) == []


def test_a_test_says_in_words_whether_it_arrived(locked: Flask, issuer: Issuer, receiver: Receiver) -> None:
    vera = Person(locked, issuer, "vera")
    vera.names(f"{receiver.url}/topic")
    [number] = numbers(locked)
    said = text_of(vera.posts("try-alert-address", address=str(number)))
    assert "127.0.0.1 took it. Does it show where you look?" in said
    assert receiver.texts == ["This is a test: alerts of your own from jobs_server arrive here."]
    receiver.status = 403
    assert "It did not arrive: it answered 403." in text_of(vera.posts("try-alert-address", address=str(number)))


def test_an_ordinary_person_is_told_that_a_private_network_is_not_reached_and_an_admin_reaches_it(
    issuer: Issuer, receiver: Receiver, tmp_path: Path
) -> None:
    for app in served(tmp_path, OIDC_ISSUER=issuer.url, OIDC_AUDIENCE="jobs"):
        vera, chief = Person(app, issuer, "vera"), Person(app, issuer, "chief", "admin")
        for person in (vera, chief):
            person.names(f"{receiver.url}/topic")
        hers, his = numbers(app)
        assert "It must be on the internet." in vera.looks()
        assert "no alerts of people's own are sent" in text_of(vera.posts("try-alert-address", address=str(hers)))
        assert receiver.got == []
        assert "took it" in text_of(chief.posts("try-alert-address", address=str(his)))


def test_nobody_tries_changes_or_removes_the_address_of_another(locked: Flask, issuer: Issuer) -> None:
    Person(locked, issuer, "vera").names("https://ntfy.sh/topic")
    [number] = numbers(locked)
    for act in ("try-alert-address", "choose-alerts", "remove-alert-address"):
        assert Person(locked, issuer, "tycho", "admin").posts(act, address=str(number)).status_code == 404
    assert numbers(locked) == [number]


def test_what_is_sent_is_chosen_anew_and_an_address_removed(locked: Flask, issuer: Issuer) -> None:
    vera = Person(locked, issuer, "vera")
    vera.names("https://ntfy.sh/topic")
    [number] = numbers(locked)
    assert vera.posts("choose-alerts", address=str(number), on_stopped="yes").status_code == 303
    with service_of(locked).database.reading() as connection:
        [row] = alert_addresses.list_all(connection)
    assert (row.on_failed, row.on_done, row.on_stopped, row.on_plan) == (0, 0, 1, 0)
    assert vera.posts("remove-alert-address", address=str(number)).status_code == 303
    assert numbers(locked) == []


@pytest.mark.parametrize("act", ["name-alert-address", "try-alert-address", "choose-alerts", "remove-alert-address"])
def test_who_is_not_signed_in_names_none(locked: Flask, act: str) -> None:
    assert Person(locked).posts(act, url="https://ntfy.sh/topic", kind="ntfy").status_code == 401
    assert "Sign in to have alerts of your jobs sent to your phone" in Person(locked).looks()


def test_without_sign_in_addresses_are_named_at_the_pc_alone(open_app: Flask) -> None:
    anybody = Person(open_app)
    assert "addresses are named in a browser on the PC" in anybody.looks(environ_base=ELSEWHERE)
    form = {"site": "wmd", "kind": "ntfy", "url": "https://ntfy.sh/topic"}
    assert anybody._client.post("/act/name-alert-address", data=form, environ_base=ELSEWHERE).status_code == 403
    assert anybody.names("https://ntfy.sh/topic").status_code == 303
    assert "ntfy at ntfy.sh" in anybody.looks()
    assert "ntfy.sh" not in anybody.looks(environ_base=ELSEWHERE)


def test_where_it_is_switched_off_the_page_says_so(tmp_path: Path) -> None:
    for app in served(tmp_path, OWN_ALERTS="off"):
        assert "It is switched off on this server" in Person(app).looks()
        assert Person(app).names("https://ntfy.sh/topic").status_code == 403


def test_tests_of_an_address_are_few_a_minute(locked: Flask, issuer: Issuer, receiver: Receiver) -> None:
    vera = Person(locked, issuer, "vera")
    vera.names(f"{receiver.url}/topic")
    [number] = numbers(locked)
    statuses = [vera.posts("try-alert-address", address=str(number)).status_code for _ in range(8)]
    assert statuses[:6] == [200] * 6
    assert statuses[-1] == 429
