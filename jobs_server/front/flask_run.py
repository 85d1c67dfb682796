"""`flask run` with the same deadlines and caps: Werkzeug's server has a thread for each connection, and waits for ever.

So a slow client holds up nobody but itself there; what is to be bounded is how many there are, and for how long.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from flask import Flask
from flask.cli import run_command
from werkzeug import serving

from ..worker import Worker
from .bounds import Bounds
from .connection import DROP
from .lanes import LISTS_AT_A_TIME, Lane, lane_of
from .stalls import Stalls

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_SWEEP_SECONDS = 0.25
_WAITING_CONNECTIONS = 1024  # Past these the system drops who comes, who tries again after a second.


def set_up(app: Flask, bounds: Bounds) -> None:
    """Have `flask run` serve within bounds, where that command made the app."""
    context = click.get_current_context(silent=True)
    if context is None or context.command is not run_command:
        return
    # The command takes neither: it lets Werkzeug take its own, by these names.
    serving.WSGIRequestHandler = handler_within(bounds)  # type: ignore[misc]
    serving.LISTEN_QUEUE = _WAITING_CONNECTIONS
    _make_few_lists_at_a_time(app)


def server_within(app: Flask, bounds: Bounds, host: str, port: int) -> serving.BaseWSGIServer:
    """Return the server of `flask run` for a program that serves beside its own work; nothing is served yet."""
    serving.LISTEN_QUEUE = _WAITING_CONNECTIONS
    _make_few_lists_at_a_time(app)
    return serving.make_server(host, port, app, threaded=True, request_handler=handler_within(bounds))


def handler_within(bounds: Bounds) -> type[serving.WSGIRequestHandler]:
    """Return a class that handles requests within bounds."""
    stalls = Stalls(bounds)

    class Handler(RequestHandler):
        """Handle requests within these bounds."""

    Handler.stalls = stalls
    Handler.sweeper = Worker(
        "stalls",
        _SWEEP_SECONDS,
        lambda: stalls.sweep(time.monotonic()),
        does="closes connections of clients that keep the server waiting",
        failure="no stalled connection was closed",
    )
    return Handler


def _make_few_lists_at_a_time(app: Flask) -> None:
    """Let few lists be made at a time: each keeps the interpreter from all other threads."""
    inner, free = app.wsgi_app, threading.BoundedSemaphore(LISTS_AT_A_TIME)

    def wsgi_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if lane_of(environ["REQUEST_METHOD"], environ["PATH_INFO"], bytes) is not Lane.LISTS:
            return inner(environ, start_response)
        with free:
            return _Paced(inner(environ, start_response), free)

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]


class _Paced:
    """An answer each part of which is made in turn."""

    def __init__(self, parts: Iterable[bytes], free: threading.Semaphore) -> None:
        self._whole, self._parts, self._free = parts, iter(parts), free

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._free:
            return next(self._parts)

    def close(self) -> None:
        """End the answer, which may hold something open."""
        close = getattr(self._whole, "close", None)
        if close is not None:
            close()


class TimedSocket(socket.socket):
    """A connection that waits for its client, and not too long."""

    def __init__(self, connection: socket.socket, address: str, stalls: Stalls) -> None:
        super().__init__(fileno=connection.detach())
        self.address = address
        self.held_bytes = 0
        self.since = time.monotonic()
        self.until = self.since + stalls.bounds.headers_seconds
        self._stalls, self._bounds = stalls, stalls.bounds
        self._body_until: float | None = None
        self.taker: Callable[[socket.socket, bytes], None] | None = None

    def hand_to(self, take: Callable[[socket.socket, bytes], None]) -> None:
        """Have the connection handed over when the answer was sent."""
        self.taker = take

    def begin_body(self) -> None:
        """Take what is read from now on for the body of the request."""
        self._body_until = time.monotonic() + self._bounds.whole_body_seconds

    def counts(self, now: float) -> bool:
        """Whether the connection counts among the stalled ones."""
        return now - self.since >= self._bounds.still_seconds

    def cut(self) -> None:
        """Give the client up; the thread that waits for the client learns of it."""
        with suppress(OSError):  # it may be closed
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DROP)
            self.shutdown(socket.SHUT_RDWR)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Read what the client sends. Raises TimeoutError when its time is over."""
        if self.taker is not None:
            return 0  # What comes now is not for this server.
        now = time.monotonic()
        if self._body_until is not None:
            self.since, self.until = now, min(now + self._bounds.body_seconds, self._body_until)
        if self.until <= now:
            raise TimeoutError("the request was not sent in time")
        self.settimeout(self.until - now)
        self._stalls.enter(self)
        try:
            return super().recv_into(buffer, nbytes, flags)
        finally:
            self._stalls.leave(self)

    def sendall(self, data: Any, _flags: int = 0, /) -> None:
        """Send all that is given. Raises OSError when the client takes nothing of it for too long."""
        left = memoryview(data)
        self.setblocking(False)
        with suppress(BlockingIOError):
            left = left[super().send(left) :]
        if not left:
            return
        self.since, self.held_bytes = time.monotonic(), len(data)
        self.until = self.since + self._bounds.answer_seconds
        self.settimeout(None)  # the sweeper sees to it that no wait is too long
        self._stalls.enter(self)
        try:
            while left:
                left = left[super().send(left) :]
                self.since = time.monotonic()
                self.until = self.since + self._bounds.answer_seconds
        finally:
            self.held_bytes = 0
            self._stalls.leave(self)


class RequestHandler(serving.WSGIRequestHandler):
    """Handle the one request of a connection, for a client that has a time for all that it does."""

    stalls: Stalls
    sweeper: Worker

    def setup(self) -> None:
        """Begin with a connection; what is encrypted keeps Werkzeug's own socket, which waits for ever."""
        if type(self.request) is socket.socket:
            address = self.client_address[0] if isinstance(self.client_address, tuple) else ""
            self.sweeper.start()
            self.request = TimedSocket(self.request, address, self.stalls)
        super().setup()

    def run_wsgi(self) -> None:
        """Answer the request, whose headers have come."""
        if isinstance(self.connection, TimedSocket):
            self.connection.begin_body()
        super().run_wsgi()

    def send_header(self, keyword: str, value: str) -> None:
        """Send a header, but not that the connection ends when it is to be handed over."""
        is_kept = isinstance(self.connection, TimedSocket) and self.connection.taker is not None
        if not is_kept or (keyword, value) != ("Connection", "close"):
            super().send_header(keyword, value)

    def finish(self) -> None:
        """End the connection, which the server knows no more, or hand it over."""
        super().finish()
        if isinstance(self.connection, TimedSocket) and self.connection.taker is not None:
            self.connection.taker(socket.socket(fileno=self.connection.detach()), b"")
            return
        if isinstance(self.connection, TimedSocket):
            with suppress(OSError):  # the client is gone
                self.connection.shutdown(socket.SHUT_WR)
            self.connection.close()
