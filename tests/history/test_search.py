"""The log finds jobs by any filter, in pages that neither skip nor repeat, and its files are safe to open."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.history import night, search
from jobs_server.history.search import Filter, SearchBudget
from jobs_server.service import reading
from jobs_server.web.export import COLUMNS, cell

from ..conftest import inside
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory


def found(app: Flask, wanted: Filter, count: int = 50, budget: SearchBudget = search.BUDGET) -> list[str]:
    """The ULIDs of all pages."""
    ulids: list[str] = []
    before: search.Place | None = search.START
    with app.app_context(), reading() as connection:
        while before is not None:
            page = search.find(connection, "wmd", wanted, before, count, budget)
            ulids += [job.ulid for job in page.jobs]
            before = page.next
    return ulids


def test_pages_neither_skip_nor_repeat(app: Flask, observatory: Observatory, clocks: Clocks) -> None:
    sent = [observatory.sends()["ulid"] for _ in range(5)]
    clocks.pass_by(60)
    sent += [observatory.sends()["ulid"] for _ in range(6)]
    inside(app, site="mrc").sends()
    for count in (1, 2, 3, 11, 50):
        assert found(app, Filter(), count) == sent[::-1]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Filter(text="m 31"), ["galaxy"]),
        (Filter(text="100%"), ["percent"]),
        (Filter(text="_"), ["galaxy", "percent", "élan", "failed"]),
        (Filter(text="zz!"), []),
        (Filter(device="mount"), ["slew"]),
        (Filter(action="go"), ["slew"]),
        (Filter(user="TYCHO"), ["percent"]),
        (Filter(status="failed"), ["failed"]),
        (Filter(status="ERROR"), ["failed"]),
        (Filter(user="Élodie"), ["élan"]),
        (Filter(user="V%"), []),
        (Filter(status="%"), []),
        (Filter(text="Élan"), ["élan"]),
        (Filter(text="mount1 GO"), ["slew"]),
        (Filter(status="Waiting"), ["galaxy", "percent", "slew", "élan"]),
        (Filter(status="done"), []),
        (Filter(text="expose", user="vera", status="waiting"), ["galaxy"]),
    ],
)
def test_filters(app: Flask, observatory: Observatory, wanted: Filter, names: list[str]) -> None:
    sent = {
        "galaxy": observatory.sends(optional_params={"object_name": "M 31"}),
        "percent": observatory.sends(user_name="Tycho", required_params={"note": "100% sure"}),
        "slew": observatory.sends("go", device="mount", instance="mount1", required_params={}, optional_params={}),
        "élan": observatory.sends(user_name="Élodie", required_params={"note": "Élan"}),
        "failed": observatory.sends(),
    }
    observatory.reports(sent["failed"], "ERROR")
    assert found(app, wanted) == [sent[name]["ulid"] for name in reversed(list(sent)) if name in names]


def test_times_are_a_day_a_minute_or_a_second(app: Flask, observatory: Observatory, clocks: Clocks) -> None:
    first = observatory.sends()["ulid"]  # 2027-01-15 08:00:00
    clocks.pass_by(24 * HOUR)
    second = observatory.sends()["ulid"]
    browser = app.test_client()

    def shown(**asked: str) -> list[str]:
        log = browser.get("/jobs-log.json", query_string={"site": "wmd", **asked})
        return [job["ulid"] for job in json.loads(log.text)]

    assert shown(since="2027-01-15", until="2027-01-15") == [first]
    assert shown(since="2027-01-15 08:01") == [second]
    assert shown(until="2027-01-15 08:00:00") == [first]
    assert shown(since="tonight") == [second]
    assert shown(since="2027-01-17") == []
    refused = browser.get("/jobs-log?site=wmd&since=yesterday")
    assert (refused.status_code, "must be a time in UTC such as" in refused.text) == (400, True)


def test_a_search_that_runs_out_of_budget_says_where_it_stopped(
    app: Flask, observatory: Observatory, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = SearchBudget(first=1, all=4)
    rare = observatory.sends(user_name="Rare")["ulid"]
    for _ in range(10):
        observatory.sends()
    with app.app_context(), reading() as connection:
        page = search.find(connection, "wmd", Filter(user="rare"), count=2, budget=small)
    assert (page.jobs, page.gave_up_at, page.next) == ([], page.next, page.gave_up_at)
    assert page.next is not None
    assert found(app, Filter(user="rare"), count=2, budget=small) == [rare]
    monkeypatch.setattr(search, "find", partial(search.find, budget=small))
    assert "Search on before" in app.test_client().get("/jobs-log?site=wmd&user=rare").text


def test_csv_has_every_job_and_no_formula(app: Flask, observatory: Observatory) -> None:
    job = observatory.sends(user_name="=cmd|' /C calc'!A0", optional_params={"object_name": "+SUM(1)"})
    observatory.polls()
    observatory.starts(job)
    observatory.reports(job, "COMPLETE")
    file = app.test_client().get("/jobs-log.csv?site=wmd")
    assert file.headers["Content-Disposition"] == 'attachment; filename="jobs-wmd.csv"'
    [row] = csv.DictReader(io.StringIO(file.data.decode("utf-8-sig")))
    assert file.data.startswith(b"\xef\xbb\xbf")  # spreadsheets read a file without this mark as cp1252
    assert tuple(row) == COLUMNS
    assert row["user_name"] == "'=cmd|' /C calc'!A0"
    assert (row["result"], row["status"], row["ulid"]) == ("done", "COMPLETE", job["ulid"])
    assert json.loads(row["optional_params"]) == {"object_name": "+SUM(1)"}


@given(st.text())
def test_no_cell_begins_a_formula(text: str) -> None:
    assert not cell(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell(text).removeprefix("'") in (text, text.removeprefix("'"))


def test_the_night_adds_up(app: Flask, observatory: Observatory, clocks: Clocks) -> None:
    def runs(seconds: float, end: str, **command: Any) -> None:
        job = observatory.sends(**command)
        observatory.polls()
        clocks.pass_by(2)
        observatory.starts(job)
        clocks.pass_by(seconds)
        observatory.reports(job, end)

    begin_ms = clocks.now.wall_ms
    runs(330, "COMPLETE", required_params={"time": "60", "image_type": "light"}, optional_params={"count": "5"})
    clocks.pass_by(1800)
    runs(100, "FAILED", required_params={"time": 99}, optional_params={})
    observatory.sends("darkslide_open")
    with app.app_context(), reading() as connection:
        report = night.report(connection, "wmd", begin_ms, clocks.now.wall_ms + 1)
    assert report.by_result == {"done": 1, "failed": 1, "open": 1}
    assert report.open_shutter_seconds == 300
    assert report.worked_ms == 430_000
    assert [gap.length_ms for gap in report.gaps] == [1_802_000]
    assert [(each.timing.waited_ms, each.timing.ran_ms) for each in report.jobs] == [
        (0, 330_000),
        (0, 100_000),
        (None, None),
    ]


def test_a_report_has_a_bound(app: Flask, observatory: Observatory) -> None:
    sent = [observatory.sends()["ulid"] for _ in range(5)]
    with app.app_context(), reading() as connection:
        report = night.report(connection, "wmd", 0, 2**50, count=3)
    assert ([each.job.ulid for each in report.jobs], report.left_out) == (sent[2:], 2)


def test_the_life_of_a_job_is_told_in_order(app: Flask, observatory: Observatory, clocks: Clocks) -> None:
    job = observatory.sends()
    clocks.pass_by(3)
    observatory.polls()
    clocks.pass_by(2)
    observatory.reports(job, "EXPOSING", secondsUntilComplete=60, message="guiding")
    observatory.asks_to_cancel(job)
    clocks.pass_by(65)
    observatory.reports(job, "ABORTED")
    page = app.test_client().get(f"/job/{job['ulid']}?site=wmd").text
    steps = ["posted", "handed over", "EXPOSING", "guiding", "cancel asked", "ABORTED"]
    life = page[page.index('<ol class="history">') :]
    places = [life.index(step) for step in steps]
    assert places == sorted(places)
    for between in ("+ 3.0 s", "+ 2.0 s", "+ 1 min 05 s"):
        assert between in life


def test_a_page_of_nights(app: Flask, observatory: Observatory) -> None:
    browser = app.test_client()
    assert browser.get("/night/2026-02-30?site=wmd").status_code == 404
    assert browser.get("/night/2026-11-23?site=wmd").status_code == 200
    assert browser.get("/night/2026-11-23.csv?site=wmd").data.decode("utf-8-sig").strip() == ",".join(COLUMNS)
    observatory.sends()
    drawn = browser.get("/timeline.json?site=wmd").json
    assert drawn is not None
    assert [(lane["device"], lane["jobs"][0][4]) for lane in drawn["lanes"]] == [("camera", "waiting")]
