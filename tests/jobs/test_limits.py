"""A script that has run wild is slowed down; stop commands and the site's own software never are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from jobs_server import clock, create_app
from jobs_server.config import Settings
from jobs_server.jobs.limits import MovingWindow
from jobs_server.service import service_of

from ..conftest import inside
from ..support import databases, issuers
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory, a_command, site_named


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    limits = {"NEW_JOBS_PER_SECOND": 3, "RESERVATIONS_PER_MINUTE": 2}
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh()} | limits)
    yield app
    service_of(app).database.engine.dispose()


@pytest.fixture
def site(app: Flask, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Observatory:
    monkeypatch.setattr(clock, "steady_seconds", lambda: 1_000.0)  # all within one second
    return inside(app, site_named(request.node.name))


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


def test_the_park_after_a_stop_counts_against_the_limit_and_the_stop_does_not(app: Flask, site: Observatory) -> None:
    pressed = {"site": site.site, "how": "park"}
    answers = [
        app.test_client().post("/act/stop", data=pressed, headers={"X-Requested-By": "script"}).get_json()
        for _ in range(6)
    ]
    assert [answer["done"] for answer in answers] == ["park"] * 3 + ["no-park"] * 3
    assert "more than 3 jobs a second" in answers[-1]["why"]
    queued = [job["action"] for job in site.lists()]
    assert (queued.count("cancel_all_commands"), queued.count("park")) == (1, 3)  # a stop that still waits is renewed


def test_the_sites_software_is_never_limited(site: Observatory) -> None:
    job = site.sends(user_id="once")
    for _ in range(20):
        site.polls()
        assert site.reports(job, "EXPOSING").status == 200


def test_the_calendar_is_not_rewritten_all_the_time(app: Flask, site: Observatory) -> None:
    def books(number: int, address: str) -> int:
        event = {"site": site.site, "start": "2027-05-01T00:00Z", "end": "2027-05-01T01:00Z"}
        who = {"creator_id": f"wild-{number}", "reservation_type": "project"}
        from_there = {"REMOTE_ADDR": address}
        return app.test_client().post("/calendar/newevent", json=event | who, environ_base=from_there).status_code

    assert [books(number, "192.168.1.5") for number in range(3)] == [200, 200, 429]  # whatever name is said
    assert books(9, "192.168.1.6") == 200


def test_with_sign_in_it_is_the_person_who_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "steady_seconds", lambda: 1_000.0)  # all within one minute
    with issuers.own() as issuer:
        sign_in = {"OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": "jobs", "RESERVATIONS_PER_MINUTE": 2}
        app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "INSTANCE": str(tmp_path)} | sign_in)

        def books(sub: str, address: str) -> int:
            event = {"site": "wmd", "start": "2027-05-01T00:00Z", "end": "2027-05-01T01:00Z"}
            headers = {"Authorization": f"Bearer {issuer.token(sub=sub)}"}
            body = event | {"reservation_type": "project"}
            reply = app.test_client().post(
                "/calendar/newevent", json=body, headers=headers, environ_base={"REMOTE_ADDR": address}
            )
            assert reply.status_code != 429 or int(reply.headers["Retry-After"]) >= 1
            return reply.status_code

        assert [books("vera", f"192.168.1.{number}") for number in range(3)] == [200, 200, 429]
        assert books("tycho", "192.168.1.2") == 200
        service_of(app).database.close()


def test_a_refusal_is_a_sentence_or_problem_details(site: Observatory) -> None:
    body = a_command(site=site.site, user_id="hasty")
    asked = [site.posts("newjob", body, {"Accept": "application/problem+json"}) for _ in range(4)]
    assert [reply.status for reply in asked] == [200, 200, 200, 429]
    assert (asked[-1].json["code"], asked[-1].json["status"]) == ("too-many", 429)
    assert "more than 3 jobs a second" in asked[-1].json["detail"]


def test_the_number_is_a_setting_and_none_counts_nothing() -> None:
    unlimited = {"NEW_JOBS_PER_SECOND": 0, "MAX_WAITING_JOBS": 0}
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh()} | unlimited)
    assert {inside(app).asks(user_id="wild").status for _ in range(50)} == {200}
    service_of(app).database.close()
    assert Settings().new_jobs_per_second == 20


@pytest.mark.parametrize("hours", [1, -1, 24 * 365 * 12, -24 * 365 * 12])
def test_a_clock_that_is_set_neither_lets_anybody_pass_nor_holds_anybody_up(
    app: Flask, clocks: Clocks, hours: int
) -> None:
    """Set back an hour, it refused with Retry-After: 3599 who had just sent as many jobs as may be."""
    site = inside(app, f"set-{hours}")
    assert [site.asks(user_id=f"vera {hours}").status for _ in range(3)] == [200] * 3
    clocks.set_wall(hours * HOUR)
    refusal = site.asks(user_id=f"vera {hours}")
    assert (refusal.status, refusal.headers["Retry-After"]) == (429, "1")
    clocks.pass_by(1)
    assert site.asks(user_id=f"vera {hours}").status == 200


class TestMovingWindow:
    """So many pass in any span, and who is idle is forgotten."""

    def test_what_is_refused_does_not_count(self, clocks: Clocks) -> None:
        window = MovingWindow(2, "minute")
        assert window.hit("vera") == 0
        clocks.pass_by(20)
        assert window.hit("vera") == 0
        assert [window.hit("vera") for _ in range(3)] == [40] * 3
        clocks.pass_by(40)
        assert window.hit("vera") == 0
        assert window.hit("vera") == 20

    def test_who_is_idle_takes_no_memory(self, clocks: Clocks) -> None:
        window = MovingWindow(2, "minute")
        for number in range(100):
            window.hit(f"{number}")
            clocks.pass_by(1)
        assert len(window) == 60
        clocks.pass_by(60)
        window.hit("vera")
        assert len(window) == 1
