"""How often somebody may ask: enough for any observer, too little for a script that has run wild.

Stop commands and the site's own routes are never limited. Each server process counts for itself.

The counting is Flask-Limiter's. Its hooks are left out: with them every request, a stop or a poll too, costs 1.79 times
as much, and what is counted is known only once the body is read (`benchmarks/limiter.py`).
"""

from __future__ import annotations

import math
import time
from typing import cast

from flask import Flask, current_app, request
from flask_limiter import Limiter
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond

from ..config import EXTENSION, Loaded, Settings
from ..domain.actors import Actor, Known
from ..domain.commands import SubmitJob
from ..domain.lifecycle import is_stop
from ..errors import TooMany

LIMITS = "jobs_server.limits"


class Limits:
    """Count what each person and each address asks for."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        limiter = Limiter(_address, storage_uri="memory://", strategy="moving-window")
        app.extensions["limiter"] = {limiter}  # it takes its hooks for set already
        limiter.init_app(app)
        self._window = limiter.limiter
        self._jobs = _item(RateLimitItemPerSecond, settings.new_jobs_per_second)
        self._reservations = _item(RateLimitItemPerMinute, settings.reservations_per_minute)
        self._sign_ins = _item(RateLimitItemPerMinute, settings.sign_ins_per_minute)

    def job(self, command: SubmitJob, actor: Actor) -> None:
        """Count a job; raises TooMany past the limit, but never for a stop command."""
        if self._jobs is not None and not is_stop(command.action, command.required_params):
            self._count(self._jobs, "jobs", actor.id, "jobs")

    def reservation(self, actor: Actor) -> None:
        """Count a change of the calendar, by who is signed in, else by address. Raises TooMany."""
        who = actor.id if actor.known is Known.SIGNED_IN else _address()
        self._count(self._reservations, "reservations", who, "changes of the calendar")

    def sign_in(self) -> None:
        """Count an attempt to sign in, by address. Raises TooMany."""
        self._count(self._sign_ins, "sign-in", _address(), "attempts to sign in")

    def _count(self, item: RateLimitItem | None, what: str, who: str, words: str) -> None:
        if item is None or self._window.hit(item, what, who):
            return
        reset = self._window.get_window_stats(item, what, who).reset_time
        raise TooMany(
            f"Error: more than {item.amount} {words} a {item.GRANULARITY.name} of one person; try again in a moment",
            retry_after_seconds=max(1, math.ceil(reset - time.time())),
        )


def _address() -> str:
    return request.remote_addr or "?"


def _item(kind: type[RateLimitItem], amount: int) -> RateLimitItem | None:
    return kind(amount) if amount else None


def register(app: Flask) -> None:
    """Give an app its limits."""
    app.extensions[LIMITS] = Limits(app, cast(Loaded, app.extensions[EXTENSION]).settings)


def current() -> Limits:
    """Give the limits of the running app."""
    return cast(Limits, current_app.extensions[LIMITS])
