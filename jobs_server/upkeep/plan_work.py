"""The plans that go on by the time and not by a report: looked at beside the requests, over restarts too."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from .. import clock
from ..clock import Now
from ..jobs import plan_hindrances, plan_queries
from ..jobs.plan_queries import DuePlan
from ..service import Service
from ..worker import Worker, attempt

_SOONEST_SECONDS = 0.01


class Look(NamedTuple):
    """What a look at the plans of all sites finds."""

    due: list[DuePlan]
    next_seconds: float | None
    """In how many seconds the next of the others begins; None when none is to."""


def look(found: list[DuePlan], now: Now) -> Look:
    """Part plans of which no job is unfinished into those that are due, and those that begin later."""
    waits_ms = [(plan_hindrances.ms_until_begin(plan, now) if plan.begins else 0, plan) for plan in found]
    later = [ms for ms, _ in waits_ms if ms > 0]
    return Look([plan for ms, plan in waits_ms if ms <= 0], min(later) / 1000 if later else None)


def release_due(service: Service) -> float | None:
    """Let the plans go on that are due, each by itself; return in how many seconds the next of the others begins."""
    with service.database.reading() as connection:
        found = look(plan_queries.due(connection), clock.read())
    for plan in found.due:
        attempt("a plan could not go on", partial(service.plans.look, plan.site, plan.id))
    return found.next_seconds


def worker(service: Service) -> Worker:
    """Return what releases the steps that are due by the time, while on duty."""
    wait_seconds = service.settings.sweep_seconds

    def work() -> None:
        nonlocal wait_seconds
        wait_seconds = service.settings.sweep_seconds
        if not service.is_on_duty:
            return
        next_seconds = release_due(service)
        if next_seconds is not None:
            wait_seconds = min(wait_seconds, max(_SOONEST_SECONDS, next_seconds))

    failure = "the plans could not be looked at"
    return Worker("plans", lambda: wait_seconds, work, does="releases the steps of plans in time", failure=failure)
