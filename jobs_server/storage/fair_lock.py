"""A lock that serves those who wait in the order they came, the urgent ones first."""

from __future__ import annotations

from collections import deque
from threading import Lock


class FairLock:
    """Lock out all but one, and serve those who wait in the order they came: first all that are urgent."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._held = False
        self._urgent: deque[Lock] = deque()
        self._waiting: deque[Lock] = deque()

    def acquire(self, timeout_seconds: float, *, urgent: bool = False) -> bool:
        """Whether the lock was had within a time."""
        with self._mutex:
            if not self._held:
                self._held = True
                return True
            ticket = Lock()
            ticket.acquire()
            line = self._urgent if urgent else self._waiting
            line.append(ticket)
        if ticket.acquire(timeout=timeout_seconds):
            return True
        with self._mutex:
            if ticket in line:
                line.remove(ticket)
                return False
        return True  # The lock was handed over between the time-out and the look.

    def release(self) -> None:
        """Hand the lock to whoever waits longest, an urgent one if there is any."""
        with self._mutex:
            if line := self._urgent or self._waiting:
                line.popleft().release()
            else:
                self._held = False
