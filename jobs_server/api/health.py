"""Whether the service can do its work, in words, for monitors and for whoever looks. Nothing in them is a secret."""

from __future__ import annotations

from flask import Blueprint, Response

from ..auth.access import Access, needs
from ..service import service
from .describe import describe

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@describe(gives=str, media="text/plain")
@needs(Access.ANYBODY)
def healthz() -> Response:
    """Answer that the process is alive; whether the service can work, readyz answers."""
    return _text(200, ["alive"])


@bp.get("/readyz")
@describe(gives=str, media="text/plain")
@needs(Access.ANYBODY)
def readyz() -> Response:
    """Whether jobs can be taken and handed over now; each problem is a line, with 503."""
    found = service().health.problems(service())
    return _text(503 if found else 200, found or ["ready"])


def _text(status: int, lines: list[str]) -> Response:
    response = Response("\n".join(lines) + "\n", status, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
