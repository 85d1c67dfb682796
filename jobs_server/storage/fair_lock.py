"""A lock that serves those who wait in the order they came."""

from __future__ import annotations

from collections import deque
from threading import Lock


class FairLock:
    """Lock out all but one, and serve those who wait in the order they came."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._held = False
        self._waiting: deque[Lock] = deque()

    def acquire(self, timeout_seconds: float) -> bool:
        """Whether the lock was had within a time."""
        with self._mutex:
            if not self._held:
                self._held = True
                return True
            ticket = Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        if ticket.acquire(timeout=timeout_seconds):
            return True
        with self._mutex:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                return False
        return True  # The lock was handed over between the time-out and the look.

    def release(self) -> None:
        """Hand the lock to whoever waits longest."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False
