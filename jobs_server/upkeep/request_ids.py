"""The id of each request, and the listeners that keep count or a log of its answer.

Both are done where the answer leaves, outside Flask: a hook and a look through a context variable cost as much as the
SQL of a poll.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from flask import Flask, Request, has_request_context, request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID = "X-Request-ID"

_ID = "jobs_server.request_id"
_PROCESS = os.urandom(5).hex()
_numbers = itertools.count()
_GOOD_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,100}")


class Answer(NamedTuple):
    """An answer that leaves now."""

    environ: WSGIEnvironment
    status: int
    seconds: float
    """How long after the request came."""

    @property
    def request_id(self) -> str:
        """Return the request's id."""
        return cast(str, self.environ[_ID])

    @property
    def request(self) -> Request:
        """Return the request as Flask read it."""
        return cast(Request, self.environ["werkzeug.request"])


Listener = Callable[[Answer], None]


def register(app: Flask, listeners: list[Listener]) -> None:
    """Put the middleware around an app: ids for its requests, and the listeners called for each answer."""
    app.wsgi_app = RequestIds(app.wsgi_app, listeners)  # type: ignore[method-assign]


def request_id() -> str | None:
    """Return the id of the request that is being answered; None when there is none."""
    return request_id_of(request.environ) if has_request_context() else None


def request_id_of(environ: WSGIEnvironment) -> str | None:
    """Return the id of a request; None where it has none."""
    return environ.get(_ID)


class RequestIds:
    """Mark each request and its answer with one id, and call the listeners when the answer leaves."""

    def __init__(self, inner: WSGIApplication, listeners: list[Listener]) -> None:
        self._inner = inner
        self._listeners = listeners

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request; an id that came with it is kept when it is a good one."""
        began = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        environ[_ID] = named = given if given and _GOOD_ID.fullmatch(given) else f"{_PROCESS}{next(_numbers):06x}"

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            answer = Answer(environ, int(status[:3]), time.perf_counter() - began)
            for listener in self._listeners:
                listener(answer)
            return start_response(status, [*headers, (REQUEST_ID, named)], *rest)

        return self._inner(environ, start)
