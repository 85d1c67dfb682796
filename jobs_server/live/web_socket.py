"""One WebSocket: what its client says, and what waits to be taken by it. Nothing here waits or looks for anything."""

from __future__ import annotations

import socket
from collections import deque
from itertools import takewhile

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.frame_protocol import FrameProtocol
from wsproto.utilities import LocalProtocolError

from ..domain import lenient_json

MOST_MESSAGE_BYTES = 4 * 1024
_LONGEST_SITE = 64
_TOO_LARGE, _TOO_OFTEN, _NONE_OF_OURS = 1009, 1008, 1005
_MOST_MESSAGES = 50
_PER_SECONDS = 10.0


class WebSocket:
    """A socket that follows a site, and another one when its client says so."""

    def __init__(self, connection: socket.socket, site: str, address: str, now: float) -> None:
        self.connection = connection
        self.site = site
        self.address = address
        self.heard_at = self.taken_at = self.pinged_at = now
        self.unsent_bytes = 0
        self.watched_for = 0
        """The events for which a selector watches it."""
        self.has_ended = False
        """Whether nothing is to be sent after what waits."""
        self._protocol = Connection(ConnectionType.SERVER)
        self._unsent: deque[memoryview] = deque()
        self._message = bytearray()
        self._counted_from, self._count = now, 0

    @staticmethod
    def frame(message: bytes) -> bytes:
        """Return a text as every socket gets it: what a server sends is not masked."""
        return bytes(FrameProtocol(client=False, extensions=[]).send_data(message.decode()))

    def receive(self, piece: bytes, now: float) -> None:
        """Take what the client sent."""
        self.heard_at = now
        try:
            if not self.has_ended:
                self._protocol.receive_data(piece)
                for event in takewhile(lambda _: not self.has_ended, self._protocol.events()):
                    self._take(event, now)
        except LocalProtocolError:
            self.has_ended = True

    def put(self, frame: bytes, now: float) -> None:
        """Have a message sent, unless the socket ends."""
        if not self.has_ended:
            self._put(frame, now)

    def ping(self, now: float) -> None:
        """Ask the client for a sign of life."""
        self.pinged_at = now
        if not self.has_ended:
            self._put(self._protocol.send(Ping()), now)

    def end(self, code: int) -> None:
        """Say that the socket ends, and why, and send nothing after that."""
        if self.has_ended:
            return
        self.has_ended = True
        try:
            closing = CloseConnection(code=1000 if code == _NONE_OF_OURS else code)
            self._put(self._protocol.send(closing), self.taken_at)
        except LocalProtocolError:  # The client has ended it in another way.
            return

    def flush(self, now: float) -> bool:
        """Send what the client takes now, and return whether nothing is left. Raises OSError."""
        while self._unsent:
            piece = self._unsent[0]
            try:
                sent = self.connection.send(piece)
            except BlockingIOError:
                return False
            self.taken_at = now
            self.unsent_bytes -= sent
            if sent < len(piece):
                self._unsent[0] = piece[sent:]
            else:
                self._unsent.popleft()
        return True

    def _take(self, event: Event, now: float) -> None:
        if isinstance(event, TextMessage | BytesMessage):
            if event.frame_finished:  # Frames with nothing in them are work too, in whatever number a message has them.
                self._count_one(now)
            self._take_part(event)
        elif isinstance(event, Ping):
            self._count_one(now)
            self.put(self._protocol.send(event.response()), now)
        elif isinstance(event, Pong):
            self._count_one(now)
        elif isinstance(event, CloseConnection):
            self.end(event.code)

    def _put(self, data: bytes, now: float) -> None:
        if not self._unsent:
            self.taken_at = now
        self._unsent.append(memoryview(data))
        self.unsent_bytes += len(data)

    def _take_part(self, part: TextMessage | BytesMessage) -> None:
        self._message += part.data.encode() if isinstance(part.data, str) else part.data
        if len(self._message) > MOST_MESSAGE_BYTES:
            self.end(_TOO_LARGE)
        elif part.message_finished:
            message, self._message = bytes(self._message), bytearray()
            self._obey(message)

    def _count_one(self, now: float) -> None:
        if now - self._counted_from > _PER_SECONDS:
            self._counted_from, self._count = now, 0
        self._count += 1
        if self._count > _MOST_MESSAGES:
            self.end(_TOO_OFTEN)

    def _obey(self, message: bytes) -> None:
        """Follow another site when that is asked for; whatever else is said means nothing here."""
        said = lenient_json.read_any(message)
        if isinstance(said, dict) and said.get("action") == "updatesubscribersite":
            site = said.get("site")
            if isinstance(site, str) and len(site) <= _LONGEST_SITE:
                self.site = site
