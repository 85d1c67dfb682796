"""`flask plan`: a night's work from a file, whole or not at all, and what is done with it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner

from jobs_server import create_app
from jobs_server.observatory.profiles import Profile, save
from jobs_server.service import service_of

from ..conftest import inside
from ..observatory.test_sequences import LIST, ONE, QUEUE
from ..support import databases
from ..support.observatory import Observatory
from ..support.plans import carries_out, shows
from ..support.servers import ROOT

CSV = """\
device,instance,action,time,count,filter,ra,dec
# the target, and three filters
mount,mount1,go,,,,5.59,-5.4
camera,camera_1_1,expose,60,3,R,,
camera,camera_1_1,expose,60,3,"V",,
"""
CSV_OF_SITES = "site,device,instance,action,time\nHERE,camera,c1,expose,60\nHERE,camera,c1,expose,30\n"
TOML = """\
title = "M42"
repeat = 2
on_failure = "next"
not_before = 2027-01-15T20:15:00+01:00

[[steps]]
device = "camera"
instance = "camera_1_1"
action = "expose"
time = 60
filter = "R"
optional_params = { count = 3 }
expires_in_seconds = 600
"""


DOCS = (ROOT / "docs" / "plans.md").read_text(encoding="utf-8")


def run(app: Flask, *arguments: str) -> Result:
    return FlaskCliRunner(app).invoke(args=["plan", *arguments])


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def listed(site: Observatory) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.posts("getplans", {"site": site.site}).json
    return found


def test_a_spreadsheet_becomes_a_plan(shared_app: Flask, desk: Observatory, tmp_path: Path) -> None:
    file = written(tmp_path, "series.csv", CSV)
    result = run(shared_app, "send", file, "--site", desk.site, "--json")
    assert result.exit_code == 0, result.stderr
    plan = shows(desk, json.loads(result.stdout))
    assert (plan["title"], plan["of"], plan["state"]) == ("series", 3, "running")
    assert plan["steps"][0]["required_params"] == {"ra": 5.59, "dec": -5.4}
    assert plan["steps"][1]["required_params"] == {"time": 60}
    assert plan["steps"][2]["optional_params"] == {"count": 3, "filter": "V"}


def test_the_files_in_the_guide_are_plans(shared_app: Flask, desk: Observatory, tmp_path: Path) -> None:
    (spreadsheet,) = re.findall(r"```\n(device,.*?)```", DOCS, re.DOTALL)
    (toml,) = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    for name, text, steps in (("s.csv", spreadsheet, 3), ("n.toml", re.sub("20(26)-", r"21\1-", toml), 6)):
        result = run(shared_app, "send", written(tmp_path, name, text), "--site", desk.site, "--json")
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["of"] == steps


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_spreadsheet_parts_its_cells_by_commas_or_semicolons(
    shared_app: Flask, desk: Observatory, tmp_path: Path, separator: str
) -> None:
    file = written(tmp_path, "s.csv", "\ufeffdevice,instance,action,time\ncamera,c,expose,5\n".replace(",", separator))
    assert run(shared_app, "send", file, "--site", desk.site).exit_code == 0
    assert desk.polls()[0]["required_params"] == {"time": 5}


BROKEN = {
    "too many cells": ("camera,camera_1_1,expose,60,3,R,,,,9", "line 4 has 10 cells, and the first line names 8"),
    "no action": ("camera,camera_1_1,,60,3,R,,", "line 4: missing required key action"),
    "a stop": ("camera,camera_1_1,stop,,,,,", "line 4: this is a stop command (stop), which cannot wait"),
    "an open quote": (
        'camera,camera_1_1,expose,"60,3,R,,',
        "line 4: ',' expected after '\"'; is a quotation mark left open?",
    ),
}


@pytest.mark.parametrize(("line", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_line_in_the_middle_is_named_and_nothing_is_sent(
    shared_app: Flask, desk: Observatory, tmp_path: Path, line: str, words: str
) -> None:
    lines = CSV.splitlines()
    file = written(tmp_path, "night.csv", "\n".join([*lines[:3], line, lines[4]]))
    result = run(shared_app, "send", file, "--site", desk.site)
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.endswith("; nothing was sent\n")
    assert listed(desk) == []


def test_a_toml_file_says_all_that_a_plan_may(shared_app: Flask, desk: Observatory, tmp_path: Path) -> None:
    file = written(tmp_path, "night.toml", TOML)
    assert run(shared_app, "send", file, "--site", desk.site).exit_code == 0
    (found,) = listed(desk)
    plan = shows(desk, found)
    assert (plan["title"], plan["of"], plan["repeat"], plan["onFailure"]) == ("M42", 2, 2, "next")
    assert plan["notBefore"] == "2027-01-15T19:15:00Z"
    assert plan["steps"][0]["optional_params"] == {"count": 3, "filter": "R"}
    assert plan["steps"][0]["expiresInSeconds"] == 600


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("2027-01-15T20:15:00+01:00", "2027-01-15T20:15:00"), "say whose clock 2027-01-15 20:15 is by"),
        (("2027-01-15T20:15:00+01:00", '"tonight"'), "not_before must be a time such as 2026-11-24T20:15"),
        (('title = "M42"', "titel = 1"), "titel is not known; a plan has title, site, steps"),
        (("[[steps]]", "[[step]]"), "step is not known"),
        (('action = "expose"', ""), "step 1: missing required key action"),
        (("repeat = 2", "repeat = 1000000000"), "repeat must be a whole number from 1 to 500"),
        (("repeat = 2", "repeat ="), "Invalid value (at line 2"),
        (("time = 60", "time = nan"), "step 1: required_params.time is NaN, which JSON does not have"),
        (("time = 60", "time = -inf"), "step 1: required_params.time is infinite"),
        (("time = 60", 'required_params = "x"'), "step 1: required_params must be an object"),
        (("time = 60", f"time = {'9' * 5000}"), "has a number of more digits than a plan can hold"),
        (("time = 60", f"time = {'[' * 3000}{']' * 3000}"), "is nested too deep"),
    ],
    ids=[
        *("no zone", "no time", "unknown key", "no steps", "no action", "repeat", "no TOML"),
        *("not a number", "infinite", "no object", "too long", "too deep"),
    ],
)
def test_a_toml_file_that_is_no_plan_is_refused_in_words(
    shared_app: Flask, desk: Observatory, tmp_path: Path, changed: tuple[str, str], words: str
) -> None:
    file = written(tmp_path, "night.toml", TOML.replace(*changed))
    result = run(shared_app, "send", file, "--site", desk.site)
    assert result.exit_code == 1
    assert words in result.stderr
    assert listed(desk) == []


@pytest.mark.parametrize(
    ("time", "words"),
    [("2027-03-28T02:30", "does not exist in Europe/Madrid"), ("2027-10-31T02:30", "comes twice in Europe/Madrid")],
)
def test_the_hour_that_daylight_saving_leaves_out_or_doubles_is_asked_for_anew(
    shared_app: Flask, desk: Observatory, tmp_path: Path, time: str, words: str
) -> None:
    file = written(tmp_path, "series.csv", CSV)
    options = ["--not-before", time, "--timezone", "Europe/Madrid", "--site", desk.site]
    result = run(shared_app, "send", file, *options)
    assert result.exit_code == 1
    assert words in result.stderr
    assert listed(desk) == []


def test_a_check_says_how_long_it_takes_and_sends_nothing(shared_app: Flask, desk: Observatory, tmp_path: Path) -> None:
    result = run(shared_app, "send", written(tmp_path, "series.csv", CSV), "--site", desk.site, "--check")
    assert result.exit_code == 0
    assert "(not sent)" in result.stdout
    assert re.search(r"[67] min \d+ s in all", result.stdout)  # how far the slew is hangs on the hour
    assert listed(desk) == []


def test_a_plan_is_listed_shown_paused_resumed_and_canceled(
    shared_app: Flask, desk: Observatory, tmp_path: Path
) -> None:
    sent = run(shared_app, "send", written(tmp_path, "series.csv", CSV), "--site", desk.site, "--json")
    plan = json.loads(sent.stdout)
    assert f"{plan['id']}  running  1/3  series" in run(shared_app, "list", "--site", desk.site).stdout
    assert "waits for the site to take step 1" in run(shared_app, "show", plan["id"]).stdout
    assert "paused by Vera: clouds" in run(shared_app, "pause", plan["id"], "--note", "clouds", "--user", "Vera").stdout
    carries_out(desk)
    assert shows(desk, plan)["step"] == 1
    assert "running  2/3" in run(shared_app, "resume", plan["id"]).stdout
    assert "canceled  2/3" in run(shared_app, "cancel", plan["id"]).stdout
    assert (
        run(shared_app, "resume", plan["id"]).stderr == "Error: plan series has ended (canceled) and changes no more\n"
    )
    assert run(shared_app, "show", "nothing").stderr == "Error: there is no plan nothing\n"


def imports(app: Flask, *arguments: str) -> Result:
    return run(app, "import", *arguments)


def test_a_list_of_ekos_becomes_a_plan_with_the_sequences_beside_it(
    shared_app: Flask, desk: Observatory, tmp_path: Path
) -> None:
    complete = LIST.replace("<J2000RA>x<", "<J2000RA>3<").replace("2026-12-0", "2126-12-0")
    file = written(tmp_path, "night.esl", complete)
    written(tmp_path, "red.esq", QUEUE)
    written(tmp_path, "Blue.ESQ", ONE)
    written(tmp_path, "other.esq", "no XML")
    tried = imports(shared_app, file, "--site", desk.site, "--timezone", "Europe/Berlin", "--check")
    assert (tried.exit_code, listed(desk)) == (0, []), tried.stderr
    assert "line 3 (job 1): not taken over: MinimumAltitude 35, EnforceTwilight, Guide" in tried.stderr
    result = imports(shared_app, file, "--site", desk.site, "--timezone", "Europe/Berlin", "--json")
    assert result.exit_code == 0, result.stderr
    plan = shows(desk, json.loads(result.stdout))
    assert (plan["title"], plan["notBefore"], plan["until"]) == (
        "night",
        "2126-12-01T19:15:00Z",
        "2126-12-02T03:00:00Z",
    )
    assert [step["action"] for step in plan["steps"]].count("go") == 3


def test_a_list_of_targets_takes_at_each_what_the_options_say(
    shared_app: Flask, desk: Observatory, tmp_path: Path
) -> None:
    file = written(tmp_path, "tonight.csv", "name,ra_hours,dec_degrees\nA,1,2\njupiter,,\n")
    none = imports(shared_app, file, "--site", desk.site)
    assert (none.exit_code, "nothing is to be taken at A: say what, or" in none.stderr) == (1, True)
    options = ("--exposure", "R:60:5:2", "--exposure", ":9", "--rounds", "2", "--focus", "once", "--camera", "c2")
    result = imports(shared_app, file, "--site", desk.site, *options, "--json")
    assert result.exit_code == 0, result.stderr
    plan = shows(desk, json.loads(result.stdout))
    assert [step["action"] for step in plan["steps"]] == ["go", "run", *["expose"] * 4, "go", *["expose"] * 4]
    assert plan["steps"][2]["instance"] == "c2"
    assert plan["steps"][2]["optional_params"]["bin"] == "2"
    assert plan["steps"][6]["optional_params"]["object"] == "Jupiter"


@pytest.mark.parametrize("wrong", ["R", "R:x", "R:60:0", "R:60:5:0", "R:60:5:1:1"])
def test_an_exposure_that_is_none_is_refused(shared_app: Flask, desk: Observatory, tmp_path: Path, wrong: str) -> None:
    file = written(tmp_path, "tonight.csv", "m31\n")
    result = imports(shared_app, file, "--site", desk.site, "--exposure", wrong)
    assert (result.exit_code, "nothing was sent" in result.stderr, listed(desk)) == (1, True, [])


def test_of_a_list_with_something_missing_the_rest_is_sent_only_when_asked(
    shared_app: Flask, desk: Observatory, tmp_path: Path
) -> None:
    file = written(tmp_path, "names.txt", "m31\nno such thing\n")
    options = (file, "--site", desk.site, "--exposure", "R:60")
    refused = imports(shared_app, *options)
    assert (refused.exit_code, listed(desk)) == (1, [])
    assert "line 2: no such thing has no coordinates" in refused.stderr
    assert "with --partly the rest is sent" in refused.stderr
    assert imports(shared_app, *options, "--partly").exit_code == 0
    assert [plan["of"] for plan in listed(desk)] == [2]


def test_what_is_down_when_its_turn_comes_is_acknowledged_at_a_terminal_too(tmp_path: Path) -> None:
    save(tmp_path, Profile(code="wmd", latitude_deg=47.7, longitude_deg=12.0))
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": databases.fresh()})
    desk = inside(app)
    file = written(tmp_path, "list.csv", "name,ra_hours,dec_degrees\nhigh,3,88\ndeep,12,-80\n")
    options = (file, "--site", "wmd", "--exposure", "R:60")
    refused = imports(app, *options)
    assert (refused.exit_code, listed(desk)) == (1, [])
    assert re.search(
        r"Caution: When its turn comes, at \d\d:\d\d UTC: deep stands .* below the horizon\.", refused.stderr
    )
    assert "with --sure it is sent all the same" in refused.stderr
    assert imports(app, *options, "--sure").exit_code == 0
    assert len(listed(desk)) == 1
    service_of(app).database.close()


def test_a_plan_from_a_file_says_what_is_down_and_asks_nobody(tmp_path: Path) -> None:
    save(tmp_path, Profile(code="wmd", latitude_deg=47.7, longitude_deg=12.0))
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": databases.fresh()})
    steps = "device,instance,action,time,ra,dec\ncamera,c,expose,60,,\nmount,m,go,,12,-80\n"
    for options in (("--check",), ()):
        result = run(app, "send", written(tmp_path, "night.csv", steps), "--site", "wmd", *options)
        assert result.exit_code == 0
        assert re.search(r"Caution: the target stands .* below the horizon\.", result.stderr)
    assert len(listed(inside(app))) == 1
    service_of(app).database.close()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.toml", TOML.replace("[[steps]]", '[[steps]]\nsite = "mrc1"', 1), "step 1 is for mrc1, and the plan for"),
        ("p.csv", CSV_OF_SITES.replace("HERE", "mrc1", 1), "step 1 is for mrc1, and the plan for"),
        ("p.csv", CSV.splitlines()[0], "p.csv has no steps; write one a line, below the names of the columns"),
        ("p.toml", "steps = []", "p.toml has no steps; write each as [[steps]]"),
        ("p.csv", CSV.splitlines()[0] + "\nmount,mount1,park" * 501, "has 501 steps, and a plan may have 500: part it"),
        ("p.toml", TOML.replace("time = 60", "not_before = 2027-01-01T00:00:00"), "not_before is of the whole plan"),
        ("p.toml", TOML.replace("time = 60", "notBeforeSeconds = 30"), "step 1: write not_before_seconds"),
        ("p.csv", "device,instance,action,until\nmount,m1,park,2027-01-01", "line 2: until is of the whole plan"),
    ],
    ids=[
        "sites, TOML",
        "sites, CSV",
        "0, CSV",
        "0, TOML",
        "501",
        "a time of a step",
        "the wire's name",
        "until of a step",
    ],
)
def test_what_would_be_taken_for_a_parameter_or_is_no_count_of_steps_is_refused(
    shared_app: Flask, desk: Observatory, tmp_path: Path, name: str, content: str, words: str
) -> None:
    """Steps of different sites in a file went out to one site, each with its site as a parameter."""
    file = written(tmp_path, name, content.replace("HERE", desk.site))
    result = run(shared_app, "send", file, "--site", desk.site)
    assert (result.exit_code, words in result.stderr) == (1, True), result.stderr
    assert listed(desk) == []


def test_a_column_of_one_site_says_where_the_plan_goes(shared_app: Flask, desk: Observatory, tmp_path: Path) -> None:
    file = written(tmp_path, "p.csv", CSV_OF_SITES.replace("HERE", desk.site))
    result = run(shared_app, "send", file)
    assert result.exit_code == 0, result.stderr
    (job,) = desk.polls()
    assert job["required_params"] == {"time": 60}


def test_the_guides_own_files_are_sent_on_any_day(shared_app: Flask, desk: Observatory, tmp_path: Path) -> None:
    """The guide's TOML had dates, and was refused from the day after them: until is over already."""
    toml = next(iter(re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)))
    csv = next(each for each in re.findall(r"```\n(.*?)```", DOCS, re.DOTALL) if each.startswith("device,"))
    result = run(shared_app, "send", written(tmp_path, "night.toml", toml), "--site", desk.site, "--json")
    assert result.exit_code == 0, result.stderr
    plan = json.loads(result.stdout)
    begin, end = (
        datetime.fromisoformat(plan[key]).astimezone(ZoneInfo("Europe/Madrid")) for key in ("notBefore", "until")
    )
    assert (f"{begin:%H:%M}", f"{end:%H:%M}") == ("20:15", "04:00")
    assert timedelta(0) < begin - datetime.now(UTC) <= timedelta(hours=25)
    assert timedelta(0) < end - begin < timedelta(hours=24)
    assert run(shared_app, "send", written(tmp_path, "series.csv", csv), "--site", desk.site).exit_code == 0
    assert len(listed(desk)) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--not-before", "20:15"], "say whose clock 20:15 is by: 20:15 UTC, a date with its offset, or with timezone"),
        (["--not-before", "25:15"], "not_before must be a time such as 2026-11-24T20:15, not '25:15'"),
    ],
)
def test_a_time_of_day_wants_a_clock(
    shared_app: Flask, desk: Observatory, tmp_path: Path, options: list[str], words: str
) -> None:
    result = run(shared_app, "send", written(tmp_path, "series.csv", CSV), "--site", desk.site, *options)
    assert (result.exit_code, words in result.stderr) == (1, True), result.stderr
    utc = run(shared_app, "send", written(tmp_path, "s.csv", CSV), "--site", desk.site, "--not-before", "20:15 UTC")
    assert utc.exit_code == 0
    assert listed(desk)[0]["notBefore"].endswith("T20:15:00Z")
