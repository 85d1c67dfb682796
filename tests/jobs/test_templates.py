"""Templates: plans and commands kept by name, one's own and the site's, checked as they would be when sent."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.observatory import Observatory, Reply
from ..support.plans import SERIES, WHO, a_step

TYCHO = {"user_name": "Tycho", "user_id": "auth0|tycho"}
COMMAND = a_step(expiresInSeconds=60)


def saves(site: Observatory, name: str = "series", key: str | None = None, **changed: Any) -> Reply:
    body = {"site": site.site, "name": name} | WHO | ({"plan": {"steps": SERIES}} if "command" not in changed else {})
    return site.posts("savetemplate", body | changed, {} if key is None else {"Idempotency-Key": key})


def lists(site: Observatory, who: dict[str, str] = WHO) -> dict[str, Any]:
    listed = site.posts("gettemplates", {"site": site.site} | who).json
    return {each["name"]: each for each in listed}


def deletes(site: Observatory, name: str, **changed: Any) -> Reply:
    return site.posts("deletetemplate", {"site": site.site, "name": name} | WHO | changed)


def test_a_plan_that_is_kept_is_what_newplan_takes(desk: Observatory) -> None:
    assert saves(desk, plan={"steps": SERIES, "repeat": 2, "onFailure": "next", "title": "M42"}).status == 200
    plan = lists(desk)["series"]["plan"]
    assert plan == {"steps": SERIES, "repeat": 2, "onFailure": "next", "title": "M42"}
    sent = desk.posts("newplan", {"site": desk.site} | WHO | plan).job
    assert (sent["of"], sent["onFailure"]) == (6, "next")


def test_a_command_that_is_kept_is_what_newjob_takes(desk: Observatory) -> None:
    assert saves(desk, "flat", command=COMMAND).status == 200
    command = lists(desk)["flat"]["command"]
    assert command == COMMAND
    assert desk.posts("newjob", {"site": desk.site} | WHO | command).status == 200


def test_ones_own_are_for_oneself_and_the_sites_for_all(desk: Observatory) -> None:
    saves(desk, "mine")
    saves(desk, "ours", ofSite=True)
    assert lists(desk).keys() == {"mine", "ours"}
    assert lists(desk, TYCHO).keys() == {"ours"}
    assert deletes(desk, "mine", **TYCHO).status == 404
    assert deletes(desk, "ours", ofSite=True).json["ofSite"] is True
    assert deletes(desk, "ours", ofSite=True).status == 404
    assert lists(desk).keys() == {"mine"}


def test_the_same_name_is_saved_over_and_the_same_key_saves_once(desk: Observatory) -> None:
    first = saves(desk, key="k").json
    assert saves(desk, key="k").json == first
    assert saves(desk, plan={"steps": SERIES[:1]}, key="k").status == 422
    saves(desk, plan={"steps": SERIES[:1]})
    assert len(lists(desk)["series"]["plan"]["steps"]) == 1
    late = saves(desk, key="k")
    assert late.status == 409
    assert "saved anew or deleted since" in late.text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"plan": None}, "a template needs plan or command, one of the two"),
        ({"plan": {"steps": SERIES}, "command": COMMAND}, "a template needs plan or command, one of the two"),
        ({"plan": {"steps": []}}, "plan: steps must be a list of 1 to 500 steps"),
        ({"plan": {"steps": [a_step("stop")]}}, "plan: step 1 is a stop command"),
        ({"plan": {"steps": SERIES, "repeat": 500}}, "plan: a plan may have 500 steps"),
        ({"command": {"device": "camera"}}, "command: missing required key instance"),
        ({"name": " "}, "name must be a text of 1 to 200 characters"),
    ],
    ids=["none", "both", "no step", "a stop", "too long", "no command", "no name"],
)
def test_what_could_not_be_sent_is_not_kept(desk: Observatory, changed: dict[str, Any], words: str) -> None:
    refused = saves(desk, **changed)
    assert refused.status == 400
    assert words in refused.text
    assert lists(desk) == {}
