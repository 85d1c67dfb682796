"""The form that sends a job: made from the catalogue, read strictly, shown as it goes out, and sent once."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from jobs_server import create_app
from jobs_server.observatory import catalogue
from jobs_server.observatory.profiles import Device, Profile
from jobs_server.web import filled_forms, forms

from ..conftest import inside
from ..support import databases
from ..support.clocks import Clocks
from ..support.observatory import Observatory

NOWHERE = Profile(code="wmd")
EVERY = [
    (device, action, script)
    for device, each in catalogue.devices().items()
    for action, known in each["actions"].items()
    for script in known.get("scripts", {"": {}})
]
EXPOSE = {"device": "camera", "action": "expose", "instance": "camera_1_1", "time": "60", "count": "5", "filter": "R"}
GO = {"device": "mount", "action": "go", "instance": "mount1", "ra": "00 42 44.3", "dec": "+41 16 09", "group": "0"}


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


def sends(browser: FlaskClient, **form: str) -> Any:
    return browser.post("/send", data={"site": "wmd", "do": "send", **form})


def key_of(page: str) -> str:
    """The key that the form of a page goes out with."""
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def previews(browser: FlaskClient, **form: str) -> Any:
    return browser.post(
        "/send", data={"site": "wmd", "do": "preview", **form}, headers={"X-Requested-By": "script"}
    ).json


def test_every_action_of_the_catalogue_has_a_form(browser: FlaskClient) -> None:
    for device, action, script in EVERY:
        page = browser.get("/send", query_string={"site": "wmd", "device": device, "action": action, "script": script})
        assert page.status_code == 200
        form = forms.form(device, action, NOWHERE, script)
        assert form is not None
        for field in form.fields:
            assert f'name="{field.key}"' in page.text, (device, action, script)


def test_what_was_shown_is_what_the_site_gets(browser: FlaskClient, observatory: Observatory) -> None:
    shown = json.loads(previews(browser, **EXPOSE)["json"])
    answer = sends(browser, **EXPOSE)
    assert (answer.status_code, answer.location) == (303, "/?site=wmd")
    [job] = observatory.polls()
    assert (job["deviceType"], job["action"]) == ("camera", "expose")
    assert job["required_params"] == shown["required_params"]
    assert job["optional_params"] == shown["optional_params"]
    assert job["required_params"]["time"] == 60
    assert (job["optional_params"]["count"], job["optional_params"]["filter"]) == (5, "R")
    (note,) = re.findall(r'<p class="note done"><span>(.*?)</span></p>', browser.get("/?site=wmd").text)
    line = "Expose 5 × 60 s, filter R, light"
    assert note == f'Sent: <a href="/job/{job["ulid"]}?site=wmd"><bdi>{line}</bdi></a>.'
    assert "note done" not in browser.get("/?site=wmd").text


def test_angles_are_shown_as_they_were_understood(browser: FlaskClient) -> None:
    told = previews(browser, **GO, object="M 31")
    assert told["readings"] == {
        "ra": "00h 42m 44.3s = 0.712306 h = 10.6846 deg",
        "dec": "+41° 16′ 09″ = 41.269167 deg",
    }
    assert told["faults"] == {}
    assert told["lines"] == ["Slew to M 31 (00h 42m 44.3s +41° 16′ 09″)"]


@pytest.mark.parametrize(
    ("changed", "key", "sentence"),
    [
        ({"ra": ""}, "ra", "ra is needed"),
        ({"ra": "25"}, "ra", "ra must be 0 to 24 h, not 25"),
        ({"dec": "-95"}, "dec", "dec must be -90 to 90 deg, not -95"),
        ({"dec": "north"}, "dec", "'north' is no angle"),
        ({"expires_in_seconds": "soon"}, "expires_in_seconds", "'soon' is no number of seconds"),
        ({"ra": "9" * 400}, "ra", "is too large for an angle"),
        ({"dec": "9" * 306}, "dec", "is too large for an angle"),
        ({"tracking_rate_ra": "nan"}, "tracking_rate_ra", "must be a number, not 'nan'"),
        ({"tracking_rate_ra": "1e400"}, "tracking_rate_ra", "must be a number, not '1e400'"),
        ({"expires_in_seconds": "nan"}, "expires_in_seconds", "'nan' is no number of seconds"),
        ({"tracking_rate_ra": "1_0"}, "tracking_rate_ra", "must be a number"),
        ({"tracking_rate_ra": "1,200,300"}, "tracking_rate_ra", "must be a number"),
        ({"tracking_rate_ra": "1,200.5"}, "tracking_rate_ra", "must be a number"),
        ({"dec": "10,41,16"}, "dec", "is no angle"),
    ],
)
def test_a_fault_is_said_beside_its_field_and_nothing_is_sent(
    browser: FlaskClient, observatory: Observatory, changed: dict[str, str], key: str, sentence: str
) -> None:
    answer = sends(browser, **(GO | changed))
    assert answer.status_code == 400
    field = answer.text[answer.text.index(f'data-field="{key}"') :]
    assert sentence in unescape(field[: field.index("data-message") + 300])
    assert observatory.polls() == []


@pytest.mark.parametrize(
    ("form", "key", "readings"),
    [
        (EXPOSE | {"time": "1,200"}, "time", "1.200 or 1200"),
        (EXPOSE | {"time": "12,500"}, "time", "12.500 or 12500"),
        (EXPOSE | {"time": "0,125"}, "time", "0.125 or 0125"),
        (EXPOSE | {"time": ",500"}, "time", "0.500 or 500"),
        (EXPOSE | {"count": "1,000"}, "count", "1.000 or 1000"),
        (EXPOSE | {"expires_in_seconds": "1,200"}, "expires_in_seconds", "1.200 or 1200"),
        (EXPOSE | {"not_before_seconds": "1,200"}, "not_before_seconds", "1.200 or 1200"),
        (GO | {"dec": "-41,269"}, "dec", "41.269 or 41269"),
        (GO | {"ra": "10,684 deg"}, "ra", "10.684 or 10684"),
        (GO | {"ra": "00 42 44,300"}, "ra", "44.300 or 44300"),
        (GO | {"tracking_rate_ra": "1,500"}, "tracking_rate_ra", "1.500 or 1500"),
    ],
)
def test_a_comma_before_exactly_three_digits_is_refused_with_both_readings(
    browser: FlaskClient, observatory: Observatory, form: dict[str, str], key: str, readings: str
) -> None:
    """`12,500` in the page's number field becomes 12.5 and is sent; `1,200` s becomes 1.2 s."""
    fault = previews(browser, **form)["faults"][key]
    assert form[key] in fault
    assert fault.endswith(f"can be read in two ways: write {readings}")
    assert sends(browser, **form).status_code == 400
    assert observatory.polls() == []


