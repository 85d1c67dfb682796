"""A thread that does one piece of work again and again beside the requests, for as long as the process lives.

It stands at the ground, not in `upkeep`, because rooms below that one have such work too: the listener of PostgreSQL,
the calendar elsewhere, the presence that servers share, the issuer's keys.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from .errors import Unavailable

log = logging.getLogger(__name__)


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
