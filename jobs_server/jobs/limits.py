"""How often somebody may ask: enough for any observer, too little for a script that has run wild.

Stop commands and the site's own routes are never limited. Each server process counts for itself.

What is counted is known only once the body is read, so that it is counted where a command is taken, and no hook counts
every request (which costs 1.79 times as much: `benchmarks/limiter.py`). The window is our own since the package
`limits` (5.8) counts by the wall clock alone: set back an hour, it refuses for an hour who had just sent.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from threading import Lock

from .. import clock
from ..config import Settings
from ..domain.actors import Actor, Known
from ..domain.commands import SubmitJob
from ..domain.lifecycle import is_stop
from ..errors import TooMany

ALERT_TRIES_PER_MINUTE = 6
_SECONDS = {"second": 1.0, "minute": 60.0}


class MovingWindow:
    """Count what each person did within the last second or minute, by a clock that nobody can set."""

    def __init__(self, amount: int, span: str) -> None:
        """Let so many pass in a span, which is "second" or "minute"."""
        self.amount = amount
        self.span = span
        self._seconds = _SECONDS[span]
        self._lock = Lock()
        self._passed: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many persons are remembered."""
        return len(self._passed)

    def hit(self, who: str) -> float:
        """Count one more of somebody and return 0; past the limit count nothing, and return the seconds to wait."""
        with self._lock:
            now = clock.steady_seconds()
            self._forget(now)
            passed = self._passed.setdefault(who, deque())
            while passed and now - passed[0] >= self._seconds:
                passed.popleft()
            if len(passed) >= self.amount:
                return self._seconds - (now - passed[0])
            passed.append(now)
            self._passed.move_to_end(who)
            return 0.0

    def _forget(self, now: float) -> None:
        """Forget who did nothing within the span: they stand in the order of their last deed."""
        while self._passed:
            who, passed = next(iter(self._passed.items()))
            if passed and now - passed[-1] < self._seconds:
                return
            del self._passed[who]


class Limits:
    """Count what each person and each address asks for."""

    def __init__(self, settings: Settings) -> None:
        self._jobs = _window(settings.new_jobs_per_second, "second")
        self._reservations = _window(settings.reservations_per_minute, "minute")
        self._sign_ins = _window(settings.sign_ins_per_minute, "minute")
        self._alert_tries = MovingWindow(ALERT_TRIES_PER_MINUTE, "minute")

    def job(self, command: SubmitJob, actor: Actor, address: str | None) -> None:
        """Count a job, by who asks, or by address where one is given: of somebody without a name.

        Raises TooMany past the limit, but never for a stop command.
        """
        if self._jobs is not None and not is_stop(command.action, command.required_params):
            _count(self._jobs, f"id {actor.id}" if address is None else f"address {address}", "jobs")

    def reservation(self, actor: Actor, address: str | None) -> None:
        """Count a change of the calendar, by who is signed in, else by address. Raises TooMany."""
        who = actor.id if actor.known is Known.SIGNED_IN else _named(address)
        _count(self._reservations, who, "changes of the calendar")

    def alert_try(self, person_id: str) -> None:
        """Count a test of an address for alerts, by person. Raises TooMany."""
        _count(self._alert_tries, person_id, "tests of an address")

    def sign_in(self, address: str | None) -> None:
        """Count an attempt to sign in, by address. Raises TooMany."""
        _count(self._sign_ins, _named(address), "attempts to sign in")


def _count(window: MovingWindow | None, who: str, named: str) -> None:
    if window is None or not (wait_seconds := window.hit(who)):
        return
    raise TooMany(
        f"Error: more than {window.amount} {named} a {window.span} of one person; try again in a moment",
        retry_after_seconds=max(1, math.ceil(wait_seconds)),
    )


def _named(address: str | None) -> str:
    return address or "?"


def _window(amount: int, span: str) -> MovingWindow | None:
    return MovingWindow(amount, span) if amount else None
