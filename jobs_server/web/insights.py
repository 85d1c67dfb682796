"""How long jobs wait and run, and how they come out, over the last nights."""

from __future__ import annotations

from flask import Response, make_response, render_template, request

from ..auth.access import Access, needs
from ..history import night
from ..history.insights import by_action, by_night
from ..live import presence_store
from .blueprint import bp
from .context import page

SPANS = ("7", "30", "90")
"""So many nights can be looked at."""
_DAY_MS = 24 * 60 * 60 * 1000


@bp.get("/insights")
@needs(Access.ANYBODY)
def insights() -> Response:
    """Show how the jobs of the last nights went."""
    nights = request.args.get("nights", "")
    nights = nights if nights in SPANS else "7"
    now_ms = page().now_ms
    from_ms = now_ms - int(nights) * _DAY_MS
    with page().reading() as connection:
        report = night.report(connection, page().site, from_ms, now_ms + _DAY_MS)
        silent = presence_store.silences_between(connection, page().site, from_ms, now_ms)
    shown = render_template(
        "pages/insights.html",
        nights=nights,
        spans=SPANS,
        left_out=report.left_out,
        count=len(report.jobs),
        habits=by_action(report.jobs),
        by_night=by_night(
            report.jobs, silent, page().profile.zone, page().settings.silent_after_seconds * 1000, now_ms
        ),
    )
    return make_response(shown)
