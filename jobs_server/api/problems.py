"""The one renderer of refusals, for every route and every error."""

from __future__ import annotations

import logging

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound, RequestEntityTooLarge

from ..errors import Fault, JobsError, shown
from ..service import service
from . import request_body

PROBLEM = "application/problem+json"
_HEADER_CHARACTERS = 500
_ASIDE = {"OPTIONS", "HEAD"}  # Flask adds these methods by itself

log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Render every refusal of an app the same way, unknown addresses included."""
    app.register_error_handler(JobsError, _refused)
    app.register_error_handler(HTTPException, http_error)


def _refused(error: JobsError) -> Response:
    if error.status >= 500:
        log.error("%s %s: %s", request.method, request.path, error.sentence, exc_info=error.__cause__)
    response = _render(error.status, error.code, error.title, error.sentence, error.faults)
    response.headers.update(headers(error))
    return response


def headers(error: JobsError) -> dict[str, str]:
    """Return the headers that go with a refusal, on a page as on the wire."""
    found = {}
    if error.status == 401:
        found["WWW-Authenticate"] = 'Bearer realm="jobs"'
    if error.retry_after_seconds is not None:
        found["Retry-After"] = str(error.retry_after_seconds)
    return found


def http_error(error: HTTPException) -> Response:
    """Render a refusal that is none of this service's own, such as of an address where there is nothing."""
    status = error.code or 500
    response = _render(status, error.name.lower().replace(" ", "-"), error.name, _http_sentence(error), ())
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _http_sentence(error: HTTPException) -> str:
    if isinstance(error, NotFound):
        root = request.root_path
        return (
            f"Error: there is nothing at {shown(root + request.path)};"
            f" the routes are under {root}/jobs, such as {root}/jobs/newjob"
        )
    if isinstance(error, MethodNotAllowed):
        wanted = " or ".join(sorted(set(error.valid_methods or ()) - _ASIDE))
        return f"Error: {shown(request.path)} takes {wanted}, not {shown(request.method)}"
    if isinstance(error, RequestEntityTooLarge):
        return f"Error: the body is larger than {request.max_content_length} bytes"
    if isinstance(error, InternalServerError):
        return "Error: the server failed, its log says why"
    return f"Error: {error.description or error.name}"


def _render(status: int, code: str, title: str, sentence: str, faults: tuple[Fault, ...]) -> Response:
    request_body.drain()
    if is_poll(request.path):
        # Site software parses the body whatever the status, and takes any non-empty JSON for commands.
        response = Response(b"[]", status, mimetype="application/json")
        response.headers["X-Error"] = _header_text(sentence)
    elif _is_of_the_companion(request.path):
        # The public site software asks again for ever where an answer is not JSON.
        response = Response(orjson.dumps({"message": sentence}), status, mimetype="application/json")
    elif _wants_problem():
        response = Response(_problem(status, code, title, sentence, faults), status, mimetype=PROBLEM)
    else:
        response = Response(sentence, status, mimetype="text/plain")
    return response


def _problem(status: int, code: str, title: str, sentence: str, faults: tuple[Fault, ...]) -> bytes:
    """Write RFC 9457 problem details, every fault listed."""
    return orjson.dumps(
        {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": sentence,
            "code": code,
            "errors": [{"key": fault.key, "detail": fault.sentence} for fault in faults],
        }
    )


def _is_of_the_companion(path: str) -> bool:
    return path.startswith("/api/") and service().companion is not None


def is_poll(path: str) -> bool:
    """Whether this is the route that answers a refusal with an empty list."""
    return path.rstrip("/").endswith("/getnewjobs")


def _wants_problem() -> bool:
    """Whether problem details are asked for by name: `*/*`, which browsers send, asks for the sentence."""
    asked = dict(request.accept_mimetypes)
    return asked.get(PROBLEM, 0) > 0 and asked[PROBLEM] >= request.accept_mimetypes.quality("text/plain")


def _header_text(sentence: str) -> str:
    """Make a sentence, which is on one line, fit for a header: nothing but ASCII, not too long."""
    return sentence.encode("ascii", "backslashreplace").decode()[:_HEADER_CHARACTERS]
