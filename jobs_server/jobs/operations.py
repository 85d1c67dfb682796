"""Every write to a job: submit, claim, start, report, cancel.

Operations take a connection inside a transaction, a checked command, the actor, the time and the settings; each change
of a job writes its event in the same transaction. The database decides: one conditional statement (`statements`) a
step, no select-then-update.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from operator import attrgetter
from typing import Any, NamedTuple

from pydantic_core import to_json
from ulid import ULID

from ..clock import FEW_DAYS_MS, Now, age_ms
from ..config import Settings
from ..domain.actors import Actor
from ..domain.commands import (
    CancelJob,
    ClaimJobs,
    LiftLockout,
    StartJob,
    SubmitJob,
    UpdateStatus,
    check_not_before,
)
from ..domain.lifecycle import (
    CANCELED,
    RECEIVED,
    STARTED,
    UNREAD,
    Mark,
    Phase,
    Queue,
    Report,
    classify,
    is_stop,
    label_like,
    same_status,
    stop_covers_site,
)
from ..domain.results import text_of
from ..errors import Conflict, NotFound, shown
from ..storage.statement import Connection, Statement
from . import admission, handover, lockouts, pauses, places, plan_pauses, queries, results, statements
from .lockouts import LockoutRow
from .rows import JobRow, job_rows

_SAME_STOP = ("site", "device", "instance", "action", "required_params", "optional_params", "user_roles")
_STEP_BITS = 60
_RANK = attrgetter("rank")
_SHORT = 4096


@dataclass(frozen=True, slots=True)
class Event:
    """What is recorded of a change."""

    queue: Queue
    status: str
    estimated: bool = False  # the report said how long it will take, or that it does not know
    message: str | None = None
    mark: Mark | None = None
    result: str | None = None  # JSON, what the report said came of the job
    edit: str | None = None  # JSON, what an edit changed, `from` and `to` by the names of the columns


class CommittedChange(NamedTuple):
    """One change of a job, for `Database.on_changes` after its commit; the job is as the change left it."""

    job: JobRow  # without parameters that are long: the log keeps a change until its request was answered
    event: Event
    actor: Actor


class Handover(NamedTuple):
    """What a claim gets."""

    jobs: Sequence[JobRow] = ()
    replayed: bool = False  # what its id had got before
    held: bool = False  # a lock-out or a pause holds jobs that its id got, which come when that is over

    @property
    def spent(self) -> bool:
        """Whether the claim id got jobs before, of which none is to be run any more; then it gets no others."""
        return self.replayed and not self.jobs

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.replayed or bool(self.jobs)


def submit(
    connection: Connection, command: SubmitJob, actor: Actor, now: Now, settings: Settings, key: str | None = None
) -> JobRow:
    """Queue a job; a stop command first cancels the earlier jobs that it covers.

    With an idempotency key, the same command sent again within a day gives the first job again and makes no second.
    Nor does a stop that repeats one that still waits. Raises KeyReused when the key came with another command;
    LockedOut, Unauthorized and TooMany (`admission`); BadRequest when a stop is too large, or a job is held too long.
    """
    if key is not None and (first := admission.first_job(connection, command, now, key)):
        return first
    check_not_before(command, now.wall_ms)
    met = admission.meet(connection, command.site, now, settings)
    if is_stop(command.action, command.required_params):
        job = _stop(connection, command, actor, now, settings, met)
    else:
        admission.admit(connection, command.site, met, actor, now, settings)
        admission.admit_held(connection, command, actor, now, settings)
        job = _queue(connection, command, actor, now, settings, met)
    if key is not None:
        admission.remember_key(connection, command, now, key, job)
    return job


def claim(connection: Connection, command: ClaimJobs, actor: Actor, now: Now, *, fits: bool = False) -> Handover:
    """Hand over waiting jobs, in their order, and mark them received; replay first when a claim id comes again.

    A poll for stops alone gets no other job, be it a new one or one that its id got before; one for a job that it names
    no other new one.

    A reply holds at most `handover.REPLY_BYTES`, but at least one job; the rest comes with the next poll.

    The rows show the status they now have; the wire shows the one they were read with.
    Raises handover.Outgrown where all was seen to fit (`handover.look`), and no longer does.
    """
    before = replay(connection, command)
    if before.replayed:
        return before
    rows = _handed_over(connection, command, now, fits=fits)
    if not rows:
        return before
    jobs, noted_ms = _noted(connection, command, rows, now)
    if fits:
        handover.check_fits(jobs)
    jobs.sort(key=_RANK)
    record(connection, jobs, Event(command.queue, RECEIVED), actor, now)
    return before._replace(jobs=_times(connection, command, jobs, noted_ms))


def _handed_over(connection: Connection, command: ClaimJobs, now: Now, *, fits: bool) -> list[tuple[Any, ...]]:
    """Hand over what a poll may get, and return the rows of its claim."""
    values = {"site": command.site, "claim_id": command.claim_id, **now._asdict()}
    phase = Phase.RECEIVED if command.claim_id is None else Phase.CLAIMED
    if command.only is not None and not command.stops_only:
        return connection.rows(statements.CLAIM_ONE[command.queue, phase], **values, ulid=command.only)
    if fits:
        return connection.rows(statements.CLAIM[command.queue], **values)
    reach = handover.reach(connection, command, values)
    some = statements.CLAIM_STOPS if command.stops_only else statements.CLAIM_SOME
    return connection.rows(some[command.queue, phase], **values, **reach)


def _times(connection: Connection, command: ClaimJobs, jobs: list[JobRow], noted_ms: int) -> list[JobRow]:
    """Return jobs as their copies go out: each with a time that is not before any that an earlier copy carried.

    The public site software sorts by these times. A time that is not the job's own is kept, for when the copy is asked
    for again.
    """
    own_ms = [noted_ms, *(job.timestamp_ms for job in jobs)]
    times_ms = list(accumulate(own_ms, max))
    if times_ms == own_ms:
        return jobs
    del times_ms[0]
    later = [(job.id, time_ms) for job, time_ms in zip(jobs, times_ms, strict=True) if time_ms != job.timestamp_ms]
    values = [{"job_id": job_id, "time_ms": time_ms} for job_id, time_ms in later]
    connection.run_many(statements.CARRY[command.queue], values)
    carried_ms = dict(later)
    return [queries.dated(job, carried_ms.get(job.id)) for job in jobs]


def _noted(
    connection: Connection, command: ClaimJobs, rows: Sequence[Sequence[Any]], now: Now
) -> tuple[list[JobRow], int]:
    """Note the newest time among jobs that are handed over; return them, and the newest of those before, or 0."""
    if connection.is_postgresql:  # where the claim itself did
        return job_rows(row[:-1] for row in rows), rows[0][-1]
    jobs = job_rows(rows)
    values = {"site": command.site, "newest_ms": max([job.timestamp_ms for job in jobs]), "wall_ms": now.wall_ms}
    return jobs, connection.rows(statements.NOTE_DELIVERED[command.queue], **values)[0][0]


def replay(connection: Connection, command: ClaimJobs) -> Handover:
    """Return what is still to be run of what this claim id got.

    Not `replayed` when it may claim: it got nothing yet, or nothing that a lock-out lets move; a stop passes one.
    """
    if command.claim_id is None:
        return Handover()
    got = queries.claimed(connection, command.site, command.queue, command.claim_id)
    if command.stops_only:
        got = [(job, may_move) for job, may_move in got if job.is_stop]
    left = [(job, may_move) for job, may_move in got if job.state(command.queue).phase == Phase.CLAIMED]
    jobs = [job for job, may_move in left if may_move]
    held = len(jobs) < len(left)
    had = any(may_move for _, may_move in got)
    return Handover(jobs, replayed=bool(jobs) or (had and not held), held=held)


def start(connection: Connection, command: StartJob, actor: Actor, now: Now, settings: Settings) -> JobRow:
    """Record that a job has begun; with a claim id, check first whether it still may (the fence).

    Raises Conflict with the reason when it may not, LockedOut while there are hands on the telescope, QueuePaused while
    the queue is: then nothing must move.
    """
    if command.claim_id is None:
        return report(connection, command, actor, now)
    row = connection.row(
        statements.START_FENCED[command.queue],
        site=command.site,
        ulid=command.ulid,
        claim_id=command.claim_id,
        seconds=command.seconds_until_complete,
        start_within_ms=settings.start_within_seconds * 1000,
        **now._asdict(),
    )
    if row is None:
        return _started_already(connection, command, now, settings)
    job = JobRow._make(row)
    record(connection, [job], Event(command.queue, STARTED, estimated=True), actor, now)
    return job


def report(connection: Connection, command: UpdateStatus | StartJob, actor: Actor, now: Now) -> JobRow:
    """Record what a site says of a job; the report of an end that is recorded already changes nothing.

    What the site says goes before what the server assumed: a job leaves an end that the server put on it after it was
    handed over.
    A result that comes with an end that is recorded already is recorded, where it says anything new.
    Raises NotFound when the site has no such job, Conflict when the job's life allows no such step, BadRequest when a
    result is too large.
    """
    result = None if command.result is None else text_of(command.result)
    kind = classify(command.status)
    row = kind and connection.row(
        statements.REPORT[command.queue, kind],
        site=command.site,
        ulid=command.ulid,
        new_status=command.status,
        seconds=command.seconds_until_complete,
        same_label=label_like(command.status) if kind is Report.END else "",
        **now._asdict(),
    )
    if not row:
        job = _reported_already(found(connection, command.site, command.ulid), command)
        if result is not None and results.adds(connection, job.id, result):
            late = Event(command.queue, job.state(command.queue).status, estimated=True, result=result)
            record(connection, [job], late, actor, now)
        return job
    job = JobRow._make(row)
    on_primary = command.queue is Queue.PRIMARY
    mark = Mark.AGAINST_LABEL if (job.against_label if on_primary else job.replica_against_label) else None
    if result is not None:
        results.check_whole(connection, job.id, result)
    event = Event(command.queue, command.status, estimated=True, message=command.message, mark=mark, result=result)
    record(connection, [job], event, actor, now)
    return job


def cancel(connection: Connection, command: CancelJob, actor: Actor, now: Now, settings: Settings) -> JobRow:
    """Cancel a job that cannot have started; ask the site to end one that may have.

    The same again changes nothing. Raises NotFound, Conflict when the job has ended, Unauthorized when it is another's
    and only holders may stop.
    """
    before = found(connection, command.site, command.ulid)
    if before.user_id != actor.id:
        admission.admit_stop(connection, command.site, actor, now, settings)
    if _is_over(before) and not _goes_on_beside(before):
        raise Conflict(f"Error: job {before.ulid} is {shown(before.status)}; there is nothing left to cancel")
    _cancel(connection, statements.CANCEL_ONE, {"site": command.site, "ulid": command.ulid}, actor, now, "canceled")
    return found(connection, command.site, command.ulid)


def cancel_waiting(connection: Connection, site: str, actor: Actor, now: Now, settings: Settings) -> int:
    """Cancel what waits at a site on the queue that everybody reads, and return how many jobs that were.

    What is in the site's hands goes on, and stop commands stay.
    """
    admission.admit_stop(connection, site, actor, now, settings)
    counts = []
    for queue in Queue:
        canceled = job_rows(connection.rows(statements.CANCEL_WORK[queue].waiting, site=site))
        record(connection, canceled, Event(queue, CANCELED, message="canceled with all that waited"), actor, now)
        counts.append(len(canceled))
    return counts[Queue.PRIMARY.value]


def lift_lockout(connection: Connection, command: LiftLockout, actor: Actor, now: Now) -> tuple[LockoutRow, int]:
    """Lift a lock-out, cancel what waited where the command says so; return the lock-out and how many jobs that were.

    Stop commands stay. Raises Conflict when there is none to lift, Forbidden when it is somebody else's.
    """
    lockout = lockouts.lift(connection, command.site, actor, now)
    canceled: set[int] = set()
    for queue, steps in statements.CANCEL_WORK.items() if command.cancel_waiting else ():
        for step in (steps.waiting, steps.claimed):
            jobs = job_rows(connection.rows(step, site=command.site))
            record(connection, jobs, Event(queue, CANCELED, message="waited when the lock-out was lifted"), actor, now)
            canceled |= {job.id for job in jobs}
    return lockout, len(canceled)


def release(
    connection: Connection,
    command: SubmitJob,
    owner: Actor,
    actor: Actor,
    now: Now,
    settings: Settings,
    met: admission.Met,
    plan: str,
    until_ms: int | None,
) -> JobRow:
    """Queue the next step of a plan as a job of its owner; `plan` is what the job says of its plan, as JSON.

    The job waits no longer, and does not start later, than `until_ms`.
    """
    values = _values(command, owner, now, settings, met) | {"plan": plan}
    if until_ms is not None:
        values["until_after_ms"] = left_ms = max(0, until_ms - now.wall_ms)
        values["expires_after_ms"] = min(int(values["expires_after_ms"] or 0), left_ms)
    return _insert(connection, values, actor, now)


def cancel_step(connection: Connection, site: str, ulid: str, actor: Actor, now: Now, message: str) -> None:
    """Cancel the job of a plan's step, or ask the site to end it; one that has ended stays as it is."""
    _cancel(connection, statements.CANCEL_ONE, {"site": site, "ulid": ulid}, actor, now, message)


