"""What Flask and Werkzeug do for each request in general, done for this app in particular: the hot path's shortcuts."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from flask import Flask, Request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.routing import MapAdapter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class App(Flask):
    """Answer without looking, at each request anew, for what this app does not have."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a view or hook as it is: none is a coroutine."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds a request's view: the view is found by the path, not by subdomain, host or WebSocket."""
        if request is None or self.config["SERVER_NAME"] or self.config["TRUSTED_HOSTS"]:
            return super().create_url_adapter(request)
        root, path, query = request.root_path, request.path, request.query_string.decode("latin-1")
        return MapAdapter(self.url_map, request.host, root, "", request.scheme, path, request.method, query)


def sent_at_once(environ: WSGIEnvironment, most: int | None) -> bytes | None:
    """Read a body whose length is known and allowed, as nearly all are; None, and nothing read, for any other.

    What is read here is what Werkzeug's stream would give, without the five layers that it needs for the others.
    Raises ClientDisconnected when the body breaks off.
    """
    said = environ.get("CONTENT_LENGTH", "")
    if not said.isdecimal() or "HTTP_TRANSFER_ENCODING" in environ or (most is not None and int(said) > most):
        return None
    length = int(said)
    body: bytes = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = BytesIO()  # a second read must not wait for more
    if len(body) < length:
        raise ClientDisconnected
    return body