@pytest.mark.parametrize(
    ("form", "key", "value"),
    [
        (EXPOSE | {"time": "1,5"}, "time", 1.5),
        (EXPOSE | {"time": "1,2000"}, "time", 1.2),
        (EXPOSE | {"time": "12.500"}, "time", 12.5),
        (GO | {"dec": "-41,5"}, "dec", -41.5),
        (GO | {"dec": "-41 16 09,5"}, "dec", -41.269306),
        (GO | {"ra": "10,6845 deg"}, "ra", 0.7123),
    ],
)
def test_a_comma_that_can_only_be_a_point_is_one(
    browser: FlaskClient, form: dict[str, str], key: str, value: float
) -> None:
    assert json.loads(previews(browser, **form)["json"])["required_params"][key] == value


@pytest.mark.parametrize(
    ("form", "key", "value", "reading"),
    [
        (GO | {"ra": "24"}, "ra", 0, "00h 00m 00.0s = 0 h = 0.0000 deg"),
        (GO | {"ra": "24:00:00"}, "ra", 0, "00h 00m 00.0s = 0 h = 0.0000 deg"),
        (GO | {"ra": "23.9999999"}, "ra", 0, "00h 00m 00.0s = 0 h = 0.0000 deg"),
        (GO | {"ra": "360 deg"}, "ra", 0, "00h 00m 00.0s = 0 h = 0.0000 deg"),
        (GO | {"ra": "23:59:59.99"}, "ra", 23.999997, "00h 00m 00.0s = 23.999997 h = 0.0000 deg"),
        (GO | {"group": "1", "ha": "24"}, "ha", 0, "00h 00m 00.0s = 0 h = 0.0000 deg"),
        (GO | {"group": "1", "ha": "-24"}, "ha", 0, "00h 00m 00.0s = 0 h = 0.0000 deg"),
        (GO | {"group": "1", "ha": "-23.9999999"}, "ha", 0, "00h 00m 00.0s = 0 h = 0.0000 deg"),
        (GO | {"group": "2", "az": "359.9999999", "alt": "30"}, "az", 0, "+00° 00′ 00″ = 0 deg"),
        (GO | {"group": "2", "az": "-360", "alt": "30"}, "az", 0, "+00° 00′ 00″ = 0 deg"),
        (GO | {"dec": "-0.0000001"}, "dec", 0, "+00° 00′ 00″ = 0 deg"),
    ],
)
def test_a_whole_turn_is_shown_and_sent_as_0(
    browser: FlaskClient, form: dict[str, str], key: str, value: float, reading: str
) -> None:
    """RA `23:59:59.99` is shown as `24h 00m 00.0s`; 24 and 23.9999999 are sent as 24.0."""
    told = previews(browser, **form)
    assert json.loads(told["json"])["required_params"][key] == value
    assert told["readings"][key] == reading
    assert not re.search(r"24h|360", told["lines"][0])


