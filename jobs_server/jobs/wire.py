"""Rows to public JSON: the only place that knows the wire's names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from ..clock import in_utc
from ..domain.lifecycle import UNREAD, Queue
from ..domain.results import Merged
from .rows import EventRow, JobRow, ListedJob, in_a_list

_PIECE_BYTES = 64 * 1024

if TYPE_CHECKING:  # What writes rows needs none of the SQL that reads them.
    from .events import EventOfJob
    from .lockouts import LockoutRow
    from .pauses import PauseRow
    from .reservations import ReservationRow


def job(row: JobRow, queue: Queue = Queue.PRIMARY) -> bytes:
    """Write one job, with its estimate and the request to cancel it as they stand on a queue."""
    return orjson.dumps(_job(row) if queue is Queue.PRIMARY else _job_on_alternate(row))


def jobs(rows: Iterable[ListedJob]) -> bytes:
    """Write a bare list of jobs."""
    return orjson.dumps([_listed(*row) for row in rows])


def handed_over(rows: Iterable[JobRow], queue: Queue) -> bytes:
    """Write jobs as a poll returns them: with the status they were read with, as the documented example shows."""
    of, status = (_job, "statusId") if queue is Queue.PRIMARY else (_job_on_alternate, "replicaStatusId")
    found = [of(row) for row in rows]
    for public in found:
        public[status] = f"{UNREAD}#{public['ulid']}"
    return orjson.dumps(found)


def joined(lists: Iterable[bytes]) -> Iterator[bytes]:
    """Write lists as one list, piece by piece; no list is asked for before the one before it was sent."""
    separator = b"["
    for written in lists:
        yield separator
        yield from _pieces(written)
        separator = b","
    yield b"[]" if separator == b"[" else b"]"


def _pieces(written: bytes) -> Iterator[bytes]:
    """Part a list, without the brackets around it: a server that sends piece by piece makes a copy of each."""
    end = len(written) - 1
    for begin in range(1, end, _PIECE_BYTES):
        yield written[begin : min(begin + _PIECE_BYTES, end)]


def job_object(row: JobRow) -> dict[str, Any]:
    """Return one job as an object of plain values, for programs that go on from it."""
    return json.loads(job(row))  # type: ignore[no-any-return]  # Here orjson would make floats of long integers.


def job_with_history(
    row: JobRow,
    events: Iterable[EventRow],
    usual_life_seconds: float | None = None,
    queue: Queue = Queue.PRIMARY,
) -> bytes:
    """Write one job, as it stands on a queue, and all that happened to it on both, oldest first.

    Beside a usual time to live, in seconds, the job's own is written where it differs, and how long it was held back.
    """
    own = {} if usual_life_seconds is None else _own_times(row, round(usual_life_seconds * 1000))
    public = _job(row) if queue is Queue.PRIMARY else _job_on_alternate(row)
    whole = Merged()
    public |= own | {"history": list(_history(whole.through(events), _unread()))}
    if whole.text is not None:
        public["result"] = orjson.Fragment(whole.text)
    return orjson.dumps(public)


def job_with_long_history(
    row: JobRow,
    pages: Iterable[list[EventRow]],
    usual_life_seconds: float | None = None,
    queue: Queue = Queue.PRIMARY,
) -> Iterator[bytes]:
    """Write the same piece by piece, for a history of any length."""
    before, whole = _unread(), Merged()
    yield job_with_history(row, (), usual_life_seconds, queue).removesuffix(b"[]}")
    yield from joined(orjson.dumps(list(_history(whole.through(events), before))) for events in pages)
    yield b"}" if whole.text is None else b',"result":%b}' % whole.text.encode()


def _own_times(row: JobRow, usual_life_ms: int) -> dict[str, float]:
    life_ms = row.expires_after_ms - row.hold_ms
    own = {"expiresInSeconds": life_ms / 1000} if life_ms != usual_life_ms else {}
    return own | ({"notBeforeSeconds": row.hold_ms / 1000} if row.hold_ms else {})


def event_object(row: EventRow, before: str | None = None) -> dict[str, Any]:
    """Return one event of a job's history; `before` is the status that it left."""
    public: dict[str, Any] = {
        "timestamp_ms": row.at_ms,
        "from": before,
        "to": row.status,
        "by": {"id": row.actor_id, "name": row.actor_name, "known": row.actor_known},
        "alternateQueue": row.queue == Queue.ALTERNATE.value,
    }
    if row.seconds_until_complete is not None:
        public["secondsUntilComplete"] = row.seconds_until_complete
    if row.message is not None:
        public["message"] = row.message
    if row.mark is not None:
        public["mark"] = row.mark
    if row.result is not None:
        public["result"] = orjson.Fragment(row.result)
    if row.edit is not None:
        public["edit"] = orjson.Fragment(row.edit)
    return public


