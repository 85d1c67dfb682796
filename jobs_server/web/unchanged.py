"""The short answer to an open page that asks for changes when there are none: the page is not rendered then."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from ..live import sse
from .blueprint import bp
from .context import page

KNOWN = "X-Known"
"""With this header a script says what its page shows: the position and the mark that came with the page."""


@bp.before_request
def say_so() -> ResponseReturnValue | None:
    """Answer without the page when nothing has changed since: who is there, the time, and where to go on from."""
    position, _, mark = request.headers.get(KNOWN, "").partition(" ")
    known = sse.parse_position(position)
    if known is None or request.method != "GET":
        return None
    with page().reading() as connection:
        has_news = sse.has_news(connection, known, page().site)
    return None if has_news or mark != page().mark else render_template("pages/unchanged.html")
