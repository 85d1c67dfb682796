"""Rows of jobs and of their events, for those who read them and those who show them; no SQL and no SQLAlchemy."""

from __future__ import annotations

from typing import NamedTuple

from ..domain.lifecycle import Queue


class JobRow(NamedTuple):
    """One row of the table `job`; see `models.Job`."""

    id: int
    ulid: str
    site: str
    device: str
    instance: str
    action: str
    required_params: str
    optional_params: str
    user_name: str
    user_id: str
    user_roles: str
    is_stop: int
    timestamp_ms: int
    accepted_ms: int
    accepted_boot_ms: int
    hold_ms: int
    expires_after_ms: int
    seconds_until_complete: int | None
    cancel_requested: int
    against_label: int
    status: str
    phase: str
    claim_id: str | None
    replica_status: str
    replica_phase: str
    replica_claim_id: str | None

    def standing(self, queue: Queue) -> Standing:
        """Tell how the job stands on one queue."""
        if queue is Queue.PRIMARY:
            return Standing(self.status, self.phase, self.claim_id)
        return Standing(self.replica_status, self.replica_phase, self.replica_claim_id)


class Standing(NamedTuple):
    """How a job stands on one queue."""

    status: str
    phase: str
    claim_id: str | None


class EventRow(NamedTuple):
    """One row of the table `job_event`; see `models.JobEvent`."""

    seq: int
    at_ms: int
    queue: int
    status: str
    seconds_until_complete: int | None
    actor_known: str
    actor_id: str
    actor_name: str
    message: str | None
    mark: str | None