def next_ulid(last: str | None, now_ms: int) -> str:
    """Draw a ULID above the last one, whatever the clock says (ULID specification, Monotonicity).

    Two sites may draw above the same one at the same moment on PostgreSQL: by how much is chance.
    """
    drawn = str(ULID.from_bytes(now_ms.to_bytes(6, "big") + secrets.token_bytes(10)))
    if last is not None and drawn <= last:
        return str(ULID.from_int(int(ULID.from_str(last)) + 1 + secrets.randbits(_STEP_BITS)))
    return drawn


def record(connection: Connection, jobs: Iterable[JobRow], event: Event, actor: Actor, now: Now) -> None:
    """Write the event of a change, for each job that changed."""
    changes = [CommittedChange(_in_short(job), event, actor) for job in jobs]
    rows = [
        {
            "job_id": job.id,
            "site": job.site,
            "at_ms": now.wall_ms,
            "queue": event.queue.value,
            "status": event.status,
            "seconds_until_complete": _seconds(job, event.queue) if event.estimated else None,
            "actor_known": actor.known.value,
            "actor_id": actor.id,
            "actor_name": actor.name,
            "message": event.message,
            "mark": event.mark,
            "result": event.result,
        }
        for job, _, _ in changes
    ]
    if rows and event.edit is not None:
        connection.run_many(statements.EVENT_OF_EDIT, [row | {"edit": event.edit} for row in rows])
    elif rows:
        connection.run_many(statements.EVENT, rows)
    if rows:
        connection.changes += changes
        _hold_plans(connection, changes, now)


