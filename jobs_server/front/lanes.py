"""Which threads take up a request, as far as can be seen from outside: stops have their own, and so have long lists."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import orjson

from ..domain.lifecycle import is_stop

_MOST_BYTES = 64 * 1024


class Lane(Enum):
    """Threads for requests of a kind."""

    STOPS = "stops"
    """Stops and cancels: whatever else is asked for, these threads are free."""
    LISTS = "lists"
    """Lists of jobs of up to megabytes: few are made at a time, since each keeps the interpreter from all others."""
    CALLS = "calls"
    """All others."""


THREADS = {Lane.STOPS: 4, Lane.LISTS: 16}
LISTS_AT_A_TIME = 2
"""So many lists are being made while the others wait, for their turn or for their readers."""


_ROUTES = {
    "getrecentjobs": Lane.LISTS,
    "stop": Lane.STOPS,
    "cancel": Lane.STOPS,
    "canceljob": Lane.STOPS,
}
"""Which threads take up a POST, by the last part of its path; whoever is wrongly taken for a stop gains a thread."""


def lane_of(method: str, path: str, body: Callable[[], bytes]) -> Lane:
    """Return which threads take up a request; its body is read where that matters."""
    if method != "POST":
        return Lane.CALLS
    route = path.partition("?")[0].rstrip("/").rpartition("/")[2]
    if route == "newjob":
        return Lane.STOPS if _is_stop_job(body()) else Lane.CALLS
    return _ROUTES.get(route, Lane.CALLS)


def _is_stop_job(body: bytes) -> bool:
    lowered = body.lower() if len(body) <= _MOST_BYTES else b""
    if b"stop" not in lowered and b"cancel" not in lowered:  # nearly all jobs: reading them twice would cost
        return False
    try:
        job = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(job, dict):
        return False
    required = job.get("required_params")
    return is_stop(str(job.get("action")), required if isinstance(required, dict) else {})
