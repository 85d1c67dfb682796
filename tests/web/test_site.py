"""What the page Site shows to whom: with sign-in, settings, places and tokens are for admins alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..support import databases, issuers
from ..support.issuers import Issuer

SHOWS = {
    "settings": "Settings in force",
    "tokens": "Site tokens",
    "its own token": "dome pc",
    "the database's place": databases.scheme(),
    "versions": "Python 3",
    "the profile's place": "site.toml",
}
EVERYTHING, NOTHING = set(SHOWS), set[str]()
TO_WHOM = {
    "anybody on the LAN while no sign-in is set": (None, EVERYTHING - {"tokens", "its own token"}),
    "whoever sits at the PC while no sign-in is set": (None, EVERYTHING),
    "nobody": ((), NOTHING),
    "an observer": (("observer",), NOTHING),
    "almost an admin": (("administrator", "Admin"), NOTHING),
    "an admin": (("admin",), EVERYTHING),
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuers.own() as issuer:
        yield issuer


def served(folder: Path, **settings: object) -> Flask:
    app = create_app({"TESTING": True, "SITES": ("wmd",)} | databases.at(folder) | settings)
    startup.prepare(app)
    made = app.test_cli_runner().invoke(args=["tokens", "create", "--site", "wmd", "--name", "dome pc"])
    assert made.exit_code == 0
    return app


@pytest.fixture(scope="module")
def locked(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = served(tmp_path_factory.mktemp("locked"), OIDC_ISSUER=issuer.url, OIDC_AUDIENCE="jobs")
    yield app
    service_of(app).database.close()


@pytest.fixture(scope="module")
def unlocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = served(tmp_path_factory.mktemp("open"))
    yield app
    service_of(app).database.close()


def shown_as(issuer: Issuer, sub: str, *roles: str) -> dict[str, str]:
    claims: dict[str, Any] = {"https://photonranch.org/user_metadata": {"roles": list(roles)}, "name": sub.title()}
    return {"Authorization": f"Bearer {issuer.token(sub=sub, **claims)}"}


def text_of(client: FlaskClient, headers: dict[str, str], address: str) -> str:
    page = client.get("/settings?site=wmd", headers=headers, environ_base={"REMOTE_ADDR": address})
    assert page.status_code == 200
    return unescape(re.sub(r"<[^>]+>", " ", page.text))


@pytest.mark.parametrize("who", TO_WHOM)
def test_each_sees_what_is_for_them(locked: Flask, unlocked: Flask, issuer: Issuer, who: str) -> None:
    roles, seen = TO_WHOM[who]
    headers = shown_as(issuer, "auth0|vera", *roles) if roles else {}
    address = "127.0.0.1" if "at the PC" in who or roles == () else "192.168.1.7"
    text = text_of((unlocked if roles is None else locked).test_client(), headers, address)
    assert {name for name, sign in SHOWS.items() if sign in text} == seen
    assert "Lock-out" in text
    assert "Health" in text


def test_a_token_itself_is_on_no_page(locked: Flask, issuer: Issuer) -> None:
    page = locked.test_client().get("/settings?site=wmd", headers=shown_as(issuer, "chief", "admin")).text
    assert "jobs_site_" not in page
    assert not re.search(r"\b[0-9a-f]{64}\b", page)


def test_the_head_says_who_is_signed_in_and_asks_nobody_for_a_name(locked: Flask, issuer: Issuer) -> None:
    client = locked.test_client()
    assert re.search(r"<summary>.*Sign in</bdi></summary>", client.get("/?site=wmd").text)
    page = client.get("/?site=wmd", headers=shown_as(issuer, "vera", "observer", "admin")).text
    assert re.search(r"<summary>.*Vera</bdi></summary>", page)
    assert "Signed in as <bdi>Vera</bdi>: <bdi>observer, admin</bdi>" in page
    assert "Which name" not in page


@pytest.mark.parametrize(
    ("who", "statuses"),
    [
        ("nobody", (401, 401)),
        ("observer", (303, 303)),
        ("another observer", (409, 403)),
        ("admin", (409, 303)),
    ],
)
def test_who_locks_out_and_who_lifts_it(locked: Flask, issuer: Issuer, who: str, statuses: tuple[int, int]) -> None:
    client = locked.test_client()
    people = {
        "nobody": {},
        "observer": shown_as(issuer, "vera", "observer"),
        "another observer": shown_as(issuer, "tycho", "observer"),
        "admin": shown_as(issuer, "chief", "admin"),
    }
    form = {"site": "wmd", "note": "hands on the mount"}
    if who not in ("nobody", "observer"):
        client.post("/act/lock-out", data=form, headers=people["observer"])
    done = [
        client.post(f"/act/{act}", data=form, headers=people[who]).status_code for act in ("lock-out", "lift-lock-out")
    ]
    assert tuple(done) == statuses
    client.post("/act/lift-lock-out", data=form, headers=people["admin"])
