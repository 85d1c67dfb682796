"""Why nothing begins for now: what moves unknown to the agent, and what the weather says."""

from __future__ import annotations

import threading
from typing import Protocol


class Claiming(Protocol):
    """Who claims jobs."""

    def hold(self, why: str) -> None:
        """Claim and begin stops alone."""

    def go_on(self) -> None:
        """Claim and begin everything again."""


class Holds:
    """The reasons for which nothing but stops begins, each by who has it; all must be gone before anything begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {}
        self._claims: Claiming | None = None

    def attach(self, claims: Claiming) -> None:
        """Take who claims jobs, and let it know of the reasons so far."""
        with self._lock:
            self._claims = claims
            self._pass_on()

    def put(self, holder: str, why: str | None) -> None:
        """Set a holder's reason; None when it has none any more."""
        with self._lock:
            if self._reasons.get(holder) == why:
                return
            if why is None:
                del self._reasons[holder]
            else:
                self._reasons[holder] = why
            self._pass_on()

    def of(self, holder: str) -> str | None:
        """Return a holder's reason."""
        with self._lock:
            return self._reasons.get(holder)

    @property
    def why(self) -> str | None:
        """Return why nothing begins; None when anything may."""
        with self._lock:
            return next(iter(self._reasons.values()), None)

    def _pass_on(self) -> None:
        if self._claims is None:
            return
        why = next(iter(self._reasons.values()), None)
        if why is None:
            self._claims.go_on()
        else:
            self._claims.hold(why)
