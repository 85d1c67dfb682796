"""`/datastream/dev`: the WebSocket by which a page of the public UI stays true."""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
from collections.abc import Callable
from typing import Protocol, cast, runtime_checkable

from flask import Blueprint, Response, request

from .. import program
from ..auth import browser_guard
from ..auth.access import Access, needs
from ..errors import BadRequest, Forbidden, NotFound, TooMany
from ..live.sockets import Sockets
from ..service import service

bp = Blueprint("companion_datastream", __name__, url_prefix="/datastream")

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_VERSION = "13"
_LONGEST_SITE = 64
_LOST_SECONDS = 5


@runtime_checkable
class Upgradable(Protocol):
    """A connection that its server hands over when the answer to the request was sent."""

    def hand_to(self, take: Callable[[socket.socket, bytes], None]) -> None:
        """Have the connection handed over, with what came after the request."""


@bp.get("/dev")
@needs(Access.ANYBODY)
def dev() -> Response:
    """Open a WebSocket that follows a site."""
    key = _key()
    _check_origin()
    connection = request.environ.get("gunicorn.socket") or request.environ.get("werkzeug.socket")
    if not isinstance(connection, Upgradable):
        raise NotFound(
            f"Error: this server offers no WebSockets as it is run: they need gunicorn or `{program.command('run')}`"
        )
    site, address = request.args.get("site", "")[:_LONGEST_SITE], request.remote_addr or ""
    sockets = cast(Sockets, service().sockets)
    place = sockets.take_place(site, address)
    if place is None:
        raise TooMany("Error: all places for WebSockets are taken; try again", retry_after_seconds=_LOST_SECONDS)
    connection.hand_to(lambda taken, ahead: sockets.hand_over(place, taken, ahead))
    return _opened(key)


def _key() -> bytes:
    """Return the key of a request to open a WebSocket. Raises BadRequest where the request is none."""
    asked = request.headers
    is_asked = "websocket" in asked.get("Upgrade", "").lower() and "upgrade" in asked.get("Connection", "").lower()
    if request.method != "GET" or not is_asked or asked.get("Sec-WebSocket-Version") != _VERSION:
        raise BadRequest("Error: this address is for WebSockets of version 13")
    key = asked.get("Sec-WebSocket-Key", "").strip().encode("latin-1", "replace")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        is_key = False
    if not is_key:
        raise BadRequest("Error: Sec-WebSocket-Key must be 16 bytes in base64")
    return key


def _check_origin() -> None:
    """Raise Forbidden for a page that may not read here: to WebSockets a browser applies no other rule."""
    if not browser_guard.may_read(service().settings.allowed_origins):
        raise Forbidden("Error: pages of this address may not follow anything here; see JOBS_ALLOWED_ORIGINS")


def _opened(key: bytes) -> Response:
    accepted = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()
    response = Response(status=101)
    response.headers["Upgrade"] = "websocket"
    response.headers["Connection"] = "Upgrade"
    response.headers["Sec-WebSocket-Accept"] = accepted
    del response.headers["Content-Type"]
    return response
