"""What people change of jobs that wait: their place in the order, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import orjson
from pydantic_core import from_json, to_json
from sqlalchemy import bindparam, select, update

from ..clock import Now
from ..domain.actors import Actor, Known
from ..domain.lifecycle import UNREAD, Mark, Phase, Queue, is_stop
from ..domain.queue_commands import FIRST, LAST, EditJob, MoveJob
from ..errors import BadRequest, Conflict, Fault, Forbidden, shown
from ..storage.models import Job
from ..storage.statement import Connection, Statement
from . import admission, operations, places, reservations
from .places import Place
from .reservations import Held
from .rows import JobRow
from .sql import JOB, ZERO, in_phase, older_than
from .statements import BY_ULID

EDITED = ("required_params", "optional_params", "instance")
"""What an edit may change, by the names of the columns."""

_WAITS = (
    BY_ULID,
    *(in_phase(queue, Phase.WAITING) for queue in Queue),
    ~older_than(Job.accepted_ms, Job.accepted_boot_ms, Job.expires_after_ms),
)
_STILL_WAITS = Statement(select(*JOB).where(*_WAITS))
_MOVE = Statement(
    update(Job).where(*_WAITS, Job.is_stop == ZERO).values(rank=bindparam("new_rank"), is_next=ZERO).returning(*JOB)
)
_EDIT = Statement(
    update(Job).where(*_WAITS).values({name: bindparam(f"new_{name}") for name in EDITED}).returning(*JOB)
)


def move(connection: Connection, command: MoveJob, actor: Actor, now: Now, held: Sequence[Held] | None) -> JobRow:
    """Move a job that waits in the order; to where it is already, nothing changes.

    `held` is who holds the telescope, None: as the calendar here says. Raises NotFound; Unauthorized and Forbidden
    (`check_may`); BadRequest for a stop command, Conflict when the job or the one to go before was handed over, or a
    stop command would have to be overtaken.
    """
    job = operations.found(connection, command.site, command.ulid)
    check_may(connection, job, actor, now, held)
    if job.is_stop:
        sentence = "ulid must be that of a job that is no stop command: stops go before all others already"
        raise BadRequest(f"Error: {sentence}", [Fault("ulid", sentence)])
    _check_waits(connection, job, now)
    if command.to == job.ulid:
        return job
    find, message = _where(connection, command, job)
    if job.rank in find():
        return job  # It is there.
    rank = places.free_rank(connection, job.site, find)
    moved = _one(connection.row(_MOVE, site=job.site, ulid=job.ulid, new_rank=rank, **now._asdict()), job)
    operations.record(connection, [moved], _event(Mark.MOVED, message), actor, now)
    return moved


def edit(connection: Connection, command: EditJob, actor: Actor, now: Now, held: Sequence[Held] | None) -> JobRow:
    """Change what a job asks for that waits; its history keeps both.

    Raises as `move` does, and BadRequest where it would make or unmake a stop command, or change what one stops.
    """
    job = operations.found(connection, command.site, command.ulid)
    check_may(connection, job, actor, now, held)
    new = _as_edited(job, command)
    _check_waits(connection, job, now)
    changed = [name for name in EDITED if getattr(job, name) != getattr(new, name)]
    if not changed:
        return job
    values = {f"new_{name}": getattr(new, name) for name in EDITED}
    edited = _one(connection.row(_EDIT, site=job.site, ulid=job.ulid, **values, **now._asdict()), job)
    both = {"from": _shown(job, changed), "to": _shown(edited, changed)}
    event = _event(Mark.EDITED, f"changed {' and '.join(changed)}", orjson.dumps(both).decode())
    operations.record(connection, [edited], event, actor, now)
    return edited


def check_may(connection: Connection, job: JobRow, actor: Actor, now: Now, held: Sequence[Held] | None) -> None:
    """Refuse who may not change a job that waits.

    While somebody holds the telescope, holders and admins may; else the job's owner and admins, and anybody where no
    sign-in says who asks. Raises Unauthorized, Forbidden.
    """
    found = reservations.holders(connection, job.site, now) if held is None else list(held)
    reservations.refuse_others(found, job.site, actor)
    if found or actor.known is not Known.SIGNED_IN or actor.is_admin or actor.id == job.user_id:
        return
    raise Forbidden(f"Error: this job is {shown(job.user_name)}'s; only they, admins and holders may change it")


def _where(connection: Connection, command: MoveJob, job: JobRow) -> tuple[Callable[[], Place], str]:
    """Return what finds the place that a move names, and the move in words. Raises NotFound, Conflict."""
    if command.to == FIRST:
        return partial(places.first, connection, job.site), "moved to the front"
    if command.to == LAST:
        return partial(places.last, connection, job.site), "moved to the end"
    other = operations.found(connection, job.site, command.to)
    _check_may_go_before(connection, job, other)

    def before() -> Place:
        return places.before(connection, job.site, operations.found(connection, job.site, other.ulid).rank)

    return before, f"moved before {shown(other.action)} of {shown(other.device)} ({other.ulid})"


def _check_may_go_before(connection: Connection, job: JobRow, other: JobRow) -> None:
    if other.phase != Phase.WAITING:
        raise Conflict(f"Error: job {other.ulid} is {shown(other.status)} and waits no more; nothing goes before it")
    stop = other.ulid if other.is_stop else places.stop_between(connection, job.site, other.rank, job.rank)
    if stop is not None:
        raise Conflict(f"Error: the stop command {stop} waits, and no job is moved before a stop")


def _check_waits(connection: Connection, job: JobRow, now: Now) -> None:
    """Refuse what does not wait on both queues, or waited too long. Raises Conflict."""
    for queue in Queue:
        state = job.state(queue)
        if state.phase != Phase.WAITING:
            there = " on the alternate queue" if queue is Queue.ALTERNATE else ""
            raise Conflict(
                f"Error: job {job.ulid} is {shown(state.status)}{there}; only what waits can be moved or changed"
            )
    _one(connection.row(_STILL_WAITS, site=job.site, ulid=job.ulid, **now._asdict()), job)


def _one(row: tuple[Any, ...] | None, job: JobRow) -> JobRow:
    """Return the job of a row of what waits. Raises Conflict where there is none."""
    if row is None:
        raise Conflict(f"Error: job {job.ulid} waited too long and is not handed over any more; send it again")
    return JobRow._make(row)


def _as_edited(job: JobRow, command: EditJob) -> JobRow:
    """Return a job as an edit asks for it. Raises BadRequest where that is none, or not the same kind of command."""
    if all(getattr(command, name) is None for name in EDITED):
        sentence = "required_params, optional_params or instance must say what is to be changed"
        raise BadRequest(f"Error: {sentence}", [Fault(name, sentence) for name in EDITED])
    new = job._replace(
        required_params=_text(command.required_params, job.required_params),
        optional_params=_text(command.optional_params, job.optional_params),
        instance=job.instance if command.instance is None else command.instance,
    )
    if is_stop(new.action, from_json(new.required_params)) != bool(job.is_stop):
        deed = "take from this stop command that it stops" if job.is_stop else "make a stop command of this job"
        way = "cancel it" if job.is_stop else "send the stop by itself"
        sentence = f"required_params would {deed}, which no edit may; {way}"
        raise BadRequest(f"Error: {sentence}", [Fault("required_params", sentence)])
    if job.is_stop:
        _check_stop(job, new)
    return new


def _text(params: dict[str, Any] | None, before: str) -> str:
    return before if params is None else to_json(params).decode()


def _check_stop(job: JobRow, new: JobRow) -> None:
    if new.instance != job.instance:
        sentence = "instance of a stop command stays as it is: what it stops was decided when it was sent"
        raise BadRequest(f"Error: {sentence}", [Fault("instance", sentence)])
    admission.check_stop_bytes(new.required_params, new.optional_params)


def _shown(job: JobRow, names: Sequence[str]) -> dict[str, object]:
    """Return columns of a job as JSON has them: parameters as they are kept."""
    return {
        name: job.instance if name == "instance" else orjson.Fragment(getattr(job, name).encode()) for name in names
    }


def _event(mark: Mark, message: str, changed: str | None = None) -> operations.Event:
    return operations.Event(Queue.PRIMARY, UNREAD, message=message, mark=mark, edit=changed)
