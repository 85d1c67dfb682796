"""The pages of plans: the form, a plan's own page, the list, templates, and what is refused there."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
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


def test_501_steps_as_json_are_counted(browser: FlaskClient, observatory: Observatory) -> None:
    answer = browser.post("/plans/new", data={"site": "wmd", "raw": json.dumps([plans.a_step()] * 501), "do": "send"})
    said = "a plan may have 500 steps, and this one would have 501: part it"
    assert (answer.status_code, said in answer.text) == (400, True)
    assert observatory.lists() == []


class TestStepsAreAdded:
    """Steps are added to a plan that has not ended, by the same form."""

    def test_they_come_after_those_that_it_has(self, browser: FlaskClient, observatory: Observatory) -> None:
        """What was not released could be moved, changed and left out, and nothing added."""
        ulid = sent(sends(browser))
        page = browser.get(f"/plans/{ulid}?site=wmd").text
        assert f"/plans/new?site=wmd&amp;to={ulid}" in page
        form = browser.get(f"/plans/new?site=wmd&to={ulid}").text
        assert "Add steps to the plan" in form
        assert 'name="not_before"' not in form
        answer = sends(browser, to=ulid, key="k1", **{"row-1-filter": "B", "row-2-filter": "Ha"})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/plans/{ulid}?site=wmd")
        steps = shows(observatory, ulid)["steps"]
        assert [each["optional_params"]["filter"] for each in steps] == ["R", "V", "B", "Ha"]

    def test_frames_are_called_as_the_last_ones_and_nothing_slews(
        self, browser: FlaskClient, observatory: Observatory
    ) -> None:
        frame = plans.a_step(optional_params={"object_name": "M 31", "count": 1})
        plan = plans.plans(observatory, [plans.SLEW, frame, plans.a_step("home", "mount", "mount1")])
        form = browser.get(f"/plans/new?site=wmd&to={plan['id']}").text
        assert 'name="target" value="M 31"' in form
        assert not re.search(r'name="slew" value="yes" checked', form)

    def test_a_double_click_adds_them_once(self, browser: FlaskClient, observatory: Observatory) -> None:
        ulid = sent(sends(browser))
        for _ in range(2):
            assert sends(browser, to=ulid, key="k1").status_code == 303
        assert shows(observatory, ulid)["of"] == 4
        assert sends(browser, to=ulid, key="k1", repeat="2").status_code == 303  # after Back, with other steps
        assert shows(observatory, ulid)["of"] == 8

    def test_a_plan_that_has_ended_takes_none(self, browser: FlaskClient, observatory: Observatory) -> None:
        ulid = sent(sends(browser))
        plans.does(observatory, "cancelplan", {"id": ulid})
        assert browser.get(f"/plans/new?site=wmd&to={ulid}").status_code == 409
        assert "Add steps" not in browser.get(f"/plans/{ulid}?site=wmd").text
        assert sends(browser, to=ulid).status_code == 409
        assert sends(browser, to="01KPR8Z4J6Q3T5V7X9Y0A1B2C4").status_code == 404

    def test_more_than_a_plan_may_have_is_refused_whole(self, browser: FlaskClient, observatory: Observatory) -> None:
        ulid = sent(sends(browser))
        answer = sends(browser, to=ulid, repeat="250")
        assert (answer.status_code, "a plan may have 500 steps, and this one would have 502" in answer.text) == (
            400,
            True,
        )
        assert shows(observatory, ulid)["of"] == 2

    def test_what_they_come_to_counts_from_the_plans_end(self, browser: FlaskClient, observatory: Observatory) -> None:
        ulid = sent(sends(browser, until="2030-01-01 00:00"))
        end_ms = shows(observatory, ulid)["estimated_end_ms"]
        at = datetime.fromtimestamp(end_ms / 1000, UTC)
        assert f'<span class="when">{at:%H:%M}</span>' in previews(browser, to=ulid)["summary"]


class TestTemplatesOfPages:
    """What is sent once can be kept by a button and used again."""

    def test_a_plan_is_kept_from_its_own_page(self, browser: FlaskClient, observatory: Observatory) -> None:
        """A plan could be kept only in the form, before it was sent."""
        ulid = sent(sends(browser, title="Crab", repeat="2", on_failure="next"))
        form = {"site": "wmd", "id": ulid, "do": "keep", "of_site": "yes"}
        assert browser.post("/act/plan", data=form, headers=SCRIPT).get_json()["line"] == "The template is saved."
        (kept,) = observatory.posts("gettemplates", {"site": "wmd"}).json
        assert (kept["name"], kept["ofSite"], kept["plan"]["onFailure"]) == ("Crab", True, "next")
        assert len(kept["plan"]["steps"]) == 4
        page = browser.get("/plans/new?site=wmd&template=Crab&of_site=yes").text
        assert re.search(r'name="repeat" value="2"', page)

    def test_a_command_is_kept_from_the_form_under_a_name(self, browser: FlaskClient, observatory: Observatory) -> None:
        """A command could be kept over HTTP alone."""
        form = {"site": "wmd", "device": "camera", "action": "expose", "instance": "c1", "time": "7", "do": "save"}
        page = browser.post("/send", data=form | {"not_before_seconds": "30"}).text
        content = unescape(re.findall(r'name="content" value="([^"]*)"', page)[0])
        assert observatory.lists() == [], "a job was sent that was to be kept"
        kept = {"site": "wmd", "content": content, "template_name": "Seven", "title": "x"}
        answer = browser.post("/act/keep-template", data=kept)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/send?site=wmd&template=Seven")
        again = browser.get(answer.headers["Location"]).text
        assert 'name="time" value="7"' in again
        assert 'name="not_before_seconds" value="30"' in again
        assert ">Seven</bdi></a>" in browser.get("/send?site=wmd").text

    def test_a_slew_and_its_exposure_are_kept_as_a_plan(self, browser: FlaskClient) -> None:
        form = {"site": "wmd", "device": "mount", "action": "go", "instance": "mount1", "ra": "5.59", "dec": "-5.4"}
        form |= {"then": "yes", "then.instance": "c1", "then.time": "5", "group": "0", "do": "save"}
        page = browser.post("/send", data=form).text
        content = unescape(re.findall(r'name="content" value="([^"]*)"', page)[0])
        assert [step["action"] for step in json.loads(content)["plan"]["steps"]] == ["go", "expose"]
        answer = browser.post("/act/keep-template", data={"site": "wmd", "content": content, "template_name": "Two"})
        assert answer.headers["Location"] == "/plans/new?site=wmd&template=Two"

    @pytest.mark.parametrize(
        "content", ["", "[]", "{}", '{"plan": {}}', '{"command": {"device": "c"}}', '{"site": "x"}']
    )
    def test_what_is_none_is_refused_in_words(self, browser: FlaskClient, content: str) -> None:
        answer = browser.post("/act/keep-template", data={"site": "wmd", "content": content, "template_name": "x"})
        assert answer.status_code == 400

    def test_a_form_with_a_fault_is_shown_again_and_nothing_is_kept(self, browser: FlaskClient) -> None:
        form = {
            "site": "wmd",
            "device": "camera",
            "action": "expose",
            "instance": "c1",
            "time": "a while",
            "do": "save",
        }
        answer = browser.post("/send", data=form)
        assert (answer.status_code, "must be a number" in answer.text) == (400, True)
