"""What holds a plan up or ends it, whoever changes one of its jobs: no plan goes on past what was not meant to be.

Each runs in the transaction of the change itself. That of a job that is of no plan comes nowhere near.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic_core import from_json

from ..clock import Now
from ..domain.actors import Actor
from ..domain.lifecycle import Result, result_of
from ..errors import shown
from ..storage.statement import Connection
from . import plan_sql
from .plan_rows import PlanRow
from .rows import JobRow


def next_number(connection: Connection, site: str) -> int:
    """Return the number of a change of a plan at a site, by which streams know what is new."""
    return int(connection.rows(plan_sql.NEXT_NUMBER, site=site)[0][0])


def pause(connection: Connection, plan: PlanRow, reason: str, now: Now) -> PlanRow:
    """Pause a plan that runs, and return it; one that does not stays as it is."""
    number = next_number(connection, plan.site)
    row = connection.row(plan_sql.PAUSE, id=plan.id, reason=reason, at_ms=now.wall_ms, number=number)
    return plan if row is None else PlanRow._make(row)


def note_end(connection: Connection, job: JobRow, status: str, message: str | None, now: Now) -> None:
    """Pause the plan of a job that ended otherwise than well; a step that failed pauses only a plan that is to stop."""
    result = result_of(status)
    if result is None or result is Result.DONE:
        return
    said = f": {shown(message, longest=300)}" if message else ""
    always = int(result is not Result.FAILED)
    _pause_for(connection, job, f"{_step(job)} is {shown(status)}{said}", now, always=always)


def note_cancel_requested(connection: Connection, job: JobRow, actor: Actor, now: Now) -> None:
    """Pause the plan of a job that somebody asked to cancel while the site had it in hand."""
    _pause_for(connection, job, f"{shown(actor.name)} asked to cancel {_step(job)}", now, always=1)


def _pause_for(connection: Connection, job: JobRow, reason: str, now: Now, *, always: int) -> None:
    number = next_number(connection, job.site)
    values = {"job_ulid": job.ulid, "reason": reason, "always": always, "at_ms": now.wall_ms, "number": number}
    connection.rows(plan_sql.PAUSE_FOR_JOB, **values)


def end_covered(
    connection: Connection, site: str, device: tuple[str, str] | None, reason: str, now: Now
) -> list[PlanRow]:
    """End every plan of a site of which a stop covers any unfinished step, released or not, and return these plans.

    `device`: type and instance, where the stop is for one device; none: it is for the site. To be called before the
    stop cancels any job: what it cancels it covers.
    """
    if not connection.rows(plan_sql.COUNT_OPEN, site=site)[0][0]:
        return []
    which = {"site": site, "reason": reason, "at_ms": now.wall_ms, "number": next_number(connection, site)}
    if device is None:
        return _plans(connection.rows(plan_sql.STOP_SITE, **which))
    return _plans(connection.rows(plan_sql.STOP_DEVICE, **which, device=device[0], instance=device[1]))


def pause_all(connection: Connection, reason: str) -> None:
    """Pause the plans of all sites, as when the database was restored: what was to be done then must not be done."""
    connection.run(plan_sql.PAUSE_ALL, reason=reason)


def _plans(rows: Iterable[tuple[object, ...]]) -> list[PlanRow]:
    return [PlanRow._make(row) for row in rows]


def _step(job: JobRow) -> str:
    step = from_json(job.plan or "{}").get("step", "?")
    return f"step {step} ({shown(job.action)} of {shown(job.device)} {shown(job.instance)})"