def _hold_plans(connection: Connection, changes: Iterable[CommittedChange], now: Now) -> None:
    """Pause the plans of which a step did not end well, or is to be canceled."""
    for job, event, actor in changes:
        if job.plan is None or event.queue is not Queue.PRIMARY:
            continue
        if event.mark is Mark.CANCEL_REQUESTED:
            plan_pauses.note_cancel_requested(connection, job, actor, now)
        else:
            plan_pauses.note_end(connection, job, event.status, event.message, now)


def _in_short(job: JobRow) -> JobRow:
    """Return a job without its parameters where they are long."""
    if len(job.required_params) + len(job.optional_params) <= _SHORT:
        return job
    return job._replace(required_params="{}", optional_params="{}")


def _values(
    command: SubmitJob, actor: Actor, now: Now, settings: Settings, met: admission.Met
) -> dict[str, str | int | None]:
    """Return the row of a new job that is no stop, by column."""
    hold_ms = command.hold_ms(now.wall_ms)
    ulid = next_ulid(met.last_ulid, _ulid_ms(met, now))
    return {
        "ulid": ulid,
        "site": command.site,
        "device": command.device,
        "instance": command.instance,
        "action": command.action,
        "required_params": to_json(command.required_params).decode(),
        "optional_params": to_json(command.optional_params).decode(),
        "user_name": actor.name if actor.id == command.user_id else command.user_name,
        "user_id": command.user_id,  # An admin may send for somebody else: the history then shows both.
        "user_roles": to_json(actor.roles).decode(),
        "is_stop": 0,
        "timestamp_ms": max(now.wall_ms, met.newest_waiting_ms or 0),
        "accepted_ms": now.wall_ms,
        "accepted_boot_ms": now.boot_ms,
        "hold_ms": hold_ms,
        "expires_after_ms": hold_ms + _life_ms(command, settings),
        "plan": None,
        "until_after_ms": None,
        "seconds_until_complete": None,
        "cancel_requested": 0,
        "against_label": 0,
        "status": UNREAD,
        "phase": Phase.WAITING.value,
        "claim_id": None,
        "replica_status": UNREAD,
        "replica_phase": Phase.WAITING.value,
        "replica_claim_id": None,
        "covers_site": 0,
        "replica_seconds_until_complete": None,
        "replica_cancel_requested": 0,
        "replica_against_label": 0,
        "rank": ulid,
    }


