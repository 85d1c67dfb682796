"""The form offers what a site has: its devices, actions, filters, binnings and limits, and always a stop.

What the site is not known to have goes out with a caution, which is shown before and with the sending, and is never
refused.
"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.observatory import catalogue
from jobs_server.observatory.abilities import Abilities
from jobs_server.observatory.profiles import Device, Profile
from jobs_server.upkeep import startup
from jobs_server.web import offers

from ..conftest import inside
from ..support import databases
from ..support.nights import PROFILE
from ..support.observatory import Observatory
from .test_results import text_of

SAID = {
    "camera/cam1": {
        "actions": ["expose"],
        "filters": ["Red", "HA"],
        "binnings": [1, [2, 2]],
        "limits": {"time": [0.1, 900], "count": [1, None]},
    },
    "mount/mount1": {"actions": ["go", "park", "dance"]},
    "focuser/focuser1": {},
    "weather/w1": {},
    "guider/g1": {"actions": ["guide"]},
}
EXPOSE = {"device": "camera", "action": "expose", "instance": "cam1", "time": "60", "count": "1", "filter": "Red"}


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A browser without scripts."""
    return app.test_client()


def says(browser: FlaskClient, devices: dict[str, Any] | None = None) -> None:
    """A site says what it has and can do."""
    body = {"site": "wmd", "devices": SAID if devices is None else devices}
    assert browser.post("/jobs/capabilities", json=body).status_code == 200


def form_of(browser: FlaskClient, **query: str) -> str:
    answer = browser.get("/send", query_string={"site": "wmd"} | query)
    assert answer.status_code == 200
    return answer.text


def offered(page: str, row: str) -> list[str]:
    """The links of a row of the page: its devices, or the actions of the one that is chosen."""
    found = re.search(rf'aria-label="{row}">(.*?)</nav>', page, re.DOTALL)
    return (
        [unescape(each).strip() for each in re.findall(r'<a class="chip"[^>]*>([^<]*)</a>', found[1])] if found else []
    )


def choices(page: str, name: str) -> list[str]:
    """The values of a field of which one is chosen."""
    return [unescape(each) for each in re.findall(rf'type="radio" name="{name}" value="([^"]*)"', page)]


def previews(browser: FlaskClient, **form: str) -> Any:
    headers = {"X-Requested-By": "script"}
    return browser.post("/send", data={"site": "wmd", "do": "preview", **form}, headers=headers).json


def sends(browser: FlaskClient, **form: str) -> str:
    """Send a form, and return the page that it leads to."""
    answer = browser.post("/send", data={"site": "wmd", "do": "send", **form}, follow_redirects=True)
    assert answer.status_code == 200
    assert answer.request.path == "/"
    return answer.text


def test_of_a_site_that_says_nothing_everything_is_offered(browser: FlaskClient) -> None:
    page = form_of(browser)
    kinds = [name.replace("_", " ") for name in catalogue.devices()]
    assert offered(page, "Device") == [*kinds, "other device", "series / plan", "raw JSON"]
    assert "stop another device" not in page


def test_only_devices_and_actions_that_are_there_are_offered_and_a_stop_for_each(browser: FlaskClient) -> None:
    says(browser)
    page = form_of(browser)
    there = ["camera", "mount", "focuser", "all", "guider"]
    others = [each for each in (*catalogue.devices(), "weather") if each not in there]
    stops = [f"stop {name.replace('_', ' ')}" for name in others]
    assert offered(page, "Device") == [*there, "other device", "series / plan", "raw JSON", *stops]
    assert offered(page, "Action") == ["expose", "stop", "other action"]
    assert offered(form_of(browser, device="mount", action="go"), "Action") == [
        *("go", "park", "dance", "stop", "other action"),
    ]
    assert offered(form_of(browser, device="guider", action="guide"), "Action") == ["guide", "stop", "other action"]
    assert "move relative" in offered(form_of(browser, device="focuser", action="stop"), "Action")


@pytest.mark.parametrize("said", [SAID, {"camera/c": {"actions": []}}, {"x/y": {"actions": [""]}}, {"weather/w": {}}])
def test_every_device_and_the_site_can_be_stopped_whatever_the_site_says(
    browser: FlaskClient, said: dict[str, Any]
) -> None:
    says(browser, said)
    page = form_of(browser)
    for kind in {*catalogue.devices(), *(key.partition("/")[0] for key in said)}:
        links = re.findall(r'href="([^"]*device=[^"]*)"', page + form_of(browser, device=kind, action="stop"))
        stopping = {name for name, _ in map(asked_by, links) if name == kind}
        assert stopping == {kind}, kind
        names = {action for name, action in map(asked_by, links) if name == kind}
        assert names & {"stop", "cancel", "cancel_all_commands"}, (kind, names)
    assert "/act/stop" in page


def asked_by(link: str) -> tuple[str, str]:
    """The device and the action of whose form a link is."""
    found = dict(each.partition("=")[::2] for each in unescape(link).partition("?")[2].split("&"))
    return found.get("device", ""), found.get("action", "")


def test_a_stop_that_the_catalogue_does_not_know_is_sent_as_it_is(
    browser: FlaskClient, observatory: Observatory
) -> None:
    says(browser)
    page = form_of(browser, device="weather", action="stop")
    assert "This action needs nothing more" in page
    assert 'value="w1"' in page
    assert "Caution" not in sends(browser, device="weather", action="stop", instance="w1")
    [job] = observatory.polls()
    assert (job["deviceType"], job["deviceInstance"], job["action"]) == ("weather", "w1", "stop")


