"""The form of a slew: a name or a pair becomes coordinates that are seen first, and what is down is acknowledged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.observatory import targets
from jobs_server.observatory.profiles import Profile, save
from jobs_server.observatory.sky import Place
from jobs_server.service import service_of

from ..conftest import inside
from ..support import databases
from ..support.clocks import Clocks

HERE = Profile(
    code="wmd", latitude_deg=34.4, longitude_deg=-119.7, timezone="America/Los_Angeles", lowest_altitude_deg=15
)
EVENING_MS = 1_796_010_000_000  # 2026-11-29 19:40 there: M 31 is up, Jupiter and M 99 are not
GO = {"site": "wmd", "device": "mount", "action": "go", "instance": "mount1", "group": "0"}


@pytest.fixture
def there(tmp_path: Path, clocks: Clocks) -> Iterator[Flask]:
    save(tmp_path, HERE)
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": databases.fresh()})
    clocks.now = clocks.now._replace(wall_ms=EVENING_MS)
    yield app
    service_of(app).database.close()


@pytest.fixture
def browser(there: Flask) -> FlaskClient:
    return there.test_client()


def posts(browser: FlaskClient, **form: str) -> Any:
    return browser.post("/send", data={**GO, "do": "send", **form})


def previews(browser: FlaskClient, **form: str) -> Any:
    return browser.post("/send", data={**GO, "do": "preview", **form}, headers={"X-Requested-By": "script"}).json


def filled(page: str) -> dict[str, str]:
    """What the fields of a page hold."""
    inputs = re.findall(r"<input\b[^>]*>", page)
    values = ((re.search(r'name="([^"]+)"', each), re.search(r'value="([^"]*)"', each), each) for each in inputs)
    return {
        name[1]: unescape(value[1])
        for name, value, whole in values
        if name and value and (not re.search("type=.(radio|checkbox)", whole) or "checked" in whole)
    }


def sent(app: Flask) -> list[dict[str, Any]]:
    return inside(app).polls()


def test_a_name_fills_in_the_coordinates_and_is_sent_when_they_have_been_seen(
    browser: FlaskClient, there: Flask
) -> None:
    page = posts(browser, target="m31")
    assert (page.status_code, sent(there)) == (200, [])
    form = filled(page.text)
    assert (form["ra"], form["dec"], form["object"], form["target"]) == ("0.712319", "41.26906", "M 31", "m31")
    assert "altitude 8" in page.text
    assert "Tonight" in page.text
    assert posts(browser, **form).status_code == 303
    (job,) = sent(there)
    assert job["required_params"] | {"frame": ""} == {"ra": 0.712319, "dec": 41.26906, "frame": ""}
    assert job["optional_params"]["object"] == "M 31"


def test_a_script_gets_what_to_fill_in_and_how_it_stands(browser: FlaskClient) -> None:
    preview = previews(browser, target="ngc 7000", ra="", dec="")
    assert preview["filled"]["ra"] == "20.988094"
    assert preview["filled"]["object"] == "NGC 7000"
    assert preview["faults"] == {}
    assert "<svg" in preview["target"]
    again = previews(browser, target="ngc 7000", **preview["filled"])
    assert again["filled"] == {}


def test_half_a_name_is_asked_about_and_nothing_is_sent(browser: FlaskClient, there: Flask) -> None:
    page = posts(browser, target="androm", ra="5", dec="5")
    assert (page.status_code, sent(there)) == (400, [])
    assert "choose which of these is meant" in page.text
    choices = re.findall(r'name="choose" value="([^"]+)"', previews(browser, target="ngc 70")["target"])
    assert len(choices) == 12
    chosen = posts(browser, target="ngc 70", choose=unescape(choices[3]))
    form = filled(chosen.text)
    assert form["placed"] == unescape(choices[3])
    assert form["target"] == form["object"] == unescape(choices[3]).split(" ", 2)[2]


@pytest.mark.parametrize("name", ["no such thing", "'\"<zz>", "x" * 500])
def test_a_name_that_nothing_has_is_refused_in_words(browser: FlaskClient, there: Flask, name: str) -> None:
    page = posts(browser, target=name)
    assert (page.status_code, sent(there)) == (400, [])
    assert "no target here is called" in page.text
    assert "<zz>" not in page.text


def test_an_old_place_is_never_sent_under_a_new_name(browser: FlaskClient, there: Flask) -> None:
    form = filled(posts(browser, target="m31").text)
    changed = posts(browser, **form | {"target": "m33"})
    assert (changed.status_code, sent(there)) == (200, [])
    assert filled(changed.text)["ra"] != form["ra"]
    assert posts(browser, **form | {"target": "m33x"}).status_code == 400
    assert sent(there) == []


def test_coordinates_that_somebody_changed_are_sent_as_they_stand(browser: FlaskClient, there: Flask) -> None:
    form = filled(posts(browser, target="m31").text)
    assert posts(browser, **form | {"ra": "0.8"}).status_code == 303
    assert sent(there)[0]["required_params"]["ra"] == 0.8


@pytest.mark.parametrize("field", ["target", "ra", "dec"])
def test_a_pasted_pair_fills_both_fields(browser: FlaskClient, there: Flask, field: str) -> None:
    page = posts(browser, **{field: "  00h42m44.3s +41\u00b016\u203209\u2033"})
    assert (page.status_code, sent(there)) == (200, [])
    form = filled(page.text)
    assert (form["ra"], form["dec"]) == ("0.712306", "41.269167")
    assert posts(browser, **form).status_code == 303
    assert sent(there)[0]["optional_params"]["object"] == "empty"


def test_degrees_where_hours_may_be_meant_are_asked_about(browser: FlaskClient, there: Flask) -> None:
    page = posts(browser, target="10.684 +41.269")
    assert (page.status_code, sent(there)) == (400, [])
    assert "in hours or in degrees?" in page.text
    values = [unescape(each) for each in re.findall(r'name="choose" value="([^"]+)"', page.text)]
    assert [each.split(" ")[0] for each in values] == ["10.684", "0.712267"]
    form = filled(posts(browser, target="10.684 +41.269", choose=values[1]).text)
    assert form["ra"] == "0.712267"
    assert posts(browser, **form).status_code == 303


@pytest.mark.parametrize("pair", ["1 2 3", "24 0 1 +10 0 0", "0 42 44 +91 0 0", "10,68", "00 42 44 +41 16 09 B1950"])
def test_a_pair_that_is_none_is_refused_in_words(browser: FlaskClient, there: Flask, pair: str) -> None:
    page = posts(browser, target=pair)
    assert (page.status_code, sent(there)) == (400, [])


def test_what_is_down_is_acknowledged_before_it_is_sent(browser: FlaskClient, there: Flask) -> None:
    form = filled(posts(browser, target="m99").text)
    asked = posts(browser, **form)
    assert (asked.status_code, sent(there)) == (200, [])
    assert "below the horizon" in asked.text
    assert "Is it to be sent all the same?" in asked.text
    assert previews(browser, **form)["cautions"]["sky"].startswith("M 99 stands ")
    assert posts(browser, **filled(asked.text)).status_code == 303
    assert len(sent(there)) == 1


def test_what_stands_below_the_limit_of_the_site_is_acknowledged(browser: FlaskClient, there: Flask) -> None:
    form = {"az": "180", "alt": "10", "group": "2"}
    asked = posts(browser, **form)
    assert (
        "10.0° high, below this site’s limit of 15°" in asked.text or "below this site&#39;s limit of 15°" in asked.text
    )
    assert sent(there) == []
    assert posts(browser, **form | {"sure": filled(asked.text)["sure"]}).status_code == 303


def test_who_acknowledged_one_place_has_not_acknowledged_another(browser: FlaskClient, there: Flask) -> None:
    form = filled(posts(browser, **filled(posts(browser, target="m99").text)).text)
    assert "sure" in form
    assert posts(browser, **form | {"dec": "10"}).status_code == 200
    assert sent(there) == []


def test_what_moves_is_sent_to_where_it_is_at_the_moment_of_sending(
    browser: FlaskClient, there: Flask, clocks: Clocks
) -> None:
    form = filled(posts(browser, target="jupiter").text)
    asked = posts(browser, **form)
    assert "below the horizon" in asked.text
    clocks.pass_by(3600)
    assert posts(browser, **filled(asked.text)).status_code == 303
    (job,) = sent(there)
    there_then = targets.place_of_moving("Jupiter", EVENING_MS + 3_600_000, Place(34.4, -119.7, 0))
    assert there_then is not None
    assert job["required_params"]["ra"] == there_then.ra_hours != float(form["ra"])
    assert job["optional_params"]["object"] == "Jupiter"


def test_coordinates_of_today_are_turned_into_icrs(browser: FlaskClient, there: Flask) -> None:
    assert posts(browser, ra="0.737273", dec="41.421106", frame="JNOW").status_code == 303
    (job,) = sent(there)
    assert job["required_params"]["frame"] == "ICRS"
    assert job["required_params"]["ra"] == pytest.approx(0.712314, abs=2e-5)
    page = browser.get("/send?site=wmd&device=mount&action=go").text
    for frame in ("B1950", "Galactic", "Ecliptic"):
        assert f'value="{frame}"' not in page


def test_the_own_list_is_looked_at_first(browser: FlaskClient, there: Flask) -> None:
    own = {"name": "Field 7", "ra_hours": 1.5, "dec_degrees": 40}
    assert browser.post("/jobs/savetargets", json={"site": "wmd", "targets": [own]}).status_code == 200
    assert previews(browser, target="field 7")["filled"]["ra"] == "1.5"


def test_without_a_place_nothing_is_said_of_altitudes_and_that_is_said(app: Flask) -> None:
    browser = app.test_client()
    page = posts(browser, target="m31")
    assert "the place of this site is not known" in page.text
    assert posts(browser, **filled(page.text)).status_code == 303


def test_a_right_ascension_in_degrees_is_asked_about(browser: FlaskClient) -> None:
    fault = previews(browser, ra="83.63", dec="22")["faults"]["ra"]
    assert "must be 0 to 24 h, not 83.63" in fault
    assert "83.63 deg" in fault
    assert json.loads(previews(browser, ra="83.63 deg", dec="22")["json"])["required_params"]["ra"] == 5.575333
