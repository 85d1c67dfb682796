"""The strip on Now: what a site says of its devices, with its age, from the server alone."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..state.pictures import picture
from ..support import databases, nights
from ..support.clocks import Clocks
from ..support.observatory import Observatory
from .test_now import section


@pytest.fixture
def browser(app: Flask, clocks: Clocks) -> FlaskClient:
    del clocks
    return app.test_client()


def says(browser: FlaskClient, **devices: dict[str, Any] | None) -> None:
    """Report devices, each named as its kind."""
    told = {f"{kind}/{kind}1": values for kind, values in devices.items()}
    answer = browser.post("/jobs/devicestate", json={"site": "wmd", "devices": told})
    assert answer.status_code == 200, answer.text


def tile(browser: FlaskClient, key: str) -> tuple[str, str]:
    """Return the classes of a tile and what it says."""
    shown = browser.get("/?site=wmd").text
    found = re.search(rf'<a class="(tile[^"]*)"[^>]*data-key="{key}".*?</a>', shown, re.DOTALL)
    assert found is not None, shown
    return found[1], " ".join(unescape(re.sub(r"<[^>]+>", " ", found[0])).split())


def test_each_device_stands_with_a_word_its_numbers_and_its_age(browser: FlaskClient, clocks: Clocks) -> None:
    says(
        browser,
        mount={"status": "tracking", "ra_hours": 5.588, "dec_degrees": -5.39},
        enclosure={"status": "open", "azimuth_degrees": 183},
        weather={"safe": True, "temperature_c": 12.3, "humidity_percent": 61, "wind_m_per_s": 3.2},
        camera={"status": "exposing", "temperature_c": -10, "cooler_percent": 35.4, "frame": 3, "frames": 5},
        filter_wheel={"filter": "R", "status": "idle"},
        focuser={"position_um": 5021, "temperature_c": 6.84},
    )
    clocks.pass_by(12)
    assert tile(browser, "mount") == ("tile", "Mount 12 s tracking 05h35 -05°23′")
    assert tile(browser, "roof") == ("tile", "Roof 12 s open dome 183°")
    assert tile(browser, "weather") == ("tile", "Weather 12 s safe 12 °C, 61 %, 3 m/s")
    assert tile(browser, "camera") == ("tile", "Camera 12 s exposing 3 of 5, -10.0 °C, 35 %")
    assert tile(browser, "filter") == ("tile", "Filter 12 s R")
    assert tile(browser, "focus") == ("tile", "Focus 12 s 5 021 µm 6.8 °C")


def test_a_device_grows_grey_after_a_minute_and_is_news_again_when_it_speaks(
    browser: FlaskClient, clocks: Clocks
) -> None:
    says(browser, mount={"status": "parked"})
    clocks.pass_by(60)
    assert tile(browser, "mount") == ("tile", "Mount 1 min parked")
    clocks.pass_by(1)
    assert tile(browser, "mount") == ("tile grey", "Mount 1 min parked")
    says(browser, mount={"status": "parked"})
    assert tile(browser, "mount") == ("tile", "Mount 0 s parked")


@pytest.mark.parametrize(
    ("kind", "values", "key", "text"),
    [
        ("weather", {"safe": False, "unsafe_reason": "rain"}, "weather", "unsafe rain"),
        ("weather", {"safe": False, "humidity_percent": 97}, "weather", "unsafe 97 %"),
        ("enclosure", {"status": "ERROR", "message": "the belt slips"}, "roof", "ERROR the belt slips"),
        ("camera", {"status": "error", "temperature_c": 20}, "camera", "error 20.0 °C"),
    ],
)
def test_error_and_unsafe_are_alarming_in_a_word_with_the_reason(
    browser: FlaskClient, kind: str, values: dict[str, Any], key: str, text: str
) -> None:
    says(browser, **{kind: values})
    classes, said = tile(browser, key)
    assert (classes, said.split(" ", 3)[3]) == ("tile alarming", text)


def test_of_several_devices_of_a_kind_the_one_that_is_wrong_is_shown(browser: FlaskClient) -> None:
    devices = {"camera/a": {"status": "idle"}, "camera/b": {"status": "error"}, "camera/c": {"status": "reading"}}
    browser.post("/jobs/devicestate", json={"site": "wmd", "devices": devices})
    assert tile(browser, "camera")[1].endswith(" error")
    assert 'title="camera/b, and 2 more"' in browser.get("/?site=wmd").text


def test_one_device_says_that_it_is_safe_and_another_how_warm_it_is(browser: FlaskClient) -> None:
    says(browser, safety={"safe": True}, weather={"temperature_c": 12})
    assert tile(browser, "weather")[1] == "Weather 0 s safe 12 °C"


ODD: list[Any] = [None, True, "x<b>", "", [], {}, [[1]], 10**400, -1, 1e300, 0.5, "2026-11-30", {"a": {"b": "<i>"}}]


@pytest.mark.parametrize("value", ODD, ids=str)
def test_what_has_another_type_than_expected_is_left_out_and_nothing_is_markup(
    browser: FlaskClient, value: Any
) -> None:
    keys = ("status", "connected", "ra_hours", "dec_degrees", "safe", "frame", "frames", "position_um", "filter")
    more = ("temperature_c", "message", "unsafe_reason", "mode", "azimuth_degrees", "humidity_percent")
    said = dict.fromkeys((*keys, *more), value)
    says(browser, **dict.fromkeys(("mount", "enclosure", "weather", "camera", "filter_wheel", "focuser", "x"), said))
    shown = browser.get("/?site=wmd")
    assert shown.status_code == 200
    assert shown.text.count('class="tile') == 6
    assert "<i>" not in shown.text
    assert "x<b>" not in shown.text


def test_weather_by_the_name_that_alpaca_has_for_it_has_its_tile(browser: FlaskClient) -> None:
    says(browser, **{"ObservingConditions/0": {"temperature_c": 4, "wind_m_per_s": 12}})
    assert tile(browser, "weather") == ("tile", "Weather 0 s 4 °C, 12 m/s")


def test_what_is_rounded_to_nothing_has_no_sign_and_a_half_is_rounded_away_from_it(browser: FlaskClient) -> None:
    says(browser, weather={"temperature_c": -0.3, "wind_m_per_s": 2.5}, focuser={"position_um": -0.4})
    assert tile(browser, "weather") == ("tile", "Weather 0 s 0 °C, 3 m/s")
    assert tile(browser, "focus") == ("tile", "Focus 0 s 0 µm")


def test_a_site_that_reports_nothing_says_so_once_and_not_in_red(browser: FlaskClient) -> None:
    shown = browser.get("/?site=wmd").text
    assert shown.count("does not report its devices") == 1
    assert section(browser, "strip") == "This site does not report its devices."
    assert 'class="tile' not in shown


def test_a_device_that_is_forgotten_has_no_tile(browser: FlaskClient) -> None:
    says(browser, mount={"status": "parked"}, camera={"status": "idle"})
    says(browser, camera=None)
    assert section(browser, "strip") == "Mount 0 s parked"


def test_after_a_restart_no_roof_is_shown_that_nobody_has_reported_since(tmp_path: Path) -> None:
    settings = {"TESTING": True} | databases.at(tmp_path / "instance")
    for is_first in (True, False):
        app = create_app(settings)
        startup.prepare(app)
        browser = app.test_client()
        if is_first:
            says(browser, enclosure={"status": "open"}, weather={"safe": True}, mount={"status": "tracking"})
            service_of(app).storing.sync()
        assert ("open" in section(browser, "strip")) == is_first
        assert ("safe" in section(browser, "strip")) == is_first
        assert "tracking" in section(browser, "strip")
        service_of(app).database.close()


def test_an_open_page_that_asks_for_changes_gets_the_strip_with_the_short_answer(browser: FlaskClient) -> None:
    body = re.search(r'data-position="([^"]*)" data-mark="([^"]*)"', browser.get("/?site=wmd").text)
    assert body is not None
    says(browser, mount={"status": "slewing"})
    known = {"X-Known": f"{body[1]} {body[2]}", "X-Requested-By": "script"}
    answer = browser.get("/?site=wmd", headers=known).text
    assert "data-unchanged" in answer
    assert "slewing" in answer
    assert "The <bdi>mount</bdi> says" in answer
    assert 'id="strip"' not in browser.get("/part/frame?site=wmd", headers=known).text


def test_where_no_job_runs_the_page_says_what_the_devices_do(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    says(browser, camera={"status": "exposing", "frame": 2, "frames": 5}, mount={"status": "tracking"})
    assert section(browser, "running") == "Nothing runs The camera says: exposing, 2 of 5"
    clocks.pass_by(61)
    assert section(browser, "running") == "Nothing runs"  # that was then
    says(browser, camera={"status": "exposing"})
    observatory.reports(observatory.sends(), "EXPOSING")
    assert "The camera says" not in section(browser, "running")


def test_the_last_picture_stands_there_with_what_it_is_and_leads_to_the_large_one(
    browser: FlaskClient, observatory: Observatory
) -> None:
    assert "Last picture" not in browser.get("/?site=wmd").text
    job = observatory.sends(**nights.expose("M 31"))
    query = {"site": "wmd", "ulid": job["ulid"], "name": "a<b>.png"}
    assert browser.post("/jobs/preview", query_string=query, data=picture()).status_code == 200
    shown = browser.get("/?site=wmd").text
    found = re.search(r'<a class="last-picture" href="([^"]*)".*?<img src="([^"]*)".*?alt="([^"]*)"', shown, re.DOTALL)
    assert found is not None
    assert browser.get(unescape(found[2])).mimetype == "image/png"
    assert "M 31" in browser.get(unescape(found[1])).text
    assert found[3].startswith("a&lt;b&gt;.png of Expose")
    assert "<b>" not in shown
    assert "Last picture" not in browser.get("/?site=saf").text


def test_pictures_for_who_is_signed_in_are_shown_to_nobody_else(tmp_path: Path) -> None:
    issuer = {"OIDC_ISSUER": "http://127.0.0.1:9", "OIDC_AUDIENCE": "jobs", "PICTURES_FROM": "signed-in"}
    app = create_app({"TESTING": True, **issuer} | databases.at(tmp_path / "instance"))
    startup.prepare(app)
    shown = app.test_client().get("/?site=wmd").text
    assert "Pictures are shown to who is signed in." in shown
    service_of(app).database.close()


def test_a_picture_makes_an_open_page_that_asks_for_changes_come(
    browser: FlaskClient, observatory: Observatory
) -> None:
    job = observatory.sends()
    body = re.search(r'data-position="([^"]*)" data-mark="([^"]*)"', browser.get("/?site=wmd").text)
    assert body is not None
    known = {"X-Known": f"{body[1]} {body[2]}", "X-Requested-By": "script"}
    assert "data-unchanged" in browser.get("/?site=wmd", headers=known).text
    browser.post("/jobs/preview", query_string={"site": "wmd", "ulid": job["ulid"]}, data=picture())
    assert "last-picture" in browser.get("/?site=wmd", headers=known).text


def test_the_page_site_shows_all_that_devices_say_unknown_keys_as_they_are(
    browser: FlaskClient, clocks: Clocks
) -> None:
    says(browser, rotator={"angle_degrees": 12.5, "made_up": {"<i>": [1, "<b>"]}, "Häkchen": True})
    clocks.pass_by(75)
    for path in ("/settings", "/part/devices"):
        shown = section(browser, "devices", path)
        assert "rotator/rotator1 1 min ago" in shown
        assert "Angle 12.5° " in shown
        assert 'Made up { "<i>": [ 1, "<b>" ] }' in shown
        assert "Häkchen yes" in shown
        assert "device grey" in browser.get(f"{path}?site=wmd").text
        assert "<i>" not in browser.get(f"{path}?site=wmd").text
    assert "does not report its devices" in browser.get("/settings?site=saf").text
