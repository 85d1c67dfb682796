"""A socket that hands over one whole request, and takes an answer off the hands of the thread that wrote it."""

from __future__ import annotations

import errno
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sized
from contextlib import suppress
from typing import Any, cast

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
DROP = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""Value of SO_LINGER with which closing a socket throws away what the client did not take."""
_HEAD, _OPEN_END = b"HTTP/1.", b"text/event-stream"
_SYSTEM_KEEPS_BYTES = 128 * 1024
"""How much of an answer the system takes at once: by itself it begins with little, and ends with megabytes."""
_MOST_JOINED_BYTES = 64 * 1024  # Copying more costs more than sending twice.
_PIECE_BYTES = 16 * 1024
_MOST_AHEAD_BYTES = 1024 * 1024  # Whoever writes an answer in pieces waits for its reader past this.


class Connection(socket.socket):
    """A connection that never waits, neither to read nor to write, except with an answer written in many pieces.

    Reading ends with the request that was handed over. What the client does not take at once is kept, and sent by
    `flush`; `on_unsent` is called in the writing thread when there is something to flush. The head of an answer is sent
    together with what follows it, since a packet of its own costs both sides as much as the answer.
    """

    def __init__(self, fileno: int, on_unsent: Callable[[], None]) -> None:
        super().__init__(fileno=fileno)
        super().setblocking(False)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SYSTEM_KEEPS_BYTES)
        self.was_read_past = False
        """Whether the server's parser wanted more than the request that was handed over."""
        self.was_continued = False
        self.is_cut = False
        self.is_waited_for = False
        """Whether a thread waits for the client to take something."""
        self.taken_at = 0.0
        """When the client took something of an answer that does not pass at once (`time.monotonic`)."""
        self.unsent_bytes = 0
        self.turn: threading.Semaphore | None = None
        """What the thread holds while it makes the answer, and not while it waits for the client."""
        self.taker: Callable[[socket.socket, bytes], None] | None = None
        """Who gets the connection when the answer is sent, where it is no connection for requests any more."""
        self._on_unsent = on_unsent
        self._request, self._read_to = b"", 0
        self._expects_head = False
        self._head = b""
        self._unsent: deque[memoryview] = deque()
        self._passes = threading.Condition()

    @property
    def has_unsent(self) -> bool:
        """Whether part of an answer waits for the client to take it."""
        return bool(self._unsent)

    def receive(self) -> bytes:
        """Return what the client sent, at most 16 KiB; empty when it sends no more. Raises BlockingIOError."""
        return super().recv(_PIECE_BYTES)

    def hand_over(self, request: bytes) -> None:
        """Let the server's parser read one request, and nothing after it."""
        self._request, self._read_to = request, 0
        self._expects_head, self.was_read_past = True, False

    def hand_to(self, take: Callable[[socket.socket, bytes], None]) -> None:
        """Have the connection handed over when the answer was sent, with what came after the request."""
        self.taker = take

    def invite(self) -> None:
        """Tell the client to send the body of its request; the server's own word to that end is not sent any more."""
        self.sendall(_CONTINUE)
        self.was_continued = True

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Return more of the request that was handed over; empty at its end."""
        if flags:  # a look at what the system has, not a read
            return super().recv(bufsize, flags)
        begin = self._read_to
        piece = self._request[begin : begin + bufsize]
        self._read_to = begin + len(piece)
        if not piece:
            self.was_read_past = True
        return piece

    def send(self, data: Any, _flags: int = 0, /) -> int:
        """Send all, or keep it."""
        if self.was_continued and data == _CONTINUE:
            self.was_continued = False
        else:
            self.sendall(data)
        return len(data)

    def sendall(self, data: Any, _flags: int = 0, /) -> None:
        """Send what the client takes, and keep the rest. Raises BrokenPipeError when the connection was cut."""
        if self._expects_head:
            self._expects_head = False
            if isinstance(data, bytes) and data.startswith(_HEAD) and _OPEN_END not in data:
                self._head = data
                return
        elif self._head:
            head, self._head = self._head, b""
            if len(data) > _MOST_JOINED_BYTES:
                self.sendall(head)
            else:
                data = head + data
        if not self._unsent:
            sent = self._send(data)
            if sent == len(data):
                return
            data = memoryview(data)[sent:]
        self._keep(memoryview(data))

    def end_answer(self) -> None:
        """Send the head of an answer that has nothing else. Raises BrokenPipeError when the connection was cut."""
        if self._head:
            self.sendall(b"")

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file, as `sendall` does."""
        file.seek(offset)
        data = file.read() if count is None else file.read(count)
        self.sendall(data)
        return len(data)

    def setblocking(self, flag: bool, /) -> None:
        """Leave it: the connection never blocks."""

    def settimeout(self, value: float | None, /) -> None:
        """Leave it: the connection never blocks."""

    def flush(self) -> bool:
        """Send what was kept, as far as the client takes it; return whether all is sent. Raises OSError."""
        with self._passes:
            while self._unsent:
                piece = self._unsent[0]
                sent = self._send(piece)
                if not sent:
                    return False
                self.taken_at = time.monotonic()
                if sent < len(piece):
                    self._unsent[0] = piece[sent:]
                    continue
                # The memory of a piece is free when all of it is sent.
                self.unsent_bytes -= _size(piece)
                self._unsent.popleft()
                self._passes.notify_all()
        return True

    def cut(self) -> None:
        """Give the client up; a thread that writes to the client learns of it."""
        with self._passes:
            self.is_cut = True
            self._unsent.clear()
            self.unsent_bytes = 0
            self._passes.notify_all()
        with suppress(OSError):  # The client may be gone.
            # What the system keeps for a client that takes nothing goes too, when the socket is closed.
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DROP)
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the client up; only `release` frees the socket's number, when nobody watches it any more."""
        self.cut()

    def release(self) -> None:
        """Close the socket."""
        super().close()

    def _send(self, data: Any) -> int:
        try:
            return super().send(data)
        except BlockingIOError:
            return 0

    def _keep(self, piece: memoryview) -> None:
        if self._is_far_ahead():
            self._wait_for_client()
        with self._passes:
            if self.is_cut:
                raise BrokenPipeError(errno.EPIPE, "the client did not take its answer")
            is_first = not self._unsent
            self._unsent.append(piece)
            self.unsent_bytes += _size(piece)
            if is_first:
                self.taken_at = time.monotonic()
        if is_first:
            self._on_unsent()

    def _is_far_ahead(self) -> bool:
        return self.unsent_bytes > _MOST_AHEAD_BYTES and not self.is_cut

    def _wait_for_client(self) -> None:
        """Wait until the client has taken most of what was kept, and let another thread have its turn meanwhile."""
        turn = self.turn
        if turn is not None:
            turn.release()
        with self._passes:
            self.is_waited_for = True
            self._passes.wait_for(lambda: not self._is_far_ahead())
            self.is_waited_for = False
        if turn is not None:
            turn.acquire()


def _size(piece: memoryview) -> int:
    """Return how much memory a piece keeps from being freed."""
    return len(cast(Sized, piece.obj))
