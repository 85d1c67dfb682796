"""What many nights come to is added up rightly."""

from __future__ import annotations

from datetime import UTC

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.history import insights
from jobs_server.history import night as reports
from jobs_server.service import reading

from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory


def test_waits_runs_and_results_by_action_and_night(app: Flask, observatory: Observatory, clocks: Clocks) -> None:
    begin_ms = clocks.now.wall_ms
    for seconds, end in ((10, "COMPLETE"), (20, "COMPLETE"), (60, "FAILED")):
        job = observatory.sends()
        clocks.pass_by(2)
        observatory.polls()
        clocks.pass_by(1)
        observatory.starts(job)
        clocks.pass_by(seconds)
        observatory.reports(job, end)
    clocks.pass_by(24 * HOUR)
    observatory.sends("darkslide_open")
    with app.app_context(), reading() as connection:
        jobs = reports.report(connection, "wmd", begin_ms, clocks.now.wall_ms + 1).jobs
    expose, slide = insights.by_action(jobs)
    assert (expose.action, expose.number, slide.seen) == ("expose", 3, None)
    assert expose.seen == insights.Spread(3, 2000, 2000, 2000, 2000, ((9, 3),))
    assert expose.started is not None
    assert expose.started.middle_ms == 1000
    assert expose.ran is not None
    assert (expose.ran.middle_ms, expose.ran.longest_ms) == (20_000, 60_000)
    first, second = insights.by_night(jobs, [], UTC, 30_000, clocks.now.wall_ms)
    assert first.results == {"done": 2, "failed": 1}
    assert second.results == {"open": 1}


def test_the_sites_silence_is_when_jobs_waited_and_none_was_taken(
    app: Flask, observatory: Observatory, clocks: Clocks
) -> None:
    begin_ms = clocks.now.wall_ms
    observatory.sends()
    clocks.pass_by(20)
    observatory.polls()  # soon enough
    observatory.sends(notBeforeSeconds=600)
    clocks.pass_by(60)
    observatory.sends()
    clocks.pass_by(100)
    observatory.sends()
    clocks.pass_by(200)
    observatory.polls()
    clocks.pass_by(250)
    observatory.polls()  # what was held back is due since 10 s
    with app.app_context(), reading() as connection:
        jobs = reports.report(connection, "wmd", begin_ms, clocks.now.wall_ms + 1).jobs
    now_ms = clocks.now.wall_ms
    assert insights.unseen(jobs, 30_000, now_ms) == [(begin_ms + 80_000, begin_ms + 380_000)]
    noted = [(begin_ms + 350_000, begin_ms + 400_000), (begin_ms + 500_000, begin_ms + 560_000)]
    [night] = insights.by_night(jobs, noted, UTC, 30_000, now_ms)
    assert (night.waited_ms, night.silent_ms, night.longest_ms) == (300_000, 380_000, 320_000)
    assert len(night.silences) == 2


def test_jobs_that_wait_for_their_turn_tell_no_silence_and_those_that_still_wait_do(
    app: Flask, observatory: Observatory, clocks: Clocks
) -> None:
    begin_ms = clocks.now.wall_ms
    for _ in range(4):
        observatory.sends()
    for _ in range(3):
        clocks.pass_by(20)
        observatory.polls(limit=1)
    clocks.pass_by(100)
    with app.app_context(), reading() as connection:
        jobs = reports.report(connection, "wmd", begin_ms, clocks.now.wall_ms + 1).jobs
    last_ms, now_ms = begin_ms + 60_000, clocks.now.wall_ms
    assert insights.unseen(jobs, 30_000, now_ms) == [(last_ms, now_ms)]


def test_a_silence_over_noon_is_in_both_nights_and_a_night_without_jobs_is_shown() -> None:
    noon_ms = 1_795_953_600_000  # 2026-11-29 12:00 UTC
    first, second = insights.by_night([], [(noon_ms - 5000, noon_ms + 7000)], UTC, 30_000, noon_ms)
    assert (str(first.night), first.silent_ms) == ("2026-11-28", 5000)
    assert (str(second.night), second.silent_ms, second.total) == ("2026-11-29", 7000, 0)


@given(st.lists(st.floats(0, 1e9)))
def test_every_duration_is_in_one_bin_that_holds_it(durations: list[float]) -> None:
    for ms in durations:
        spread = insights.spread([ms])
        assert spread is not None
        [(number, count)] = spread.bins
        low = 10 * 10 ** (number / insights.BINS_A_DECADE)
        assert count == 1
        assert ms < low * 10 ** (1 / insights.BINS_A_DECADE) * 1.0001
        assert number == 0 or ms >= low * 0.9999


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_a_spread_is_in_order(durations: list[float]) -> None:
    spread = insights.spread(durations)
    assert spread is not None
    tolerance = pytest.approx(spread.longest_ms)
    assert spread.low_ms <= spread.middle_ms <= spread.high_ms
    assert spread.high_ms <= spread.longest_ms or spread.high_ms == tolerance
    assert spread.longest_ms == max(durations)
