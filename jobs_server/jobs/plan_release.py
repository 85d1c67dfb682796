"""The release of a plan's steps: each becomes a job when the step before it has ended well, in that transaction."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from pydantic_core import from_json

from ..clock import Now
from ..domain.actors import SERVER, Actor
from ..domain.commands import SubmitJob
from ..domain.lifecycle import OVER, Phase, Result, result_of
from ..storage.statement import Connection
from . import admission, operations, plan_hindrances, plan_pauses, plan_sql, queries
from .plan_hindrances import Releasing
from .plan_rows import RUNNING, PlanRow, StepRow
from .reservations import Held
from .rows import JobRow


def of_job(connection: Connection, ulid: str) -> PlanRow | None:
    """Return the plan of which a job is a step; None where there is none, or no more."""
    row = connection.row(plan_sql.OF_JOB, job_ulid=ulid)
    return PlanRow._make(row) if row else None


def by_id(connection: Connection, plan_id: int) -> PlanRow:
    """Return a plan that is there."""
    return PlanRow._make(connection.rows(plan_sql.FIND_BY_ID, id=plan_id)[0])


def go_on(
    connection: Connection,
    plan: PlanRow,
    actor: Actor,
    now: Now,
    releasing: Releasing,
    held: Sequence[Held] | None = None,
    *,
    skips_end: bool = False,
) -> PlanRow:
    """Release what of a plan is to be released now, pause or end the plan, and return it as it then is.

    Nothing happens while its last step has not ended, before its time, and when it does not run. To be called with the
    plan as it is in this transaction. `held`: who holds the telescope, where a calendar elsewhere says so; `skips_end`:
    a person lets it go on, however its last step ended.
    """
    while plan.state == RUNNING:
        last = _last_job(connection, plan)
        if last is not None and last.phase not in OVER and not plan.at_once:
            return plan
        if last is not None and not skips_end and not plan.at_once and (reason := _held_by(plan, last)):
            return plan_pauses.pause(connection, plan, reason, now)
        step = connection.row(plan_sql.NEXT_STEP, id=plan.id, released=plan.released)
        if step is None:
            return _finish(connection, plan, now)
        if plan.released == 0 and plan_hindrances.ms_until_begin(plan, now) > 0:
            return plan
        if releasing.settings.calendar_url and held is None:
            return plan  # The calendar elsewhere is to be asked first, which takes no part in a transaction.
        before, plan = plan, _release(connection, plan, StepRow._make(step), actor, now, releasing, held)
        if plan.released == before.released:
            return plan
    return plan


def _last_job(connection: Connection, plan: PlanRow) -> JobRow | None:
    """Return the job of the last step that was released; None where there is none, or it was pruned."""
    return None if plan.current_ulid is None else queries.job(connection, plan.site, plan.current_ulid)


def _held_by(plan: PlanRow, job: JobRow) -> str | None:
    """Return why a plan does not go on after a job that has ended; None when it does.

    What does not end well pauses its plan at once (`plan_pauses`): this is for an end that was put by another way.
    """
    result = result_of(job.status)
    if job.phase == Phase.ENDED and (result is Result.DONE or (result is Result.FAILED and plan.on_failure == "next")):
        return None
    return f"step {plan.released} is {job.status}"


def _release(
    connection: Connection,
    plan: PlanRow,
    step: StepRow,
    actor: Actor,
    now: Now,
    releasing: Releasing,
    held: Sequence[Held] | None,
) -> PlanRow:
    """Make the job of a step, or pause the plan with the reason why that must not be."""
    command = command_of(plan, step)
    if releasing.targets is not None:
        command = releasing.targets.followed(command, now.wall_ms)
    met = admission.meet(connection, plan.site, now, releasing.settings)
    if reason := plan_hindrances.of_release(connection, plan, command, met, held, now, releasing):
        return plan_pauses.pause(connection, plan, f"step {step.position} was not released: {reason}", now)
    told = orjson.dumps({"id": plan.ulid, "step": step.position, "of": plan.steps, "title": plan.title}).decode()
    job = operations.release(
        connection,
        command,
        plan.owner,
        actor,
        now,
        releasing.settings,
        met,
        told,
        plan.until_ms,
    )
    connection.rows(plan_sql.RELEASE_STEP, id=step.id, job_ulid=job.ulid)
    row = connection.row(
        plan_sql.NOTE_RELEASE,
        id=plan.id,
        released=step.position,
        current_ulid=job.ulid,
        at_once=int(releasing.is_at_once(plan.site)),
        at_ms=now.wall_ms,
        number=plan_pauses.next_number(connection, plan.site),
    )
    assert row is not None, "a plan was changed by another while its site was locked"
    return PlanRow._make(row)


def _finish(connection: Connection, plan: PlanRow, now: Now) -> PlanRow:
    """End a plan of which all steps were released and have ended."""
    if plan.at_once and any(
        phase is not None and phase not in OVER for *_, phase in connection.rows(plan_sql.STEPS, id=plan.id)
    ):
        return plan
    number = plan_pauses.next_number(connection, plan.site)
    row = connection.row(plan_sql.FINISH, id=plan.id, reason=None, at_ms=now.wall_ms, number=number)
    return plan if row is None else PlanRow._make(row)


def command_of(plan: PlanRow, step: StepRow) -> SubmitJob:
    """Return the command that a step is, as its plan's owner would send it."""
    return SubmitJob.model_construct(  # Its step was checked when it was sent.
        site=plan.site,
        device=step.device,
        instance=step.instance,
        action=step.action,
        user_name=plan.user_name,
        user_id=plan.user_id,
        required_params=from_json(step.required_params),
        optional_params=from_json(step.optional_params),
        not_before_seconds=step.hold_ms / 1000,
        expires_in_seconds=None if step.life_ms is None else step.life_ms / 1000,
    )


def follow(connection: Connection, job: JobRow, now: Now, releasing: Releasing) -> None:
    """Let the plan of a job go on after a report of the site. To be called in the transaction of the report."""
    if job.plan is not None and job.phase == Phase.ENDED and (plan := of_job(connection, job.ulid)):
        go_on(connection, plan, SERVER, now, releasing)
