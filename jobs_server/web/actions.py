"""What the bar and the small forms do: stop, cancel, choose a theme, choose a name.

Each is a plain form post that works without JavaScript; a script that posts the same form gets an object of JSON.
"""

from __future__ import annotations

import json
from urllib.parse import SplitResult, quote, urlsplit

from flask import Response, jsonify, redirect, render_template, request, url_for

from ..auth.access import Access, needs
from ..domain import commands
from ..domain.commands import CancelJob, SubmitJob
from ..domain.lifecycle import Result, result_of
from ..domain.plan_commands import ResumePlan
from ..errors import BadRequest, Conflict, JobsError, NotFound
from ..history import now
from ..jobs import queries
from ..jobs.rows import JobRow
from ..service import service
from . import formats, wall_clocks
from .blueprint import bp
from .context import BROWSERS_OWN, NAME_LONGEST, THEMES, cookie_path, page, remember
from .languages import LANGUAGES

PARK_AFTER_SECONDS = 30


@bp.post("/act/stop")
@needs(Access.PERSON)
def stop() -> Response:
    """Cancel what waits, stop everything, or stop everything and park."""
    how = request.form.get("how", "now")
    if how == "waiting":
        return _cancel_waiting()
    if how not in ("now", "park"):
        raise BadRequest("Error: how must be waiting, now or park")
    stop_all = command("all", "all", "cancel_all_commands")
    service().desk.post(stop_all, page().actor)
    if how == "park":
        try:
            _park()
        except JobsError as refusal:  # a lock-out, a limit, a full queue: nothing takes the stop back
            return done("no-park", why=refusal.sentence.removeprefix("Error: "))
    return done(how)


def _park() -> None:
    with page().snapshot() as connection:
        mount = _mount(now.last_instance(connection, _site(), "mount"))
    park = command("mount", mount, "park", not_before_seconds=PARK_AFTER_SECONDS)
    service().desk.post(park, page().actor)


@bp.post("/act/cancel")
@needs(Access.PERSON)
def cancel() -> Response:
    """Cancel one job."""
    return cancel_one(request.form.get("ulid", "?"))


def cancel_one(ulid: str) -> Response:
    """Cancel the job of an ULID, and offer to undo that."""
    actor = page().actor
    who = {"user_id": actor.id, "user_name": actor.name}
    asked = commands.checked(CancelJob, {"site": _site(), "ulid": ulid, **who})
    job = service().desk.cancel(asked, actor)
    what = "cancel-asked" if job.cancel_requested or job.replica_cancel_requested else "canceled"
    return done(what) if job.is_stop else done(what, undo=job.ulid)


@bp.post("/act/undo")
@needs(Access.PERSON)
def undo() -> Response:
    """Send a canceled job again as a new one, or let its plan do that step again."""
    ulid = request.form.get("ulid", "?")
    with page().snapshot() as connection:
        job = queries.job(connection, _site(), ulid)
    if job is None:
        raise NotFound(f"Error: site {_site()} has no job {ulid}")
    if job.is_stop or not (job.cancel_requested or result_of(job.status) is Result.CANCELED):
        raise Conflict("Error: this job was not canceled, so that there is nothing to undo")
    if job.plan:
        return _resume_plan(json.loads(job.plan)["id"])
    sent = service().desk.post(_again(job), page().actor, f"undo-{ulid}")
    return done("sent-again", ulid=sent.ulid)


def _again(job: JobRow) -> SubmitJob:
    """Return a job as a new command of the visitor: it waits as long as the first did, and is held for what is left."""
    now_ms = page().now_ms
    due_ms = min(job.accepted_ms + job.hold_ms, now_ms + commands.MOST_HOURS_AHEAD * commands.HOUR_MS)
    return command(
        job.device,
        job.instance,
        job.action,
        required_params=json.loads(job.required_params),
        optional_params=json.loads(job.optional_params),
        expiresInSeconds=max(1, job.expires_after_ms - job.hold_ms) / 1000,
        notBefore=formats.iso(due_ms) if due_ms > now_ms else None,
    )


