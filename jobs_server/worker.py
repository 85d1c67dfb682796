"""What is done beside the requests: work that comes again for as long as the process lives, and questions with an end.

The time-outs of HTTP libraries are for each read: a server that sends a byte now and then is waited for without end,
and so is a resolver of names. So such a question is asked beside, and left to itself when its time is over.

It stands at the ground, not in `upkeep`, because rooms below that one have such work too: the listener of PostgreSQL,
the calendar elsewhere, the presence that servers share, the issuer's keys.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from .errors import Unavailable

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_MOST_LEFT = 32
"""So many calls may be left to themselves at once; they end when their servers do, or close the connection."""
_left = threading.BoundedSemaphore(_MOST_LEFT)


class Worker:
    """Work every few seconds, whatever becomes of the work; a worker that was stopped does not begin again."""

    def __init__(
        self,
        name: str,
        seconds: float | Callable[[], float],
        work: Callable[[], object],
        *,
        does: str,
        failure: str,
        rest_seconds: float = 0.0,
    ) -> None:
        """Name the work: `does` completes "the thread that ...", and `failure` begins the line in the log.

        `seconds` lie between one piece of work and the next unless `wake` is called; `rest_seconds` lie there always.
        """
        self.name = name
        self.does = does
        self._seconds = seconds if callable(seconds) else lambda: seconds
        self._work = work
        self._failure = failure
        self._rest_seconds = rest_seconds
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, after_seconds: float | None = None) -> None:
        """Begin in the background, the first time after so many seconds; a second call does nothing."""
        with self._lock:
            if self._thread is None and not self._stopped.is_set():
                first = (self._seconds() if after_seconds is None else after_seconds,)
                self._thread = threading.Thread(target=self._run, args=first, name=self.name, daemon=True)
                self._thread.start()

    def wake(self) -> None:
        """Have the work done at once."""
        self._woken.set()

    def stop(self) -> None:
        """Work no more, and wait until what is being done is done."""
        self._stopped.set()
        self._woken.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def has_died(self) -> bool:
        """Whether the thread has ended though nobody stopped it, as in a process that was forked."""
        return self._thread is not None and not self.is_alive and not self._stopped.is_set()

    def _run(self, wait_seconds: float) -> None:
        while not self._stopped.is_set():
            self._woken.wait(wait_seconds)
            if self._stopped.is_set():
                return
            self._woken.clear()
            attempt(self._failure, self._work)
            self._stopped.wait(self._rest_seconds)
            wait_seconds = self._seconds()


def attempt(failure: str, work: Callable[[], object]) -> None:
    """Do some work; what keeps it from being done is logged, so that the next piece of work is done all the same."""
    try:
        work()
    except Unavailable as error:
        log.warning("%s: %s", failure, error.sentence)
    except Exception:  # a thread that ends is missed by nobody until it is needed
        log.exception(failure)


def within(seconds: float, call: Callable[[], Answer], give_up: Callable[[], None] = lambda: None) -> Answer:
    """Return what a call returns, or raise what it raises, and TimeoutError when that takes too long.

    `give_up` is called then, to end the call soon: the call goes on beside until it does.
    """
    left = _left
    if not left.acquire(blocking=False):
        raise TimeoutError(f"{_MOST_LEFT} questions of before are still without an answer")
    outcome: Future[Answer] = Future()
    threading.Thread(target=_answer, args=(outcome, call, left), name="question", daemon=True).start()
    try:
        return outcome.result(max(0.0, seconds))
    except TimeoutError as error:
        if outcome.done():
            raise  # it is the call's own
        give_up()
        raise TimeoutError("it did not answer in time") from error


def _answer(outcome: Future[Answer], call: Callable[[], Answer], left: threading.BoundedSemaphore) -> None:
    try:
        outcome.set_result(call())
    except BaseException as error:
        outcome.set_exception(error)
    finally:
        left.release()
