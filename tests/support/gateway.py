"""A gateway before a server, as nginx is one: passes everything on, or answers 502 or 503, or falls silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

_CHUNK = 65536


class Mood(StrEnum):
    """What the gateway does with a connection."""

    PASSES = "passes"
    BAD_GATEWAY = "502 Bad Gateway"
    UNAVAILABLE = "503 Service Unavailable"
    SILENT = "takes everything and says nothing"


class Gateway:
    """Listens on 127.0.0.1. What has fallen silent stays so, as the connections of a laptop that slept."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._silent: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._mood = Mood.PASSES

    def becomes(self, mood: Mood) -> None:
        """Change the mood, also towards connections that are open."""
        self._mood = mood
        if mood is Mood.SILENT:
            with self._lock:
                self._silent |= self._open
        elif mood is not Mood.PASSES:
            self.cut()

    def cut(self) -> None:
        """End all connections."""
        with self._lock:
            connections = tuple(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        """Pass on until closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _handle(self, connection: socket.socket) -> None:
        with self._kept(connection), contextlib.suppress(OSError):
            if self._mood in (Mood.PASSES, Mood.SILENT):
                with self._kept(socket.create_connection(self._to)) as server:
                    back = threading.Thread(target=self._pass_on, args=(server, connection), daemon=True)
                    back.start()
                    self._pass_on(connection, server)
                    back.join()
            else:
                connection.recv(_CHUNK)
                connection.sendall(f"HTTP/1.1 {self._mood}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    @contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[socket.socket]:
        with self._lock:
            self._open.add(connection)
            if self._mood is Mood.SILENT:
                self._silent.add(connection)
        try:
            with connection:
                yield connection
        finally:
            with self._lock:
                self._open.discard(connection)
                self._silent.discard(connection)

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := one.recv(_CHUNK):
                if one not in self._silent:
                    other.sendall(chunk)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def before(port: int) -> Iterator[Gateway]:
    """Stand before the server on a port for the length of a block."""
    gateway = Gateway(port)
    thread = threading.Thread(target=gateway.serve, daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        gateway.close()
        thread.join(5)