def _resume_plan(plan: str) -> Response:
    actor = page().actor
    who = {"user_id": actor.id, "user_name": actor.name}
    service().plans.resume(commands.checked(ResumePlan, {"site": _site(), "id": plan, "again": True, **who}), actor)
    return done("plan-again")


@bp.post("/act/theme")
@needs(Access.ANYBODY)
def theme() -> Response:
    """Choose a theme, for this browser."""
    chosen = request.form.get("theme", "")
    if chosen not in (*THEMES, BROWSERS_OWN):
        raise BadRequest(f"Error: theme must be one of {', '.join(THEMES)}")
    back = remember(_back(), "theme", "" if chosen == BROWSERS_OWN else chosen)
    return remember(back, "day-theme", page().day_theme) if chosen == "night" else back


@bp.post("/act/clock")
@needs(Access.ANYBODY)
def clock() -> Response:
    """Choose by which clock times are shown and read, for this browser."""
    chosen = request.form.get("clock", "")
    if chosen not in wall_clocks.CHOICES:
        raise BadRequest(f"Error: clock must be one of {', '.join(wall_clocks.CHOICES)}")
    return remember(_back(), "clock", chosen)


@bp.post("/act/language")
@needs(Access.ANYBODY)
def language() -> Response:
    """Choose the language of the pages, for this browser."""
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        raise BadRequest(f"Error: language must be one of {', '.join(LANGUAGES)}")
    return remember(_back(), "language", chosen)


@bp.post("/act/name")
@needs(Access.ANYBODY)
def name() -> Response:
    """Remember which name this browser's jobs carry."""
    chosen = " ".join(request.form.get("name", "").split())[:NAME_LONGEST]
    if not chosen or "\0" in chosen:
        raise BadRequest("Error: write a name, so that others see who commands")
    return remember(_back(), "name", chosen)


def command(device: str, instance: str, action: str, **more: object) -> SubmitJob:
    """Return a command of the visitor without parameters."""
    actor = page().actor
    made = commands.checked(
        SubmitJob,
        {
            "site": _site(),
            "device": device,
            "instance": instance,
            "action": action,
            "user_name": actor.name,
            "user_id": actor.id,
            "required_params": {},
            "optional_params": {},
            **more,
        },
    )
    commands.check_site(made, page().settings.sites)
    return made


def done(what: str, **details: object) -> Response:
    """Report that something was done: to a script in a line, else on the page that was left."""
    line = render_template("pages/_done.html", what=what, **details).strip()
    ulid = str(details.get("undo", ""))
    if not page().wants_page:
        button = {"button": render_template("pages/_undo.html", ulid=ulid)} if ulid else {}
        return jsonify({"done": what, "line": line, **details, **button})
    response = _back()
    return keep_for_next_page(response, what, ulid)


def keep_for_next_page(response: Response, what: str, ulid: str = "", line: str = "") -> Response:
    """Have the next page say what was done, to which job where it was done to one."""
    response.set_cookie(
        "done",
        quote(" ".join(filter(None, (what, ulid, line)))),
        max_age=20,
        httponly=True,
        samesite="Lax",
        path=cookie_path(),
    )
    return response


def _cancel_waiting() -> Response:
    return done("waiting", count=service().desk.cancel_waiting(_site(), page().actor))


def _mount(last: str | None) -> str:
    known = page().profile.device("mount").instances
    return known[0] if known else last or "mount1"


def _site() -> str:
    site = page().site
    if not site.strip() or "\0" in site:
        raise BadRequest("Error: name a site")
    return site


def _left() -> SplitResult:
    """Return the address of the page that was left; a blank one where none, or none that is an address, is named."""
    try:
        return urlsplit(request.referrer or "")
    except ValueError:
        return urlsplit("")


def _back() -> Response:
    """Redirect to the page that was left, and never to an address elsewhere."""
    left = _left()
    path = left.path + (f"?{left.query}" if left.query else "")
    root = request.root_path
    ours = left.netloc == request.host and path.startswith(f"{root}/") and not path.startswith("//")
    return redirect(
        path if ours and not path.startswith(f"{root}/act/") else url_for("pages.now", site=page().site), 303
    )  # type: ignore[return-value]
