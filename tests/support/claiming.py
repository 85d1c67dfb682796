"""A site that takes its jobs with `claims`, and people who send them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs_server.client import ClaimedJob, Job, SiteClient
from jobs_server.client.job_loop import Claims

from .waiting import until

WHO: dict[str, Any] = {"user_name": "Vera", "user_id": "auth0|vera"}


def sends(client: SiteClient, seconds: float = 0, device: str = "camera", action: str = "expose") -> Job:
    return client.submit(device, f"{device}1", action, {"time": seconds}, **WHO)


def told(client: SiteClient, job: Job) -> list[str]:
    """What the history tells, without what the alternate queue says."""
    return [event.after for event in client.get(job).history if not event.alternate_queue and event.mark is None]


def ends_as(client: SiteClient, job: Job, status: str) -> str | None:
    """Wait until a job has a status, and give the message of its last event."""
    until(lambda: client.get(job).status == status)
    return client.get(job).history[-1].message


def take(client: SiteClient, ledger: Path, **options: Any) -> Claims:
    return client.claims(ledger, **{"wait_seconds": 0, "poll_seconds": 0.05, "look_seconds": 0.05} | options)


def take_some(claims: Claims, number: int, carry_out: Callable[[ClaimedJob], object] = lambda _job: None) -> list[str]:
    """Carry out so many jobs, and stop taking more."""
    done: list[str] = []
    with claims:
        while len(done) < number and (job := claims.next()) is not None:
            with job:
                done.append(job.ulid)
                carry_out(job)
    return done
