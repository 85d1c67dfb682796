"""The first page: what the telescope does now, what comes next, and what came before."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, url_for

from ..auth.access import Access, needs
from ..history.now import present
from ..jobs import plan_queries
from . import pictures, plans, queue, sky_tonight
from .blueprint import bp
from .context import page
from .failures import seen_ms, unseen_first

SHOWN_PLANS = 3
"""So many of the plans that have not ended have a card."""


@bp.get("/")
@needs(Access.ANYBODY)
def now() -> Response:
    """Show a site's present."""
    with page().reading() as connection:
        shown = present(connection, page().site, with_waiting=False) if page().site else None
        waits = queue.shown(connection, shown) if shown else None
        going_on = plan_queries.open_at(connection, page().site) if page().site else []
        cards = [plans.shown(connection, row) for row in going_on[:SHOWN_PLANS]]
        picture = pictures.last(connection, page().site) if pictures.are_shown() else None
    if shown is None:  # a script asks
        return redirect(url_for("pages.set_up"))  # type: ignore[return-value]
    drawn = sky_tonight.of_now(page(), shown.running, [step for card in cards for step in card.steps])
    latest, unseen = unseen_first(shown.latest, seen_ms())
    return make_response(
        render_template(
            "pages/now.html",
            present=shown._replace(latest=latest),
            unseen_failures=unseen,
            queue=waits,
            last_picture=picture,
            sky_now=drawn,
            plans=cards,
            plans_more=len(going_on) - len(cards),
        )
    )


@bp.get("/part/frame")
@needs(Access.ANYBODY)
def frame() -> Response:
    """Show what is the same on every page, for pages that renew nothing else."""
    with page().reading():
        _ = page().is_busy  # in the page's own transaction
    return make_response(render_template("pages/frame.html"))
