"""The form for reservations: what it does not show stays, what is over is refused, and midnight may be 24:00."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ..support.clocks import Clocks

PROJECT = {
    "site": "wmd",
    "creator_id": "lan|vera",
    "creator": "Vera",
    "start": "2027-01-15T20:00:30.500Z",
    "end": "2027-01-15T22:00:45Z",
    "title": "Spectra",
    "reservation_type": "project",
    "project_id": "p-7",
    "resourceId": "spectrograph",
    "reservation_note": "M 31",
    "origin": "planner",
}


@pytest.fixture
def browser(app: Flask, clocks: Clocks) -> FlaskClient:
    """Vera's browser; it is 2027-01-15 08:00."""
    del clocks
    made = app.test_client()
    made.post("/act/name", data={"site": "wmd", "name": "Vera"})
    return made


def listed(browser: FlaskClient) -> list[dict[str, Any]]:
    span = {"site": "wmd", "start": "2027-01-01", "end": "2027-02-01"}
    return list(browser.post("/calendar/siteevents", json=span).get_json())


def reserves(browser: FlaskClient, start: str, end: str, **more: str) -> Any:
    return browser.post("/act/reserve", data={"site": "wmd", "start": start, "end": end, **more})


def test_what_the_form_does_not_show_stays_when_a_project_reservation_is_saved(browser: FlaskClient) -> None:
    event_id = browser.post("/calendar/newevent", json=PROJECT).get_json()["new_calendar_event"]["event_id"]
    [before] = listed(browser)
    shown = {"title": "Spectra", "reservation_note": "M 31", "event_id": event_id}
    assert reserves(browser, "2027-01-15 20:00", "2027-01-15 22:00", **shown).status_code == 303
    assert [each | {"last_modified": ""} for each in listed(browser)] == [before | {"last_modified": ""}]

    assert reserves(browser, "2027-01-15 20:00", "2027-01-15 23:30", **shown).status_code == 303
    [moved] = listed(browser)
    assert (moved["start"], moved["end"]) == ("2027-01-15T20:00:30Z", "2027-01-15T23:30:00Z")
    assert {key: moved[key] for key in ("reservation_type", "project_id", "resourceId", "origin")} == {
        "reservation_type": "project",
        "project_id": "p-7",
        "resourceId": "spectrograph",
        "origin": "planner",
    }


def test_a_reservation_in_the_past_is_refused_with_the_right_thing_to_do(browser: FlaskClient) -> None:
    refused = reserves(browser, "2027-01-14 20:00", "2027-01-14 22:00")
    sentence = "2027-01-14 20:00 to 2027-01-14 22:00 UTC is over, since it is 2027-01-15 08:00 UTC;"
    sentence += " choose a time that is to come"
    assert refused.status_code == 400
    assert sentence in refused.text
    script = {"X-Requested-By": "script"}
    asked = {"site": "wmd", "do": "check", "start": "2027-01-14 20:00", "end": "2027-01-14 22:00"}
    assert browser.post("/act/reserve", data=asked, headers=script).json == {"fault": sentence}
    assert listed(browser) == []
    assert reserves(browser, "2027-01-15 07:00", "2027-01-15 09:00").status_code == 303  # has begun, and is not over


def test_of_a_reservation_that_is_over_the_note_can_be_changed_and_the_end_not_into_the_past(
    browser: FlaskClient, clocks: Clocks
) -> None:
    reserves(browser, "2027-01-15 08:00", "2027-01-15 09:00")
    clocks.pass_by(2 * 3600)
    of_it = {"event_id": listed(browser)[0]["event_id"]}
    assert reserves(browser, "2027-01-15 08:00", "2027-01-15 09:30", **of_it).status_code == 400
    assert (
        reserves(browser, "2027-01-15 08:00", "2027-01-15 09:00", reservation_note="clouds", **of_it).status_code == 303
    )
    assert [each["reservation_note"] for each in listed(browser)] == ["clouds"]


def test_24_00_is_the_next_days_midnight(browser: FlaskClient) -> None:
    assert reserves(browser, "2027-01-15 22:00", "2027-01-15 24:00").status_code == 303
    assert [each["end"] for each in listed(browser)] == ["2027-01-16T00:00:00Z"]
    assert browser.get("/jobs-log?site=wmd&until=2027-01-15+24:00").status_code == 200


def test_a_double_tap_on_reserve_makes_one_reservation(browser: FlaskClient) -> None:
    for _ in range(2):
        assert reserves(browser, "2027-01-15 22:00", "2027-01-15 23:00").status_code == 303
    assert len(listed(browser)) == 1
