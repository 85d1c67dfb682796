"""Plans: steps as one thing, each a job when the step before it has ended well."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.observatory import Observatory
from ..support.plans import SERIES, SLEW, a_step, asks_for_plan, carries_out, does, plans, shows


def test_each_step_becomes_a_job_when_the_one_before_has_ended_well(desk: Observatory) -> None:
    plan = plans(desk)
    assert (plan["state"], plan["step"], plan["of"]) == ("running", 1, 3)
    for number in (1, 2, 3):
        job = carries_out(desk)
        assert job["plan"] == {"id": plan["id"], "step": number, "of": 3, "title": "M42"}
        assert (job["deviceType"], job["action"]) == (SERIES[number - 1]["device"], SERIES[number - 1]["action"])
    ended = shows(desk, plan)
    assert (ended["state"], ended["step"], [step["status"] for step in ended["steps"]]) == (
        "done",
        3,
        ["COMPLETE"] * 3,
    )
    assert desk.polls() == []


def test_a_job_of_no_plan_says_nothing_of_one(desk: Observatory) -> None:
    assert "plan" not in desk.sends()


@pytest.mark.parametrize("end", ["FAILED", "CANCELED", "EXPIRED", "LOST"])
def test_what_does_not_end_well_pauses_the_plan_with_the_reason_until_a_person_resumes_it(
    desk: Observatory, end: str
) -> None:
    plan = plans(desk)
    carries_out(desk, end)
    paused = shows(desk, plan)
    assert paused["state"] == "paused"
    assert paused["reason"] == f"step 1 (go of mount mount1) is {end}"
    assert desk.polls() == []
    assert does(desk, "resumeplan", plan).job["state"] == "running"
    assert carries_out(desk)["plan"]["step"] == 2


def test_a_step_that_failed_is_followed_by_the_next_where_the_plan_says_so(desk: Observatory) -> None:
    plan = plans(desk, onFailure="next")
    carries_out(desk, "FAILED")
    assert shows(desk, plan)["state"] == "running"
    carries_out(desk, "CANCELED")
    assert shows(desk, plan)["state"] == "paused"


def test_reports_on_the_alternate_queue_release_nothing(desk: Observatory) -> None:
    plan = plans(desk)
    (job,) = desk.polls(alternateQueue=True)
    assert desk.reports(job, "COMPLETE", alternateQueue=True).status == 200
    assert shows(desk, plan)["step"] == 1
    carries_out(desk)
    assert shows(desk, plan)["step"] == 2


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no step": ({"steps": []}, "steps must be a list of 1 to 500 steps"),
    "501 steps": ({"steps": [a_step()] * 501}, "steps must be a list of 1 to 500 steps"),
    "501 with repeats": ({"steps": [a_step()] * 3, "repeat": 167}, "would have 501, 3 times 167,: part it"),
    "repeat": ({"repeat": 10**9}, "repeat must be a whole number from 1 to 500"),
    "a stop": ({"steps": [SLEW, a_step("stop")]}, "step 2 is a stop command (stop), which cannot wait in a plan"),
    "a script that stops": (
        {"steps": [a_step("run", "sequencer", "sequencer", required_params={"script": "stopScript"})]},
        "step 1 is a stop command",
    ),
    "two sites": ({"steps": [SLEW, a_step(site="elsewhere")]}, "step 2 is for elsewhere, and the plan for"),
    "no action": ({"steps": [SLEW, {"device": "camera", "instance": "c"}]}, "step 2: missing required key action"),
    "no object": ({"steps": [SLEW, 5]}, "step 2 must be an object"),
    "until before notBefore": (
        {"notBefore": "2126-01-01T01:00:00Z", "until": "2126-01-01T00:00:00Z"},
        "until must be later than notBefore",
    ),
    "until is over": ({"until": "2020-01-01T00:00:00Z"}, "until is over already"),
    "no zone": ({"notBefore": "2126-01-01T01:00:00"}, "notBefore must be a time in ISO 8601 with its zone"),
    "too large": (
        {"steps": [a_step(optional_params={"note": "x" * 5000})], "repeat": 500},
        "the parameters of all steps may be 2000000 bytes of JSON",
    ),
}


@pytest.mark.parametrize(("changed", "words"), BAD.values(), ids=BAD)
def test_what_can_be_no_plan_is_refused_in_words_and_nothing_is_half_done(
    desk: Observatory, changed: dict[str, Any], words: str
) -> None:
    reply = asks_for_plan(desk, **changed)
    assert reply.status == 400
    assert words in reply.text
    assert desk.posts("getplans", {"site": desk.site}).json == []
    assert desk.polls() == []
