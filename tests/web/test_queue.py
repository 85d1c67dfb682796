"""The queue on Now is one list in the order in which it will happen; what waits is moved, changed and paused there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ..support import nights
from ..support.clocks import Clocks
from ..support.observatory import Observatory
from .test_now import fields, section

SCRIPT = {"X-Requested-By": "script"}


@pytest.fixture
def browser(app: Flask, clocks: Clocks) -> FlaskClient:
    del clocks
    return app.test_client()


def acts(browser: FlaskClient, deed: str = "queue", **form: str) -> Any:
    return browser.post(f"/act/{deed}", data={"site": "wmd"} | form, headers=SCRIPT)


def sends(site: Observatory, *numbers: int, **options: Any) -> list[str]:
    return [str(site.sends(**nights.expose(f"Field {each}"), **options)["ulid"]) for each in numbers]


def order(browser: FlaskClient) -> list[int]:
    return fields(section(browser, "queue"))


def test_the_list_has_what_is_at_the_site_what_waits_and_what_is_held_with_when(
    browser: FlaskClient, observatory: Observatory
) -> None:
    sends(observatory, 1, 2)
    running, _ = observatory.polls()
    observatory.reports(running, "EXPOSING", secondsUntilComplete=120)
    sends(observatory, 4, notBeforeSeconds=3000)
    sends(observatory, 3)
    queue = section(browser, "queue")
    assert fields(queue) == [2, 3, 4]
    assert "held for 50 min" in queue
    times = re.findall(r"(\d\d:\d\d)–(\d\d:\d\d)", queue)
    assert len(times) == 3, queue
    assert times[0][1] == times[1][0]  # one begins when the one before it ends
    page = browser.get("/?site=wmd").text
    assert len(re.findall("name=up value", page)) == 1  # what waits alone can be moved


def test_a_job_is_moved_by_a_place_and_before_another(browser: FlaskClient, observatory: Observatory) -> None:
    ulids = sends(observatory, 1, 2, 3, 4)
    assert acts(browser, up=ulids[3]).json["line"] == "Moved."
    assert order(browser) == [1, 2, 4, 3]
    acts(browser, down=ulids[0])
    assert order(browser) == [2, 1, 4, 3]
    acts(browser, down=ulids[3])  # the last one
    acts(browser, ulid=ulids[2], to=ulids[1])
    assert order(browser) == [3, 2, 1, 4]
    acts(browser, ulid=ulids[2], to="last")
    assert [fields(str(job["optional_params"]))[0] for job in observatory.polls()] == [2, 1, 4, 3]
    answer = acts(browser, up=ulids[0])
    assert (answer.status_code, answer.text) == (409, "This job waits no more, so that it cannot be moved")


def test_the_page_of_a_job_that_waits_moves_it_to_either_end(browser: FlaskClient, observatory: Observatory) -> None:
    ulids = sends(observatory, *range(1, 14))
    now = browser.get("/?site=wmd").text
    assert f"name=up value={ulids[0]} " in now
    assert f"name=up value={ulids[12]} " not in now  # few bytes a job keep a long queue small
    page = browser.get(f"/job/{ulids[12]}?site=wmd").text
    assert f'name="up" value="{ulids[12]}"' in page
    assert 'name="to" value="first"' in page
    acts(browser, ulid=ulids[12], to="first")
    assert order(browser)[:2] == [13, 1]
    observatory.polls()
    assert 'value="first"' not in browser.get(f"/job/{ulids[12]}?site=wmd").text


def test_a_cancel_acts_at_once_and_offers_an_undo(browser: FlaskClient, observatory: Observatory) -> None:
    (ulid,) = sends(observatory, 1)
    answer = acts(browser, ulid=ulid).json
    assert (answer["done"], answer["undo"]) == ("canceled", ulid)
    assert order(browser) == []


def test_a_job_that_waits_is_changed_in_its_form(browser: FlaskClient, observatory: Observatory) -> None:
    (ulid,) = sends(observatory, 1)
    page = browser.get(f"/job/{ulid}/edit?site=wmd").text
    assert re.search(r'name="count" value="5"', page)
    form = {"site": "wmd", "instance": "camera_1_1", "time": "60", "image_type": "light", "object_name": "Field 9"}
    wrong = browser.post(f"/job/{ulid}/edit", data=form | {"time": "soon"})
    assert wrong.status_code == 400
    assert "time must be a number" in wrong.text
    assert browser.post(f"/job/{ulid}/edit", data=form | {"count": "7"}).status_code == 303
    assert order(browser) == [9]
    (job,) = observatory.polls()
    assert (job["ulid"], job["optional_params"]["count"]) == (ulid, 7)
    assert browser.get(f"/job/{ulid}/edit?site=wmd").status_code == 409


def test_a_pause_says_who_and_why_what_expires_and_what_goes_on(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    sends(observatory, 1)
    running = observatory.polls()[0]
    observatory.reports(running, "EXPOSING")
    sends(observatory, 2, 3)
    assert "2 expire, the first at" in section(browser, "queue")
    assert acts(browser, "pause-queue").status_code == 400
    assert acts(browser, "pause-queue", note="clouds").status_code == 200
    clocks.pass_by(60)
    queue = section(browser, "queue")
    assert "Paused by somebody on the LAN 1 min ago : clouds" in queue
    assert "1 go on at the site" in queue
    assert "The queue is paused by" in browser.get("/send?site=wmd").text
    assert observatory.polls() == []
    assert acts(browser, "resume-queue").json["line"] == "The queue goes on."
    assert "Paused by" not in section(browser, "queue")
    assert len(observatory.polls()) == 2
