"""Plans and templates to public JSON: the only place that knows the wire's names of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from ..clock import END_MS, in_utc
from ..domain.lifecycle import OVER, Phase
from .plan_rows import RUNNING, PlanRow, StepOfPlan, TemplateRow


def plan(row: PlanRow, waits_for: str | None = None) -> dict[str, Any]:
    """Return a plan as an object, without its steps; `waits_for`: what it waits for in words, where it does."""
    public: dict[str, Any] = {
        "id": row.ulid,
        "site": row.site,
        "title": row.title,
        "user_id": row.user_id,
        "user_name": row.user_name,
        "state": "waiting" if row.state == RUNNING and not row.released else row.state,
        "step": row.released,
        "of": row.steps,
        "onFailure": row.on_failure,
        "repeat": row.repeated,
        "notBefore": _time(row.not_before_ms),
        "until": _time(row.until_ms),
        "created_ms": row.created_ms,
        "changed_ms": row.changed_ms,
        "revision": row.revision,
    }
    if not row.ulid:
        del public["id"]  # It was only checked.
    optional = {"reason": row.reason, "waitsFor": waits_for, "ulid": row.current_ulid, "ended_ms": row.ended_ms}
    return public | {key: value for key, value in optional.items() if value is not None}


def step(found: StepOfPlan) -> dict[str, Any]:
    """Return a step as an object; one that was released has the ulid of its job, and its status while it is kept."""
    row = found.step
    public: dict[str, Any] = {
        "step": row.position,
        "device": row.device,
        "instance": row.instance,
        "action": row.action,
        "required_params": orjson.Fragment(row.required_params),
        "optional_params": orjson.Fragment(row.optional_params),
    }
    if row.id:
        public["id"] = row.id
    if row.hold_ms:
        public["notBeforeSeconds"] = row.hold_ms / 1000
    if row.life_ms is not None:
        public["expiresInSeconds"] = row.life_ms / 1000
    if row.job_ulid is not None:
        public["ulid"] = row.job_ulid
    if found.status is not None:
        public["status"] = found.status
    return public


def waits_for(row: PlanRow, last: StepOfPlan | None) -> str | None:
    """Return in words what a running plan waits for; None when it does not run."""
    if row.state != RUNNING:
        return None
    if last is None or last.phase is None:
        return "its time" if row.not_before_ms is not None and not row.released else "its turn"
    number = f"step {last.step.position} ({last.step.action} of {last.step.device} {last.step.instance})"
    if last.phase == Phase.WAITING:
        return f"the site to take {number}"
    if last.phase in OVER:
        return "the calendar that says who holds the telescope"
    return f"the site to say that {number} has ended"


def template(row: TemplateRow) -> dict[str, Any]:
    """Return a template as an object."""
    return {
        "site": row.site,
        "name": row.name,
        "ofSite": not row.owner_id,
        row.kind: orjson.Fragment(row.content),
        "by": {"id": row.by_id, "name": row.by_name},
        "saved_ms": row.saved_ms,
    }


def last_released(row: PlanRow, steps: Sequence[StepOfPlan]) -> StepOfPlan | None:
    """Return the last step of a plan that was released; None where none was."""
    return steps[row.released - 1] if row.released else None


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else in_utc(min(time_ms, END_MS))