def _life_ms(command: SubmitJob, settings: Settings) -> int:
    return round((command.expires_in_seconds or settings.expires_in_seconds) * 1000)


def _queue(
    connection: Connection, command: SubmitJob, actor: Actor, now: Now, settings: Settings, met: admission.Met
) -> JobRow:
    """Queue a job that is no stop, where it is asked to go."""
    values = _values(command, actor, now, settings, met)
    if not command.goes_next:
        return _insert(connection, values, actor, now)
    find = partial(places.first, connection, command.site, behind_next=True)
    if find().high is not None:  # Something waits that it goes before.
        values["rank"] = places.free_rank(connection, command.site, find)
    return _insert(connection, values, actor, now, statements.INSERT_NEXT)


def _insert(
    connection: Connection,
    values: dict[str, str | int | None],
    actor: Actor,
    now: Now,
    statement: Statement = statements.INSERT,
) -> JobRow:
    (job_id,) = connection.rows(statement, **values)[0]
    job = JobRow(id=job_id, **values)  # type: ignore[arg-type]
    record(connection, [job], Event(Queue.PRIMARY, UNREAD), actor, now)
    return job


def _stop(
    connection: Connection, command: SubmitJob, actor: Actor, now: Now, settings: Settings, met: admission.Met
) -> JobRow:
    """Cancel what a stop covers, and queue it, unless the same stop still waits: then that one covers all until now."""
    admission.admit_stop(connection, command.site, actor, now, settings)
    covers_site = stop_covers_site(command.device, command.instance, command.action)
    values = _values(command, actor, now, settings, met) | {"is_stop": 1, "covers_site": int(covers_site)}
    admission.check_size(command, str(values["required_params"]), str(values["optional_params"]))
    waits = None
    if values["hold_ms"] == 0:
        asked = {name: values[name] for name in _SAME_STOP}
        waits = connection.row(statements.REPEAT_STOP, **asked, life_ms=_life_ms(command, settings), **now._asdict())
    waiting = JobRow._make(waits) if waits else None
    _cancel_covered(connection, command, actor, now, settings, repeated=waiting.id if waiting else 0)
    if waiting is None:
        return _insert(connection, values, actor, now)
    message = "sent again: it covers all that was posted until now"
    record(connection, [waiting], Event(Queue.PRIMARY, UNREAD, message=message, mark=Mark.REPEATED), actor, now)
    return waiting


