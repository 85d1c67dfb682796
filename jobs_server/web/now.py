"""The first page: what the telescope does, what comes next, what was."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template

from ..auth import Access, needs
from ..history import now as board
from ..service import reading
from .context import page


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    bp.add_url_rule("/", view_func=now)
    bp.add_url_rule("/part/frame", view_func=frame)


@needs(Access.ANYBODY)
def now() -> Response:
    """Show a site's present."""
    if not page().site:
        return make_response(render_template("pages/no_site.html"))
    with reading() as connection:
        seen = board.board(connection, page().site)
    return make_response(render_template("pages/now.html", board=seen))


@needs(Access.ANYBODY)
def frame() -> Response:
    """Give what is the same on every page, for pages that renew nothing else."""
    return make_response(render_template("pages/frame.html"))
