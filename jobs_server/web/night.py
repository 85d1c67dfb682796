"""One night: its report, its CSV, and the timeline that the script draws."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request

from ..auth import Access, needs
from ..errors import NotFound
from ..history import night as reports
from ..history import now, search
from ..history.now import Told
from ..history.search import Filter
from ..jobs import events
from ..live import sse
from ..observatory import describe, sky
from ..service import reading, service
from ..storage.statement import Connection
from . import export
from .context import page

SHOWN = 500
"""Rows on the page; the log has all in pages, the CSV in one file."""
DRAWN = 3_000
"""Newest jobs on a timeline."""
FOLLOWED = 2_000
"""Jobs up to which an open page follows the night: of more, counting them at each change would keep the server busy."""
CHANGED = 200
"""Changes after which a timeline is told whole, and not what has changed alone."""


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    bp.add_url_rule("/night", view_func=night)
    bp.add_url_rule("/night/<day>", endpoint="night_of", view_func=night)
    bp.add_url_rule("/night/<day>.csv", endpoint="night_csv", view_func=night_csv)
    bp.add_url_rule("/timeline.json", view_func=timeline)


@needs(Access.ANYBODY)
def night(day: str = "") -> Response:
    """Show what a night came to; without a day, the present one."""
    asked = _date(day)
    from_ms, to_ms = sky.night_span(asked, page().profile.zone)
    with reading() as connection:
        report = reports.report(connection, page().site, from_ms, to_ms)
    days = {"night": asked, "before": asked - timedelta(days=1), "after": asked + timedelta(days=1)}
    tonight = sky.night_of(page().now_ms, page().profile.zone)
    shown = render_template(
        "pages/night.html",
        report=report,
        from_ms=from_ms,
        to_ms=to_ms,
        rows=report.jobs[:SHOWN],
        tonight=tonight,
        followed=FOLLOWED,
        light=_light(from_ms, to_ms),
        **days,
    )
    return make_response(shown)


@needs(Access.ANYBODY)
def night_csv(day: str) -> Response:
    """Give a night's jobs as CSV, newest first."""
    asked = _date(day)
    wanted = search.within(Filter(), *sky.night_span(asked, page().profile.zone))
    return export.csv_file(search.everything(service().database, page().site, wanted), f"night-{page().site}-{asked}")


@needs(Access.ANYBODY)
def timeline() -> Response:
    """Give a night's jobs for drawing: a lane for each type of device, and the light of the sky.

    With `since`, a `position` that was given before, only the jobs that have changed since then.
    """
    asked = _date(request.args.get("night", ""))
    from_ms, to_ms = sky.night_span(asked, page().profile.zone)
    told = {"from_ms": from_ms, "to_ms": to_ms, "now_ms": page().now_ms, "position": page().position}
    with reading() as connection:
        changed = _changed(connection, sse.parse_position(request.args.get("since")))
        if changed is not None:
            inside = [each for each in changed if from_ms <= each.job.timestamp_ms < to_ms]
            return jsonify(told | {"changed": True, "lanes": _lanes(inside)})
        report = reports.report(connection, page().site, from_ms, to_ms, DRAWN)
    light = _light(from_ms, to_ms)
    return jsonify(told | {"light": light, "left_out": report.left_out, "lanes": _lanes(report.jobs)})


def _changed(connection: Connection, since: sse.Position | None) -> list[Told] | None:
    """List the jobs that have changed since a position; none when there are too many, or it is none to go on from."""
    begin = sse.start(connection, since, page().site)
    if since is None or begin.reset:
        return None
    found = events.after(connection, since.seq, CHANGED, page().site)
    if len(found) == CHANGED:
        return None
    return now.told(connection, {change.job.id: change.job for change in found}.values())


def _lanes(jobs: Iterable[Told]) -> list[dict[str, Any]]:
    lanes: dict[str, list[list[Any]]] = {}
    for told in jobs:
        lanes.setdefault(told.job.device, []).append(_bar(told))
    return [{"device": device, "jobs": lanes[device]} for device in sorted(lanes)]


def _bar(told: Told) -> list[Any]:
    job, life = told
    line = describe.describe_texts(job.device, job.action, job.required_params, job.optional_params)
    begin_ms = life.started_ms or life.seen_ms or life.posted_ms
    result = life.result.value if life.result else ("running" if life.started_ms else "waiting")
    return [job.ulid, describe.shorten(line, 80), begin_ms, life.ended_ms, result, job.status, job.user_name[:80]]


def _light(from_ms: int, to_ms: int) -> list[sky.Span]:
    place = page().profile.place
    return sky.spans(*place, from_ms, to_ms) if place else []


def _date(text: str) -> date:
    if not text:
        return sky.night_of(page().now_ms, page().profile.zone)
    with suppress(ValueError):
        found = date.fromisoformat(text)
        if 1970 < found.year < 2900:
            return found
    raise NotFound(f"Error: {text[:40]} is no night; write one as 2026-11-23")