def _ulid_ms(met: admission.Met, now: Now) -> int:
    """Return the time of a new job's ULID: a clock that leapt by years must not lift all ULIDs that follow."""
    return now.wall_ms if met.sure_ms is None else min(now.wall_ms, met.sure_ms + FEW_DAYS_MS)


def found(connection: Connection, site: str, ulid: str) -> JobRow:
    """Return a job of a site. Raises NotFound."""
    job = queries.job(connection, site, ulid)
    if job is None:
        raise NotFound(f"Error: site {shown(site)} has no job {shown(ulid)}")
    return job


def _seconds(job: JobRow, queue: Queue) -> int | None:
    return job.seconds_until_complete if queue is Queue.PRIMARY else job.replica_seconds_until_complete


def _is_over(job: JobRow) -> bool:
    """Whether nothing is left to cancel of a job on the queue that everybody reads; what is canceled may be again."""
    by_server = job.phase in (Phase.WITHDRAWN, Phase.LABELLED)
    return job.phase == Phase.ENDED or (by_server and job.status != CANCELED)


def _goes_on_beside(job: JobRow) -> bool:
    """Whether a job that is over on the queue that everybody reads is in somebody's hands on the other.

    Not so with whoever only reads that queue along, who says nothing more of a job that has ended on the other.
    """
    if job.replica_phase == Phase.RECEIVED:
        return job.phase != Phase.ENDED
    was_canceled = job.replica_phase == Phase.LABELLED and job.replica_status == CANCELED
    return was_canceled or job.replica_phase in (Phase.CLAIMED, Phase.RUNNING, Phase.GUARDED, Phase.LOST)


