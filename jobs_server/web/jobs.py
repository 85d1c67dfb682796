"""The log of all jobs, and one job's page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from flask import Response, make_response, render_template, request

from ..auth.access import Access, needs
from ..domain.lifecycle import Phase
from ..domain.values import as_next_midnight
from ..errors import BadRequest, NotFound
from ..history import now, search
from ..history.now import JobWithTiming
from ..history.search import Filter
from ..jobs import queries
from ..jobs import results as job_results
from ..jobs.timing import timing_of
from ..observatory import sky
from ..service import service
from ..state import previews
from . import export, pictures, results
from .blueprint import bp
from .context import page

STATUSES = ("waiting", "unfinished", "done", "failed", "canceled", "expired", "lost")
SHOWN_EVENTS = 400
"""Entries of a job's history on its page; `getjob` has all."""
_TEXTS = ("text", "device", "action", "user", "status")
LONGEST = 200
"""How many characters a field of the log's form may have: far more than anything that is looked for."""
_LABELS = {"text": "Search", "since": "From"}  # others are called as their name
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


class Asked(NamedTuple):
    """What was asked for, as it was written."""

    text: str
    device: str
    action: str
    user: str
    status: str
    since: str
    until: str

    @property
    def given(self) -> dict[str, str]:
        """Return what is not blank, for an address that shows the same again."""
        return {name: value for name, value in self._asdict().items() if value}

    def check(self) -> None:
        """Raise BadRequest when a field is longer than a database looks for, or is no text."""
        for name, value in self._asdict().items():
            label = _LABELS.get(name, name.capitalize())
            if len(value) > LONGEST:
                raise BadRequest(f"Error: {label} must be at most {LONGEST} characters")
            if "\0" in value:
                raise BadRequest(f"Error: {label} must be a text, without the character NUL")

    def shortened(self) -> Asked:
        """Return the same, with no field longer than allowed, to be shown again."""
        return Asked(*(value[:LONGEST] for value in self))


@bp.get("/jobs-log")
@needs(Access.ANYBODY)
def log() -> Response:
    """Show a page of the log."""
    asked = _asked()
    before = search.place(request.args.get("before", "")) or search.START
    with page().reading() as connection:
        try:
            wanted, fault = _filter(asked), ""
        except BadRequest as error:
            wanted, fault, asked = Filter(), error.sentence, asked.shortened()
        found = search.find(connection, page().site, wanted, before)
        rows = now.with_timing(connection, found.jobs)
    shown = render_template(
        "pages/log.html",
        asked=asked,
        rows=rows,
        found=found,
        fault=fault,
        statuses=STATUSES,
        first=before == search.START,
    )
    return make_response(shown, 400 if fault else 200)


@bp.get("/jobs-log.csv")
@needs(Access.ANYBODY)
def log_csv() -> Response:
    """Send all jobs that are asked for as CSV."""
    return export.csv_file(_everything(), f"jobs-{page().site}")


@bp.get("/jobs-log.json")
@needs(Access.ANYBODY)
def log_json() -> Response:
    """Send all jobs that are asked for as JSON."""
    return export.json_file(_everything(), f"jobs-{page().site}")


@bp.get("/job/<ulid>")
@needs(Access.ANYBODY)
def job(ulid: str) -> Response:
    """Show one job: what was asked for, and what became of the job."""
    with page().reading() as connection:
        found = queries.job_anywhere(connection, ulid)
        history, left_out = queries.history_ends(connection, found.id, SHOWN_EVENTS) if found else ([], 0)
        told = queries.each_event(connection, found.id) if found and left_out else history
        timing = timing_of(found.timestamp_ms, told, found.hold_ms) if found else None
        result = job_results.of_job(connection, found.id) if found else None
        kept = previews.of_job(connection, found.id) if found else []
    if found is None or (request.args.get("site") and found.site != page().site):
        raise NotFound(f"Error: site {page().site} has no job {ulid}")
    shown = render_template(
        "pages/job.html",
        job=found,
        history=history,
        left_out=left_out,
        can_move=found.phase == Phase.WAITING and not found.is_stop,
        timing=timing,
        result_rows=results.rows(result),
        pictures=kept,
        pictures_shown=pictures.are_shown(),
    )
    return make_response(shown)


def _everything() -> Iterator[list[JobWithTiming]]:
    return search.everything(service().database, page().site, _filter(_asked()))


def _asked() -> Asked:
    return Asked(*(request.args.get(name, "").strip() for name in Asked._fields))


def _filter(asked: Asked) -> Filter:
    """Read what was asked for. Raises BadRequest when a time is none, or a field is too long."""
    asked.check()
    wanted = Filter(**{name: getattr(asked, name) for name in _TEXTS})
    from_ms = _time("From", asked.since)[0] if asked.since else wanted.from_ms
    to_ms = _time("Until", asked.until)[1] if asked.until else wanted.to_ms
    return search.within(wanted, from_ms, to_ms)


def _time(name: str, text: str) -> tuple[int, int]:
    """Read a time in UTC as the stretch that it names: a day, a minute or a second. A night goes from noon to noon."""
    if text == "tonight":
        zone = page().profile.zone
        return sky.night_span(sky.night_of(page().now_ms, zone), zone)
    midnight, days = as_next_midnight(text)
    for shape, length in zip(_FORMATS, (1, 60, 1, 60, 86400), strict=True):
        try:
            begin = datetime.strptime(f"{midnight} +0000", f"{shape} %z") + timedelta(days=days)
            end = begin + timedelta(seconds=length)
        except (ValueError, OverflowError):
            continue
        return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)
    raise BadRequest(f"Error: {name} must be a time in UTC such as 2026-11-23 or 2026-11-23 21:30, not {text[:40]}")
