"""A client of WebSockets that may do what no browser does."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

WAIT_SECONDS = 30.0


class Refused(Exception):
    """The server opened no WebSocket; the argument is the status."""


class Client:
    """An open WebSocket, as a browser's page holds one; a context manager, in which it is open."""

    def __init__(
        self,
        port: int,
        site: str = "hill1",
        *,
        headers: Mapping[str, str] | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._parts: list[str] = []
        self._messages: deque[Any] = deque()
        self._status: int | None = None
        self.closed_with: int | None = None
        self.pings = 0
        extra = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        target = f"/datastream/dev?site={site}"
        self.send(Request(host=f"127.0.0.1:{port}", target=target, extra_headers=extra))
        try:
            self._open()
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, event: Event) -> None:
        """Send an event."""
        self.socket.sendall(self._protocol.send(event))

    def says(self, message: object) -> None:
        """Send a message."""
        self.send(TextMessage(data=message if isinstance(message, str) else json.dumps(message)))

    def next(self) -> Any:
        """Wait for the next message; None when the socket has ended."""
        while self._messages or self.closed_with is None:
            if self._messages:
                return self._messages.popleft()
            self._read()
        return None

    def until_closed(self) -> int:
        """Read until the socket has ended, and return the code with which."""
        while self.next() is not None:
            pass
        assert self.closed_with is not None
        return self.closed_with

    def _open(self) -> None:
        while self._status is None:
            self._read()
        if self._status != 101:
            raise Refused(self._status)

    def _read(self) -> None:
        try:
            piece = self.socket.recv(256 * 1024)
        except ConnectionResetError:
            piece = b""
        self._protocol.receive_data(piece or None)
        for event in self._protocol.events():
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, AcceptConnection):
            self._status = 101
        elif isinstance(event, RejectConnection):
            self._status = event.status_code
        elif isinstance(event, TextMessage):
            self._parts.append(event.data)
            if event.message_finished:
                text, self._parts = "".join(self._parts), []
                self._messages.append(json.loads(text))
        elif isinstance(event, Ping):
            self.pings += 1
            self.send(event.response())
        elif isinstance(event, CloseConnection) and self.closed_with is None:
            self.closed_with = event.code
