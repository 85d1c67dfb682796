"""The night report: any device at work is work, what still runs runs until now, and a hold is no wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from jobs_server.history import night
from jobs_server.history.night import Report
from jobs_server.service import reading
from tests.support import nights
from tests.support.clocks import HOUR, Clocks
from tests.support.observatory import Observatory

MINUTE = 60.0
HOUR_MS = 60 * 60 * 1000


@pytest.fixture
def report(app: Flask, clocks: Clocks) -> Callable[[float], Report]:
    """What is reported of the time from now on, as long as the night is."""
    begin_ms = clocks.now.wall_ms

    def read(night_hours: float) -> Report:
        with app.app_context(), reading() as connection:
            return night.report(connection, "wmd", begin_ms, begin_ms + round(night_hours * HOUR_MS))

    return read


def focuses(site: Observatory, clocks: Clocks) -> None:
    job = site.sends(**nights.focus())
    site.reports(job, "FOCUSING")
    clocks.pass_by(MINUTE)
    site.reports(job, "COMPLETE")


@pytest.mark.parametrize("says", ["EXPOSING", "RECEIVED"])
def test_a_camera_at_work_for_an_hour_between_two_focuser_jobs_is_no_gap(
    observatory: Observatory, clocks: Clocks, report: Callable[[float], Report], says: str
) -> None:
    focuses(observatory, clocks)
    job = observatory.sends(**nights.expose("M 31", 3600, 1))
    observatory.reports(job, says)
    clocks.pass_by(HOUR)
    observatory.reports(job, "COMPLETE")
    focuses(observatory, clocks)
    assert (report(12).gaps, report(12).worked_ms) == ([], 62 * MINUTE * 1000)


def test_a_camera_that_is_still_at_work_works_until_now(
    observatory: Observatory, clocks: Clocks, report: Callable[[float], Report]
) -> None:
    focuses(observatory, clocks)
    observatory.reports(observatory.sends(**nights.expose("M 31", 7200, 1)), "EXPOSING")
    clocks.pass_by(HOUR)
    focuses(observatory, clocks)
    assert (report(12).gaps, report(12).worked_ms) == ([], 62 * MINUTE * 1000)
    clocks.pass_by(HOUR)
    assert report(12).worked_ms == 122 * MINUTE * 1000


def test_what_nobody_ended_ran_until_the_device_began_anew_and_in_a_night_that_is_over_until_its_last_sign(
    observatory: Observatory, clocks: Clocks, report: Callable[[float], Report]
) -> None:
    observatory.reports(observatory.sends(**nights.expose("M 31")), "EXPOSING", secondsUntilComplete=600)
    clocks.pass_by(HOUR)
    observatory.reports(observatory.sends(**nights.expose("M 33")), "EXPOSING", secondsUntilComplete=1200)
    clocks.pass_by(HOUR)
    assert (report(12).gaps, report(12).worked_ms) == ([], 2 * HOUR_MS)
    over = report(1.5)
    assert [gap.length_ms for gap in over.gaps] == [50 * MINUTE * 1000]
    assert over.worked_ms == 30 * MINUTE * 1000


def test_what_was_canceled_before_it_began_is_no_work(
    observatory: Observatory, clocks: Clocks, report: Callable[[float], Report]
) -> None:
    focuses(observatory, clocks)
    job = observatory.sends(**nights.expose("M 31"))
    observatory.reports(job, "RECEIVED")
    clocks.pass_by(HOUR)
    observatory.reports(job, "CANCELED")
    focuses(observatory, clocks)
    assert [gap.length_ms for gap in report(12).gaps] == [HOUR_MS]


def test_from_posted_to_seen_does_not_count_the_hold(
    observatory: Observatory, clocks: Clocks, report: Callable[[float], Report]
) -> None:
    observatory.sends(notBeforeSeconds=30)
    clocks.pass_by(32)
    observatory.polls()
    assert [each.timing.waited_ms for each in report(12).jobs] == [2000]