def test_what_was_typed_is_still_there_after_a_refusal(browser: FlaskClient, observatory: Observatory) -> None:
    page = sends(browser, **(GO | {"ra": "25", "object": '"M 31" <b>'})).text
    assert 'value="&#34;M 31&#34; &lt;b&gt;"' in page
    assert 'value="+41 16 09"' in page


def test_a_slew_and_its_exposure_go_out_one_after_the_other(browser: FlaskClient, observatory: Observatory) -> None:
    then = {"then": "yes", "then.instance": "camera_1_1", "then.time": "30", "then.filter": "V"}
    sends(browser, **GO, **then, object="M 31", key="once")
    jobs = observatory.polls()
    assert [job["action"] for job in jobs] == ["go", "expose"]
    assert jobs[1]["optional_params"]["object_name"] == "M 31"


def test_a_double_tap_sends_once(browser: FlaskClient, observatory: Observatory) -> None:
    key = key_of(browser.get("/send?site=wmd").text)
    for _ in range(2):
        assert sends(browser, **EXPOSE, key=key).status_code == 303
    assert len(observatory.polls()) == 1


def test_a_form_that_has_sent_another_job_says_so_and_sends_what_stands_in_it_when_asked_again(
    browser: FlaskClient, observatory: Observatory
) -> None:
    sends(browser, **EXPOSE, key="k")
    refused = sends(browser, **(EXPOSE | {"time": "61"}), key="k")
    assert refused.status_code == 422
    assert "this form has sent another job already; press Send to send what stands here now" in refused.text
    assert 'value="61"' in refused.text
    assert sends(browser, **(EXPOSE | {"time": "61"}), key=key_of(refused.text)).status_code == 303
    assert [job["required_params"]["time"] for job in observatory.polls()] == [60, 61]


