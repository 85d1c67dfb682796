"""A cancel is undone by sending the job again as a new one; a job is sent again in the form, with its values."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ..support import nights, plans
from ..support.clocks import Clocks
from ..support.observatory import Observatory

SCRIPT = {"X-Requested-By": "script"}


@pytest.fixture
def browser(app: Flask, clocks: Clocks) -> FlaskClient:
    del clocks
    return app.test_client()


def acts(browser: FlaskClient, deed: str, ulid: str) -> object:
    return browser.post(f"/act/{deed}", data={"site": "wmd", "ulid": ulid}, headers=SCRIPT)


def test_a_canceled_job_is_sent_again_once_as_a_new_one(browser: FlaskClient, observatory: Observatory) -> None:
    job = observatory.sends(**nights.expose("M 31"), expiresInSeconds=77)
    answer = acts(browser, "cancel", job["ulid"])
    assert f'value="{job["ulid"]}">Undo</button>' in answer.json["button"]  # type: ignore[attr-defined]
    for _ in range(2):  # a double click
        assert acts(browser, "undo", job["ulid"]).status_code == 200  # type: ignore[attr-defined]
    (again,) = observatory.polls()
    assert again["ulid"] != job["ulid"]
    assert observatory.status(job) == "CANCELED"
    for key in ("deviceType", "deviceInstance", "action", "required_params", "optional_params"):
        assert again[key] == job[key]


def test_without_a_script_the_page_that_was_left_offers_the_undo(
    browser: FlaskClient, observatory: Observatory
) -> None:
    job = observatory.sends(**nights.expose("M 31"), notBeforeSeconds=600)
    browser.post("/act/cancel", data={"site": "wmd", "ulid": job["ulid"]})
    page = browser.get("/?site=wmd").text
    assert f'value="{job["ulid"]}">Undo</button>' in page
    browser.post("/act/undo", data={"site": "wmd", "ulid": job["ulid"]})
    assert "Sent again" in browser.get("/?site=wmd").text
    assert observatory.polls() == []  # held as long as the first was


def test_nothing_is_undone_that_was_not_canceled(browser: FlaskClient, observatory: Observatory) -> None:
    answer = acts(browser, "undo", observatory.sends()["ulid"])
    assert (answer.status_code, "nothing to undo" in answer.text) == (409, True)  # type: ignore[attr-defined]
    stop = observatory.sends("cancel_all_commands", device="all", instance="all")
    assert "button" not in acts(browser, "cancel", stop["ulid"]).json  # type: ignore[attr-defined]
    assert acts(browser, "undo", stop["ulid"]).status_code == 409  # type: ignore[attr-defined]
    assert acts(browser, "undo", "01KPR8Z4J6Q3T5V7X9Y0A1B2C4").status_code == 404  # type: ignore[attr-defined]


def test_of_a_plan_the_step_is_done_again_and_the_plan_goes_on(browser: FlaskClient, observatory: Observatory) -> None:
    plan = plans.plans(observatory, [plans.a_step(), plans.a_step()])
    acts(browser, "cancel", plan["ulid"])
    assert plans.shows(observatory, plan)["state"] == "paused"
    assert acts(browser, "undo", plan["ulid"]).json["done"] == "plan-again"  # type: ignore[attr-defined]
    (job,) = observatory.polls()
    assert (job["plan"]["step"], job["ulid"] != plan["ulid"]) == (1, True)
    assert plans.shows(observatory, plan)["state"] == "running"


def test_send_again_shows_the_form_with_the_jobs_values_and_not_json(
    browser: FlaskClient, observatory: Observatory
) -> None:
    job = observatory.sends(**nights.expose("M 31", 90, 7))
    observatory.polls()
    observatory.reports(job, "COMPLETE")
    (link,) = re.findall(r'href="([^"]+)">Send again …', browser.get(f"/job/{job['ulid']}?site=wmd").text)
    page = browser.get(unescape(link)).text
    assert 'name="raw"' not in page
    for name, value in (("time", "90"), ("count", "7"), ("object_name", "M 31")):
        assert re.search(rf'name="{name}" value="{value}"', page)
    assert ">Send again</button>" in page


def again(browser: FlaskClient, job: dict[str, Any], key: str = "") -> Any:
    """Press the button beside a result on Now, of the page that is open or of one of before."""
    (on_page,) = re.findall(r'action="/act/again".*?name="key" value="([^"]+)"', browser.get("/?site=wmd").text)
    assert f'class="again" name="ulid" value="{job["ulid"]}"' in browser.get("/?site=wmd").text
    return browser.post("/act/again", data={"site": "wmd", "ulid": job["ulid"], "key": key or on_page})


def ends(observatory: Observatory, **job: Any) -> dict[str, Any]:
    """Let a job be sent and come to its end."""
    made = observatory.sends(**job)
    observatory.polls()
    observatory.reports(made, "COMPLETE")
    return made


def test_one_press_sends_a_job_again_as_it_was_and_the_note_takes_that_back(
    browser: FlaskClient, observatory: Observatory
) -> None:
    job = ends(observatory, **nights.expose("M 31", 90, 7))
    (key,) = re.findall(r'action="/act/again".*?name="key" value="([^"]+)"', browser.get("/?site=wmd").text)
    assert [again(browser, job, key).status_code for _ in range(2)] == [303, 303]  # a double tap
    (made,) = observatory.polls()
    assert made["ulid"] != job["ulid"]
    for name in ("deviceType", "deviceInstance", "action", "required_params", "optional_params"):
        assert made[name] == job[name]
    assert again(browser, job).status_code == 303  # from the page that came after it
    shown = browser.get("/?site=wmd").text
    assert "Sent again: " in shown
    note = re.search(r'action="/act/cancel"[^>]*>.*?name="ulid" value="(\w+)">Cancel it', shown)
    assert note is not None
    browser.post("/act/cancel", data={"site": "wmd", "ulid": note[1]})
    assert observatory.polls() == []


@pytest.mark.parametrize(
    "job",
    [
        {"device": "enclosure", "action": "open", "required_params": {}, "optional_params": {}},
        {
            "device": "mount",
            "action": "go",
            "required_params": {"ra": 1, "dec": 2},
            "optional_params": {"object": "Mars"},
        },
    ],
    ids=["is risky", "is to what moves"],
)
def test_what_is_to_be_looked_at_before_it_is_sent_again_is_shown_in_its_form(
    browser: FlaskClient, observatory: Observatory, job: dict[str, Any]
) -> None:
    made = ends(observatory, **job)
    answer = again(browser, made)
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(f"/send?site=wmd&again={made['ulid']}")
    assert observatory.polls() == []
    assert browser.post("/act/again", data={"site": "wmd", "ulid": "none"}).status_code == 404


def test_a_template_of_a_command_fills_the_form(browser: FlaskClient, observatory: Observatory) -> None:
    command = {"device": "camera", "instance": "cam7", "action": "expose", "required_params": {"time": 42}}
    body = {"site": "wmd", "name": "flats", "ofSite": True, "command": command, **plans.WHO}
    assert observatory.posts("savetemplate", body).status == 200
    assert '<a href="/send?site=wmd&amp;template=flats&amp;of_site=yes">' in browser.get("/plans?site=wmd").text
    page = browser.get("/send?site=wmd&template=flats&of_site=yes").text
    assert re.search(r'name="time" value="42"', page)
    assert 'value="cam7"' in page
    assert browser.get("/send?site=wmd&template=darks").status_code == 404
