"""How often somebody may ask: enough for any observer, too little for a script that has run wild.

Stop commands and the site's own routes are never limited. Each server process counts for itself.

What is counted is known only once the body is read, so that `limits` is asked where a command is taken, and no hook
counts every request (which costs 1.79 times as much: `benchmarks/limiter.py`).
"""

from __future__ import annotations

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ..config import Settings
from ..domain.actors import Actor, Known
from ..domain.commands import SubmitJob
from ..domain.lifecycle import is_stop
from ..errors import TooMany


class Limits:
    """Count what each person and each address asks for."""

    def __init__(self, settings: Settings) -> None:
        self._window = MovingWindowRateLimiter(MemoryStorage())
        self._jobs = _item(RateLimitItemPerSecond, settings.new_jobs_per_second)
        self._reservations = _item(RateLimitItemPerMinute, settings.reservations_per_minute)
        self._sign_ins = _item(RateLimitItemPerMinute, settings.sign_ins_per_minute)

    def job(self, command: SubmitJob, actor: Actor, address: str | None) -> None:
        """Count a job, by who asks, or by address where one is given: of somebody without a name.

        Raises TooMany past the limit, but never for a stop command.
        """
        if self._jobs is not None and not is_stop(command.action, command.required_params):
            what, who = ("jobs", actor.id) if address is None else ("jobs of an address", address)
            self._count(self._jobs, what, who, "jobs")

    def reservation(self, actor: Actor, address: str | None) -> None:
        """Count a change of the calendar, by who is signed in, else by address. Raises TooMany."""
        who = actor.id if actor.known is Known.SIGNED_IN else _named(address)
        self._count(self._reservations, "reservations", who, "changes of the calendar")

    def sign_in(self, address: str | None) -> None:
        """Count an attempt to sign in, by address. Raises TooMany."""
        self._count(self._sign_ins, "sign-in", _named(address), "attempts to sign in")

    def _count(self, item: RateLimitItem | None, what: str, who: str, named: str) -> None:
        if item is None or self._window.hit(item, what, who):
            return
        reset = self._window.get_window_stats(item, what, who).reset_time
        raise TooMany(
            f"Error: more than {item.amount} {named} a {item.GRANULARITY.name} of one person; try again in a moment",
            retry_after_seconds=max(1, math.ceil(reset - time.time())),
        )


def _named(address: str | None) -> str:
    return address or "?"


def _item(kind: type[RateLimitItem], amount: int) -> RateLimitItem | None:
    return kind(amount) if amount else None