def test_the_same_form_sent_again_later_says_that_nothing_was_sent_and_sends_when_asked_again(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    key = key_of(browser.get("/send?site=wmd").text)
    sent = sends(browser, **EXPOSE, key=key)
    clocks.pass_by(11)
    again = sends(browser, **EXPOSE, key=key)
    assert (sent.status_code, again.status_code) == (303, 409)
    assert "Not sent." in again.text
    assert "this was sent already, at " in again.text
    assert sends(browser, **EXPOSE, key=key_of(again.text)).status_code == 303
    assert len(observatory.polls()) == 2


def test_what_moves_the_roof_asks_first(browser: FlaskClient, observatory: Observatory) -> None:
    roof = {"device": "enclosure", "action": "open", "instance": "enclosure1"}
    asked = sends(browser, **roof)
    assert asked.status_code == 200
    assert "The roof moves." in asked.text
    assert observatory.polls() == []
    sure = re.search(r'name="sure" value="(\w+)"', asked.text)
    assert sure is not None
    changed = sends(browser, **(roof | {"action": "close"}), sure=sure[1])
    assert (changed.status_code, "Yes, close the roof" in changed.text) == (200, True)
    assert observatory.polls() == []
    assert sends(browser, **roof, sure=sure[1]).status_code == 303
    assert [job["action"] for job in observatory.polls()] == ["open"]


def cautions(page: str) -> dict[str, str]:
    """What a page says that the site will not do."""
    said = re.findall(r'<p class="note caution" data-caution="(\w+)">(.*?)</p>', page)
    return {kind: re.sub(r"<[^>]+>", "", text) for kind, text in said}


def test_the_form_says_when_the_site_will_refuse(browser: FlaskClient) -> None:
    assert "wants the role admin for" in cautions(browser.get("/send?site=wmd&device=mount&action=park").text)["roles"]
    assert cautions(browser.get("/send?site=wmd&device=mount&action=go").text) == {}
    script = cautions(browser.get("/send?site=wmd&device=sequencer&action=run&script=pointingRun").text)
    assert "wants the role admin or owner for" in script["roles"]
    assert "ignored" in cautions(browser.get("/send?site=wmd&device=focuser&action=home").text)
    with_role = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "OPEN_ROLES": ("admin",)}).test_client()
    assert cautions(with_role.get("/send?site=wmd&device=mount&action=park").text) == {}


def test_parameters_that_nest_too_deep_are_refused_as_on_the_wire(
    browser: FlaskClient, observatory: Observatory
) -> None:
    job = {"device": "lamp", "instance": "lamp1", "action": "blink", "optional_params": "{}"}
    for lists, status in ((198, 303), (199, 400)):
        nested = '{"x": ' + "[" * lists + "]" * lists + "}"
        sent = sends(browser, **job, required_params=nested)
        assert sent.status_code == status
    assert "the body is not JSON: it is nested deeper than 200 levels" in sent.text
    assert len(observatory.polls()) == 1


@pytest.mark.parametrize("how", ["again", "edit"])
def test_a_job_that_the_site_will_refuse_again_is_warned_of_again(
    browser: FlaskClient, observatory: Observatory, how: str
) -> None:
    job = observatory.sends("park", device="mount", instance="mount1", required_params={}, optional_params={})
    page = browser.get("/send", query_string={"site": "wmd", how: job["ulid"]}).text
    assert "wants the role admin for" in cautions(page)["roles"]


def test_raw_json_is_warned_of_while_it_is_typed(browser: FlaskClient) -> None:
    raw = {"device": "sequencer", "instance": "s", "action": "run", "required_params": {"script": "focusAuto"}}
    assert previews(browser, raw=json.dumps(raw))["cautions"] == {"roles": "admin"}
    assert previews(browser, raw=json.dumps(raw | {"required_params": {"script": "stopScript"}}))["cautions"] == {}
    assert previews(browser, raw=json.dumps(raw | {"action": "home"}))["cautions"] == {"roles": "admin"}


def test_an_action_that_nobody_knows_can_be_typed(browser: FlaskClient, observatory: Observatory) -> None:
    typed = {
        "device": "laser",
        "instance": "laser1",
        "action": "fire",
        "required_params": '{"power": 12345678901234567890123}',
    }
    assert "does not know" in browser.get("/send?site=wmd&device=other").text
    assert sends(browser, **typed).status_code == 303
    [job] = observatory.polls()
    assert (job["deviceType"], job["required_params"]) == ("laser", {"power": 12345678901234567890123})
    assert "required_params must be a JSON object" in unescape(
        sends(browser, **(typed | {"required_params": "[1]"})).text
    )


