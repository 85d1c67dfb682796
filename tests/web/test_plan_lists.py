"""A plan out of a list or a sequence, on the page: the form is filled, what is odd is said, and nothing is sent."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.observatory.profiles import Profile, save
from jobs_server.service import service_of

from ..conftest import inside
from ..observatory.test_sequences import LIST, ONE, QUEUE, SET
from ..observatory.test_target_lists import SKYLIST, STELLARIUM, TELESCOPIUS
from ..support import databases, plans
from ..support.observatory import Observatory

ROWS = {"row-1-filter": "R", "row-1-time": "60", "row-1-count": "5", "camera": "cam1", "mount": "mount1"}


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


def brings_in(browser: FlaskClient, files: dict[str, str], path: str = "/plans/from-list") -> tuple[int, str]:
    """Somebody chooses files; what the page says then, and its fields."""
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n{text}\r\n'
        for name, text in files.items()
    )
    body = f"{parts}--x--\r\n".encode()
    reply = browser.post(f"{path}?site=wmd", data=body, content_type="multipart/form-data; boundary=x")
    return reply.status_code, reply.text


def area(page: str, name: str) -> str:
    """What stands in a field of several lines."""
    (found,) = re.findall(rf'<textarea[^>]*name="{name}"[^>]*>([^<]*)<', page)
    return unescape(found)


def sends(browser: FlaskClient, **form: str) -> Any:
    return browser.post("/plans/new", data={"site": "wmd", "do": "send", "slew": "yes"} | ROWS | form)


def shown(site: Observatory, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 303, re.findall(r'role="alert".*?</div>', answer.text, re.DOTALL)
    (ulid,) = re.findall(r"/plans/(\w+)", answer.headers["Location"])
    return plans.shows(site, {"id": ulid})


@pytest.mark.parametrize(
    ("name", "text", "targets"),
    [
        ("list.csv", TELESCOPIUS, ["M 99", "Field 7"]),
        ("list.sol", json.dumps(STELLARIUM), ["M 99", "Vega", "Jupiter"]),
        ("list.skylist", SKYLIST, ["M 99", "Jupiter", "With a place"]),
        ("names.txt", "m31\njupiter\n", ["m31", "Jupiter"]),
        ("sched.esl", LIST.replace("x</J2000RA>", "3</J2000RA>"), ["East edge", "West edge", "m31"]),
    ],
)
def test_each_kind_of_list_becomes_a_plan(
    browser: FlaskClient, observatory: Observatory, name: str, text: str, targets: list[str]
) -> None:
    status, page = brings_in(browser, {name: text})
    assert status == 200
    assert "Nothing is sent yet" in page
    assert observatory.posts("getplans", {"site": "wmd"}).json == []
    plan = shown(observatory, sends(browser, targets=area(page, "targets")))
    slews = [step["optional_params"]["object"] for step in plan["steps"] if step["action"] == "go"]
    assert slews == targets
    frames = [step["optional_params"]["object_name"] for step in plan["steps"] if step["action"] == "expose"]
    assert frames == targets


def test_a_sequence_fills_the_rows_of_the_form(browser: FlaskClient) -> None:
    status, page = brings_in(browser, {"red.esq": ONE})
    assert status == 200
    for name, value in (("row-1-time", "60"), ("row-1-count", "5"), ("row-1-filter", "B")):
        assert re.search(rf'name="{name}" value="{value}"', page), name


def test_what_the_rows_cannot_hold_is_shown_as_steps(browser: FlaskClient, observatory: Observatory) -> None:
    _, page = brings_in(browser, {"sched.esl": LIST, "red.esq": QUEUE, "blue.esq": ONE})
    steps = json.loads(area(page, "raw"))
    assert [step["action"] for step in steps[:2]] == ["go", "run"]
    said = unescape(page)
    assert "line 8 (job 2): its coordinates are no numbers" in said
    assert "MinimumAltitude 35" in said
    answer = browser.post("/plans/new", data={"site": "wmd", "do": "send", "raw": area(page, "raw")})
    assert shown(observatory, answer)["of"] == len(steps)


def test_a_list_of_which_one_sequence_is_missing_keeps_the_rest_and_says_which(browser: FlaskClient) -> None:
    status, page = brings_in(browser, {"sched.esl": LIST, "red.esq": QUEUE})
    assert status == 200
    assert [step["action"] for step in json.loads(area(page, "raw"))].count("go") == 1
    said = unescape(page)
    assert "nothing is to be taken at m31, which is left out" in said
    assert "its sequence blue.esq did not come with the list: bring both in together" in said


def test_a_time_in_a_list_is_by_the_sites_clock_and_one_that_is_over_is_said(browser: FlaskClient) -> None:
    coming = LIST.replace("2026-12-01T", "2126-12-01T").replace("2026-12-02T", "2026-01-02T")
    page = unescape(brings_in(browser, {"sched.esl": coming, "red.esq": ONE, "blue.esq": ONE})[1])
    assert 'name="not_before" value="2126-12-01 20:15"' in page
    assert "taken for a time of the site’s clock" in page
    assert "when it was to end, 2026-01-02T04:00:00, is over: say another time" in page


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"odd.xml": "<a/>"}, "the XML is a a, which is no list that is read here"),
        ({"odd.json": '{"a": 1}'}, "the JSON is no list of Stellarium and has no targets of N.I.N.A."),
        ({"odd.esq": "<SequenceQueue><Job>"}, "the file is no XML"),
        ({"many.csv": "name,ra_hours,dec_degrees\n" + "\n".join(f"F {n},1,2" for n in range(251))}, "part the list"),
        ({"long.esq": ONE.replace("<Count>5", "<Delay>9</Delay><Count>900")}, "a plan may have 500 steps"),
        ({"one.esq": ONE, "b/one.esq": ONE}, "two of the files have the same name"),
    ],
)
def test_what_is_no_list_or_too_long_is_said_in_words(browser: FlaskClient, files: dict[str, str], said: str) -> None:
    status, page = brings_in(browser, files)
    assert (status, said in unescape(page)) == (400, True), re.findall(r'role="status".*?</div>', page, re.DOTALL)
    assert browser.post("/plans/from-list?site=wmd").status_code == 400


def test_a_target_whose_name_begins_as_a_comment_does_is_not_lost_between_list_and_plan(browser: FlaskClient) -> None:
    status, page = brings_in(browser, {"list.csv": "name,ra_hours,dec_degrees\n#12 field,5.5,10\n##,6.5,11\n"})
    assert status == 200
    assert area(page, "targets").splitlines() == [
        "12 field; 5.500000h +10.000000d",
        "target; 6.500000h +11.000000d",
    ]


def test_the_own_list_offers_a_plan_beside_bringing_in(browser: FlaskClient) -> None:
    page = browser.get("/settings?site=wmd").text
    assert 'formaction="/plans/from-list?site=wmd">Make a plan of it' in page
    assert "Several targets" in browser.get("/plans/new?site=wmd").text


def test_targets_one_a_line_are_names_pairs_and_those_of_the_own_list(
    browser: FlaskClient, observatory: Observatory
) -> None:
    browser.post("/act/save-target", data={"site": "wmd", "name": "Field 7", "where": "12h30m -0°30′"})
    lines = "# tonight\nfield 7\nmine; 5 35 17 h -5 23 28\njupiter\n\n12h 18m 49s +14° 24′ 59″\n"
    plan = shown(observatory, sends(browser, targets=lines, repeat="2"))
    slews = [step for step in plan["steps"] if step["action"] == "go"]
    assert [each["optional_params"]["object"] for each in slews] == [
        "field 7",
        "mine",
        "Jupiter",
        "12h 18m 49s +14° 24′ 59″",
    ]
    assert slews[0]["required_params"]["ra"] == 12.5
    assert slews[1]["required_params"]["ra"] == pytest.approx(5.588056)
    assert (plan["of"], plan["title"]) == (12, "field 7, mine, Jupiter and 1 more, R")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (
            {"targets": "m31\nno such thing"},
            "line 2: no such thing has no coordinates, and no catalogue here knows the name",
        ),
        ({"targets": "A; 10.5 +40.1"}, "line 1: is the right ascension of A in hours or in degrees?"),
        ({"targets": "A; 1 2 3"}, "line 1: "),
        ({"targets": "m31", "target": "m33"}, "leave it blank, since the targets stand in the list"),
        ({"targets": "\n".join(["m31"] * 251)}, "at most 250 targets, and these are 251: part them"),
        ({"targets": "m31\nm33", "repeat": "300"}, "a plan may have 500 steps"),
        ({"targets": "m31", "row-1-filter": "", "row-1-time": "", "row-1-count": ""}, "time is needed"),
    ],
)
def test_what_is_wrong_in_the_lines_is_said_and_nothing_is_sent(
    browser: FlaskClient, observatory: Observatory, form: dict[str, str], said: str
) -> None:
    answer = sends(browser, **form)
    assert (answer.status_code, said in unescape(answer.text)) == (400, True)
    assert observatory.posts("getplans", {"site": "wmd"}).json == []


def test_what_is_down_when_its_turn_comes_is_acknowledged_before_the_plan_is_sent(tmp_path: Path) -> None:
    save(tmp_path, Profile(code="wmd", latitude_deg=47.7, longitude_deg=12.0, timezone="Europe/Berlin"))
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": databases.fresh()})
    browser, site = app.test_client(), inside(app)
    lines = "high; 3h +88d\ndeep; 12h -80d\nplanet x; 5h +88d"
    asks = sends(browser, targets=lines)
    text = unescape(asks.text)
    assert asks.status_code == 200
    assert re.search(r"When its turn comes, at \d\d:\d\d UTC: deep stands \d+\.\d° below the horizon", text)
    assert "high stands" not in text
    (sure,) = re.findall(r'name="sure" value="(\w+)"', asks.text)
    assert site.posts("getplans", {"site": "wmd"}).json == []
    assert shown(site, sends(browser, targets=lines, sure=sure))["of"] == 6
    service_of(app).database.close()


def test_a_set_of_nina_is_shown_with_what_is_not_taken_over(browser: FlaskClient) -> None:
    page = unescape(brings_in(browser, {"set.xml": SET})[1])
    assert "N.I.N.A.’s targets: 1 target, with what is to be taken. Nothing is sent yet" in page
    assert "not taken over: StartGuiding" in page
