"""A lock that serves those who wait in the order they came, the urgent ones first."""

from __future__ import annotations

from collections import deque
from threading import Lock


class Ticket:
    """Hold the place of one who waits, and what others may do for it meanwhile."""

    __slots__ = ("_served", "offer", "was_taken")

    def __init__(self, offer: object) -> None:
        self.offer = offer
        self.was_taken = False
        self._served = Lock()
        self._served.acquire()

    def serve(self) -> None:
        """End the wait."""
        self._served.release()

    def wait(self, timeout_seconds: float = -1) -> bool:
        """Whether the wait ended within a time."""
        return self._served.acquire(timeout=timeout_seconds)


class FairLock:
    """Lock out all but one, and serve those who wait in the order they came: first all that are urgent."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._held = False
        self._urgent: deque[Ticket] = deque()
        self._waiting: deque[Ticket] = deque()

    def acquire(self, timeout_seconds: float, *, urgent: bool = False, offer: object = None) -> bool:
        """Whether the lock was had within a time, or what was offered was taken and is done."""
        with self._mutex:
            if not self._held:
                self._held = True
                return True
            ticket = Ticket(offer)
            line = self._urgent if urgent else self._waiting
            line.append(ticket)
        if ticket.wait(timeout_seconds):
            return True
        with self._mutex:
            if ticket in line:
                line.remove(ticket)
                return False
        # The lock was handed over between the time-out and the look, or what was offered is being done.
        return not ticket.was_taken or ticket.wait()

    def release(self) -> None:
        """Hand the lock to whoever waits longest, an urgent one if there is any."""
        with self._mutex:
            if line := self._urgent or self._waiting:
                line.popleft().serve()
            else:
                self._held = False

    def take(self) -> Ticket | None:
        """Take out of the line whoever would be next, where it offered something: the holder does that, then serves."""
        with self._mutex:
            line = self._urgent or self._waiting
            if not line or line[0].offer is None:
                return None
            ticket = line.popleft()
            ticket.was_taken = True
            return ticket
