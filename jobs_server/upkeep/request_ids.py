"""What becomes of every request: it gets an id, and whoever keeps count or a log is told of its answer.

This is done where the answer leaves, outside Flask: a hook and a look through a context variable cost as much as the
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
from werkzeug.routing import MapAdapter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

EXTENSION = "jobs_server.answers"
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
    """Since the request came."""

    @property
    def request_id(self) -> str:
        """Give the request's id."""
        return cast(str, self.environ[_ID])

    @property
    def request(self) -> Request:
        """Give the request as Flask read it."""
        return cast(Request, self.environ["werkzeug.request"])


Listener = Callable[[Answer], None]


class App(Flask):
    """Answer without looking, at each request anew, for what this app does not have."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Give a view or hook as it is: none is a coroutine."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Give what finds a request's view: it is found by the path alone, not by subdomain, host or WebSocket."""
        if request is None or self.config["SERVER_NAME"] or self.config["TRUSTED_HOSTS"]:
            return super().create_url_adapter(request)
        root, path, query = request.root_path, request.path, request.query_string.decode("latin-1")
        return MapAdapter(self.url_map, request.host, root, "", request.scheme, path, request.method, query)


def register(app: Flask) -> None:
    """Give each request of an app its id."""
    listeners: list[Listener] = []
    app.extensions[EXTENSION] = listeners
    app.wsgi_app = Attended(app.wsgi_app, listeners)  # type: ignore[method-assign]


def tell(app: Flask, listener: Listener) -> None:
    """Tell a listener of each answer of an app."""
    cast(list[Listener], app.extensions[EXTENSION]).append(listener)


def request_id() -> str | None:
    """Give the id of the request that is being answered; None when there is none."""
    return request.environ.get(_ID) if has_request_context() else None


class Attended:
    """Note when a request came, and tell of its answer."""

    def __init__(self, inner: WSGIApplication, listeners: list[Listener]) -> None:
        self._inner = inner
        self._listeners = listeners

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        began = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        environ[_ID] = named = given if given and _GOOD_ID.fullmatch(given) else f"{_PROCESS}{next(_numbers):06x}"

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            answer = Answer(environ, int(status[:3]), time.perf_counter() - began)
            for listener in self._listeners:
                listener(answer)
            return start_response(status, [*headers, (REQUEST_ID, named)], *rest)

        return self._inner(environ, start)
