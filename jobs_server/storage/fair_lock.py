"""A lock that serves those who wait in the order they came."""

from __future__ import annotations

from collections import deque
from threading import Lock


class Turns:
    """Lock out all but one, and serve those who wait in the order they came."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._taken = False
        self._tickets: deque[Lock] = deque()

    def take(self, timeout_seconds: float) -> bool:
        """Wait for the turn; False when the time is over."""
        with self._mutex:
            if not self._taken:
                self._taken = True
                return True
            ticket = Lock()
            ticket.acquire()
            self._tickets.append(ticket)
        if ticket.acquire(timeout=timeout_seconds):
            return True
        with self._mutex:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
                return False
        return True  # the turn came between the time-out and the look

    def pass_on(self) -> None:
        """Give the turn to whoever waits longest."""
        with self._mutex:
            if self._tickets:
                self._tickets.popleft().release()
            else:
                self._taken = False
