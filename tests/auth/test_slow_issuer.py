"""An issuer that sends a byte now and then is away: sign-in hung over 12 s, since the time-outs are for each read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.auth import access_tokens, oidc_login
from jobs_server.auth.issuer_keys import IssuerKeys, KeyTimes
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..support import databases, issuers
from ..support.dripping import STARTS, dripping
from ..support.waiting import PATIENCE_SECONDS

SOON = KeyTimes(timeout_seconds=0.3)


@pytest.mark.parametrize("part", STARTS)
def test_the_keys_are_waited_for_no_longer_in_all(part: str, tmp_path: Path) -> None:
    with dripping(part) as url, ThreadPoolExecutor(1) as pool:
        keys = IssuerKeys(url, tmp_path / "keys.json", SOON)
        assert pool.submit(keys.refresh).result(PATIENCE_SECONDS) is False


@pytest.mark.parametrize("part", STARTS)
def test_who_a_token_speaks_of_is_waited_for_no_longer_in_all(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_tokens, "_TIMEOUT_SECONDS", 0.3)
    with dripping(part) as url, issuers.own() as issuer, ThreadPoolExecutor(1) as pool:
        keys = IssuerKeys(issuer.url, tmp_path / "keys.json")
        assert keys.refresh()
        monkeypatch.setitem(keys.known.metadata, "userinfo_endpoint", f"{url}/userinfo")
        tokens = access_tokens.Tokens(keys, "jobs", ("roles",))
        assert pool.submit(tokens.userinfo, "token", "vera").result(PATIENCE_SECONDS) is None
        keys.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    with dripping() as url:
        settings = {"OIDC_ISSUER": url, "OIDC_AUDIENCE": "jobs", "OIDC_CLIENT_ID": "pages"}
        app = create_app({"TESTING": True} | databases.at(tmp_path) | settings)
        startup.prepare(app)
        yield app
        service_of(app).database.close()


def test_sign_in_says_in_time_that_the_issuer_is_away(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = service_of(app).gate
    assert gate.keys
    gate.keys.times = SOON
    with ThreadPoolExecutor(1) as pool:
        page = pool.submit(app.test_client().get, "/sign-in/go").result(PATIENCE_SECONDS)
        assert (page.status_code, "cannot be reached now" in page.text) == (503, True)
        # The keys may come and the rest not: Authlib's own requests heed the same end.
        monkeypatch.setattr(IssuerKeys, "refresh", lambda _self: True)
        monkeypatch.setattr(oidc_login, "_TIMEOUT_SECONDS", 0.3)
        page = pool.submit(app.test_client().get, "/sign-in/go").result(PATIENCE_SECONDS)
        assert (page.status_code, "cannot be reached now" in page.text) == (503, True)
