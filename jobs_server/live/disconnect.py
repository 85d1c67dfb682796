"""Who is at the other end of a request, and whether still: a client that has disconnected must get no job."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_DISCONNECTED = getattr(select, "POLLRDHUP", 0) | getattr(select, "POLLHUP", 0) | getattr(select, "POLLERR", 0)


@dataclass(frozen=True, slots=True)
class Client:
    """The other end of one request."""

    name: str
    address: str
    connection: socket.socket | None = None

    def disconnected(self) -> bool:
        """Whether the other end has closed the connection; False where the server does not show that."""
        if self.connection is None:
            return False
        try:
            return _closed(self.connection)
        except (OSError, ValueError):  # It was closed on this side.
            return True

    def cut(self) -> None:
        """Close the connection, so that whoever is sending on it gives up."""
        if self.connection is not None:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)


def client(environ: Mapping[str, Any]) -> Client:
    """Return the other end of a WSGI request."""
    return Client(environ.get("HTTP_USER_AGENT", ""), environ.get("REMOTE_ADDR", ""), _connection(environ))


def _connection(environ: Mapping[str, Any]) -> socket.socket | None:
    """Find the connection, which each server keeps in a place of its own."""
    channel = getattr(environ.get("waitress.client_disconnected"), "__self__", None)
    found = environ.get("gunicorn.socket") or environ.get("werkzeug.socket") or getattr(channel, "socket", None)
    return found if isinstance(found, socket.socket) else None


def _closed(connection: socket.socket) -> bool:
    if hasattr(select, "POLLRDHUP"):  # Linux shows it without a look at what was sent.
        poll = select.poll()
        poll.register(connection, _DISCONNECTED)
        return bool(poll.poll(0))
    if isinstance(connection, ssl.SSLSocket):
        return False  # Such a connection cannot be looked at without taking from it.
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
