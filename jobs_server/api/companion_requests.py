"""What the companion's routes have in common: who and what is asked for, and how it is answered."""

from __future__ import annotations

from typing import Any, cast

import orjson
from flask import Response, request

from ..domain import lenient_json
from ..domain.commands import LONGEST_CODE
from ..errors import BadRequest, shown
from ..service import service
from ..state.companion import Companion
from . import request_body

_NO_STORE = {"Cache-Control": "no-store"}


def companion() -> Companion:
    """Return the companion of the running app."""
    return cast(Companion, service().companion)


def body(most_bytes: int | None = None) -> dict[str, Any]:
    """Read the body as one JSON object, of at most so many bytes on this route. Raises BadRequest."""
    if most_bytes is not None:
        request.max_content_length = most_bytes
    return lenient_json.read_object(request_body.read())


def check_site(site: str) -> str:
    """Return the code of a site that may be written to. Raises BadRequest."""
    if not site.strip() or "\0" in site or len(site) > LONGEST_CODE:
        raise BadRequest(f"Error: site must be a text of 1 to {LONGEST_CODE} characters")
    known = service().settings.sites
    if known and site not in known:
        raise BadRequest(f"Error: site {shown(site)} is not one of JOBS_SITES; a wema is to be named there too")
    return site


def answer(content: Any, status: int = 200) -> Response:
    """Answer with JSON, which no browser keeps; bytes are JSON already."""
    written = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(written, status, headers=_NO_STORE, mimetype="application/json")
