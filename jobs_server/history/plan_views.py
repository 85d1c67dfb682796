"""A plan as people and programs see it: with its steps, how long it takes, what it waits for, and what to mind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..clock import Now
from ..domain.lifecycle import OVER
from ..errors import shown
from ..jobs import plan_queries, plan_wire, reservations
from ..jobs.plan_rows import PlanRow, StepOfPlan
from ..storage.statement import Connection
from . import now as present
from .plan_times import Estimate, PlanTimes

_FEW_MS = 60_000


def whole(
    connection: Connection, times: PlanTimes, plan: PlanRow, steps: Sequence[StepOfPlan], now: Now, *, at_once: bool
) -> dict[str, Any]:
    """Return a plan with its steps, its estimates in seconds and its end in ms; `at_once`: as its site's profile says.

    What it takes in all is `estimated_seconds`, what of that is left `left_seconds`; a plan that has ended has no end
    to come.
    """
    estimate = times.estimate(connection, plan.site, [each.step for each in steps])
    left = sum(seconds for each, seconds in zip(steps, estimate.each, strict=True) if not is_over(each))
    last = plan_wire.last_released(plan, steps)
    public = plan_wire.plan(plan, plan_wire.waits_for(plan, last))
    public |= {"estimated_seconds": round(estimate.seconds, 1), "left_seconds": round(left, 1)}
    if plan.is_open:
        begin_ms = max(now.wall_ms, plan.not_before_ms or 0)
        end_ms = begin_ms + round(left * 1000)
        public["estimated_end_ms"] = end_ms
        public["cautions"] = list(_cautions(connection, plan, estimate, (begin_ms, end_ms), at_once=at_once))
    public["steps"] = [
        plan_wire.step(each) | {"estimated_seconds": round(seconds, 1)}
        for each, seconds in zip(steps, estimate.each, strict=True)
    ]
    return public


def in_short(connection: Connection, plans: Sequence[PlanRow]) -> list[Mapping[str, Any]]:
    """Return plans without their steps, each with what it waits for."""
    return [plan_wire.plan(plan, plan_wire.waits_for(plan, _last(connection, plan))) for plan in plans]


def _last(connection: Connection, plan: PlanRow) -> StepOfPlan | None:
    return plan_queries.last_released(connection, plan) if plan.is_open and plan.released else None


def is_over(step: StepOfPlan) -> bool:
    """Whether a step was released and its job has ended, or is kept no more."""
    return step.step.job_ulid is not None and (step.phase is None or step.phase in OVER)


def _cautions(
    connection: Connection, plan: PlanRow, estimate: Estimate, span: tuple[int, int], *, at_once: bool
) -> Iterator[str]:
    """Yield in words what may keep a plan from its end, as far as that is known now."""
    begin_ms, end_ms = span
    if plan.until_ms is not None and end_ms > plan.until_ms:
        yield f"it takes about {round(estimate.seconds / 60)} min, longer than until its time is over"
    for other in reservations.between(connection, plan.site, begin_ms, max(end_ms, begin_ms + _FEW_MS)):
        if other.creator_id != plan.user_id and not plan.by_admin:
            yield f"{shown(other.creator)} has reserved the telescope meanwhile: it pauses when it comes there"
            break
    if beside := plan_queries.under_way(connection, plan.site, plan.id):
        yield f"plan {shown(beside.title)} of {shown(beside.user_name)} is under way: their steps mix"
    if at_once:
        yield "its steps are all released at once, as site.toml says"
    elif present.never_reports(connection, plan.site):
        yield (
            f"{shown(plan.site)} has said of none of its jobs what became of it: after its first step the plan waits"
            ' (plans = "at_once" in site.toml releases all steps at once)'
        )