def _reported_already(job: JobRow, command: UpdateStatus | StartJob) -> JobRow:
    """Return the job of a report that moved nothing, when it repeats the end that stands. Raises Conflict otherwise."""
    state = job.state(command.queue)
    if state.phase == Phase.ENDED and same_status(state.status, command.status):
        return job
    raise Conflict(f"Error: job {job.ulid} is {shown(state.status)} and cannot become {shown(command.status)}")


def _outlived(job: JobRow, now: Now) -> bool:
    """Whether the time of a job's plan is over."""
    since = Now(job.accepted_ms, job.accepted_boot_ms)
    return job.until_after_ms is not None and age_ms(now, since) >= job.until_after_ms


def _started_already(connection: Connection, command: StartJob, now: Now, settings: Settings) -> JobRow:
    """Return the job of a start that the fence did not let through, when it is the same start again, its reply lost.

    Raises Conflict otherwise.
    """
    job = found(connection, command.site, command.ulid)
    state = job.state(command.queue)
    mine = state.claim_id == command.claim_id
    if mine and state.phase == Phase.GUARDED:
        return job
    if state.phase == Phase.WAITING:
        reason = "was not handed over yet"
    elif not mine:
        reason = f"was handed over to another claim and is {shown(state.status)}"
    elif state.phase == Phase.CLAIMED:
        if not job.is_stop:  # which neither a lock-out nor a pause holds
            lockouts.refuse(connection, job.site)
            pauses.refuse(connection, job.site)
        reason = f"was handed over more than {settings.start_within_seconds} seconds ago"
        if _outlived(job, now):
            reason = "is of a plan whose time is over"
    else:
        reason = f"is {shown(state.status)}"
    raise Conflict(f"Error: job {job.ulid} must not start: it {reason}")


def _cancel_covered(
    connection: Connection, command: SubmitJob, actor: Actor, now: Now, settings: Settings, repeated: int
) -> None:
    """Cancel what a stop covers; of other stops those alone that stop no more than this one, and no later.

    `repeated` is the id of the stop that it repeats, 0 for none.
    """
    message = f"canceled by {command.action}"
    covers_site = stop_covers_site(command.device, command.instance, command.action) or settings.stop_scope == "site"
    device = None if covers_site else (command.device, command.instance)
    reason = f"ended by {shown(command.action)} of {shown(command.device)} {shown(command.instance)}"
    plan_pauses.end_covered(connection, command.site, device, f"{reason}, sent by {shown(actor.name)}", now)
    takes_stops = int(command.hold_ms(now.wall_ms) == 0)
    which: dict[str, str | int] = {"site": command.site, "takes_stops": takes_stops, "repeated": repeated}
    if stop_covers_site(command.device, command.instance, command.action):
        _cancel(connection, statements.CANCEL_SITE, which, actor, now, message)
    else:
        by_device = settings.stop_scope == "site"
        steps = statements.CANCEL_SITE_BY_DEVICE if by_device else statements.CANCEL_DEVICE
        which |= {"device": command.device, "instance": command.instance}
        _cancel(connection, steps, which, actor, now, message)


def _cancel(
    connection: Connection,
    steps: Mapping[Queue, statements.Cancel],
    which: Mapping[str, str | int],
    actor: Actor,
    now: Now,
    message: str,
) -> None:
    for queue in Queue:
        for step in (steps[queue].waiting, steps[queue].claimed):
            record(
                connection,
                job_rows(connection.rows(step, **which)),
                Event(queue, CANCELED, message=message),
                actor,
                now,
            )
        for job in job_rows(connection.rows(steps[queue].request, **which)):
            event = Event(queue, job.state(queue).status, message=message, mark=Mark.CANCEL_REQUESTED)
            record(connection, [job], event, actor, now)
