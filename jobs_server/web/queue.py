"""What people do to the queue on Now: move what waits, cancel it, change it, pause the queue and let it go on."""

from __future__ import annotations

from typing import NamedTuple

from flask import Response, make_response, redirect, request, url_for

from .. import clock
from ..auth.access import Access, needs
from ..domain import commands
from ..domain.lifecycle import Phase
from ..domain.queue_commands import FIRST, LAST, EditJob, MoveJob, PauseQueue, ResumeQueue
from ..errors import BadRequest, Conflict, JobsError, NotFound
from ..history import queue_view
from ..history.now import Present
from ..history.queue_view import Entry, QueueView, State
from ..jobs import queries
from ..jobs.rows import JobRow
from ..service import service
from ..storage.statement import Connection
from . import actions, command_form
from .actions import done
from .blueprint import bp
from .context import page
from .order import Order


class Row(NamedTuple):
    """One job of the queue as Now shows it."""

    entry: Entry
    taken_ms: int | None
    """When the site took it."""
    can_rise: bool
    can_sink: bool

    @property
    def can_move(self) -> bool:
        """Whether the job can be moved by hand: it waits, is no stop, and no time is set for it."""
        return _can_move(self.entry)


class Shown(NamedTuple):
    """The queue as Now shows it."""

    view: QueueView
    rows: list[Row]

    @property
    def expiring(self) -> list[int]:
        """Return when jobs that wait expire, the first one first: what a pause must not outlast."""
        return sorted(each.entry.expires_ms for each in self.rows if each.entry.expires_ms is not None)

    @property
    def ends_ms(self) -> int | None:
        """Return when all that is listed is expected to have ended; None where nobody knows."""
        ends = [each.ends_ms for each in self.view.entries if not each.job.is_stop]
        return max((end for end in ends if end is not None), default=None) if None not in ends else None


def shown(connection: Connection, present: Present) -> Shown:
    """Read the queue of the page's site; of a site that never reports, what it took is listed as `present` has it."""
    view = queue_view.queue(connection, page().site, service().plan_times, clock.read(), with_lockout=False)
    taken = {each.job.ulid: each.taken_ms for each in present.taken}
    listed = [
        each
        for each in view.entries
        if each.state is not State.RUNNING and (each.state is not State.AT_SITE or each.job.ulid in taken)
    ]
    movable = [each.job.ulid for each in listed if _can_move(each)]
    first, last = (movable[0], movable[-1]) if movable else ("", "")
    rows = [Row(each, taken.get(each.job.ulid), each.job.ulid != first, each.job.ulid != last) for each in listed]
    return Shown(view, rows)


def _can_move(entry: Entry) -> bool:
    return entry.state is State.WAITING and not entry.job.is_stop


@bp.post("/act/queue")
@needs(Access.PERSON)
def act_on_queue() -> Response:
    """Cancel one job of the queue, or move one: by a place, to an end, or before another."""
    given = request.form
    deed = next((name for name in ("up", "down") if name in given), "")
    if not deed and "to" not in given:
        return actions.cancel_one(given.get("ulid", "?"))
    ulid = given.get(deed or "ulid", "?")
    to = _beside(ulid, deed) if deed else given.get("to", "?")
    asked = commands.checked(MoveJob, _who() | {"ulid": ulid, "to": to})
    service().desk.move(asked, page().actor)
    return done("moved")


def _beside(ulid: str, deed: str) -> str:
    """Return before which job one goes that is moved by a place, or to which end, as the list stands now."""
    with page().snapshot() as connection:
        view = queue_view.queue(connection, page().site, service().plan_times, clock.read(), with_lockout=False)
    ulids = [each.job.ulid for each in view.entries if _can_move(each)]
    if ulid not in ulids:
        raise Conflict("Error: this job waits no more, so that it cannot be moved")
    place = ulids.index(ulid)
    if deed == "up":
        return ulids[place - 1] if place else FIRST
    return ulids[place + 2] if place + 2 < len(ulids) else LAST


@bp.post("/act/pause-queue")
@needs(Access.PERSON)
def pause_queue() -> Response:
    """Pause the queue: stops alone are handed over and begin."""
    note = request.form.get("note", "").strip()
    if not note:
        raise BadRequest("Error: write why, in a few words, so that others know")
    service().desk.pause(commands.checked(PauseQueue, _who() | {"note": note}), page().actor)
    return done("paused")


@bp.post("/act/resume-queue")
@needs(Access.PERSON)
def resume_queue() -> Response:
    """Let the queue go on."""
    service().desk.resume(commands.checked(ResumeQueue, _who()), page().actor)
    return done("resumed")


@bp.get("/job/<ulid>/edit")
@needs(Access.ANYBODY)
def edit_job(ulid: str) -> Response:
    """Show the form of a job that waits."""
    with page().reading() as connection:
        job = _waiting(connection, ulid)
        _ = page().abilities  # in the page's own transaction
    return make_response(_render(job, command_form.as_given(job), Order()))


@bp.post("/job/<ulid>/edit")
@needs(Access.PERSON)
def change_job(ulid: str) -> Response:
    """Put what stands in the form in the place of what the job asked for."""
    given = dict(request.form)
    with page().reading() as connection:
        job = _waiting(connection, ulid)
        _ = page().abilities
    order = Order()
    changed = command_form.read(job, given, order)
    if order.faults:
        return make_response(_render(job, given, order), 400)
    try:
        service().desk.edit(commands.checked(EditJob, _who() | {"ulid": ulid} | changed), page().actor)
    except JobsError as error:
        order.faults[""] = error.sentence.removeprefix("Error: ")
        return make_response(_render(job, given, order), error.status)
    onward = redirect(url_for("pages.now", site=page().site), 303)
    return actions.keep_for_next_page(onward, "edited")  # type: ignore[arg-type]


def _waiting(connection: Connection, ulid: str) -> JobRow:
    job = queries.job(connection, page().site, ulid)
    if job is None:
        raise NotFound(f"Error: site {page().site} has no job {ulid}")
    if job.phase != Phase.WAITING or job.is_stop:
        raise Conflict("Error: this job waits no more, so that it cannot be changed; send it again with other values")
    return job


def _render(job: JobRow, given: dict[str, str], order: Order) -> str:
    return command_form.render(
        job,
        given,
        order,
        heading="Change a job that waits",
        action=url_for("pages.change_job", ulid=job.ulid),
        back=url_for("pages.now", site=job.site),
    )


def _who() -> dict[str, object]:
    actor = page().actor
    return {"site": page().site, "user_id": actor.id, "user_name": actor.name}
