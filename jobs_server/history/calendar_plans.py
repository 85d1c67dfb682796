"""Plans as a site's calendar shows them: with their state, and honest about which of their times are estimates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clock import Now
from ..jobs import plan_queries
from ..jobs.calendar_files import PlanOfCalendar
from ..jobs.plan_rows import PAUSED, PlanRow
from ..storage.statement import Connection
from . import plan_views
from .plan_times import PlanTimes

MOST_OPEN, MOST_ENDED = 100, 200
_SHORTEST_MS = 60_000
"""An event that begins and ends at once is not shown by some programs."""
_AN_ESTIMATE = "Its end is an estimate, by how long such steps take."
_IF_IT_WENT_ON = "Nobody knows when it ends: it is drawn as if it went on now."


def of_site(
    connection: Connection, times: PlanTimes, site: str, now: Now, span_ms: tuple[int, int], *, at_once: bool
) -> list[PlanOfCalendar]:
    """Return the plans of a site that have not ended, and those that have ended, in a span of time.

    At most `MOST_OPEN` and `MOST_ENDED` of them; what goes on longer ends with the span. See `plan_views.whole`.
    """
    since_ms, until_ms = span_ms
    rows = plan_queries.of_site(connection, site, MOST_ENDED)
    going_on = [row for row in rows if row.is_open and (row.not_before_ms or 0) < until_ms][:MOST_OPEN]
    ended = [row for row in rows if not row.is_open and _ended_ms(row) >= since_ms]
    open_events = [_open(connection, times, row, now, at_once=at_once) for row in going_on]
    open_events = [each._replace(end_ms=min(each.end_ms, until_ms)) for each in open_events]
    return open_events + [_ended(row, now) for row in ended]


def _open(connection: Connection, times: PlanTimes, plan: PlanRow, now: Now, *, at_once: bool) -> PlanOfCalendar:
    steps = plan_queries.steps(connection, plan.id)
    public = plan_views.whole(connection, times, plan, steps, now, at_once=at_once)
    end = _IF_IT_WENT_ON if plan.state == PAUSED else _AN_ESTIMATE
    notes = (_sentence(plan.reason), _sentence(_waits(public)), end)
    whole = _event(plan, public["state"], public["estimated_end_ms"], now)
    return whole._replace(note=" ".join(filter(None, notes)), is_estimate=True)


def _ended(plan: PlanRow, now: Now) -> PlanOfCalendar:
    whole = _event(plan, plan.state, _ended_ms(plan), now)
    return whole._replace(note=_sentence(plan.reason), is_off=plan.state == "canceled" and not plan.released)


def _event(plan: PlanRow, state: str, end_ms: int, now: Now) -> PlanOfCalendar:
    begin_ms = max(plan.created_ms, plan.not_before_ms or 0)
    if not plan.is_open:
        begin_ms = min(begin_ms, end_ms)  # It may have been canceled before its time came.
    elif not plan.released:
        begin_ms = max(begin_ms, now.wall_ms)
    all_steps = "1 step" if plan.steps == 1 else f"{plan.steps} steps"
    how_far = f"step {plan.released} of {plan.steps}" if plan.released else all_steps
    return PlanOfCalendar(
        ulid=plan.ulid,
        title=plan.title,
        who=plan.user_name,
        state=f"{state}, {how_far}",
        note="",
        begin_ms=begin_ms,
        end_ms=max(end_ms, begin_ms + _SHORTEST_MS),
        changed_ms=plan.changed_ms,
        seen_ms=now.wall_ms if plan.is_open else plan.changed_ms,
        is_estimate=False,
        is_off=False,
    )


def _ended_ms(plan: PlanRow) -> int:
    return plan.ended_ms or plan.changed_ms


def _waits(public: Mapping[str, Any]) -> str:
    return f"waits for {public['waitsFor']}" if "waitsFor" in public else ""


def _sentence(text: str | None) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
