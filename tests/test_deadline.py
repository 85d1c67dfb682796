"""What is asked elsewhere is waited for so long in all, and what it raises comes through."""

from __future__ import annotations

import threading

import pytest

from jobs_server import deadline


def test_what_is_answered_in_time_comes_back() -> None:
    assert deadline.within(60, lambda: "here") == "here"


def test_what_the_call_raises_is_raised() -> None:
    def call() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        deadline.within(60, call)


def test_a_call_that_takes_too_long_is_given_up_and_ended() -> None:
    ended = threading.Event()
    with pytest.raises(TimeoutError, match="did not answer in time"):
        deadline.within(0.01, ended.wait, ended.set)
    assert ended.is_set()


def test_so_many_calls_are_left_to_themselves_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_left", threading.BoundedSemaphore(2))
    end = threading.Event()
    for _ in range(2):
        with pytest.raises(TimeoutError, match="in time"):
            deadline.within(0.01, end.wait)
    with pytest.raises(TimeoutError, match="questions of before"):
        deadline.within(60, lambda: "never asked")
    end.set()
