"""The live routes: a stream of what happens at a site, and which sites' software is there."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, current_app, request

from . import clock, commands, feed, hangup, queries, stream, wire
from .auth import Access, needs
from .config import EXTENSION, Loaded
from .db import reading

bp = Blueprint("live", __name__)


@bp.get("/stream")
@needs(Access.ANYBODY)
def get_stream() -> Response:
    """Follow what happens at a site, from now on or from a position on."""
    command = commands.parse_query(commands.FollowSite, request.args)
    commands.check_site(command, _sites())
    asked = stream.parse_position(request.headers.get("Last-Event-ID") or request.args.get("lastEventId"))
    response = Response(mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx must pass on each message as it comes
    if request.method == "HEAD":
        return response
    live = feed.current()
    live.presence.alone = not request.is_multiprocess
    viewer = live.watch(command.site, hangup.client(request.environ))
    response.call_on_close(lambda: live.leave(viewer))
    try:
        with reading() as connection:
            begin = stream.start(connection, asked)
    except BaseException:
        live.leave(viewer)
        raise
    response.response = stream.messages(live, viewer, begin)
    return response


@bp.get("/sites")
@needs(Access.ANYBODY)
def get_sites() -> Response:
    """List the sites that are known, and whether their software is there."""
    presence, now_ms = feed.current().presence, clock.now_ms()
    presence.alone = not request.is_multiprocess
    with reading() as connection:
        known = presence.sites().union(_sites(), queries.sites(connection))
    return Response(wire.presences(presence, sorted(known), now_ms), mimetype="application/json")


def _sites() -> tuple[str, ...]:
    return cast(Loaded, current_app.extensions[EXTENSION]).settings.sites
