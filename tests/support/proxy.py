"""A network between a site and the service that loses, delays and doubles what goes through it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

_CHUNK = 65536
_FORWARD_SECONDS = 30.0


class Fate(StrEnum):
    """What becomes of one request."""

    PASSES = "passes"
    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost"
    DELAYED = "delayed"
    DOUBLED = "doubled"
    REPLY_DOUBLED = "reply doubled"
    LATE = "arrives late, its sender gone"


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    route: str
    raw: bytes


Choose = Callable[[Asked], "Fate | bytes"]
"""Decide what becomes of a request: a fate, or a whole answer that is given in the service's place."""


class Proxy:
    """Listens on 127.0.0.1 and forwards each request on a connection of its own, as its fate allows."""

    def __init__(self, port: int, choose: Choose, delay_seconds: float = 0.05) -> None:
        self._to = ("127.0.0.1", port)
        self._choose = choose
        self._delay_seconds = delay_seconds
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.fates: Counter[str] = Counter()
        self.routes: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []

    def serve(self) -> None:
        """Forward until closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._handle, args=(connection,), daemon=True)
                thread.start()
                self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_FORWARD_SECONDS)

    def _handle(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_FORWARD_SECONDS)
            raw = _read_request(connection)
            if raw is None:
                return
            asked = Asked(raw.split(b" ", 2)[1].decode().rpartition("/")[2], raw)
            with self._lock:
                fate = self._choose(asked)
                self.routes[asked.route] += 1
                self.fates[fate if isinstance(fate, Fate) else "answered"] += 1
            if isinstance(fate, bytes):
                connection.sendall(fate)
            else:
                self._meet(fate, asked, connection)

    def _meet(self, fate: Fate, asked: Asked, connection: socket.socket) -> None:
        if fate is Fate.REQUEST_LOST:
            return
        if fate is Fate.LATE:
            connection.close()
        if fate in (Fate.DELAYED, Fate.LATE):
            time.sleep(self._delay_seconds)
        reply = self._forward(asked.raw)
        if fate is Fate.DOUBLED:
            reply = self._forward(asked.raw)
        if fate not in (Fate.REPLY_LOST, Fate.LATE):
            connection.sendall(reply * 2 if fate is Fate.REPLY_DOUBLED else reply)

    def _forward(self, raw: bytes) -> bytes:
        with socket.create_connection(self._to, _FORWARD_SECONDS) as server:
            server.sendall(_closing(raw))
            reply = b""
            while chunk := server.recv(_CHUNK):
                reply += chunk
        return reply


@contextmanager
def proxied(port: int, choose: Choose = lambda _asked: Fate.PASSES, delay_seconds: float = 0.05) -> Iterator[Proxy]:
    """Stand between clients and the service on a port for the length of a block."""
    proxy = Proxy(port, choose, delay_seconds)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(_FORWARD_SECONDS)


def answer(status: str, body: str = "", **headers: str) -> bytes:
    """Write a whole answer, to be given in the service's place."""
    head = {"Content-Length": str(len(body.encode())), "Connection": "close"} | headers
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in head.items())]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def _read_request(connection: socket.socket) -> bytes | None:
    raw = b""
    while b"\r\n\r\n" not in raw:
        chunk = connection.recv(_CHUNK)
        if not chunk:
            return None
        raw += chunk
    head, _, body = raw.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < length:
        body += connection.recv(_CHUNK)
    return head + b"\r\n\r\n" + body


def _closing(raw: bytes) -> bytes:
    """Ask the server to close the connection, so that the reply ends where it ends."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body
