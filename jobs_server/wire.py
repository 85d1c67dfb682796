"""Rows to public JSON: the only place that knows the wire's names (contract, part 1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from .lifecycle import UNREAD, Queue
from .queries import EventRow, JobRow


def job(row: JobRow) -> bytes:
    """Write one job."""
    return orjson.dumps(_job(row))


def jobs(rows: Iterable[JobRow]) -> bytes:
    """Write a bare list of jobs."""
    return orjson.dumps([_job(row) for row in rows])


def handed_over(rows: Iterable[JobRow], queue: Queue) -> bytes:
    """Write jobs as a poll returns them: with the status they were read with, as the documented example shows."""
    before = {"status": UNREAD} if queue is Queue.PRIMARY else {"replica_status": UNREAD}
    return jobs(row._replace(**before) for row in rows)  # type: ignore[arg-type]


def job_pages(pages: Iterable[list[JobRow]]) -> Iterator[bytes]:
    """Write a list of any length piece by piece."""
    separator = b"["
    for page in pages:
        yield separator + jobs(page)[1:-1]
        separator = b","
    yield b"[]" if separator == b"[" else b"]"


def job_object(row: JobRow) -> dict[str, Any]:
    """Give one job as an object of plain values, for programs that go on from it."""
    return orjson.loads(job(row))  # type: ignore[no-any-return]


def event_object(row: EventRow) -> dict[str, Any]:
    """Give one event of a job's history as an object of plain values."""
    return {
        "timestamp_ms": row.at_ms,
        "queue": Queue(row.queue).name.lower(),
        "status": row.status,
        "secondsUntilComplete": row.seconds_until_complete,
        "by": row.actor_known,
        "by_id": row.actor_id,
        "message": row.message,
    }


def _job(row: JobRow) -> dict[str, Any]:
    public: dict[str, Any] = {
        "site": row.site,
        "ulid": row.ulid,
        "statusId": f"{row.status}#{row.ulid}",
        "replicaStatusId": f"{row.replica_status}#{row.ulid}",
        "user_name": row.user_name,
        "user_id": row.user_id,
        "user_roles": orjson.Fragment(row.user_roles),
        "timestamp_ms": row.timestamp_ms,
        "deviceType": row.device,
        "deviceInstance": row.instance,
        "action": row.action,
        "required_params": orjson.Fragment(row.required_params),
        "optional_params": orjson.Fragment(row.optional_params),
    }
    if row.seconds_until_complete is not None:
        public["secondsUntilComplete"] = row.seconds_until_complete
    return public
