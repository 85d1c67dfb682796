"""What works beside the requests goes on whatever becomes of one piece of work; when it ends, that can be seen.

What is asked elsewhere is waited for so long in all, and what it raises comes through.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from jobs_server import worker as workers
from jobs_server.errors import Unavailable
from jobs_server.worker import Worker, within

from .support.waiting import until

NEVER_SECONDS = 3600.0

Make = Callable[..., Worker]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Worker] = []

    def a_worker(work: Callable[[], object], seconds: float = 0.001, **more: float) -> Worker:
        made.append(Worker("count", seconds, work, does="counts", failure="nothing was counted", **more))
        return made[-1]

    yield a_worker
    for each in made:
        each.stop()


def test_it_works_again_and_again_until_it_is_stopped(make: Make) -> None:
    done: list[int] = []
    worker = make(lambda: done.append(1))
    worker.start()
    until(lambda: len(done) > 2)
    worker.stop()
    count = len(done)
    assert (worker.is_alive, worker.has_died) == (False, False)
    worker.start()
    assert (worker.is_alive, len(done)) == (False, count)


def test_it_works_at_once_when_it_is_woken_or_begins_so(make: Make) -> None:
    done: list[int] = []
    worker = make(lambda: done.append(1), NEVER_SECONDS)
    worker.start(after_seconds=0)
    until(lambda: len(done) == 1)
    worker.wake()
    until(lambda: len(done) == 2)


def test_a_second_start_begins_no_second_thread(make: Make) -> None:
    worker = make(lambda: None, NEVER_SECONDS)
    before = threading.active_count()
    worker.start()
    worker.start()
    assert threading.active_count() == before + 1


def test_what_goes_wrong_is_logged_and_ends_nothing(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    failures: Iterator[Exception] = iter([Unavailable("Error: it is busy"), ZeroDivisionError("by what?")])
    done: list[int] = []

    def work() -> None:
        if failure := next(failures, None):
            raise failure
        done.append(1)

    make(work).start()
    until(lambda: done)
    busy, unknown = caplog.records[:2]
    assert (busy.levelno, busy.getMessage()) == (logging.WARNING, "nothing was counted: Error: it is busy")
    assert (unknown.levelno, unknown.getMessage()) == (logging.ERROR, "nothing was counted")
    assert unknown.exc_info


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_ends_though_nobody_stopped_it_has_died(make: Make) -> None:
    def work() -> None:
        raise SystemExit

    worker = make(work)
    assert not worker.has_died
    worker.start()
    until(lambda: worker.has_died)


def test_it_may_stop_itself(make: Make) -> None:
    def work() -> None:
        worker.stop()

    worker: Worker = make(work)
    worker.start()
    until(lambda: not worker.is_alive)
    assert not worker.has_died


def test_its_rest_cannot_be_cut_short_but_by_its_end(make: Make) -> None:
    done: list[int] = []
    worker = make(lambda: done.append(1), rest_seconds=NEVER_SECONDS)
    worker.start(after_seconds=0)
    until(lambda: done)
    worker.wake()
    worker.stop()
    assert done == [1]


def test_what_is_answered_in_time_comes_back() -> None:
    assert within(60, lambda: "here") == "here"


def test_what_the_call_raises_is_raised() -> None:
    def call() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        within(60, call)


def test_a_call_that_takes_too_long_is_given_up_and_ended() -> None:
    ended = threading.Event()
    with pytest.raises(TimeoutError, match="did not answer in time"):
        within(0.01, ended.wait, ended.set)
    assert ended.is_set()


def test_so_many_calls_are_left_to_themselves_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_left", threading.BoundedSemaphore(2))
    end = threading.Event()
    for _ in range(2):
        with pytest.raises(TimeoutError, match="in time"):
            within(0.01, end.wait)
    with pytest.raises(TimeoutError, match="questions of before"):
        within(60, lambda: "never asked")
    end.set()
