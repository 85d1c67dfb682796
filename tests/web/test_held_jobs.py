"""A job of the form Send is held back for some seconds, or until a time as somebody writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.observatory.profiles import Profile, save
from jobs_server.service import service_of

from ..support import databases, nights
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory
from .test_send import EXPOSE, GO, previews, sends


@pytest.fixture
def app(tmp_path: Path, clocks: Clocks) -> Iterator[Flask]:
    """Return an app at 08:00 UTC, which is 18:00 at the site."""
    assert clocks
    save(tmp_path, Profile(code="wmd", timezone="Australia/Brisbane"))
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": databases.fresh()})
    yield app
    service_of(app).database.close()


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize(
    ("text", "hours"), [("23:00", 5), ("09:30 UTC", 1.5), ("2027-01-16 18:00", 24), ("2027-01-15T22:30:00+10:00", 4.5)]
)
def test_a_time_is_read_by_the_sites_clock_and_said_by_both(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks, text: str, hours: float
) -> None:
    assert " UTC, " in previews(browser, **EXPOSE, not_before_seconds=text)["readings"]["not_before_seconds"]
    assert sends(browser, **EXPOSE, not_before_seconds=text).status_code == 303
    clocks.pass_by(hours * HOUR - 1)
    assert observatory.polls() == []
    clocks.pass_by(1)
    assert len(observatory.polls()) == 1


def test_a_form_that_names_utc_has_its_time_read_so(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    form = EXPOSE | {"not_before_seconds": "23:00", "clock": "UTC"}
    assert "23:00 UTC, " in previews(browser, **form)["readings"]["not_before_seconds"]
    assert sends(browser, **form).status_code == 303
    clocks.pass_by(15 * HOUR - 1)
    assert observatory.polls() == []
    clocks.pass_by(1)
    assert len(observatory.polls()) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("25:00", "write a time such as 21:30"),
        ("2027-01-17 18:00", "write a time at most 36 hours ahead; a plan may begin later"),
        ("86401", "notBeforeSeconds must be a number of seconds from 0 to 86400"),
        ("later", "'later' is no number of seconds"),
    ],
)
def test_what_is_no_such_time_is_said_and_nothing_is_sent(
    browser: FlaskClient, observatory: Observatory, text: str, sentence: str
) -> None:
    answer = sends(browser, **EXPOSE, not_before_seconds=text)
    assert (answer.status_code, sentence in answer.text.replace("&#39;", "'")) == (400, True)
    assert observatory.lists() == []


@pytest.mark.parametrize("text", ["600", "23:00"])
def test_an_exposure_that_follows_a_slew_is_held_with_it(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks, text: str
) -> None:
    """Of "Then expose" the slew alone was held, and the exposure went out before it."""
    then = {"then": "yes", "then.instance": "camera_1_1", "then.time": "5", "not_before_seconds": text}
    form: dict[str, Any] = GO | then
    assert sends(browser, **form).status_code == 303
    assert observatory.polls() == []
    clocks.pass_by(5 * HOUR if ":" in text else 600)
    assert [job["action"] for job in observatory.polls()] == ["go", "expose"]


def test_what_is_sent_again_by_undo_is_held_until_the_same_time(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    job = observatory.sends(**nights.expose("M 31"), notBefore="2027-01-16T18:00:00Z")
    browser.post("/act/cancel", data={"site": "wmd", "ulid": job["ulid"]})
    clocks.pass_by(HOUR)
    for _ in range(2):  # a double click
        browser.post("/act/undo", data={"site": "wmd", "ulid": job["ulid"]})
        clocks.pass_by(1)
    clocks.pass_by(33 * HOUR - 3)
    assert observatory.polls() == []
    clocks.pass_by(1)
    assert len(observatory.polls()) == 1


def test_a_template_fills_in_for_how_long_it_is_held(browser: FlaskClient, observatory: Observatory) -> None:
    """A command kept with a hold of 30 s came back into the form without it."""
    command = {
        "device": "mount",
        "instance": "mount1",
        "action": "park",
        "notBeforeSeconds": 30,
        "expiresInSeconds": 90,
    }
    body = {"site": "wmd", "name": "Park", "ofSite": True, "command": command}
    assert observatory.posts("savetemplate", body).status == 200
    page = browser.get("/send", query_string={"site": "wmd", "template": "Park", "of_site": "1"}).text
    assert 'name="not_before_seconds" value="30"' in page
    assert 'name="expires_in_seconds" value="90"' in page


@pytest.mark.parametrize("seconds", ['"30"', "null", "[]", "-1"])
def test_of_raw_json_a_hold_that_is_none_is_said(browser: FlaskClient, observatory: Observatory, seconds: str) -> None:
    """Raw JSON with `notBeforeSeconds` as a text was an internal error."""
    raw = f'{{"device": "mount", "instance": "mount1", "action": "home", "notBeforeSeconds": {seconds}}}'
    assert previews(browser, raw=raw)["faults"] == {}
    answer = sends(browser, raw=raw)
    assert answer.status_code == (303 if seconds == "null" else 400)
    assert len(observatory.lists()) == (seconds == "null")
