"""A calendar elsewhere that sends a byte now and then: newjob hung over 45 s, a stop over 30 s."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs_server.config import Settings
from jobs_server.domain.commands import SubmitJob
from jobs_server.errors import Unauthorized, Unavailable
from jobs_server.jobs import remote_calendar
from jobs_server.jobs.remote_calendar import RemoteCalendar
from jobs_server.jobs.reservations import Held

from ..support.dripping import STARTS, dripping
from ..support.observatory import a_command
from ..support.waiting import PATIENCE_SECONDS
from .test_remote_calendar import TYCHO, VERA, now_ms

HOLDERS_ONLY = Settings(anyone_may_stop=False)


def a_job(action: str = "expose") -> SubmitJob:
    return SubmitJob.model_validate(a_command(action))


@pytest.fixture(params=STARTS)
def slow(request: pytest.FixtureRequest) -> Iterator[RemoteCalendar]:
    with dripping(request.param) as url:
        calendar = RemoteCalendar(url, timeout_seconds=0.3)
        yield calendar
        calendar.close()


def test_a_job_is_answered_in_time_in_all(slow: RemoteCalendar) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(Unavailable, match="cannot be reached"):
        pool.submit(slow.check, a_job(), VERA, Settings()).result(PATIENCE_SECONDS)


def test_a_stop_passes_although_only_holders_may_stop(slow: RemoteCalendar, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for a moment, and the next ones not at all: the calendar is known to be silent."""
    monkeypatch.setattr(remote_calendar, "STOP_SECONDS", 0.1)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(slow.check, a_job("stop"), TYCHO, HOLDERS_ONLY).result(PATIENCE_SECONDS)
        monkeypatch.setattr(slow, "_ask", refuses_to_be_asked)
        slow.check(a_job("stop"), TYCHO, HOLDERS_ONLY)
        slow.check_stop("wmd", TYCHO, HOLDERS_ONLY)


def test_what_it_said_before_still_keeps_strangers_from_stopping(
    slow: RemoteCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_calendar, "STOP_SECONDS", 0.1)
    held = Held(VERA.id, "Vera", now_ms() + 3_600_000)
    slow._ahead["wmd"] = (now_ms() + 3_600_000, [(0, held)])
    for _ in range(2):
        with pytest.raises(Unauthorized, match="reserved by Vera"):
            slow.check_stop("wmd", TYCHO, HOLDERS_ONLY)
        slow.check_stop("wmd", VERA, HOLDERS_ONLY)


def test_a_job_asks_again_and_an_answer_ends_the_silence(slow: RemoteCalendar, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable):
        slow.holders("wmd", now_ms())
    assert slow._silent_until > time.monotonic()
    monkeypatch.setattr(remote_calendar, "within", lambda *_: Empty())
    assert slow.holders("wmd", now_ms()) == []
    assert slow._silent_until == 0


class Empty:
    """The answer of a calendar in which nothing is reserved."""

    def raise_for_status(self) -> Empty:
        return self

    def json(self) -> list[object]:
        return []


def refuses_to_be_asked(*_: object) -> None:
    raise AssertionError("a calendar that is silent was asked for a stop")
