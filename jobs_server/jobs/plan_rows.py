"""A plan, its steps and templates as they are read from the tables."""

from __future__ import annotations

from typing import NamedTuple

from pydantic_core import from_json

from ..domain.actors import Actor, Known

RUNNING, PAUSED = "running", "paused"
DONE, CANCELED, STOPPED = "done", "canceled", "stopped"
OPEN = (RUNNING, PAUSED)
"""The states of a plan that has not ended."""


class PlanRow(NamedTuple):
    """One row of the table `plan`; see `models.Plan`."""

    id: int
    ulid: str
    site: str
    title: str
    user_id: str
    user_name: str
    user_roles: str
    by_known: str
    by_admin: int
    on_failure: str
    repeated: int
    created_ms: int
    created_boot_ms: int
    not_before_ms: int | None
    until_ms: int | None
    state: str
    reason: str | None
    at_once: int
    steps: int
    released: int
    current_ulid: str | None
    revision: int
    number: int
    changed_ms: int
    ended_ms: int | None

    @property
    def owner(self) -> Actor:
        """Return whose plan it is, as they were known when they sent it: in their name steps are released."""
        roles = tuple(from_json(self.user_roles))
        return Actor(self.user_id, self.user_name, Known(self.by_known), roles, is_admin=bool(self.by_admin))

    @property
    def is_open(self) -> bool:
        """Whether the plan has not ended."""
        return self.state in OPEN


class StepRow(NamedTuple):
    """One row of the table `plan_step`; see `models.PlanStep`."""

    id: int
    plan_id: int
    position: int
    device: str
    instance: str
    action: str
    required_params: str
    optional_params: str
    hold_ms: int
    life_ms: int | None
    job_ulid: str | None


class StepOfPlan(NamedTuple):
    """A step, and how its job stands on the queue that everybody reads; none while there is no job, or no more."""

    step: StepRow
    status: str | None
    phase: str | None


class TemplateRow(NamedTuple):
    """One row of the table `template`; see `models.Template`."""

    id: int
    site: str
    owner_id: str
    name: str
    kind: str
    content: str
    by_id: str
    by_name: str
    saved_ms: int
