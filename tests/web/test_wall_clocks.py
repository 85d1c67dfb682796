"""Times are shown and read in UTC or by the site's clock, as each visitor chooses; no clock's odd hours are guessed."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.errors import BadRequest
from jobs_server.jobs.reservation_commands import any_time_ms
from jobs_server.observatory.profiles import Profile
from jobs_server.service import service_of
from jobs_server.web import wall_clocks
from jobs_server.web.wall_clocks import WallClock

from ..support import plans
from ..support.clocks import Clocks
from ..support.nights import PROFILE
from ..support.observatory import Observatory

SCRIPT = {"X-Requested-By": "script"}
ZONES = (
    *("Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham"),
    *("Africa/Casablanca", "America/St_Johns", "Pacific/Apia", "Asia/Beirut", "UTC"),
)
"""Among them half hours of daylight saving, offsets of quarters, and clocks that go forward at midnight."""
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
MOMENTS = st.integers(1_420_000_000_000, 2_000_000_000_000)
NEAR_CHANGES = st.builds(
    lambda year, month, day, minutes: (
        round(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1000 + minutes * MINUTE_MS
    ),
    st.integers(2015, 2032),
    st.sampled_from((3, 4, 9, 10, 11)),
    st.integers(1, 30),
    st.integers(0, 1440),
)
CLOCKS = st.sampled_from(ZONES).map(lambda zone: wall_clocks.called(zone, Profile(code="x")))


@given(CLOCKS, MOMENTS | NEAR_CHANGES)
def test_what_a_form_shows_is_read_back_as_the_same_minute(by: WallClock, at_ms: int) -> None:
    minute_ms = at_ms // MINUTE_MS * MINUTE_MS
    assert by.read(by.written(at_ms), at_ms) == minute_ms
    assert any_time_ms(by.as_iso(by.written(at_ms), "start")) == minute_ms


@given(CLOCKS, MOMENTS | NEAR_CHANGES)
def test_what_somebody_types_is_what_the_clock_shows_then_or_is_refused_in_words(by: WallClock, at_ms: int) -> None:
    typed = datetime.fromtimestamp(at_ms // 1000, UTC).replace(tzinfo=None, second=0)  # as a clock on a wall
    near_ms = round(typed.replace(tzinfo=UTC).timestamp()) * 1000
    around = [near_ms + quarters * 15 * MINUTE_MS for quarters in range(-14 * 4, 14 * 4 + 1)]
    shown_at = [each for each in around if by.at(each).replace(tzinfo=None) == typed]
    asked = f"{typed:%Y-%m-%d %H:%M}"
    if len(shown_at) == 1:
        assert by.read(asked, at_ms) == shown_at[0]
        return
    with pytest.raises(ValueError, match="comes twice in" if shown_at else "does not exist in"):
        by.read(asked, at_ms)


@given(CLOCKS, MOMENTS | NEAR_CHANGES, st.sampled_from((1, 2, 3, 4, 6, 12)))
def test_full_hours_are_all_those_of_the_clock(by: WallClock, at_ms: int, every: int) -> None:
    found = by.full_hours(at_ms, at_ms + 24 * HOUR_MS, every)
    assert all(by.at(each).minute == 0 and by.at(each).hour % every == 0 for each in found)
    assert 24 // every - 1 <= len(found) <= 24 // every + 1


def test_a_day_begins_at_the_first_moment_that_the_clock_calls_so() -> None:
    beirut = wall_clocks.called("Asia/Beirut", Profile(code="x"))
    begins_ms = beirut.midnight_ms(date(2024, 3, 31))  # the clocks went from 0 to 1 o'clock
    assert (beirut.minute(begins_ms), beirut.minute(begins_ms - MINUTE_MS)) == (
        "Sun 2024-03-31 01:00",
        "Sat 2024-03-30 23:59",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2027-03-28 02:30", "start: 02:30 on 2027-03-28 does not exist in Europe/Berlin: the clocks go forward"),
        ("2027-10-31 02:30", "comes twice in Europe/Berlin: the clocks go back then; write it with its offset"),
        ("in the evening", "start must be a time by the site's clock such as 2026-11-24 21:30, not in the evening"),
    ],
)
def test_the_missing_hour_and_the_double_one_are_refused_in_words(text: str, said: str) -> None:
    berlin = wall_clocks.called("Europe/Berlin", Profile(code="x"))
    with pytest.raises(BadRequest, match=re.escape(said)):
        berlin.as_iso(text, "start")
    assert berlin.as_iso("2027-10-31 02:30+02:00", "start") == "2027-10-31T00:30:00+00:00"
    assert berlin.as_iso("2027-10-31 24:00", "start") == "2027-10-31T23:00:00+00:00"


def test_of_a_moment_both_clocks_are_shown_with_the_chosen_one_first() -> None:
    at_ms = round(datetime(2026, 11, 24, 23, 30, tzinfo=UTC).timestamp() * 1000)
    berlin = Profile(code="x", timezone="Europe/Berlin")
    assert wall_clocks.of_utc(berlin).both(at_ms) == "Tue 2026-11-24 23:30 UTC, Wed 2026-11-25 00:30 at the site"
    assert wall_clocks.of_site(berlin).both(at_ms) == "Wed 2026-11-25 00:30 site time, Tue 2026-11-24 23:30 UTC"
    assert wall_clocks.of_utc(berlin).both_hours(at_ms, at_ms) == "23:30 UTC (00:30 at the site)"
    assert wall_clocks.of_site(berlin).both_hours(at_ms, at_ms) == "00:30 site time (23:30 UTC)"
    assert wall_clocks.of_site(Profile(code="x")).both(at_ms) == "Tue 2026-11-24 23:30 UTC"
    assert wall_clocks.of_site(berlin).lately(at_ms, at_ms) == "00:30:00"
    assert wall_clocks.of_site(berlin).lately(at_ms, at_ms + 48 * HOUR_MS) == "Wed 25 00:30"


@pytest.fixture
def browser(app: Flask, clocks: Clocks) -> FlaskClient:
    """A browser at a site in Bavaria; it is 2027-01-15 08:00 UTC, 9 o'clock there."""
    del clocks
    file = Path(service_of(app).settings.instance) / "site.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(PROFILE, encoding="utf-8")
    made = app.test_client()
    made.post("/act/name", data={"site": "wmd", "name": "Vera"})
    return made


