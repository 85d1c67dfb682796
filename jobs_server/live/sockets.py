"""WebSockets (RFC 6455) that follow sites: one thread serves all of them, and none of them takes one of the server's.

Server and selector share no socket: when the answer that opens one was sent, the server hands the connection over.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from .web_socket import WebSocket

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_PIECE_BYTES = 16 * 1024
_SYSTEM_KEEPS_BYTES = 128 * 1024
_ON_THE_WAY_SECONDS = 10.0
"""How long a place is kept for a connection that has yet to be handed over."""
_MOST_WAITING = 1_000
_GOING_AWAY = 1001  # RFC 6455, section 7.4.1


@dataclass(frozen=True, kw_only=True)
class SocketBounds:
    """How many sockets there may be, and what their clients may do; times in seconds, sizes in bytes."""

    places: int = 100
    silent_seconds: float = 75.0
    """A client that does not answer pings for so long is gone."""
    ping_seconds: float = 25.0
    """Less than what proxies keep a connection on which nothing is sent."""
    slow_reader_seconds: float = 30.0
    unsent_bytes: int = 1024 * 1024


@dataclass(eq=False, slots=True)
class Place:
    """What a socket has that is about to be handed over, and what its site was told meanwhile."""

    site: str
    address: str
    until: float
    frames: deque[bytes] = field(default_factory=lambda: deque(maxlen=_MOST_WAITING))


class Sockets:
    """Hold the sockets of one process. Calls may come from any thread; the thread starts with the first socket."""

    def __init__(self, is_stopping: Callable[[], bool], bounds: SocketBounds | None = None) -> None:
        self.bounds = bounds or SocketBounds()
        self._is_stopping = is_stopping
        self._lock = threading.Lock()
        self._sockets: dict[WebSocket, None] = {}
        self._on_the_way: dict[Place, None] = {}
        self._todo: deque[Callable[[], None]] = deque()
        self._selector: selectors.BaseSelector | None = None
        self._waker: socket.socket | None = None

    @property
    def count(self) -> int:
        """Return how many sockets are open."""
        return len(self._sockets)

    def take_place(self, site: str, address: str) -> Place | None:
        """Return a place for a socket that is about to be handed over; None where there is none.

        When all are taken, the oldest socket of a crowd goes, so that an address with few is heard. What the site is
        told from now on the socket will get.
        """
        now = time.monotonic()
        with self._lock:
            if self._selector is None:
                self._start()
            self._on_the_way = {place: None for place in self._on_the_way if place.until > now}
            if len(self._sockets) + len(self._on_the_way) >= self.bounds.places:
                oldest = self._oldest_of_crowd(address)
                if oldest is None:
                    return None
                self._do(lambda: self._drop(oldest))
            place = Place(site, address, now + _ON_THE_WAY_SECONDS)
            self._on_the_way[place] = None
        return place

    def hand_over(self, place: Place, connection: socket.socket, ahead: bytes) -> None:
        """Take a connection on which the answer that opens a socket was sent, and what came after its request."""
        connection.setblocking(False)
        # By itself the system would take megabytes of a client that reads nothing.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SYSTEM_KEEPS_BYTES)
        added = WebSocket(connection, place.site, place.address, time.monotonic())
        self._do(lambda: self._add(place, added, ahead))

    def tell(self, site: str, topic: str, data: Any) -> None:
        """Send a message to all that follow a site; nothing is done where nobody does."""
        sites = {each.site for each in tuple(self._sockets)} | {each.site for each in tuple(self._on_the_way)}
        if site in sites and len(self._todo) < _MOST_WAITING:
            self._do(lambda: self._send(site, topic, data))

    def _oldest_of_crowd(self, address: str) -> WebSocket | None:
        by_address: dict[str, list[WebSocket]] = {}
        for each in self._sockets:
            by_address.setdefault(each.address, []).append(each)
        crowd = max(by_address.values(), key=len, default=[])
        is_crowd = len(crowd) > self.bounds.places // 2 and crowd[0].address != address
        return crowd[0] if is_crowd else None

    def _do(self, work: Callable[[], None]) -> None:
        self._todo.append(work)
        waker = self._waker
        if waker is not None:
            with suppress(OSError):  # It is full, so that the thread wakes anyway.
                waker.send(b"\0")

    def _start(self) -> None:
        """Start the thread; the lock is held."""
        woken, self._waker = socket.socketpair()
        for each in (woken, self._waker):
            each.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(woken, selectors.EVENT_READ)
        threading.Thread(target=self._run, args=(self._selector, woken), name="sockets", daemon=True).start()

    def _run(self, selector: selectors.BaseSelector, woken: socket.socket) -> None:
        next_look = time.monotonic() + _LOOK_SECONDS
        while not self._is_stopping():
            try:
                for key, events in selector.select(max(0.0, next_look - time.monotonic())):
                    if key.fileobj is woken:
                        with suppress(OSError):
                            woken.recv(4096)
                    elif key.data in self._sockets:
                        self._serve(key.data, events)
                for _ in range(len(self._todo)):
                    self._todo.popleft()()
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + _LOOK_SECONDS
                    self._look(time.monotonic())
            except Exception:  # A thread that ends is missed by nobody until pages stand still.
                log.exception("a message to the sockets was lost")
        self._end(selector, woken)

    def _end(self, selector: selectors.BaseSelector, woken: socket.socket) -> None:
        """Say goodbye to all, since the server stops."""
        for each in tuple(self._sockets):
            each.end(_GOING_AWAY)
            self._flush(each)
            self._drop(each)
        selector.close()
        for pipe in (woken, self._waker):
            if pipe is not None:
                pipe.close()

    def _add(self, place: Place, added: WebSocket, ahead: bytes) -> None:
        with self._lock:
            self._on_the_way.pop(place, None)
            self._sockets[added] = None
        self._watch(added, selectors.EVENT_READ)
        for frame in place.frames:
            added.put(frame, time.monotonic())
        self._flush(added)
        if ahead and added in self._sockets:
            self._receive(added, ahead)

    def _serve(self, served: WebSocket, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush(served)
        if events & selectors.EVENT_READ and served in self._sockets:
            try:
                piece = served.connection.recv(_PIECE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                piece = b""
            if piece:
                self._receive(served, piece)
            else:
                self._drop(served)

    def _receive(self, served: WebSocket, piece: bytes) -> None:
        served.receive(piece, time.monotonic())
        self._flush(served)

    def _send(self, site: str, topic: str, data: Any) -> None:
        following = [each for each in tuple(self._sockets) if each.site == site]
        coming = [each for each in tuple(self._on_the_way) if each.site == site]
        if not following and not coming:
            return
        frame = WebSocket.frame(orjson.dumps({"site": site, "topic": topic, "data": data}))
        for place in coming:
            place.frames.append(frame)
        for each in following:
            each.put(frame, time.monotonic())
            self._flush(each)

    def _look(self, now: float) -> None:
        """Send signs of life, and drop who does not answer them or does not read."""
        for each in tuple(self._sockets):
            is_slow = each.unsent_bytes and now - each.taken_at > self.bounds.slow_reader_seconds
            if is_slow or now - each.heard_at > self.bounds.silent_seconds:
                self._drop(each)
            elif now - each.pinged_at > self.bounds.ping_seconds:
                each.ping(now)
                self._flush(each)

    def _flush(self, flushed: WebSocket) -> None:
        if flushed not in self._sockets:
            return
        try:
            is_all_sent = flushed.flush(time.monotonic())
        except OSError:
            self._drop(flushed)
            return
        if flushed.unsent_bytes > self.bounds.unsent_bytes or (is_all_sent and flushed.has_ended):
            self._drop(flushed)
        else:
            self._watch(flushed, selectors.EVENT_READ if is_all_sent else selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _watch(self, watched: WebSocket, events: int) -> None:
        if watched.watched_for == events or self._selector is None:
            return
        try:
            if watched.watched_for:
                self._selector.modify(watched.connection, events, watched)
            else:
                self._selector.register(watched.connection, events, watched)
            watched.watched_for = events
        except (OSError, ValueError, KeyError):
            self._drop(watched)

    def _drop(self, dropped: WebSocket) -> None:
        with self._lock:
            self._sockets.pop(dropped, None)
        if self._selector is not None:
            with suppress(OSError, ValueError, KeyError):
                self._selector.unregister(dropped.connection)
        dropped.connection.close()
