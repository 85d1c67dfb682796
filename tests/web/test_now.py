"""What the page Now says of a site that takes all its jobs at once, and of what ended last."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ..support import nights
from ..support.clocks import Clocks
from ..support.observatory import Observatory


@pytest.fixture
def browser(app: Flask, clocks: Clocks) -> FlaskClient:
    del clocks
    return app.test_client()


def section(browser: FlaskClient, name: str) -> str:
    """What a section of the page says, without its tags."""
    (found,) = re.findall(rf'<section id="{name}".*?</section>', browser.get("/?site=wmd").text, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found)).split())


def fields(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"Field (\d+)", text)]


def test_a_site_that_takes_all_at_once_shows_what_it_took_under_a_heading_in_the_order_of_work(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    for number in range(20):
        observatory.sends(**nights.expose(f"Field {number}"))
        clocks.pass_by(1)
    first, *_ = observatory.polls()
    observatory.reports(first, "EXPOSING", secondsUntilComplete=60)
    taken = section(browser, "running")
    assert "Taken by the site 19" in taken
    assert fields(taken) == list(range(20))
    queue = section(browser, "queue")
    assert "The queue is empty" not in queue
    assert "Nothing waits here: the site has taken 19 jobs that have not begun." in queue


def test_of_very_many_that_a_site_took_the_newest_are_listed_and_all_are_counted(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    for number in range(60):
        observatory.sends(**nights.expose(f"Field {number}"))
        observatory.polls()
        clocks.pass_by(1)
    taken = section(browser, "running")
    assert "Taken by the site 60" in taken
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