def does(observatory: Observatory) -> dict[str, Any]:
    """Let a job be sent, begun and ended."""
    job = observatory.sends()
    observatory.polls()
    observatory.reports(job, "EXPOSING")
    observatory.reports(job, "COMPLETE")
    return job


def chooses(browser: FlaskClient, clock: str) -> Any:
    return browser.post("/act/clock", data={"site": "wmd", "clock": clock})


def text_of(answer: Any) -> str:
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def times_on(answer: Any) -> set[str]:
    """The times of day that stand on a page as such."""
    return set(re.findall(r"<time [^>]*>([^<]+)</time>", answer.text))


def test_the_choice_is_kept_by_the_browser_and_shown_on_every_page(
    browser: FlaskClient, observatory: Observatory
) -> None:
    job = does(observatory)
    where = ("/", "/jobs-log", "/night", f"/job/{job['ulid']}")
    for path in where:
        assert "08:00:00" in times_on(browser.get(f"{path}?site=wmd")), path
    assert chooses(browser, "site").status_code == 303
    for path in where:
        page = browser.get(f"{path}?site=wmd")
        assert "09:00:00" in times_on(page), path
        assert "08:00:00" not in times_on(page), path
        assert 'data-times="site" data-zone="Europe/Berlin"' in page.text
        assert re.search(r'value="site" aria-pressed="true">Site time', page.text)
    assert "Posted site time" in text_of(browser.get("/jobs-log?site=wmd"))
    assert "09:00:00" not in times_on(browser.application.test_client().get("/?site=wmd"))  # another browser
    chooses(browser, "utc")
    assert "08:00:00" in times_on(browser.get("/?site=wmd"))
    assert chooses(browser, "moon").status_code == 400


def test_a_page_that_is_open_stays_with_its_clock_when_another_is_chosen_elsewhere(
    browser: FlaskClient, observatory: Observatory
) -> None:
    does(observatory)
    chooses(browser, "site")
    live = browser.get("/?site=wmd", headers=SCRIPT | {"X-Clock": "utc"})
    assert "08:00:00" in times_on(live)
    assert "09:00:00" in times_on(browser.get("/?site=wmd", headers={"X-Clock": "utc"}))  # of a script's request alone


