"""How a site takes and watches its jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .job import Job
from .running_job import ClaimedJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a site takes and watches its jobs; see `SiteClient.claims`."""

    on_stop: Callable[[ClaimedJob], object] | None
    on_lost: Callable[[list[Job]], object] | None
    beside: Callable[[Job, Job], bool] | None
    max_age_seconds: float | None
    abort_seconds: float
    wait_seconds: float
    poll_seconds: float
    look_seconds: float
    heartbeat_seconds: float
    alternate_queue: bool
    stops_apart: bool = True
