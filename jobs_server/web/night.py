"""One night: its report, its CSV, and the timeline that the script draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from flask import Response, jsonify, make_response, render_template, request

from ..auth.access import Access, needs
from ..errors import NotFound
from ..history import curves, now, search
from ..history.night import report
from ..history.now import JobWithTiming
from ..history.pictures import contact_sheet
from ..history.search import Filter
from ..jobs import events, plan_queries
from ..jobs.plan_rows import StepOfPlan
from ..live import sse
from ..observatory import describe, sky
from ..service import service
from ..storage.statement import Connection
from . import curve_drawing, export, nights, pictures, sky_tonight
from .blueprint import bp, called
from .context import page
from .failures import FAILURES

SHOWN = 500
"""Rows on the page; the log has all in pages, the CSV in one file."""
FEW = 3
"""So many failures stand in sight, each with its reason."""
DRAWN = 3_000
"""Newest jobs on a timeline."""
PLANS_DRAWN = 3
"""Of so many plans that have not ended the targets are drawn over the sky, as on Now."""
PICTURED = 200
"""Pictures on the page, the last ones of the night."""
UNFOLDED = 24
"""So many of them stand in sight; a browser loads what is folded away when it is unfolded."""
FOLLOWED = 2_000
"""Jobs up to which an open page follows the night: of more, counting them at each change would keep the server busy."""
CHANGED = 200
"""Changes after which a timeline is sent whole, and not what has changed alone."""


@bp.get("/night")
@bp.get("/night/<day>", endpoint="night_of")
@needs(Access.ANYBODY)
def night(day: str = "") -> Response:
    """Show how a night went; without a day, the present night."""
    with page().reading() as connection:
        asked, tonight = _date(day), sky.night_of(page().now_ms, page().profile.zone)
        from_ms, to_ms = sky.night_span(asked, page().profile.zone)
        found = report(connection, page().site, from_ms, to_ms)
        sheet = contact_sheet(connection, page().site, from_ms, to_ms, PICTURED)
        running = now.present(connection, page().site).running if asked == tonight else []
        planned = list(_planned(connection)) if asked == tonight else []
        measured = curves.of_night(connection, page().site, from_ms, to_ms)
    days = {"night": asked, "before": asked - timedelta(days=1), "after": asked + timedelta(days=1)}
    shown = render_template(
        "pages/night.html",
        report=found,
        from_ms=from_ms,
        to_ms=to_ms,
        rows=found.jobs[:SHOWN],
        failures=[each for each in found.jobs if each.timing.result in FAILURES],
        few=FEW,
        tonight=tonight,
        followed=FOLLOWED,
        sheet=sheet,
        unfolded=UNFOLDED,
        pictures_shown=pictures.are_shown(),
        curves=curve_drawing.sheet(measured, page().times, page().language),
        sky_now=sky_tonight.of_night(page(), from_ms, to_ms, running, planned),
        light=_light(from_ms, to_ms),
        moon=_moon(from_ms, to_ms),
        nights=nights.lately(page().now_ms, page().profile.zone),
        moonlit=sky.moonlit_percent((from_ms + to_ms) // 2),
        **days,
    )
    return make_response(shown)


def _planned(connection: Connection) -> Iterator[StepOfPlan]:
    """Yield the steps of the plans that have not ended, of the first ones."""
    for plan in plan_queries.open_at(connection, page().site)[:PLANS_DRAWN]:
        yield from plan_queries.steps(connection, plan.id)


@bp.get("/night/<day>.csv")
@needs(Access.ANYBODY)
def night_csv(day: str) -> Response:
    """Send a night's jobs as CSV, newest first."""
    asked = _date(day)
    wanted = search.within(Filter(), *sky.night_span(asked, page().profile.zone))
    return export.csv_file(search.everything(service().database, page().site, wanted), f"night-{page().site}-{asked}")


@bp.get("/timeline.json")
@needs(Access.ANYBODY)
def timeline() -> Response:
    """Send a night's jobs for drawing: a lane for each type of device, and the light of the sky.

    With `since`, a `position` that came with an earlier timeline, only the jobs that have changed since then.
    """
    whole = None
    with page().snapshot() as connection:
        from_ms, to_ms = sky.night_span(_date(request.args.get("night", "")), page().profile.zone)
        position = str(sse.now(connection, page().site))
        changed = _changed(connection, sse.parse_position(request.args.get("since")))
        if changed is None:
            whole = report(connection, page().site, from_ms, to_ms, DRAWN)
    span = {"from_ms": from_ms, "to_ms": to_ms, "now_ms": page().now_ms, "position": position}
    if whole is None:
        inside = [each for each in changed or () if from_ms <= each.job.timestamp_ms < to_ms]
        return jsonify(span | {"changed": True, "lanes": _lanes(inside)})
    light = _light(from_ms, to_ms)
    return jsonify(span | {"light": light, "left_out": whole.left_out, "lanes": _lanes(whole.jobs)})


def _changed(connection: Connection, since: sse.Position | None) -> list[JobWithTiming] | None:
    """List the jobs that have changed since a position; none when there are too many, or it is none to go on from."""
    begin = sse.start(connection, since, page().site)
    if since is None or begin.reset:
        return None
    found, more = events.after(connection, since.seq, CHANGED, page().site)
    if more:
        return None
    return now.with_timing(connection, {change.job.id: change.job for change in found}.values())


def _lanes(jobs: Iterable[JobWithTiming]) -> list[dict[str, Any]]:
    lanes: dict[str, list[list[Any]]] = {}
    for each in jobs:
        lanes.setdefault(each.job.device, []).append(_bar(each))
    name = page().language.named
    return [
        {"device": device, "name": name(device.replace("_", " ")), "jobs": lanes[device]} for device in sorted(lanes)
    ]


def _bar(row: JobWithTiming) -> list[Any]:
    job, timing = row
    line = describe.describe_job(job, page().language)
    begin_ms = timing.started_ms or timing.seen_ms or timing.posted_ms
    result = timing.result.value if timing.result else ("running" if timing.started_ms else "waiting")
    return [
        job.ulid,
        describe.shorten(line, 80),
        begin_ms,
        timing.ended_ms,
        result,
        job.status,
        called(job.user_name)[:80],
    ]


def _light(from_ms: int, to_ms: int) -> list[sky.Span]:
    place = page().profile.place
    return sky.spans(place, from_ms, to_ms) if place else []


def _moon(from_ms: int, to_ms: int) -> list[sky.Span]:
    place = page().profile.place
    return sky.moon_spans(place, from_ms, to_ms) if place else []


def _date(text: str) -> date:
    if not text:
        return sky.night_of(page().now_ms, page().profile.zone)
    if (found := nights.read(text)) is not None:
        return found
    raise NotFound(f"Error: {text[:40]} is no night; write one as 2026-11-23")