def test_raw_json_goes_out_as_it_is_under_the_name_of_who_sends_it(
    browser: FlaskClient, observatory: Observatory
) -> None:
    raw = {
        "device": "camera",
        "instance": "c",
        "action": "expose",
        "required_params": {"x": 1},
        "user_name": "Somebody else",
    }
    browser.post("/act/name", data={"site": "wmd", "name": "Vera"})
    assert sends(browser, raw=json.dumps(raw)).status_code == 303
    [job] = observatory.polls()
    assert (job["user_name"], job["required_params"], job["optional_params"]) == ("Vera", {"x": 1}, {})
    assert "must be JSON" in unescape(sends(browser, raw="{").text)
    assert "name the device" in unescape(sends(browser, raw="{}").text)


@pytest.mark.parametrize("how", ["again", "edit"])
def test_a_job_is_sent_again_as_it_was(browser: FlaskClient, observatory: Observatory, how: str) -> None:
    sends(browser, **GO, object="M 31")
    [first] = observatory.polls()
    page = browser.get("/send", query_string={"site": "wmd", how: first["ulid"]}).text
    form = page[page.index("data-send") :]
    inputs = re.findall(r"<input([^>]*)>", form)
    filled: dict[str, str] = {}
    for attributes in inputs:
        name = re.search(r'name="([^"]+)"', attributes)
        value = re.search(r'value="([^"]*)"', attributes)
        if name and ('type="radio"' not in attributes or " checked" in attributes) and "checkbox" not in attributes:
            filled[name[1]] = unescape(value[1]) if value else ""
    raw = re.search(r'name="raw"[^>]*>([^<]*)<', form)
    if raw:
        filled["raw"] = unescape(raw[1])
    assert sends(browser, **{**filled, "do": "send"}).status_code == 303
    [second] = observatory.polls()
    for key in ("deviceType", "deviceInstance", "action", "required_params", "optional_params"):
        assert second[key] == first[key]


def test_a_job_that_the_form_cannot_hold_is_edited_as_json(browser: FlaskClient, observatory: Observatory) -> None:
    job = observatory.sends(required_params={"time": 1, "own_key": {"deep": True}})
    assert 'name="raw"' in browser.get(f"/send?site=wmd&edit={job['ulid']}").text


def test_the_profile_gives_filters_and_binnings() -> None:
    profile = Profile(code="wmd", devices={"camera": Device(filters=("L", "Ha"), binnings=(1, 2))})
    form = forms.form("camera", "expose", profile)
    assert form is not None
    choices = {field.key: field.choices for field in form.fields}
    assert (choices["filter"], choices["bin"]) == (("L", "Ha"), (1, 2))


def test_the_camera_of_the_last_job_is_offered_where_no_profile_names_one(browser: FlaskClient, app: Flask) -> None:
    inside(app).sends(instance="camera_of_old")
    assert 'value="camera_of_old"' in browser.get("/send?site=wmd").text


_ANYTHING = st.text(max_size=30) | st.sampled_from(
    ["", "1", "-1", "1e3", "true", "{}", "[1]", "10 20 30", "NaN", "1e999"]
)


@given(st.sampled_from(EVERY), st.data())
def test_whatever_is_typed_becomes_json_or_a_fault(which: tuple[str, str, str], data: st.DataObject) -> None:
    form = forms.form(*which[:2], NOWHERE, which[2])
    assert form is not None
    typed = {field.key: data.draw(_ANYTHING) for field in form.fields}
    filled = filled_forms.read(form, typed | {"group": data.draw(_ANYTHING)})
    json.dumps([filled.required, filled.optional], allow_nan=False)
    assert all(filled.faults.values())
