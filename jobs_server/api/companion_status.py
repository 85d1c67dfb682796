"""`/status`: what the public site software says of itself, kept and given back in exactly its readers' form."""

from __future__ import annotations

import math
from typing import Any

from flask import Blueprint, Response, request

from .. import clock
from ..auth import public_writers
from ..auth.access import Access, needs
from ..domain.lenient_json import text_of
from ..errors import BadRequest, Fault, NotFound, shown
from ..state import site_configs
from ..state.status_reading import is_yes
from ..state.statuses import MOST_BYTES, Entry
from . import companion_schemas as schemas
from .companion_requests import answer, body, check_site, companion
from .describe import describe

bp = Blueprint("companion_status", __name__, url_prefix="/status")

_LONGEST_TYPE = 64
_LONGEST_PHASE = 500
_AGED = ("device", "enclosure", "weather")
_NEVER_EMPTY = "obs_settings"
"""Of this type the site software reads keys without asking whether they are there, and ends where they are not."""


@bp.post("/<site>/status")
@describe(gives=schemas.StatusTaken, body=schemas.PostedStatus)
@needs(Access.ANYBODY)
def post_status(site: str) -> Response:
    """Take a status of a site: each value gets the time, and all is merged into what was before."""
    public_writers.check(check_site(site))
    said = body(MOST_BYTES)
    status_type = text_of(said, "statusType", _LONGEST_TYPE)
    site_configs.check_name(site)
    entry = companion().post_status(site, status_type, _status(said), clock.read())
    return answer({"site": site, "statusType": status_type, "server_timestamp_ms": entry.heard.wall_ms})


@bp.get("/<site>/<status_type>")
@describe(gives=dict[str, Any], refusals=(NotFound,))
@needs(Access.ANYBODY)
def get_status(site: str, status_type: str) -> Response:
    """Show one type of status of a site; an empty object where there is none."""
    entry = companion().statuses.entry(site, status_type)
    if entry is None and status_type == _NEVER_EMPTY:
        raise NotFound(f"Error: site {shown(site)} has said nothing of its {_NEVER_EMPTY}")
    return answer({} if entry is None else entry.public())


@bp.get("/<site>/complete_status")
@describe(gives=dict[str, Any])
@needs(Access.ANYBODY)
def complete_status(site: str) -> Response:
    """Show all that a site says of itself, as the public UI asks for it once."""
    return answer(companion().statuses.complete(site))


@bp.get("/allopenstatus")
@describe(gives=dict[str, Any])
@needs(Access.ANYBODY)
def all_open_status() -> Response:
    """Show how old the statuses of all sites are, and whether their weather is good."""
    now = clock.read()
    return answer({site: _ages(entries, now) for site, entries in companion().statuses.all_entries().items()})


@bp.post("/phase_status")
@describe(gives=schemas.PhaseTaken, body=schemas.PostedPhase)
@needs(Access.ANYBODY)
def post_phase() -> Response:
    """Take a word on the phase that a site is in."""
    said = body()
    site = text_of(said, "site", _LONGEST_TYPE)
    message = text_of(said, "message", _LONGEST_PHASE)
    public_writers.check(check_site(site))
    companion().post_phase(site, message, clock.now_ms())
    return answer({"site": site})


@bp.get("/phase_status/<site>")
@describe(gives=list[Any], query=schemas.Phases)
@needs(Access.ANYBODY)
def get_phases(site: str) -> Response:
    """Show the newest phases of a site."""
    return answer(companion().phases(site, _seconds(request.args.get("max_age_seconds", ""))))


def _status(said: dict[str, Any]) -> dict[str, Any]:
    if "status" not in said:
        raise BadRequest("Error: missing required key status", [Fault("status", "missing required key status")])
    if not isinstance(said["status"], dict):
        raise BadRequest("Error: status must be an object", [Fault("status", "status must be an object")])
    return said["status"]


def _ages(entries: dict[str, Entry], now: clock.Now) -> dict[str, Any]:
    found: dict[str, Any] = {
        status_type: {"status_age_s": max(0, clock.age_ms(now, entries[status_type].heard)) // 1000}
        for status_type in _AGED
        if status_type in entries
    }
    if "weather" in entries and (said := _wx_ok(entries["weather"])) is not None:
        found["wx_ok"] = said
    return found


def _wx_ok(weather: Entry) -> bool | None:
    """Return whether the first instance says that the weather is good; None where it says nothing of it."""
    stations = weather.status.get("observing_conditions")
    first = next(iter(stations.values()), None) if isinstance(stations, dict) else None
    if not isinstance(first, dict) or "wx_ok" not in first:
        return None
    leaf = first["wx_ok"]
    return is_yes(leaf.get("val") if isinstance(leaf, dict) else leaf) is True


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        return 3600.0
    return found if math.isfinite(found) else 3600.0
