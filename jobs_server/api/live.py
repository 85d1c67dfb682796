"""The live routes: a stream of what happens at a site, and which sites' software is there."""

from __future__ import annotations

from flask import Blueprint, Response, request

from .. import clock
from ..auth.access import Access, needs
from ..domain import commands
from ..errors import Crowded
from ..jobs import queries
from ..live import disconnect, sse
from ..live.presence import public_list
from ..service import reading, service
from . import schemas
from .describe import describe

bp = Blueprint("live", __name__)


@bp.get("/stream")
@describe(
    gives=str,
    query=commands.FollowSite,
    headers=("Last-Event-ID",),
    refusals=(Crowded,),
    media="text/event-stream",
)
@needs(Access.ANYBODY)
def get_stream() -> Response:
    """Follow what happens at a site, from now on or from a position on.

    Server-Sent Events. Each carries an `id`, a position of the form `epoch-number`: come back with the last one, as
    `Last-Event-ID` (browsers do so themselves) or `lastEventId`, and nothing is missed and nothing comes twice. An
    event without a name has as its data an object with `topic`, `site` and `data`: of the topic `jobs`, a job as it is
    after a change; of the topic `presence`, whether the site's software is there, which is also said again when the
    telescope is locked out, freed or reserved. An event named `reset` says that the position cannot be gone on from,
    since the database was restored or pruned: load everything anew. One named `dropped` says why the stream ends. A
    comment comes every 15 seconds.
    """
    command = commands.parse_query(commands.FollowSite, request.args)
    commands.check_site(command, _sites())
    asked = sse.parse_position(request.headers.get("Last-Event-ID") or command.last_event_id)
    response = Response(mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx must pass on each message as it comes
    if request.method == "HEAD":
        return response
    live = service().feed
    live.presence.serves_beside_others(request.is_multiprocess)
    viewer = live.watch(command.site, disconnect.client(request.environ))
    response.call_on_close(lambda: live.leave(viewer))
    try:
        with reading() as connection:
            begin = sse.start(connection, asked, command.site)
    except BaseException:
        live.leave(viewer)
        raise
    response.response = sse.messages(live, viewer, begin)
    return response


@bp.get("/sites")
@describe(gives=list[schemas.SitePresence])
@needs(Access.ANYBODY)
def get_sites() -> Response:
    """List the sites that are known, and whether their software is there."""
    presence, now_ms = service().feed.presence, clock.now_ms()
    presence.serves_beside_others(request.is_multiprocess)
    with reading() as connection:
        known = presence.sites().union(_sites(), queries.sites(connection))
    return Response(public_list(presence, sorted(known), now_ms), mimetype="application/json")


def _sites() -> tuple[str, ...]:
    return service().settings.sites
