"""Every write to a job: submit, claim, report.

Operations take a connection inside a transaction, a checked command, the actor and the time; each change of a job
writes its event in the same transaction. The database decides: one conditional statement each, no select-then-update.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from pydantic_core import to_json
from sqlalchemy import Update, bindparam, case, func, insert, or_, select, update
from ulid import ULID

from . import queries
from .actors import Actor
from .commands import StartJob, SubmitJob, UpdateStatus
from .db import Connection, Statement
from .errors import Conflict, NotFound
from .lifecycle import (
    CANCELED,
    RECEIVED,
    STARTED,
    STEPS,
    UNREAD,
    Phase,
    Queue,
    Report,
    classify,
    is_stop,
    same_status,
    stop_covers_site,
)
from .models import Job, JobEvent
from .queries import JOB, PHASE, STATUS, WAITING, JobRow, literal


def submit(connection: Connection, command: SubmitJob, actor: Actor, now_ms: int, *, stop_scope: str) -> JobRow:
    """Queue a job; a stop command first cancels the waiting jobs that it covers (contract, Stop commands).

    `stop_scope` is the setting of that name: `device` or `site`.
    """
    if is_stop(command.action, command.required_params):
        _cancel_covered(connection, command, actor, now_ms, stop_scope)
    last_ulid, newest_waiting_ms = connection.rows(_LAST, site=command.site)[0]
    values = {
        "ulid": next_ulid(last_ulid, now_ms),
        "site": command.site,
        "device": command.device,
        "instance": command.instance,
        "action": command.action,
        "required_params": to_json(command.required_params).decode(),
        "optional_params": to_json(command.optional_params).decode(),
        "user_name": actor.name,
        "user_id": actor.id,
        "user_roles": to_json(actor.roles).decode(),
        "timestamp_ms": max(now_ms, newest_waiting_ms or 0),
        "status": UNREAD,
        "phase": Phase.WAITING.value,
        "replica_status": UNREAD,
        "replica_phase": Phase.WAITING.value,
        "seconds_until_complete": None,
    }
    (job_id,) = connection.rows(_INSERT, **values)[0]
    job = JobRow(id=job_id, **values)  # type: ignore[arg-type]
    _record(connection, [job], Queue.PRIMARY, UNREAD, actor, now_ms)
    return job


def claim(connection: Connection, site: str, queue: Queue, actor: Actor, now_ms: int) -> list[JobRow]:
    """Hand over a site's waiting jobs, oldest first, and mark them received.

    The rows show the status they now have; the wire shows the one they were read with.
    """
    jobs = sorted((JobRow._make(row) for row in connection.rows(_CLAIM[queue], site=site)), key=lambda job: job.ulid)
    _record(connection, jobs, queue, RECEIVED, actor, now_ms)
    return jobs


def start(connection: Connection, command: StartJob, actor: Actor, now_ms: int) -> JobRow:
    """Note that a job has begun; see `report`."""
    as_report = UpdateStatus(
        site=command.site,
        ulid=command.ulid,
        status=STARTED,
        seconds_until_complete=command.seconds_until_complete,
        alternate_queue=command.alternate_queue,
    )
    return report(connection, as_report, actor, now_ms)


def report(connection: Connection, command: UpdateStatus, actor: Actor, now_ms: int) -> JobRow:
    """Note what a site says of a job; the report of an end already noted changes nothing.

    Raises NotFound when the site has no such job, Conflict when the job's life allows no such step.
    """
    queue = Queue.ALTERNATE if command.alternate_queue else Queue.PRIMARY
    kind = classify(command.status)
    row = kind and connection.row(
        _REPORT[queue, kind],
        site=command.site,
        ulid=command.ulid,
        new_status=command.status,
        seconds=command.seconds_until_complete,
    )
    if not row:
        return _already_said(connection, command, queue)
    job = JobRow._make(row)
    _record(connection, [job], queue, command.status, actor, now_ms)
    return job


def next_ulid(last: str | None, now_ms: int) -> str:
    """Draw a ULID above the last one, whatever the clock says (ULID specification, Monotonicity)."""
    drawn = ULID.from_bytes(now_ms.to_bytes(6, "big") + secrets.token_bytes(10))
    if last is not None and str(drawn) <= last:
        return str(ULID.from_int(int(ULID.from_str(last)) + 1))
    return str(drawn)


def _already_said(connection: Connection, command: UpdateStatus, queue: Queue) -> JobRow:
    """Answer a report that moved nothing: a retry of the end that stands is fine, everything else is refused."""
    job = queries.job(connection, command.site, command.ulid)
    if job is None:
        raise NotFound(f"Error: site {command.site} has no job {command.ulid}")
    status, phase = (job.status, job.phase) if queue is Queue.PRIMARY else (job.replica_status, job.replica_phase)
    if phase == Phase.ENDED and same_status(status, command.status):
        return job
    raise Conflict(f"Error: job {job.ulid} is {status} and cannot become {command.status}")


def _cancel_covered(connection: Connection, command: SubmitJob, actor: Actor, now_ms: int, stop_scope: str) -> None:
    whole_site = stop_scope == "site" or stop_covers_site(command.device, command.instance, command.action)
    for queue in Queue:
        if whole_site:
            rows = connection.rows(_CANCEL_SITE[queue], site=command.site)
        else:
            rows = connection.rows(
                _CANCEL_DEVICE[queue], site=command.site, device=command.device, instance=command.instance
            )
        jobs = [JobRow._make(row) for row in rows]
        _record(connection, jobs, queue, CANCELED, actor, now_ms, message=f"canceled by {command.action}")


def _record(
    connection: Connection,
    jobs: Iterable[JobRow],
    queue: Queue,
    status: str,
    actor: Actor,
    now_ms: int,
    message: str | None = None,
) -> None:
    events = [
        {
            "job_id": job.id,
            "site": job.site,
            "at_ms": now_ms,
            "queue": queue.value,
            "status": status,
            "seconds_until_complete": job.seconds_until_complete,
            "actor_known": actor.known.value,
            "actor_id": actor.id,
            "message": message,
        }
        for job in jobs
    ]
    if events:
        connection.run_many(_EVENT, events)


def _to_phase(phase: Phase, status: str, queue: Queue) -> Update:
    return update(Job).values({PHASE[queue]: phase.value, STATUS[queue]: status})


def _claim(queue: Queue) -> Statement:
    step = _to_phase(Phase.RECEIVED, RECEIVED, queue)
    return Statement(step.where(Job.site == bindparam("site"), PHASE[queue] == WAITING).returning(*JOB))


def _cancel(queue: Queue, *, device_only: bool) -> Statement:
    step = _to_phase(Phase.WITHDRAWN, CANCELED, queue).where(Job.site == bindparam("site"), PHASE[queue] == WAITING)
    if device_only:
        step = step.where(Job.device == bindparam("device"), Job.instance == bindparam("instance"))
    return Statement(step.returning(*JOB))


def _report(queue: Queue, kind: Report) -> Statement:
    """Write the step of `lifecycle.STEPS` as one statement: it changes nothing where the table allows nothing."""
    phase = PHASE[queue]
    steps = [(phase == literal(before), literal(after)) for before, after in STEPS[kind].items()]
    step = (
        update(Job)
        .where(Job.ulid == bindparam("ulid"), Job.site == bindparam("site"), or_(*(may for may, _ in steps)))
        .values(
            {
                phase: case(*steps),
                STATUS[queue]: bindparam("new_status"),
                Job.seconds_until_complete: bindparam("seconds"),
            }
        )
    )
    return Statement(step.returning(*JOB))


_LAST = Statement(
    select(
        select(func.max(Job.ulid)).scalar_subquery(),
        select(Job.timestamp_ms)
        .where(Job.site == bindparam("site"), Job.phase == WAITING)
        .order_by(Job.ulid.desc())
        .limit(1)
        .scalar_subquery(),
    )
)
_INSERT = Statement(
    insert(Job).values({name: bindparam(name) for name in JobRow._fields if name != "id"}).returning(Job.id)
)
_EVENT = Statement(
    insert(JobEvent).values(
        {
            name: bindparam(name)
            for name in (
                *("job_id", "site", "at_ms", "queue", "status"),
                *("seconds_until_complete", "actor_known", "actor_id", "message"),
            )
        }
    )
)
_CLAIM = {queue: _claim(queue) for queue in Queue}
_CANCEL_SITE = {queue: _cancel(queue, device_only=False) for queue in Queue}
_CANCEL_DEVICE = {queue: _cancel(queue, device_only=True) for queue in Queue}
_REPORT = {(queue, kind): _report(queue, kind) for queue in Queue for kind in Report}
