"""The routes of the order of what waits: moves, edits, pauses."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
from flask import Blueprint, Response

from .. import clock
from ..auth import gate
from ..auth.access import Access, needs
from ..domain import commands, queue_commands
from ..domain.actors import Actor
from ..domain.commands import ByPerson
from ..errors import Conflict, Forbidden, NotFound, Unauthorized
from ..history import queue_view
from ..history.queue_view import Entry, QueueView
from ..jobs import queries, wire
from ..jobs.pauses import PauseRow
from ..service import reading, service
from . import request_body, schemas
from .describe import describe

bp = Blueprint("queue", __name__)

OfPerson = TypeVar("OfPerson", bound=ByPerson)


@bp.post("/movejob")
@describe(gives=schemas.Job, body=queue_commands.MoveJob, refusals=(NotFound, Conflict, Forbidden, Unauthorized))
@needs(Access.PERSON)
def move_job() -> Response:
    """Move a job that waits: to the front behind stop commands, to the end, or before another job."""
    return _json(wire.job(service().desk.move(*_asked(queue_commands.MoveJob))))


@bp.post("/editjob")
@describe(gives=schemas.Job, body=queue_commands.EditJob, refusals=(NotFound, Conflict, Forbidden, Unauthorized))
@needs(Access.PERSON)
def edit_job() -> Response:
    """Change what a job asks for that waits; its history keeps both."""
    return _json(wire.job(service().desk.edit(*_asked(queue_commands.EditJob))))


@bp.post("/pausequeue")
@describe(gives=schemas.QueuePause, body=queue_commands.PauseQueue, refusals=(Conflict, Unauthorized))
@needs(Access.PERSON)
def pause_queue() -> Response:
    """Pause the queue of a site: stop commands alone are handed over and begin until it is resumed."""
    return _pause(service().desk.pause(*_asked(queue_commands.PauseQueue)))


@bp.post("/resumequeue")
@describe(gives=schemas.QueuePause, body=queue_commands.ResumeQueue, refusals=(Conflict, Unauthorized))
@needs(Access.PERSON)
def resume_queue() -> Response:
    """Let the queue of a site go on."""
    return _pause(service().desk.resume(*_asked(queue_commands.ResumeQueue)))


@bp.post("/getwaitingjobs")
@describe(gives=list[schemas.Job], body=commands.ListWaiting)
@needs(Access.ANYBODY)
def get_waiting_jobs() -> Response:
    """List what a poll would be handed over now, in its order, and hand none of it over.

    For a site that claims by `only` the job that can begin beside what runs.
    """
    command = commands.parse(commands.ListWaiting, request_body.read())
    commands.check_site(command, service().settings.sites)
    with reading() as connection:
        found = queries.to_hand_over(connection, command.site, command.queue, clock.read(), command.limit)
    return _json(wire.jobs(found))


@bp.post("/getqueue")
@describe(gives=schemas.SiteQueue, body=queue_commands.ShowQueue)
@needs(Access.ANYBODY)
def get_queue() -> Response:
    """What is to happen at a site, in the order in which it will, with when as far as that is known."""
    command = commands.parse(queue_commands.ShowQueue, request_body.read())
    commands.check_site(command, service().settings.sites)
    now = clock.read()
    with reading() as connection:
        found = queue_view.queue(connection, command.site, service().plan_times, now)
    return _json(orjson.dumps(_public(command.site, found, now.wall_ms)))


def _public(site: str, found: QueueView, now_ms: int) -> dict[str, Any]:
    paused = None if found.pause is None else wire.pause(found.pause)
    jobs = [_public_entry(each) for each in found.entries]
    return {"site": site, "now_ms": now_ms, "pause": paused, "waiting": found.waiting_count, "jobs": jobs}


def _public_entry(entry: Entry) -> dict[str, Any]:
    job = entry.job
    times = {"notBefore_ms": entry.not_before_ms, "expires_ms": entry.expires_ms}
    return {
        "ulid": job.ulid,
        "statusId": f"{job.status}#{job.ulid}",
        "deviceType": job.device,
        "deviceInstance": job.instance,
        "action": job.action,
        "user_name": job.user_name,
        "user_id": job.user_id,
        "state": entry.state.value,
        "begins_ms": entry.begins_ms,
        "ends_ms": entry.ends_ms,
    } | {name: time_ms for name, time_ms in times.items() if time_ms is not None}


def _asked(model: type[OfPerson]) -> tuple[OfPerson, Actor]:
    command = commands.parse(model, request_body.read())
    commands.check_site(command, service().settings.sites)
    return command, gate.person(command)


def _pause(row: PauseRow) -> Response:
    return _json(orjson.dumps(wire.pause(row)))


def _json(body: bytes) -> Response:
    return Response(body, mimetype="application/json")
