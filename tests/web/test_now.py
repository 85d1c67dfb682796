"""What the page Now says of a site that takes all its jobs at once, and of what ended last."""

from __future__ import annotations

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
from ..support import databases, nights, plans
from ..support.clocks import Clocks
from ..support.observatory import Observatory


@pytest.fixture
def browser(app: Flask, clocks: Clocks) -> FlaskClient:
    del clocks
    return app.test_client()


def section(browser: FlaskClient, name: str, path: str = "/") -> str:
    """What a section of the page says, without its tags."""
    (found,) = re.findall(rf'<section[^>]* id="{name}".*?</section>', browser.get(f"{path}?site=wmd").text, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found)).split())


def fields(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"Field (\d+)", text)]


def test_a_site_that_takes_all_at_once_shows_what_it_took_in_the_order_of_work(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    for number in range(20):
        observatory.sends(**nights.expose(f"Field {number}"))
        clocks.pass_by(1)
    first, *_ = observatory.polls()
    observatory.reports(first, "EXPOSING", secondsUntilComplete=60)
    clocks.pass_by(30)
    queue = section(browser, "queue")
    assert "Queue 0" in queue
    assert fields(queue) == list(range(1, 20))
    assert "no word from the site" not in queue  # it speaks of the first
    assert "The queue is empty" not in queue
    assert "takes all jobs at once: what it has taken cannot be moved any more" in queue


def test_of_very_many_that_a_site_took_the_newest_are_listed_and_all_are_counted(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    for number in range(60):
        observatory.sends(**nights.expose(f"Field {number}"))
        observatory.polls()
        clocks.pass_by(1)
    taken = section(browser, "queue")
    assert fields(taken) == list(range(10, 60))
    assert "10 older jobs that the site took and never ended are in the log" in taken


def test_a_long_job_that_failed_last_is_the_last_although_twenty_ended_before_it(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    long = observatory.sends(**nights.expose("Field 0"))
    observatory.polls()
    observatory.reports(long, "EXPOSING")
    for number in range(1, 31):
        clocks.pass_by(10)
        short = observatory.sends(**nights.expose(f"Field {number}"))
        observatory.polls()
        observatory.reports(short, "COMPLETE")
    clocks.pass_by(1)
    observatory.reports(long, "FAILED")
    clocks.pass_by(5)
    ended = section(browser, "latest")
    assert fields(ended) == [0, *range(30, 11, -1)]
    idle = section(browser, "running")
    assert fields(idle) == [0]
    assert "ended 5 s ago" in idle


def test_what_the_server_ended_stands_among_what_the_site_ended_by_the_time_of_the_end(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    waits = observatory.sends(**nights.expose("Field 1"))
    taken = observatory.sends(**nights.expose("Field 2"), notBeforeSeconds=1)
    for number in (3, 4):
        clocks.pass_by(10)
        job = observatory.sends(**nights.expose(f"Field {number}"))
        observatory.reports(job, "COMPLETE")
        clocks.pass_by(10)
        observatory.asks_to_cancel(waits if number == 3 else taken)
    assert fields(section(browser, "latest")) == [2, 4, 1, 3]


def test_no_word_for_a_minute_is_no_warning_within_the_estimate(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    job = observatory.sends(**nights.expose("M 31"))
    observatory.polls()
    observatory.reports(job, "EXPOSING", secondsUntilComplete=300)
    clocks.pass_by(60)
    within = browser.get("/?site=wmd").text
    assert ">last word 1 min ago<" in within
    assert 'class="late"' not in within
    clocks.pass_by(271)
    assert ' class="late">no word for 5 min<' in browser.get("/?site=wmd").text


def test_without_an_estimate_silence_is_seen_after_half_a_minute(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    job = observatory.sends(**nights.expose("M 31"))
    observatory.reports(job, "EXPOSING")
    clocks.pass_by(31)
    assert ' class="late">no word for 31 s<' in browser.get("/?site=wmd").text


def test_that_nothing_failed_is_no_alarm(browser: FlaskClient, observatory: Observatory) -> None:
    job = observatory.sends(**nights.expose("M 31"))
    observatory.reports(job, "COMPLETE")
    assert '<div class="failed none"><dt>Failed</dt><dd>0</dd>' in browser.get("/night?site=wmd").text
    observatory.reports(observatory.sends(), "FAILED")
    assert '<div class="failed"><dt>Failed</dt><dd>1</dd>' in browser.get("/night?site=wmd").text


@pytest.mark.parametrize("path", ["/", "/jobs-log", "/night", "/jobs-log.csv", "/jobs-log.json"])
def test_lists_say_why_a_job_failed(browser: FlaskClient, observatory: Observatory, path: str) -> None:
    done, failed = observatory.sends(), observatory.sends()
    observatory.reports(done, "COMPLETE", message="seeing 1.2 arcsec")
    observatory.reports(failed, "EXPOSING", message="1 of 3")
    observatory.reports(failed, "FAILED", message="the camera is <not> cooled")
    shown = browser.get(f"{path}?site=wmd").text
    assert unescape(shown).count("the camera is <not> cooled") == (2 if path == "/night" else 1)
    assert ("seeing 1.2 arcsec" in shown) == path.endswith(".json")
    assert "<not>" not in shown or "." in path


def test_a_job_that_goes_on_after_its_end_has_no_reason_any_more(
    browser: FlaskClient, observatory: Observatory
) -> None:
    job = observatory.sends()
    observatory.polls()
    observatory.asks_to_cancel(job)
    observatory.reports(job, "EXPOSING")
    observatory.reports(job, "COMPLETE")
    assert 'class="why"' not in browser.get("/?site=wmd").text


NEVER = "This site’s software takes jobs and does not say what becomes of them"


def test_a_site_that_never_reports_is_said_to_be_so_once_and_what_it_took_ages_into_the_log(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    """A site that never reports: "No word of work yet", amber rows "no word from the site" without end."""
    for number in range(3):
        observatory.sends(**nights.expose(f"Field {number}"))
    observatory.polls()
    clocks.pass_by(4 * 60)
    assert "No word of work yet" in section(browser, "running")
    clocks.pass_by(2 * 60)
    shown = section(browser, "running")
    assert shown.count(NEVER) == 1
    taken = section(browser, "queue")
    assert fields(taken) == [0, 1, 2]
    assert "handed over 6 min ago" in taken
    assert "no word" not in taken.casefold()
    clocks.pass_by(30 * 60)
    shown = section(browser, "running")
    assert shown.count(NEVER) == 1
    assert fields(shown) == []
    assert "The queue is empty." in section(browser, "queue")
    assert fields(browser.get("/jobs-log?site=wmd&status=unfinished").text) != []


def test_a_site_that_has_spoken_or_claims_is_none_that_never_reports(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    observatory.sends(**nights.expose("Field 0"))
    observatory.sends(**nights.expose("Field 1"))
    first, _ = observatory.polls()
    observatory.reports(first, "COMPLETE")
    clocks.pass_by(3600)
    assert NEVER not in section(browser, "running")
    shown = section(browser, "queue")
    assert fields(shown) == [1]
    assert "no word from the site" in shown


def test_a_site_that_never_reports_and_tells_its_state_shows_what_that_says(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    observatory.sends(**nights.expose("Field 0"))
    observatory.polls()
    clocks.pass_by(600)
    said = {"camera/c1": {"status": "exposing", "frame": 2, "frames": 5}}
    assert observatory.posts("devicestate", {"site": "wmd", "devices": said}).status == 200
    shown = section(browser, "running")
    assert NEVER in shown
    assert "The camera says: exposing" in shown


def test_tonight_has_the_ways_of_sun_moon_and_the_running_jobs_target_over_the_sky(tmp_path: Path) -> None:
    save(tmp_path, Profile(code="wmd", latitude_deg=34.4, longitude_deg=-119.7, timezone="America/Los_Angeles"))
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": databases.fresh()})
    browser, site = app.test_client(), inside(app)
    page = browser.get("/?site=wmd").text
    assert re.findall(r"<bdi>([^<]+)</bdi></span>", page[page.index('id="sky"') :])[:2] == ["Moon", "Sun"]
    job = site.sends("go", device="mount", required_params={"ra": 0.7, "dec": 41.3}, optional_params={"object": "Mine"})
    site.polls()
    site.reports(job, "SLEWING")
    for path in ("/", "/night"):
        page = browser.get(f"{path}?site=wmd").text
        assert re.findall(r"<bdi>([^<]+)</bdi></span>", page[page.index('id="sky"') :])[:3] == ["Mine", "Moon", "Sun"]
    site.reports(job, "COMPLETE")
    exposure = site.sends(optional_params={"object_name": "m 99"})
    site.polls()
    site.reports(exposure, "EXPOSING")
    page = browser.get("/?site=wmd").text
    assert re.findall(r"<bdi>([^<]+)</bdi></span>", page[page.index('id="sky"') :])[:1] == ["M 99"]
    service_of(app).database.close()


def test_the_targets_of_plans_are_over_tonights_sky_until_their_slews_are_over(tmp_path: Path) -> None:
    save(tmp_path, Profile(code="wmd", latitude_deg=34.4, longitude_deg=-119.7, timezone="America/Los_Angeles"))
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": databases.fresh()})
    browser, site = app.test_client(), inside(app)

    def slew(name: str, ra: float) -> Any:
        return plans.a_step(
            "go", "mount", "mount1", required_params={"ra": ra, "dec": 88.0}, optional_params={"object": name}
        )

    names = ["One", "Two", "jupiter", "Four", "Five", "Six"]
    plan = plans.plans(site, [each for at, name in enumerate(names) for each in (slew(name, at), plans.a_step())])

    def legend(path: str) -> list[str]:
        page = browser.get(path).text
        figure = page[page.index('id="sky"') :].partition("</figcaption>")[0]
        return [
            " ".join(re.sub("<[^>]+>", "", each).split()) for each in re.findall(r'class="legend">(.*?</span>)', figure)
        ]

    drawn = ["One", "Two", "jupiter", "Four"]
    for path in ("/?site=wmd", "/night?site=wmd", f"/plans/{plan['id']}?site=wmd"):
        assert legend(path) == [*(f"{name} planned" for name in drawn), "Moon", "Sun", "and 2 more planned"], path
    (job,) = site.polls()
    site.reports(job, "SLEWING")
    assert legend("/?site=wmd")[:2] == ["One", "Two planned"]
    site.reports(job, "COMPLETE")
    assert legend("/?site=wmd")[:2] == ["Two planned", "jupiter planned"]
    plans.does(site, "cancelplan", plan)
    assert legend("/?site=wmd") == ["Moon", "Sun"]
    assert 'id="sky"' not in browser.get(f"/plans/{plan['id']}?site=wmd").text
    service_of(app).database.close()


def test_a_site_without_a_place_has_no_sky(app: Flask) -> None:
    for path in ("/", "/night"):
        page = app.test_client().get(f"{path}?site=wmd").text
        assert 'class="curve sky"' not in page
