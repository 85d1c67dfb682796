"""Jobs keep their order, whatever the clock does."""

from __future__ import annotations

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from jobs_server import clock
from jobs_server.jobs.operations import next_ulid

from ..conftest import inside

TIMES_MS = st.integers(0, 2**48 - 1)


@given(st.lists(TIMES_MS, min_size=1, max_size=50))
def test_ulids_strictly_increase_whatever_the_clock_says(times_ms: list[int]) -> None:
    last = None
    for now_ms in times_ms:
        drawn = next_ulid(last, now_ms)
        assert last is None or drawn > last
        last = drawn


@given(TIMES_MS)
def test_a_first_ulid_tells_its_time(now_ms: int) -> None:
    lowest = next_ulid(None, now_ms)
    assert len(lowest) == 26
    assert next_ulid(None, now_ms)[:10] == lowest[:10]


def test_a_clock_set_back_reorders_nothing_that_waits(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    observatory = inside(app)
    for now_ms in (5_000_000, 4_000_000, 6_000_000, 1_000_000):
        monkeypatch.setattr(clock, "read", lambda now_ms=now_ms: clock.Now(now_ms, 1))
        observatory.sends()
    waiting = observatory.polls()
    assert [job["timestamp_ms"] for job in waiting] == [5_000_000, 5_000_000, 6_000_000, 6_000_000]
    assert [job["ulid"] for job in waiting] == sorted(job["ulid"] for job in waiting)


def test_once_nothing_waits_the_clock_is_believed_again(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    observatory = inside(app)
    monkeypatch.setattr(clock, "read", lambda: clock.Now(5_000_000, 5_000_000))
    first = observatory.sends()
    observatory.polls()
    monkeypatch.setattr(clock, "read", lambda: clock.Now(4_000_000, 5_000_001))
    second = observatory.sends()
    assert second["timestamp_ms"] == 4_000_000
    assert second["ulid"] > first["ulid"]


def at(monkeypatch: pytest.MonkeyPatch, wall_ms: int) -> None:
    monkeypatch.setattr(clock, "read", lambda: clock.Now(wall_ms, 1))


def test_the_times_of_copies_rise_over_all_replies_though_a_clock_is_set_back(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The public site software sorts by them; the jobs themselves keep the time at which they were accepted."""
    observatory = inside(app)
    carried = []
    for now_ms in (5_000_000, 4_000_000, 4_500_000, 6_000_000):
        at(monkeypatch, now_ms)
        sent = observatory.sends()
        assert observatory.shows(sent)["timestamp_ms"] == sent["timestamp_ms"] == now_ms
        carried += [job["timestamp_ms"] for job in observatory.polls()]
    assert carried == [5_000_000, 5_000_000, 5_000_000, 6_000_000]


def test_a_job_that_a_stop_overtook_carries_no_earlier_time(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    observatory = inside(app)
    at(monkeypatch, 5_000_000)
    observatory.sends(device="mount", instance="mount1")
    at(monkeypatch, 5_500_000)
    observatory.sends("stop")
    assert [job["timestamp_ms"] for job in observatory.polls(limit=1)] == [5_500_000]
    assert [job["timestamp_ms"] for job in observatory.polls(claimId="a", alternateQueue=True)] == [
        5_000_000,
        5_500_000,
    ]
    (left,) = observatory.polls(claimId="b")
    assert left["timestamp_ms"] == 5_500_000
    assert observatory.polls(claimId="b") == [left], "a repeated claim is another reply"
    assert observatory.shows(left)["timestamp_ms"] == 5_000_000


def test_a_clock_that_leapt_by_years_dates_no_later_copy(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    observatory = inside(app)
    for now_ms in (5_000_000 + 10 * clock.FEW_DAYS_MS, 5_000_000):
        at(monkeypatch, now_ms)
        observatory.sends()
        assert [job["timestamp_ms"] for job in observatory.polls()] == [now_ms]
