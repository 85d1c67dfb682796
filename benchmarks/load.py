"""A load generator in one thread: raw kept-alive connections, requests written beforehand, replies hardly looked at.

Its own processor time is part of every measurement, and pulls each ratio towards 1; `Run.client_seconds` tells it.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

_TIMEOUT_SECONDS = 30.0
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)


@dataclass
class Run:
    """What a number of requests took."""

    latencies_ns: list[int] = field(default_factory=list)
    seconds: float = 0.0
    client_seconds: float = 0.0
    """Processor time of the load generator itself."""
    body: bytes = b""
    """The last reply's body."""
    count: int = 0
    """How many requests there were."""

    @property
    def requests_a_second(self) -> float:
        """Return the throughput."""
        return self.count / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Return the time within which so many percent of the requests were answered."""
        ranked = sorted(self.latencies_ns)
        return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))] / 1e6


def post(path: str, body: bytes) -> bytes:
    """Write out a request."""
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(body), body)


def get(path: str) -> bytes:
    """Write out a request of a page."""
    return b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode()


def drive(port: int, requests: Sequence[bytes], connections: int) -> Run:
    """Send requests over so many connections, each with the next as soon as it has its reply.

    Raises AssertionError when a reply is not 200.
    """
    run, todo = Run(), iter(requests)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        sockets = [stack.enter_context(_connect(port)) for _ in range(connections)]
        began, client_began = time.perf_counter(), time.process_time()
        for each in sockets[: len(requests)]:
            selector.register(each, selectors.EVENT_READ, _Exchange(each, next(todo)))
        while selector.get_map():
            _serve_ready(selector, todo, run)
        run.seconds, run.client_seconds = time.perf_counter() - began, time.process_time() - client_began
        run.count = len(run.latencies_ns)
    return run


class Line:
    """One kept-alive connection, for one request at a time."""

    def __init__(self, port: int) -> None:
        self._connection = _connect(port)

    def ask(self, request: bytes) -> bytes:
        """Send a request, and give the body of its reply. Raises AssertionError when it is not 200."""
        exchange = _Exchange(self._connection, request)
        while (body := exchange.read()) is None:
            pass
        return body

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _serve_ready(selector: selectors.BaseSelector, todo: Iterator[bytes], run: Run) -> None:
    ready = selector.select(_TIMEOUT_SECONDS)
    assert ready, f"no reply within {_TIMEOUT_SECONDS} seconds"
    for key, _ in ready:
        exchange: _Exchange = key.data
        body = exchange.read()
        if body is None:
            continue
        run.latencies_ns.append(time.perf_counter_ns() - exchange.began_ns)
        run.body = body
        following = next(todo, None)
        if following is None:
            selector.unregister(exchange.connection)
        else:
            exchange.send(following)


class _Exchange:
    """One connection, with the request that it waits on."""

    def __init__(self, connection: socket.socket, request: bytes) -> None:
        self.connection = connection
        self.send(request)

    def send(self, request: bytes) -> None:
        self._reply = b""
        self.began_ns = time.perf_counter_ns()
        self.connection.sendall(request)

    def read(self) -> bytes | None:
        """Read what is there; gives the body once the reply is complete."""
        piece = self.connection.recv(256 * 1024)
        assert piece, "the server closed the connection"
        self._reply += piece
        head, found, body = self._reply.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return None
        assert head.startswith(b"HTTP/1.1 200 "), self._reply[:500]
        return body