def test_where_no_time_zone_is_known_times_stay_in_utc_and_the_switch_says_why(
    browser: FlaskClient, observatory: Observatory, app: Flask
) -> None:
    does(observatory)
    file = Path(service_of(app).settings.instance) / "site.toml"
    file.write_text('code = "wmd"\n', encoding="utf-8")
    chooses(browser, "site")
    page = browser.get("/?site=wmd")
    assert "08:00:00" in times_on(page)
    assert "No time zone is set for this site, so that times are in UTC." in text_of(page)
    assert re.search(r'value="site" aria-pressed="false" disabled', page.text)
    file.write_text('code = "wmd"\ntimezone = "UTC" \n', encoding="utf-8")
    assert "the site’s clock is UTC" in text_of(browser.get("/?site=wmd"))


def reserves(browser: FlaskClient, start: str, end: str, **more: str) -> Any:
    return browser.post("/act/reserve", data={"site": "wmd", "start": start, "end": end, **more})


def listed(browser: FlaskClient) -> list[dict[str, Any]]:
    span = {"site": "wmd", "start": "2027-01-01", "end": "2027-12-31"}
    return list(browser.post("/calendar/siteevents", json=span).get_json())


def test_a_reservation_is_read_in_the_time_that_its_form_says(browser: FlaskClient) -> None:
    chooses(browser, "site")
    form = browser.get("/reservations?site=wmd").text
    assert 'name="clock" value="Europe/Berlin"' in form
    assert 'From <span class="unit">site time, Europe/Berlin</span>' in form
    berlin = {"clock": "Europe/Berlin"}
    assert reserves(browser, "2027-01-15 21:00", "2027-01-15 23:00", **berlin).status_code == 303
    chooses(browser, "utc")  # in another tab; the form of before says what it said
    assert reserves(browser, "2027-07-15 21:00", "2027-07-15 24:00", **berlin).status_code == 303
    assert reserves(browser, "2027-08-15 21:00", "2027-08-15 23:00").status_code == 303  # a form of before
    assert [(each["start"], each["end"]) for each in listed(browser)] == [
        ("2027-01-15T20:00:00Z", "2027-01-15T22:00:00Z"),
        ("2027-07-15T19:00:00Z", "2027-07-15T22:00:00Z"),
        ("2027-08-15T21:00:00Z", "2027-08-15T23:00:00Z"),
    ]


def test_a_reservations_odd_hours_are_refused_in_words_and_the_form_keeps_what_was_typed(browser: FlaskClient) -> None:
    chooses(browser, "site")
    berlin = {"clock": "Europe/Berlin"}
    for day, said in (
        ("2027-03-28", "does not exist in Europe/Berlin"),
        ("2027-10-31", "comes twice in Europe/Berlin"),
    ):
        refused = reserves(browser, f"{day} 02:30", f"{day} 05:00", **berlin)
        assert (refused.status_code, said in text_of(refused)) == (400, True)
        assert f'value="{day} 02:30"' in refused.text
        checked = browser.post(
            "/act/reserve",
            data={"site": "wmd", "do": "check", "start": f"{day} 02:30", "end": f"{day} 05:00", **berlin},
            headers=SCRIPT,
        )
        assert said in checked.json["fault"]  # type: ignore[index]
    assert reserves(browser, "2027-10-31 02:30+01:00", "2027-10-31 05:00", **berlin).status_code == 303
    [kept] = listed(browser)
    assert kept["start"] == "2027-10-31T01:30:00Z"
    edited = browser.get(f"/reservations?site=wmd&from=2027-10-30&edit={kept['event_id']}").text
    assert 'value="2027-10-31 02:30+01:00"' in edited
    assert reserves(browser, "2027-01-15 21:00", "2027-01-15 23:00", clock="Moon/Tycho").status_code == 400


def test_who_reserves_without_a_time_is_told_what_to_do(browser: FlaskClient) -> None:
    for start, said in (("", "write when it begins"), ("2027-01-15 21:00", "write when it ends")):
        refused = reserves(browser, start, "")
        assert (refused.status_code, said in text_of(refused)) == (400, True)


def ulids(answer: Any) -> list[str]:
    return re.findall(r'<tr data-key="(\w+)">', answer.text)


