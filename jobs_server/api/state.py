"""The routes of what a site says of itself: the state of its devices, pictures, what it has and can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Blueprint, Response, request

from .. import clock
from ..auth import gate
from ..auth.access import Access, needs
from ..domain import commands, state_commands
from ..domain.commands import AnyCommand
from ..domain.state_commands import MOST_BYTES, MOST_PICTURE_BYTES
from ..errors import Conflict, NotFound, TooMany, shown
from ..jobs import queries
from ..service import reading, service
from ..state import capabilities, devices, previews
from ..storage.statement import Connection
from . import request_body, schemas
from .describe import describe

bp = Blueprint("state", __name__)

_OF_PICTURES = (
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("Cache-Control", "private, max-age=31536000, immutable"),  # Another picture has another address.
)


@bp.post("/devicestate")
@describe(gives=schemas.Reported, body=state_commands.TellState, refusals=(Conflict,))
@needs(Access.SITE)
def tell_device_state() -> Response:
    """Say how devices of a site are: each replaces what was said of that device before, and null forgets it.

    It is told to streams at once, as topic `devices`, and shown with its age. At most 64 KiB and 100 devices.
    """
    command = _parse(state_commands.TellState)
    state_commands.check_devices(command.devices, may_forget=True)
    gate.site(command.site)
    now = clock.read()
    service().devices.report(command.site, command.devices, now)
    return _json({"site": command.site, "at_ms": now.wall_ms})


@bp.get("/devicestate")
@describe(gives=schemas.SiteDevices, query=state_commands.ShowState)
@needs(Access.ANYBODY)
def get_device_state() -> Response:
    """Show the devices of a site, each as the site last said, with `at_ms`: when the server heard it.

    After a restart of the server that is what was known before, but for enclosure, weather and safety.
    """
    command = _asked(state_commands.ShowState)
    return _json(devices.public_site(command.site, service().devices.at(command.site), clock.now_ms()))


@bp.post("/capabilities")
@describe(gives=schemas.SiteCapabilities, body=state_commands.TellCapabilities)
@needs(Access.SITE)
def tell_capabilities() -> Response:
    """Say what a site has and can do, in the place of all that was said before."""
    command = _parse(state_commands.TellCapabilities)
    state_commands.check_capabilities(command.devices)
    gate.site(command.site)
    return _capabilities(
        command.site, capabilities.keep(service().database, command.site, command.devices, clock.read())
    )


@bp.get("/capabilities")
@describe(gives=schemas.SiteCapabilities, query=state_commands.ShowCapabilities)
@needs(Access.ANYBODY)
def get_capabilities() -> Response:
    """Show what a site has and can do, as the site said; no devices while it has not."""
    command = _asked(state_commands.ShowCapabilities)
    with reading() as connection:
        known = capabilities.of_site(connection, command.site)
    return _capabilities(command.site, known)


@bp.post("/preview")
@describe(
    gives=schemas.Preview,
    query=state_commands.SendPreview,
    bytes_of=("image/png", "image/jpeg"),
    refusals=(NotFound, TooMany),
)
@needs(Access.SITE)
def send_preview() -> Response:
    """Send a picture of a job: a PNG or JPEG of at most 2 MiB and 16 megapixels, at most 10 a minute and job.

    The body is the picture. One of the same name takes the place of the one before.
    """
    command = _asked(state_commands.SendPreview)
    gate.site(command.site)
    kept, now = service().previews, clock.read()
    job_id = kept.admit(command.site, command.ulid, now)
    picture = _body(MOST_PICTURE_BYTES)
    return _json(previews.public(kept.keep(command.site, command.ulid, job_id, command.name, picture, now)))


@bp.get("/previews")
@describe(gives=list[schemas.Preview], query=state_commands.ListPreviews, refusals=(NotFound,))
@needs(Access.ANYBODY)
def list_previews() -> Response:
    """List the newest pictures of a site, or of one of its jobs, newest first."""
    command = _asked(state_commands.ListPreviews)
    _check_viewer()
    with reading() as connection:
        rows = _previews(connection, command)
    return _json([previews.public(row) for row in rows])


@bp.get("/previews/<folder>/<name>")
@needs(Access.ANYBODY)
def get_preview(folder: str, name: str) -> Response:
    """Show a picture."""
    _check_viewer()
    with reading() as connection:
        row = previews.find(connection, f"{folder}/{name}")
    media = previews.MEDIA[row.file[-4:]]
    response = Response(service().previews.content(row), mimetype=media)
    response.headers.extend(_OF_PICTURES)
    return response


def _previews(connection: Connection, command: state_commands.ListPreviews) -> list[previews.PreviewRow]:
    if command.ulid is None:
        return previews.of_site(connection, command.site, command.limit)
    job = queries.job(connection, command.site, command.ulid)
    if job is None:
        raise NotFound(f"Error: site {shown(command.site)} has no job {shown(command.ulid)}")
    return previews.of_job(connection, job.id, command.limit)


def _check_viewer() -> None:
    """Refuse who may not look at pictures. Raises Unauthorized."""
    if service().settings.pictures_from == "signed-in":
        gate.require_signed_in()


def _capabilities(site: str, known: capabilities.Capabilities | None) -> Response:
    if known is None:
        return _json({"site": site, "at_ms": None, "devices": {}})
    return _json({"site": site, "at_ms": known.at_ms, "devices": orjson.Fragment(known.text)})


def _body(most_bytes: int) -> bytes:
    """Read the body, of at most so many bytes on this route."""
    request.max_content_length = most_bytes
    return request_body.read()


def _parse(model: type[AnyCommand]) -> AnyCommand:
    return _of_known_site(commands.parse(model, _body(MOST_BYTES)))


def _asked(model: type[AnyCommand]) -> AnyCommand:
    return _of_known_site(commands.parse_query(model, request.args))


def _of_known_site(command: AnyCommand) -> AnyCommand:
    commands.check_site(command, service().settings.sites)
    return command


def _json(content: Mapping[str, Any] | list[Any]) -> Response:
    return Response(orjson.dumps(content), mimetype="application/json")
