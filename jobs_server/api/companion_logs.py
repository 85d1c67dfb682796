"""`/logs`: the lines that the public site software writes for its observers."""

from __future__ import annotations

import math
from typing import Any

from flask import Blueprint, Response, request

from .. import clock
from ..auth import public_writers
from ..auth.access import Access, needs
from ..domain.commands import LONGEST_CODE
from ..domain.lenient_json import text_of
from ..errors import BadRequest, Fault
from ..state.site_log import LONGEST, Line
from . import companion_schemas as schemas
from .companion_requests import answer, body, check_site, companion
from .describe import describe

bp = Blueprint("companion_logs", __name__, url_prefix="/logs")

_LEVEL, _LONGEST_LEVEL = "info", 16
_HOUR_SECONDS = 3600


@bp.post("/newlog")
@describe(gives=str, body=schemas.PostedLine)
@needs(Access.ANYBODY)
def new_log() -> Response:
    """Take a line of a site's log."""
    said = body()
    site = check_site(text_of(said, "site", LONGEST_CODE))
    public_writers.check(site)
    now_ms = clock.now_ms()
    line = Line(site, _message(said), _level(said), int(_seconds(said.get("timestamp"), now_ms / 1000)), now_ms)
    companion().log.add(line)
    return answer("logged")


@bp.get("/recent-logs")
@describe(gives=list[dict[str, Any]], query=schemas.LinesSince)
@needs(Access.ANYBODY)
def recent_logs() -> Response:
    """Show the lines of a site's log since a time, the newest first; unless said, of the last hour."""
    site = request.args.get("site", "")
    if not site or "\0" in site:
        raise BadRequest("Error: name a site", [Fault("site", "name a site")])
    after = _seconds(request.args.get("after_time"), clock.now_ms() / 1000 - _HOUR_SECONDS)
    return answer([line.public() for line in companion().log.recent(site, int(after))])


def _message(said: dict[str, Any]) -> str:
    message = said.get("log_message")
    if message is None:
        raise BadRequest("Error: missing required key log_message", [Fault("log_message", "it is missing")])
    text = message if isinstance(message, str) else str(message)
    return text[:LONGEST].replace("\0", " ")


def _level(said: dict[str, Any]) -> str:
    level = said.get("log_level")
    is_level = isinstance(level, str) and level.isalpha() and len(level) <= _LONGEST_LEVEL
    return str(level) if is_level else _LEVEL


def _seconds(value: object, unless: float) -> float:
    """Read seconds since 1970 UTC, of a number or a text; another number in the place of what is none of a year."""
    try:
        found = float(value) if isinstance(value, str | int | float) else unless
    except (ValueError, OverflowError):
        return unless
    return found if math.isfinite(found) and 0 <= found * 1000 < clock.END_MS else unless
