"""What went wrong stands first, until somebody at this browser has said that it was seen."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, unquote, urlencode

from flask import Response, request

from ..auth.access import Access, needs
from ..domain.lifecycle import Result
from ..errors import BadRequest
from ..history.now import JobWithTiming
from .actions import done
from .blueprint import bp
from .context import page, remember

FAILURES = (Result.FAILED, Result.LOST)
_SITES = 8
"""Of so many sites a browser remembers what was seen."""
_MOST_CHARACTERS = 3_500
"""Browsers keep cookies of up to 4096 bytes, their names and attributes with them."""


def unseen_first(latest: Sequence[JobWithTiming], seen_ms: int) -> tuple[list[JobWithTiming], int]:
    """Return what ended last with the failures after a time first, and how many these are."""
    unseen = [each for each in latest if _is_unseen(each, seen_ms)]
    return unseen + [each for each in latest if not _is_unseen(each, seen_ms)], len(unseen)


def _is_unseen(each: JobWithTiming, seen_ms: int) -> bool:
    return each.timing.result in FAILURES and (each.timing.ended_ms or 0) > seen_ms


@bp.post("/act/see-failures")
@needs(Access.ANYBODY)
def see_failures() -> Response:
    """Remember in this browser up to which time failures were seen."""
    until = request.form.get("until", "")
    if not _is_time(until):
        raise BadRequest("Error: until must be a time in ms")
    seen = [each for each in _seen() if each[0] != page().site]
    return remember(done("seen"), "seen", _written([(page().site, until), *seen[: _SITES - 1]]))


def seen_ms() -> int:
    """Return up to when this browser has seen what failed at the site of the page."""
    return next((int(until) for site, until in _seen() if site == page().site and _is_time(until)), 0)


def _written(seen: list[tuple[str, str]]) -> str:
    """Write what was seen, of as many sites as a browser keeps: one that is sent too much keeps nothing."""
    while len(seen) > 1 and len(quote(urlencode(seen))) > _MOST_CHARACTERS:
        seen = seen[:-1]
    return urlencode(seen)


def _seen() -> list[tuple[str, str]]:
    return parse_qsl(unquote(request.cookies.get("seen", "")))[:_SITES]


def _is_time(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16
