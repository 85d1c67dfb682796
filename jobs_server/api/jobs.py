"""The JSON routes. A view reads as its steps: command, operation in one transaction, wire."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from flask import Blueprint, Response, request

from .. import clock
from ..auth import gate
from ..auth.access import Access, needs
from ..config import Settings
from ..domain import commands
from ..domain.commands import AnyCommand
from ..errors import Conflict, Crowded, Forbidden, KeyReused, LockedOut, NotFound, TooMany, Unauthorized, shown
from ..jobs import lockouts, operations, queries, wire
from ..jobs.pages import NO_JOBS, Page
from ..jobs.rows import JobRow, ListedJob
from ..live import disconnect, long_poll
from ..service import reading, service
from ..storage.statement import Connection
from . import request_body, schemas
from .describe import describe

bp = Blueprint("jobs", __name__)


@bp.post("/newjob")
@describe(
    gives=schemas.Job,
    body=commands.SubmitJob,
    headers=("Idempotency-Key",),
    refusals=(KeyReused, LockedOut, TooMany, Unauthorized),
)
@needs(Access.PERSON)
def new_job() -> Response:
    """Queue a job."""
    command = _parse(gate.newjob_body())
    key = commands.parse_key(request.headers.get("Idempotency-Key"))
    actor = gate.person(command)
    address = None if actor.id.strip() else request.remote_addr
    return _json(wire.job(service().desk.post(gate.named(command, actor), actor, key, address)))


@bp.post("/getnewjobs")
@describe(
    gives=list[schemas.Job],
    body=commands.ClaimJobs,
    answer_headers=("X-Claim-Spent", "X-Claim-Held", "X-Stops-Only"),
    refusals=(Crowded,),
)
@needs(Access.SITE)
def get_new_jobs() -> Response:
    """Hand over the waiting jobs of a site, or wait for one."""
    command = _parse(commands.ClaimJobs)
    actor = gate.site(command.site)
    environ, live = request.environ, service().feed
    live.presence.serves_beside_others(environ["wsgi.multiprocess"])
    answer = long_poll.poll(service().database, live, command, actor, disconnect.client(environ))
    response = _json(wire.handed_over(answer.jobs, command.queue))
    if answer.spent:
        # Else a client whose lost reply held what was canceled since would ask for ever; the body cannot tell it.
        response.headers["X-Claim-Spent"] = "true"
    if answer.held:
        response.headers["X-Claim-Held"] = "true"
    if command.stops_only:  # An older server, which knows of no such poll, answers with any job.
        response.headers["X-Stops-Only"] = "true"
    return response


@bp.post("/startjob")
@describe(gives=schemas.Job, body=commands.StartJob, refusals=(NotFound, Conflict))
@needs(Access.SITE)
def start_job() -> Response:
    """Note that a job has begun; with a claim id, answer first whether the job still may begin."""
    command = _parse(commands.StartJob)
    site, settings = gate.site(command.site), _settings()
    job = service().database.write(
        command.site, lambda connection: operations.start(connection, command, site, clock.read(), settings)
    )
    return _json(wire.job(job, command.queue))


@bp.post("/updatejobstatus")
@describe(gives=schemas.Job, body=commands.UpdateStatus, refusals=(NotFound, Conflict))
@needs(Access.SITE)
def update_job_status() -> Response:
    """Note what a site says of a job."""
    command = _parse(commands.UpdateStatus)
    site, follow = gate.site(command.site), service().plans.follow

    def report(connection: Connection) -> JobRow:
        now = clock.read()
        job = operations.report(connection, command, site, now)
        follow(connection, job, now)
        return job

    job = service().database.write(command.site, report)
    return _json(wire.job(job, command.queue))


@bp.post("/canceljob")
@describe(gives=schemas.Job, body=commands.CancelJob, refusals=(NotFound, Conflict))
@needs(Access.PERSON)
def cancel_job() -> Response:
    """Cancel a job, or ask the site to end it."""
    command = _parse(commands.CancelJob)
    actor = gate.person(command)
    return _json(wire.job(service().desk.cancel(command, actor)))


@bp.post("/getjob")
@describe(gives=schemas.JobWithHistory, body=commands.ShowJob, refusals=(NotFound,))
@needs(Access.ANYBODY)
def get_job() -> Response:
    """Show a job and its history."""
    command = _parse(commands.ShowJob)
    with reading() as connection:
        job = queries.job(connection, command.site, command.ulid)
        history, more = queries.history_page(connection, job.id) if job else ([], False)
    if job is None:
        raise NotFound(f"Error: site {shown(command.site)} has no job {shown(command.ulid)}")
    usual_life_seconds = _settings().expires_in_seconds
    if not more:
        return _json(wire.job_with_history(job, history, usual_life_seconds, command.queue))
    pages = chain([history], queries.history_pages(service().database, job.id, history[-1].seq))
    pieces = wire.job_with_long_history(job, pages, usual_life_seconds, command.queue)
    return Response(pieces, mimetype="application/json")


@bp.post("/getrecentjobs")
@describe(gives=list[schemas.Job], body=commands.ListRecent, refusals=(NotFound,))
@needs(Access.ANYBODY)
def get_recent_jobs() -> Response:
    """List a site's jobs of the last while, complete and in bounded memory, or one page of them."""
    command = _parse(commands.ListRecent)
    if command.time_range_ms <= 0:
        return _json(b"[]")
    since_ms = int(max(0, clock.now_ms() - command.time_range_ms))
    database = service().database
    pages = (
        queries.page(database, command.site, since_ms, command.before, command.limit)
        if command.is_page
        else queries.recent(database, command.site, since_ms)
    )
    return _list(next(pages, NO_JOBS), pages)


