"""The night report's pictures and curves: what came in the night, and nothing superfluous where nothing did."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server.service import service_of, transaction
from jobs_server.state.storing import OURS, SAMPLE
from jobs_server.web import night

from ..support.clocks import Clocks
from ..support.observatory import Observatory
from .test_results import part, sends_picture, sources, text_of


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A browser without scripts."""
    return app.test_client()


def night_page(browser: FlaskClient, day: str = "") -> str:
    answer = browser.get(f"/night/{day}" if day else "/night", query_string={"site": "wmd"})
    assert answer.status_code == 200
    return answer.text


def samples(app: Flask, at_ms: int, readings: str) -> None:
    """Keep what was measured in a minute."""
    with app.app_context(), transaction(OURS) as connection:
        connection.run(SAMPLE, site="wmd", at_ms=at_ms, readings=readings)


def test_a_night_without_pictures_and_curves_shows_nothing_superfluous(
    browser: FlaskClient, observatory: Observatory
) -> None:
    observatory.sends()
    page = night_page(browser)
    assert part(page, "contact-sheet").strip() == part(page, "curves").strip() == ""


def test_the_contact_sheet_has_each_picture_with_its_job_and_what_it_is(
    browser: FlaskClient, observatory: Observatory
) -> None:
    first = observatory.sends(optional_params={"count": 2, "object_name": "M 31"})
    second = observatory.sends(optional_params={"count": 2, "object_name": "M 42"})
    sends_picture(browser, first, "R, stacked")
    sends_picture(browser, second, "V, stacked")
    shown = part(night_page(browser), "contact-sheet")
    said = text_of(shown)
    assert said.index("M 31 R, stacked") < said.index("M 42 V, stacked")
    links = [unescape(each) for each in re.findall(r'<a class="job-link" href="([^"]+)"', shown)]
    assert [link.partition("?")[0] for link in links] == [f"/job/{first['ulid']}", f"/job/{second['ulid']}"]
    assert [browser.get(source).status_code for source in sources(shown)] == [200, 200]


def test_a_picture_belongs_to_the_night_in_which_it_came(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    job = observatory.sends()
    clocks.pass_by(24 * 3600)
    sends_picture(browser, job)
    assert len(sources(part(night_page(browser), "contact-sheet"))) == 1


def test_of_very_many_pictures_the_last_ones_are_shown_and_the_rest_is_said(
    browser: FlaskClient, observatory: Observatory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night, "PICTURED", 3)
    job = observatory.sends()
    for number in range(5):
        sends_picture(browser, job, f"frame {number}")
    said = text_of(part(night_page(browser), "contact-sheet"))
    assert "frame 1" not in said
    assert "frame 2" in said
    assert "The first 2 of the night" in said


def test_the_night_has_curves_of_what_was_measured_with_units_and_a_table(
    app: Flask, browser: FlaskClient, clocks: Clocks
) -> None:
    begin_ms = clocks.now.wall_ms // 60_000 * 60_000 - 3_600_000
    for minute in range(0, 60, 2):
        readings = '{"weather/w1":{"temperature_c":%.1f,"humidity_percent":61,"wind_m_per_s":3},'
        readings += '"focuser/focuser1":{"position_um":5021}}'
        samples(app, begin_ms + minute * 60_000, readings % (8 + minute / 60))
    shown = part(night_page(browser), "curves")
    said = text_of(shown)
    for each in (
        "Temperature °C",
        "Humidity %",
        "Wind m/s",
        "Focus µm",
        "weather/w1 8 to 9, last 9 at",
        "5021 to 5021",
    ):
        assert each in said
    assert shown.count('<path class="s1"') == 4
    assert "As a table" in said


def test_what_the_site_reports_becomes_a_curve(app: Flask, browser: FlaskClient) -> None:
    state = {"weather/w1": {"temperature_c": 8.5, "humidity_percent": "wet"}, "mount/m": {"alt_degrees": 45}}
    assert browser.post("/jobs/devicestate", json={"site": "wmd", "devices": state}).status_code == 200
    service_of(app).storing.sync()
    said = text_of(part(night_page(browser), "curves"))
    assert "Temperature" in said
    assert "Humidity" not in said


def test_whatever_a_device_is_called_is_text(app: Flask, browser: FlaskClient, clocks: Clocks) -> None:
    name = "weather/<script>alert(1)</script>"
    samples(app, clocks.now.wall_ms, json.dumps({name: {"temperature_c": 8}}))
    page = night_page(browser)
    assert "<script>alert" not in page
    assert name in unescape(page)