def test_filters_are_read_in_the_time_that_the_address_says(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    first = observatory.sends()["ulid"]
    clocks.pass_by(3600)
    second = observatory.sends()["ulid"]
    chooses(browser, "site")
    berlin = {"site": "wmd", "clock": "Europe/Berlin"}
    for since, found in (("2027-01-15 09:30", [second]), ("2027-01-15 09:00", [second, first]), ("2027-01-16", [])):
        assert ulids(browser.get("/jobs-log", query_string=berlin | {"since": since})) == found
    assert ulids(browser.get("/jobs-log", query_string=berlin | {"until": "2027-01-15 09:30"})) == [first]
    assert ulids(browser.get("/jobs-log", query_string=berlin | {"until": "2027-01-15"})) == [second, first]
    of_before = browser.get("/jobs-log", query_string={"site": "wmd", "since": "2027-01-15 08:30"})
    assert ulids(of_before) == [second]  # addresses that people kept are in UTC
    assert 'From <span class="unit">UTC</span>' in of_before.text
    rows = csv.reader(
        io.StringIO(browser.get("/jobs-log.csv", query_string=berlin | {"since": "2027-01-15 09:30"}).text)
    )
    assert len(list(rows)) == 2
    odd = browser.get("/jobs-log", query_string=berlin | {"since": "2027-03-28 02:30"})
    assert (odd.status_code, "does not exist in Europe/Berlin" in text_of(odd)) == (400, True)
    assert browser.get("/jobs-log", query_string=berlin | {"since": "x", "clock": "Moon/Tycho"}).status_code == 400


def test_a_night_of_the_last_week_is_found_by_its_weekday(browser: FlaskClient, observatory: Observatory) -> None:
    job = observatory.sends()["ulid"]  # in the night of Thursday, the 14th: it is 9 o'clock in the morning
    page = browser.get("/jobs-log?site=wmd&text=&status=waiting")
    chips = re.findall(r'<a class="chip" href="([^"]+night=[^"]+)"[^>]*>([^<]+)</a>', page.text)
    assert [name for _, name in chips] == [
        "tonight",
        "last night",
        *(f"{day}" for day in ("Tue 12", "Mon 11", "Sun 10", "Sat 09", "Fri 08", "Thu 07")),
    ]
    assert all("status=waiting" in unescape(address) for address, _ in chips)
    assert ulids(browser.get(unescape(chips[0][0]))) == [job]
    assert ulids(browser.get(unescape(chips[1][0]))) == []
    of_it = browser.get("/jobs-log?site=wmd&night=2027-01-14&since=2027-01-15+08:30")
    assert ulids(of_it) == []
    assert browser.get("/jobs-log?site=wmd&night=yesterday").status_code == 400
    assert ">Tue 12</a>" in browser.get("/night?site=wmd").text


PLAN = {"site": "wmd", "camera": "cam1", "row-1-filter": "R", "row-1-time": "60", "row-1-count": "5"}


def test_a_plans_times_are_read_in_the_time_that_its_form_says(browser: FlaskClient, observatory: Observatory) -> None:
    def reading(**more: str) -> str:
        asked = PLAN | {"do": "preview", "until": "2027-01-16 21:30"} | more
        return str(browser.post("/plans/new", data=asked, headers=SCRIPT).json["readings"]["until"])  # type: ignore[index]

    assert reading(clock="UTC") == "Sat 2027-01-16 21:30 UTC, 22:30 at the site"
    assert reading(clock="Europe/Berlin") == "Sat 2027-01-16 20:30 UTC, 21:30 at the site"
    assert reading() == reading(clock="Europe/Berlin")  # a form of before, which said site time
    chooses(browser, "site")
    assert reading(clock="UTC") == "Sat 2027-01-16 22:30 site time, 21:30 UTC"
    assert 'name="clock" value="Europe/Berlin"' in browser.get("/plans/new?site=wmd").text
    held = {"site": "wmd", "device": "camera", "action": "expose", "instance": "", "do": "send"}
    refused = browser.post("/send", data=held | {"not_before_seconds": "2027-01-16 21:30", "clock": "UTC"})
    assert (refused.status_code, 'name="clock" value="UTC"' in refused.text) == (400, True)  # as it was typed
    plan = plans.plans(observatory, until="2027-10-31T01:30:00Z")
    page = browser.get(f"/plans/{plan['id']}?site=wmd").text
    assert 'name="clock" value="Europe/Berlin"' in page
    assert 'value="2027-10-31 02:30+01:00"' in page
    edit = {"site": "wmd", "id": plan["id"], "do": "edit", "title": "x"}
    browser.post("/act/plan", data=edit | {"until": "2027-01-17 03:00", "clock": "Europe/Berlin"})
    assert plans.shows(observatory, plan)["until"].startswith("2027-01-17T02:00")
    browser.post("/act/plan", data=edit | {"until": "2027-01-17 03:00", "clock": "UTC"})
    assert plans.shows(observatory, plan)["until"].startswith("2027-01-17T03:00")
