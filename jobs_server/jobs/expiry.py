"""The labels that the server itself puts on jobs: EXPIRED on what is too old to run, LOST on what fell silent.

A label stops nothing by itself: what is too old is not handed over and does not pass the fence, labelled or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..clock import Now
from ..config import Settings
from ..domain.actors import SERVER
from ..domain.lifecycle import EXPIRED, LOST, Phase, Queue
from ..storage.statement import Connection
from . import statements
from .operations import Event, record
from .rows import job_rows
from .statements import Label

_BATCH = 500


def sites_to_expire(connection: Connection, now: Now, started: Now, settings: Settings) -> list[str]:
    """List the sites at which `expire` would change something, without writing."""
    values = _values(now, started, settings)
    return sorted({row[0] for label, *_ in _steps(settings) for row in connection.rows(label.sites, **values)})


def expire(connection: Connection, site: str, now: Now, started: Now, settings: Settings) -> int:
    """Label what is too old or silent at a site; return how many jobs that were.

    `started` is when this server began to serve: silence before that is not the site's fault.
    """
    values = _values(now, started, settings) | {"site": site}
    count = 0
    for label, queue, status, message in _steps(settings):
        jobs = job_rows(connection.rows(label.step, **values))
        count += len(jobs)
        if message is not None:
            record(connection, jobs, Event(queue, status, message=message), SERVER, now)
    return count


def give_up(connection: Connection, now: Now, reason: str) -> int:
    """End at most a batch of unfinished jobs, for a reason that stands in their history; return how many, 0 at the end.

    For a database that was restored: what was to be done when it was backed up must not be done now.
    """
    count = 0
    for queue in Queue:
        jobs = job_rows(connection.rows(statements.GIVE_UP[queue], count=_BATCH))
        count += len(jobs)
        # On the alternate queue what waited ends in silence, as it always does.
        known = [job for job in jobs if queue is Queue.PRIMARY or job.replica_phase == Phase.LABELLED]
        record(connection, known, Event(queue, EXPIRED, message=reason), SERVER, now)
    return count


def _steps(settings: Settings) -> Iterator[tuple[Label, Queue, str, str | None]]:
    """List the labels, each with its queue, its status and its message; a label without a message is put in silence."""
    too_late = f"was handed over and not started within {settings.start_within_seconds} seconds"
    for queue in Queue:
        # Most sites never read the alternate queue: that nobody took a job from it is no news.
        waited = "waited too long to be handed over" if queue is Queue.PRIMARY else None
        yield statements.EXPIRE_WAITING[queue], queue, EXPIRED, waited
        yield statements.EXPIRE_CLAIMED[queue], queue, EXPIRED, too_late
        yield statements.EXPIRE_WITH_PLAN[queue], queue, EXPIRED, "was not started before its plan's time was over"
        yield statements.LOSE[queue], queue, LOST, "no word from the site past its own estimate"


def _values(now: Now, started: Now, settings: Settings) -> dict[str, Any]:
    return {
        **now._asdict(),
        "started_boot_ms": started.boot_ms,
        "start_within_ms": settings.start_within_seconds * 1000,
        "grace_ms": settings.lost_after_seconds * 1000,
        "silent_start_ms": settings.silent_start_seconds * 1000,
    }