def _written(page: Page[ListedJob]) -> bytes:
    return wire.jobs(page.jobs)


def _list(first: Page[ListedJob], others: Iterator[Page[ListedJob]]) -> Response:
    """Answer with a list of jobs: at once where it is one page, and else page by page, as it is read."""
    if not first.more:
        return _json(_written(first))
    return Response(wire.joined(chain([_written(first)], map(_written, others))), mimetype="application/json")


@bp.post("/lockout")
@describe(gives=schemas.Lockouts, body=commands.LockOut, refusals=(Conflict,))
@needs(Access.PERSON)
def lock_out() -> Response:
    """Lock a telescope out: nothing but stop commands reaches it until the lock-out is lifted."""
    command = _parse(commands.LockOut)
    actor = gate.person(command)
    return _json(wire.lockouts(command.site, [service().desk.lock_out(command, actor)]))


@bp.post("/liftlockout")
@describe(gives=schemas.LiftedLockout, body=commands.LiftLockout, refusals=(Conflict, Forbidden))
@needs(Access.PERSON)
def lift_lockout() -> Response:
    """Lift a lock-out; what waited meanwhile is canceled unless it is said to be kept."""
    command = _parse(commands.LiftLockout)
    actor = gate.person(command)
    return _json(wire.lifted(*service().desk.lift(command, actor)))


@bp.post("/getlockout")
@describe(gives=schemas.Lockouts, body=commands.ShowLockout)
@needs(Access.ANYBODY)
def get_lockout() -> Response:
    """Whether a telescope is locked out, by whom, since when and why, and who did before."""
    command = _parse(commands.ShowLockout)
    with reading() as connection:
        rows = lockouts.latest(connection, command.site)
    return _json(wire.lockouts(command.site, rows))


def _parse(model: type[AnyCommand]) -> AnyCommand:
    command = commands.parse(model, request_body.read())
    commands.check_site(command, _settings().sites)
    return command


def _settings() -> Settings:
    return service().settings


def _json(body: bytes) -> Response:
    return Response(body, mimetype="application/json")