def change(row: EventOfJob) -> bytes:
    """Write one event as the stream carries it: the job as of the event, and the event itself."""
    public = _job(row.job) | {"event": event_object(row.event, row.before)}
    if row.result is not None:
        public["result"] = orjson.Fragment(row.result)
    return message("jobs", row.job.site, public)


def message(topic: str, site: str, data: object) -> bytes:
    """Write one message of the stream."""
    return orjson.dumps({"topic": topic, "site": site, "data": data})


def lockout(row: LockoutRow) -> dict[str, Any]:
    """Return one lock-out as an object of plain values."""
    return _hold(row, "lifted", row.lifted_ms, (row.lifted_by_id, row.lifted_by_name, row.lifted_by_known))


def lockouts(site: str, rows: Sequence[LockoutRow]) -> bytes:
    """Write the lock-out in force at a site, and those before it, newest first."""
    now = next((lockout(row) for row in rows if row.lifted_ms is None), None)
    return orjson.dumps({"site": site, "lockout": now, "history": [lockout(row) for row in rows]})


def lifted(row: LockoutRow, canceled: int) -> bytes:
    """Write a lock-out that was lifted, and how many jobs were canceled with it."""
    return orjson.dumps({"lockout": lockout(row), "canceled": canceled})


def pause(row: PauseRow) -> dict[str, Any]:
    """Return one pause of a queue as an object of plain values."""
    return _hold(row, "resumed", row.resumed_ms, (row.resumed_by_id, row.resumed_by_name, row.resumed_by_known))


def _hold(
    row: LockoutRow | PauseRow, ended: str, ended_ms: int | None, by: tuple[str | None, str | None, str | None]
) -> dict[str, Any]:
    public: dict[str, Any] = {
        "site": row.site,
        "since_ms": row.since_ms,
        "note": row.note,
        "by": {"id": row.by_id, "name": row.by_name, "known": row.by_known},
    }
    if ended_ms is not None:
        public |= {f"{ended}_ms": ended_ms, f"{ended}By": dict(zip(("id", "name", "known"), by, strict=True))}
    return public


def reservation(row: ReservationRow) -> dict[str, Any]:
    """Return a reservation under the names of the public calendar service; its project's priority where one is said."""
    priority = {"project_priority": row.project_priority} if row.project_priority else {}
    return {
        "event_id": row.event_id,
        "start": in_utc(row.start_ms),
        # One that was kept when less than a second was taken would begin and end at once, and could not come back.
        "end": in_utc(max(row.end_ms, row.start_ms + 1000)),
        "creator": row.creator,
        "creator_id": row.creator_id,
        "site": row.site,
        "title": row.title,
        "reservation_type": row.reservation_type,
        "resourceId": row.resource_id,
        "project_id": row.project_id,
        "reservation_note": row.note,
        "origin": row.origin,
        "last_modified": in_utc(row.last_modified_ms),
        **priority,
    }


def _unread() -> dict[int, str | None]:
    """Return by queue the status that a job's first event left."""
    return {Queue.PRIMARY.value: None, Queue.ALTERNATE.value: UNREAD}


def _history(events: Iterable[EventRow], before: dict[int, str | None]) -> Iterator[dict[str, Any]]:
    for event in events:
        yield event_object(event, before[event.queue])
        before[event.queue] = event.status


def _job(row: JobRow) -> dict[str, Any]:
    return _listed(*in_a_list(row))


def _job_on_alternate(row: JobRow) -> dict[str, Any]:
    """Return a job for whoever speaks of the alternate queue: with the estimate and the request to cancel there."""
    there = row._replace(
        seconds_until_complete=row.replica_seconds_until_complete, cancel_requested=row.replica_cancel_requested
    )
    return _job(there)


def _listed(
    _id: int,
    site: str,
    ulid: str,
    status: str,
    replica_status: str,
    user_name: str,
    user_id: str,
    user_roles: str,
    timestamp_ms: int,
    device: str,
    instance: str,
    action: str,
    required_params: str,
    optional_params: str,
    seconds_until_complete: int | None,
    cancel_requested: int,
    plan: str | None,
) -> dict[str, Any]:
    """Return the object of a `ListedJob`, whose columns come one by one: a list has hundreds of them to look up."""
    public: dict[str, Any] = {
        "site": site,
        "ulid": ulid,
        "statusId": f"{status}#{ulid}",
        "replicaStatusId": f"{replica_status}#{ulid}",
        "user_name": user_name,
        "user_id": user_id,
        "user_roles": orjson.Fragment(user_roles),
        "timestamp_ms": timestamp_ms,
        "deviceType": device,
        "deviceInstance": instance,
        "action": action,
        "required_params": orjson.Fragment(required_params),
        "optional_params": orjson.Fragment(optional_params),
    }
    if seconds_until_complete is not None:
        public["secondsUntilComplete"] = seconds_until_complete
    if cancel_requested:
        public["cancelRequested"] = True
    if plan is not None:
        public["plan"] = orjson.Fragment(plan)
    return public