def test_filters_binnings_and_limits_are_those_of_the_site(browser: FlaskClient) -> None:
    says(browser)
    page = form_of(browser)
    assert choices(page, "filter") == ["", "Red", "HA"]
    assert choices(page, "bin") == ["", "1", "[2, 2]"]
    assert "2 × 2" in page
    assert "This site says: 0.1 to 900 s." in text_of(page)
    assert "This site says: at least 1." in text_of(page)
    assert 'value="cam1"' in page


def test_of_several_cameras_each_filter_is_offered_once(browser: FlaskClient) -> None:
    says(browser, {"camera/a": {"filters": ["R", "V"]}, "camera/b": {"filters": ["V", "B"]}})
    page = form_of(browser)
    assert choices(page, "filter") == ["", "R", "V", "B"]
    assert choices(page, "instance") == ["a", "b"]


def test_what_site_toml_says_wins(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    folder.mkdir()
    (folder / "site.toml").write_text(PROFILE, encoding="utf-8")
    app = create_app({"TESTING": True} | databases.at(folder))
    startup.prepare(app)
    browser = app.test_client()
    says(browser)
    page = form_of(browser)
    assert choices(page, "filter") == ["", "L", "R", "V", "B", "I", "Ha", "OIII", "SII"]
    assert choices(page, "bin") == ["", "1", "2"]
    assert 'name="instance" value="camera_1_1"' in page
    assert "enclosure" in offered(page, "Device")


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"filter": "Zz"}, "no filter 'Zz'"),
        ({"instance": "cam #9"}, "'cam #9'"),
        ({"time": "1000"}, "0.1 to 900"),
        ({"bin": "4"}, "4×4"),
        ({"action": "darkslide_open"}, "darkslide_open"),
    ],
)
def test_a_filter_or_camera_that_the_site_does_not_know_goes_out_with_a_caution(
    browser: FlaskClient, observatory: Observatory, changed: dict[str, str], word: str
) -> None:
    """A profile lists its filters; filter `Zz` or camera `cam #9` went out without a caution."""
    says(browser)
    form = EXPOSE | changed
    assert word in previews(browser, **form)["cautions"]["beyond"]
    before = browser.post("/send", data={"site": "wmd", "do": "preview", **form}).text
    assert word in text_of(before)
    page = text_of(sends(browser, **form))
    assert word in page
    assert "Caution:" in page
    assert len(observatory.polls()) == 1


def test_what_the_site_knows_goes_out_without_a_caution(browser: FlaskClient) -> None:
    says(browser)
    assert previews(browser, **EXPOSE)["cautions"] == {}
    assert "Caution:" not in sends(browser, **EXPOSE)


def test_a_site_that_says_nothing_gets_no_caution(browser: FlaskClient) -> None:
    assert previews(browser, **EXPOSE | {"filter": "Zz"})["cautions"] == {}


def test_a_caution_is_shown_for_raw_json_too(browser: FlaskClient) -> None:
    says(browser)
    raw = '{"device": "camera", "instance": "cam1", "action": "expose", "optional_params": {"filter": "Zz"}}'
    assert "Zz" in previews(browser, raw=raw)["cautions"]["beyond"]


HOSTILE = "<script>alert(1)</script>"
ODD: tuple[dict[str, Any], ...] = (
    {f"{HOSTILE}/{HOSTILE}": {"actions": [HOSTILE, ""], "filters": [HOSTILE], "binnings": [[[HOSTILE]], 1.5]}},
    {"camera/c": {"filters": ["", "R" * 20_000], "binnings": [[], [1, "x"], ""], "limits": {"time": ["a", {}]}}},
    {"camera/c": {"limits": {"time": [None, None], "count": [9, 1], "bin": 7, "": []}, "filters": []}},
    {"camera/c": {"actions": ["expose"] * 500}, "all/all": {"actions": []}, "sequencer/s": {"actions": ["run"]}},
    {f"camera/{number}": {"filters": [str(number)], "limits": {"time": [0, number]}} for number in range(100)},
    {},
)


@pytest.mark.parametrize("said", ODD, ids=range(len(ODD)))
def test_whatever_a_site_says_of_itself_leaves_the_form_whole(browser: FlaskClient, said: dict[str, Any]) -> None:
    says(browser, said)
    for kind in ("", "camera", "mount", "sequencer", "all", HOSTILE):
        for action in ("expose", "stop", "go", "run", HOSTILE):
            page = form_of(browser, **({"device": kind, "action": action} if kind else {}))
            assert "<script>alert" not in page
    assert set(previews(browser, **EXPOSE)) >= {"cautions", "faults"}


def test_a_type_whose_devices_say_different_things_offers_what_any_of_them_can() -> None:
    known = Abilities(Profile(code="wmd"), {"camera/a": {"actions": ["expose"]}, "camera/b": {"actions": ["cool"]}})
    assert offers.offers(known)["camera"].actions == ("expose", "cool", "stop")


def test_a_device_that_the_profile_alone_names_is_offered_whole() -> None:
    profile = Profile(code="wmd", devices={"enclosure": Device(instances=("dome",))})
    offer = offers.offers(Abilities(profile, {"camera/a": {"actions": ["expose"]}}))["enclosure"]
    assert {"open", "close", "stop"} <= set(offer.actions)


def test_another_site_s_word_does_not_count(browser: FlaskClient, app: Flask) -> None:
    says(browser)
    inside(app, site="mrc").sends()
    assert "screen" in offered(form_of(browser, site="mrc"), "Device")
