"""A script that has run wild is slowed down; stop commands and the site's own software never are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from jobs_server import create_app, db

from .conftest import inside
from .support.observatory import Observatory


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    limits = {"NEW_JOBS_PER_SECOND": 3, "RESERVATIONS_PER_MINUTE": 2}
    app = create_app({"TESTING": True, "DATABASE_URL": "sqlite://"} | limits)
    yield app
    app.extensions[db.EXTENSION].engine.dispose()


@pytest.fixture
def site(app: Flask, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Observatory:
    monkeypatch.setattr("limits.storage.memory.time.time", lambda: 1_800_000_000.0)  # all within one second
    return inside(app, request.node.name)


def test_past_its_limit_one_person_waits_and_others_go_on(site: Observatory) -> None:
    for _ in range(3):
        assert site.asks(user_id="wild").status == 200
    refusal = site.asks(user_id="wild")
    assert refusal.status == 429
    assert int(refusal.headers["Retry-After"]) >= 1
    assert "more than 3 jobs a second of one person" in refusal.text
    assert site.asks(user_id="calm").status == 200
    assert len(site.lists()) == 4


def test_stop_commands_always_pass(site: Observatory) -> None:
    for _ in range(10):
        assert site.asks("stop", user_id="afraid").status == 200


def test_the_sites_software_is_never_limited(site: Observatory) -> None:
    job = site.sends(user_id="once")
    for _ in range(20):
        site.polls()
        assert site.reports(job, "EXPOSING").status == 200


def test_the_calendar_is_not_rewritten_all_the_time(app: Flask, site: Observatory) -> None:
    event = {"site": site.site, "start": "2027-05-01T00:00Z", "end": "2027-05-01T01:00Z", "creator_id": "wild"}
    client = app.test_client()
    assert [client.post("/calendar/newevent", json=event).status_code for _ in range(3)] == [200, 200, 429]
