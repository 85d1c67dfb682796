"""The pages of plans: the form, a plan's own page, the list, templates, and what is refused there."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server.web import series
from jobs_server.web.series import Row

from ..support import plans
from ..support.clocks import Clocks
from ..support.observatory import Observatory

SCRIPT = {"X-Requested-By": "script"}
ROWS = {"row-1-filter": "R", "row-1-time": "60", "row-1-count": "5", "row-2-filter": "V", "row-2-time": "30"}


@pytest.fixture
def browser(app: Flask, clocks: Clocks) -> FlaskClient:
    del clocks
    return app.test_client()


def sends(browser: FlaskClient, do: str = "send", **form: str) -> Any:
    given = {"site": "wmd", "do": do, "camera": "cam1", "mount": "mount1"} | ROWS
    return browser.post("/plans/new", data=given | {key.replace("__", "-"): value for key, value in form.items()})


def previews(browser: FlaskClient, **form: str) -> Any:
    given = {"site": "wmd", "do": "preview", "camera": "cam1"} | ROWS | form
    return browser.post("/plans/new", data=given, headers=SCRIPT).json


def sent(answer: Any) -> str:
    assert answer.status_code == 303, re.findall(r'role="alert".*?</div>', answer.text, re.DOTALL)
    (ulid,) = re.findall(r"/plans/(\w+)", answer.headers["Location"])
    return str(ulid)


def shows(site: Observatory, ulid: str) -> dict[str, Any]:
    return plans.shows(site, {"id": ulid})


def test_rows_are_read_in_order_and_changed_one_by_one() -> None:
    rows = series.rows_of({"row-10-filter": "B", "row-2-filter": "R ", "row-2-time": "5", "other": "x"})
    assert rows == [Row("R", "5"), Row("B")]
    assert series.changed(rows, "up:2") == [Row("B"), Row("R", "5")]
    assert series.changed(rows, "remove:1") == [Row("B")]
    assert series.changed(rows, "add:Ha")[-1] == Row("Ha")
    assert series.changed([], "add:Ha") == [Row("Ha", "60", "5")]
    for nothing in ("up:0", "up:9", "remove:x", "send", "up:1"):
        assert series.changed(rows, nothing) == rows


def test_a_series_becomes_steps_in_rounds_with_focus_before_each(
    browser: FlaskClient, observatory: Observatory
) -> None:
    plan = shows(observatory, sent(sends(browser, target="M 31", focus="each", repeat="2")))
    actions = [(step["action"], step["optional_params"].get("filter")) for step in plan["steps"]]
    assert actions == [("run", None), ("expose", "R"), ("expose", "V")] * 2
    assert plan["steps"][1]["optional_params"]["object_name"] == "M 31"
    assert plan["title"] == "M 31, R V"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"repeat": "1000000000"}, "so many rounds must be a whole number from 1 to 500"),
        ({"repeat": "300"}, "a plan may have 500 steps, and this one would have 600: part it"),
        ({"row__1__time": "soon"}, "row 1: time must be a number"),
        ({"until": "2001-01-01 10:00"}, "until is over already"),
        ({"not_before": "in the evening"}, "write a time such as 21:30"),
        ({"not_before": "23:00 UTC", "until": "2001-01-01 10:00"}, "until must be later than notBefore"),
        ({"raw": '[{"device": "all", "instance": "all", "action": "cancel_all_commands"}]'}, "is a stop command"),
        ({"raw": "[]"}, "at least one step"),
        ({"raw": "{"}, "must be JSON"),
        ({"target": "no such thing", "slew": "yes"}, "no target here is called"),
    ],
)
def test_what_is_wrong_is_said_in_words_and_nothing_is_sent(
    browser: FlaskClient, observatory: Observatory, form: dict[str, str], said: str
) -> None:
    answer = sends(browser, **form)
    assert answer.status_code == 400
    assert said in unescape(answer.text)
    assert observatory.posts("getplans", {"site": "wmd"}).json == []


def test_the_length_and_the_end_follow_what_is_typed(browser: FlaskClient) -> None:
    once, thrice = previews(browser), previews(browser, repeat="3")
    assert "Expose 5 × 60 s, filter R" in unescape(once["summary"])
    assert "5 min 48 s" in once["summary"]
    assert thrice["summary"].count("<li>") == 3 * once["summary"].count("<li>")
    assert previews(browser, not_before="23:30 UTC")["readings"]["not_before"].endswith("23:30 UTC")
    assert previews(browser, repeat="0")["faults"]["repeat"]


def test_the_same_form_sends_one_plan_and_says_so_when_it_comes_again_later(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    assert sent(sends(browser, key="k" * 20)) == sent(sends(browser, key="k" * 20))  # a double click
    clocks.pass_by(60)
    again = sends(browser, key="k" * 20)
    assert (again.status_code, "was sent already" in again.text) == (409, True)
    assert "another plan" in sends(browser, key="k" * 20, repeat="2").text
    assert len(observatory.posts("getplans", {"site": "wmd"}).json) == 1


def test_a_template_is_saved_used_and_deleted(browser: FlaskClient, observatory: Observatory) -> None:
    answer = sends(browser, "save", template_name="two bands", of_site="yes", repeat="2", focus="once")
    assert answer.status_code == 303
    assert observatory.posts("getplans", {"site": "wmd"}).json == []
    page = browser.get(answer.headers["Location"]).text
    assert 'name="raw"' not in page
    for name, value in (("row-1-time", "60"), ("row-2-time", "30"), ("repeat", "2")):
        assert re.search(rf'name="{name}" value="{value}"', page)
    assert re.search(r'name="focus" value="once" checked', page)
    assert "two bands" in browser.get("/plans?site=wmd").text
    browser.post("/act/delete-template", data={"site": "wmd", "name": "two bands", "of_site": "yes"})
    assert "two bands" not in browser.get("/plans/new?site=wmd").text
    assert browser.get(answer.headers["Location"]).status_code == 404


def test_a_plan_that_the_form_cannot_hold_exactly_is_shown_as_json(
    browser: FlaskClient, observatory: Observatory
) -> None:
    plan = plans.plans(observatory)
    page = browser.get(f"/plans/new?site=wmd&again={plan['id']}").text
    (raw,) = re.findall(r'<textarea[^>]*name="raw"[^>]*>([^<]*)<', page)
    assert [step["action"] for step in json.loads(unescape(raw))] == ["go", "expose", "expose"]
    again = browser.post("/plans/new", data={"site": "wmd", "do": "send", "raw": unescape(raw)})
    assert [step["action"] for step in shows(observatory, sent(again))["steps"]] == ["go", "expose", "expose"]


def test_steps_are_moved_left_out_and_changed_until_they_are_released(
    browser: FlaskClient, observatory: Observatory
) -> None:
    plan = plans.plans(observatory, [plans.a_step(), *(plans.a_step(optional_params={"count": n}) for n in (2, 3, 4))])
    released, second, third, fourth = (step["id"] for step in plan["steps"])

    def acts(deed: str, step: int) -> Any:
        form = {"site": "wmd", "id": plan["id"], "do": f"{deed}:{step}"}
        return browser.post("/act/plan", data=form, headers=SCRIPT)

    acts("up", fourth)
    acts("down", second)
    assert [step["id"] for step in shows(observatory, plan["id"])["steps"]] == [released, fourth, second, third]
    acts("out", second)
    assert acts("up", released).status_code == 409
    assert acts("out", second).status_code == 409
    path = f"/plans/{plan['id']}/steps/{third}"
    page = browser.get(f"{path}?site=wmd").text
    (revision,) = re.findall(r'name="revision" value="(\d+)"', page)
    form = {"site": "wmd", "id": plan["id"], "revision": revision, "instance": "cam2", "time": "9", "count": "3"}
    assert browser.post(path, data=form | {"time": "x"}).status_code == 400
    assert browser.post(path, data=form).status_code == 303
    assert browser.post(path, data=form).status_code == 409  # as it was read, it is no more
    last = shows(observatory, plan["id"])["steps"][-1]
    assert (last["instance"], last["required_params"]["time"]) == ("cam2", 9)


def test_a_paused_plan_says_why_and_goes_on_or_repeats_its_step_by_one_button(
    browser: FlaskClient, observatory: Observatory
) -> None:
    plan = plans.plans(observatory)
    plans.carries_out(observatory, "FAILED")
    for path in (f"/plans/{plan['id']}?site=wmd", "/plans?site=wmd", "/?site=wmd"):
        page = unescape(browser.get(path).text)
        assert "Step 1 (go of mount mount1) is FAILED." in page
        assert "Go on with step 2" in page
    form = {"site": "wmd", "id": plan["id"], "do": "again"}
    answer: Any = browser.post("/act/plan", data=form, headers=SCRIPT).json
    assert answer["line"] == "The plan goes on."
    (job,) = observatory.polls()
    assert job["plan"]["step"] == 1
    assert "Step 1 of" in browser.get(f"/job/{job['ulid']}?site=wmd").text


def test_title_times_and_what_follows_a_failure_are_changed_on_its_page(
    browser: FlaskClient, observatory: Observatory
) -> None:
    plan = plans.plans(observatory)
    form = {"site": "wmd", "id": plan["id"], "do": "edit", "title": "Crab", "on_failure": "next"}
    assert browser.post("/act/plan", data=form | {"until": "2001-01-01 10:00"}, headers=SCRIPT).status_code == 400
    assert browser.post("/act/plan", data=form | {"until": "23:59"}, headers=SCRIPT).status_code == 200
    changed = shows(observatory, plan["id"])
    assert (changed["title"], changed["onFailure"], changed["until"][11:16]) == ("Crab", "next", "23:59")
    assert browser.post("/act/plan", data=form | {"do": "explode"}, headers=SCRIPT).status_code == 400
    assert browser.get("/plans/01KPR8Z4J6Q3T5V7X9Y0A1B2C4?site=wmd").status_code == 404
