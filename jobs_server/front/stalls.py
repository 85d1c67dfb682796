"""The connections whose clients keep the server waiting: which of them have to go, and when."""

from __future__ import annotations

import threading
from typing import Protocol

from .bounds import Bounds


class Stalled(Protocol):
    """A connection with a request that is not all there, or an answer that is not all taken."""

    address: str
    since: float
    """When something moved last (`time.monotonic`)."""
    until: float
    """When the connection has to go."""
    held_bytes: int

    def counts(self, now: float) -> bool:
        """Whether the connection counts among those of its address."""

    def cut(self) -> None:
        """Close the connection."""


class Stalls:
    """All stalled connections of a process, by address; safe to use from any thread."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._lock = threading.Lock()
        self._by_address: dict[str, dict[Stalled, None]] = {}
        self.count = 0
        """How many they are."""

    def enter(self, stalled: Stalled) -> None:
        """Count a connection. Closed is only in `sweep`: who is closed at once comes again at once."""
        with self._lock:
            of_address = self._by_address.setdefault(stalled.address, {})
            if stalled not in of_address:
                of_address[stalled] = None
                self.count += 1

    def leave(self, stalled: Stalled) -> None:
        """Count a connection no more."""
        with self._lock:
            self._forget(stalled)

    def sweep(self, now: float) -> None:
        """Close what is overdue, what is too many of one address, and the longest-stalled while all hold too much."""
        with self._lock:
            victims = [each for each in self._all() if each.until <= now]
            for address in list(self._by_address):
                victims += self._too_many(address, now)
            victims += self._too_large()
        self._close(dict.fromkeys(victims))

    def close_one_of_crowd(self) -> bool:
        """Close the longest-stalled of the address that stalls most, where it stalls more than one may."""
        with self._lock:
            crowd = max(self._by_address.values(), key=len, default={})
            cap = self.bounds.cap(next(iter(crowd)).address) if crowd else None
            victims = [min(crowd, key=_since)] if cap is not None and len(crowd) > cap else []
        self._close(victims)
        return bool(victims)

    def close_longest(self) -> bool:
        """Close the longest-stalled connection of any address; False where there is none."""
        with self._lock:
            victims = sorted(self._all(), key=_since)[:1]
        self._close(victims)
        return bool(victims)

    def close_all(self) -> None:
        """Close them all."""
        with self._lock:
            victims = self._all()
        self._close(victims)

    def all(self) -> list[Stalled]:
        """Return them all."""
        with self._lock:
            return self._all()

    def _all(self) -> list[Stalled]:
        return [each for of_address in self._by_address.values() for each in of_address]

    def _too_many(self, address: str, now: float) -> list[Stalled]:
        cap, of_address = self.bounds.cap(address), self._by_address.get(address, {})
        if cap is None or len(of_address) <= cap:
            return []
        counted = sorted((each for each in of_address if each.counts(now)), key=_since)
        return counted[: max(0, len(counted) - cap)]

    def _too_large(self) -> list[Stalled]:
        everyone = self._all()
        excess = sum(each.held_bytes for each in everyone) - self.bounds.held_bytes
        victims: list[Stalled] = []
        for each in sorted((each for each in everyone if each.held_bytes), key=_since)[:-1]:
            if excess <= 0:
                break
            excess -= each.held_bytes
            victims.append(each)
        return victims

    def _forget(self, stalled: Stalled) -> None:
        of_address = self._by_address.get(stalled.address, {})
        if stalled in of_address:
            del of_address[stalled]
            self.count -= 1
            if not of_address:
                del self._by_address[stalled.address]

    def _close(self, victims: list[Stalled] | dict[Stalled, None]) -> None:
        for each in victims:
            self.leave(each)
            each.cut()


def _since(stalled: Stalled) -> float:
    return stalled.since
