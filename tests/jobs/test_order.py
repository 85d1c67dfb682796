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
