"""A job and its events as they are read from the tables. It loads nothing of SQLAlchemy: some commands need none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

from ..domain.lifecycle import Queue


class QueueState(NamedTuple):
    """How a job stands on one queue."""

    status: str
    phase: str
    claim_id: str | None
    seconds_until_complete: int | None
    cancel_requested: int
    against_label: int


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
    plan: str | None
    until_after_ms: int | None
    seconds_until_complete: int | None
    cancel_requested: int
    against_label: int
    status: str
    phase: str
    claim_id: str | None
    replica_status: str
    replica_phase: str
    replica_claim_id: str | None
    covers_site: int
    replica_seconds_until_complete: int | None
    replica_cancel_requested: int
    replica_against_label: int
    rank: str

    def state(self, queue: Queue) -> QueueState:
        """Return how the job stands on one queue."""
        if queue is Queue.PRIMARY:
            return QueueState(
                *(self.status, self.phase, self.claim_id),
                *(self.seconds_until_complete, self.cancel_requested, self.against_label),
            )
        return QueueState(
            *(self.replica_status, self.replica_phase, self.replica_claim_id),
            *(self.replica_seconds_until_complete, self.replica_cancel_requested, self.replica_against_label),
        )


class ListedJob(NamedTuple):
    """What a list says of a job: those columns of a `JobRow` that the wire names, which are half as many to read."""

    id: int
    site: str
    ulid: str
    status: str
    replica_status: str
    user_name: str
    user_id: str
    user_roles: str
    timestamp_ms: int
    device: str
    instance: str
    action: str
    required_params: str
    optional_params: str
    seconds_until_complete: int | None
    cancel_requested: int
    plan: str | None


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
    result: str | None = None
    edit: str | None = None


# `_make` looks at each row's length.
_job_row: Callable[[Sequence[Any]], JobRow] = partial(tuple.__new__, JobRow)
_listed_job: Callable[[Sequence[Any]], ListedJob] = partial(tuple.__new__, ListedJob)
in_a_list: Callable[[JobRow], Sequence[Any]] = itemgetter(*map(JobRow._fields.index, ListedJob._fields))
"""Return what a list says of a job: the columns of a `ListedJob`."""


def job_rows(rows: Iterable[Sequence[Any]]) -> list[JobRow]:
    """Return the jobs of a statement's rows."""
    return list(map(_job_row, rows))


def listed_jobs(rows: Iterable[Sequence[Any]]) -> list[ListedJob]:
    """Return the jobs of a statement's rows, whose columns are those of a `ListedJob`."""
    return list(map(_listed_job, rows))


def event_rows(rows: Iterable[Sequence[Any]]) -> list[EventRow]:
    """Return the events of a statement's rows."""
    return [EventRow._make(row) for row in rows]
