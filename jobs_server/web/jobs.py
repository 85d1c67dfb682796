"""The log of all jobs, and one job's page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
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
from ..jobs.reservation_commands import any_time_ms
from ..jobs.timing import timing_of
from ..observatory import sky
from ..service import service
from ..state import previews
from . import export, nights, pictures, results, wall_clocks
from .blueprint import bp
from .context import page
from .wall_clocks import WallClock

STATUSES = ("waiting", "unfinished", "done", "failed", "canceled", "expired", "lost")
SHOWN_EVENTS = 400
"""Entries of a job's history on its page; `getjob` has all."""
_TEXTS = ("text", "device", "action", "user", "status")
LONGEST = 200
"""How many characters a field of the log's form may have: far more than anything that is looked for."""
_LABELS = {"text": "Search", "since": "From"}  # others are called as their name
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d")

_WITH_SECONDS = re.compile(r"\d:\d\d:\d\d")


class Asked(NamedTuple):
    """What was asked for, as it was written."""

    text: str
    device: str
    action: str
    user: str
    status: str
    since: str
    until: str
    night: str
    clock: str
    """By which clock the times are written; blank in addresses of before there was a choice, which are in UTC."""

    @property
    def has_times(self) -> bool:
        """Whether times stand in the form."""
        return bool(self.since or self.until)

    @property
    def given(self) -> dict[str, str]:
        """Return what is not blank, for an address that shows the same again."""
        return {name: value for name, value in self._asdict().items() if value and (name != "clock" or self.has_times)}

    def in_night(self, night: date | None) -> dict[str, str]:
        """Return the same for a night, or for any; what was written of times goes."""
        rest = {name: value for name, value in self.given.items() if name not in ("since", "until", "clock", "night")}
        return rest if night is None else {**rest, "night": night.isoformat()}

    @property
    def times(self) -> WallClock:
        """Return the clock by which the times are written. Raises BadRequest when there is none of that name."""
        if not self.has_times:
            return page().times
        return wall_clocks.called(self.clock or wall_clocks.UTC_NAME, page().profile)

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
        return Asked(*(value[:LONGEST] for value in self))._replace(clock="")


@bp.get("/jobs-log")
@needs(Access.ANYBODY)
def log() -> Response:
    """Show a page of the log."""
    asked = _asked()
    before = search.place(request.args.get("before", "")) or search.START
    with page().reading() as connection:
        now_ms, zone = page().now_ms, page().profile.zone
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
        by=asked.times,
        nights=nights.lately(now_ms, zone),
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
        result_rows=results.rows(result, page().language),
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
    from_ms = _time("From", asked.since, asked.times)[0] if asked.since else wanted.from_ms
    to_ms = _time("Until", asked.until, asked.times)[1] if asked.until else wanted.to_ms
    if asked.night:
        begin_ms, end_ms = _night(asked.night)
        from_ms, to_ms = max(from_ms, begin_ms), min(to_ms, end_ms)
    return search.within(wanted, from_ms, to_ms)


def _night(text: str) -> tuple[int, int]:
    """Read a night, which goes from noon to noon."""
    zone = page().profile.zone
    night = sky.night_of(page().now_ms, zone) if text == "tonight" else nights.read(text)
    if night is None:
        raise BadRequest(f"Error: Night must be a day such as 2026-11-23, not {text[:40]}")
    return sky.night_span(night, zone)


def _time(name: str, text: str, by: WallClock) -> tuple[int, int]:
    """Read a time by a clock as the stretch that it names: a day, a minute or a second."""
    if text == "tonight":
        return _night(text)
    return _time_at_the_site(name, text, by) if by.is_of_site else _time_in_utc(name, text)


def _time_at_the_site(name: str, text: str, by: WallClock) -> tuple[int, int]:
    if (day := nights.read(text)) is not None:
        return by.midnight_ms(day), by.midnight_ms(day + timedelta(days=1))
    begin_ms = any_time_ms(by.as_iso(text, name))
    return begin_ms, begin_ms + (1000 if _WITH_SECONDS.search(text) else 60_000)


def _time_in_utc(name: str, text: str) -> tuple[int, int]:
    midnight, days = as_next_midnight(text)
    for shape, length in zip(_FORMATS, (1, 60, 1, 60, 86400), strict=True):
        try:
            begin = datetime.strptime(f"{midnight} +0000", f"{shape} %z") + timedelta(days=days)
            end = begin + timedelta(seconds=length)
        except (ValueError, OverflowError):
            continue
        return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)
    raise BadRequest(f"Error: {name} must be a time in UTC such as 2026-11-23 or 2026-11-23 21:30, not {text[:40]}")
