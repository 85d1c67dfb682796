"""waitress with deadlines, a cap for each address, room for whoever comes, and threads for stops and for lists.

waitress reads whole requests and sends answers in its main loop already, so that no thread waits for a slow client.
What it lacks is an end to that: past its limit of connections it takes no new one, however long the others do nothing.
"""

from __future__ import annotations

import math
import select
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import MultiSocketServer, TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from .bounds import Bounds
from .connection import DROP
from .lanes import LISTS_AT_A_TIME, THREADS, Lane, lane_of
from .stalls import Stalls

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_PIECE_BYTES = 64 * 1024
_SWEEP_SECONDS = 0.25


class Channel(HTTPChannel):
    """A connection whose client has a time for all that it does."""

    def __init__(self, server: Server, sock: socket.socket, addr: Any, adj: Adjustments, map: Any = None) -> None:
        super().__init__(server, sock, addr, adj, map=map)
        # So much is read, perhaps from a file, for each attempt to send, however little of it the client then takes.
        self.sendbuf_len: int = min(sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF), _PIECE_BYTES)
        self.address = str(addr[0])
        self.is_cut = False
        self._is_queued = self._has_turn = False
        self._turns = server.turns
        self.since = self.taken_at = time.monotonic()
        self.until = self.since + server.bounds.headers_seconds
        self._body_until: float | None = None
        self._has_unread = False
        self._stalls, self._bounds = server.stalls, server.bounds
        self._stalls.enter(self)

    @property
    def held_bytes(self) -> int:
        """Return how much waits for the client, in memory or in files of the system's."""
        request = self.request
        return int(self.total_outbufs_len) + (request.body_bytes_received if request is not None else 0)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not (self.requests or self.request or self.total_outbufs_len or self.is_cut)

    def counts(self, now: float) -> bool:
        """Whether the connection counts among the stalled ones."""
        return not self._is_queued and now - self.since >= self._bounds.still_seconds

    def cut(self) -> None:
        """Let the main loop close the connection in its next round."""
        self.is_cut = self.will_close = True
        with suppress(OSError, AttributeError):  # it may be closed, and its socket gone
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DROP)
            self.socket.shutdown(socket.SHUT_RDWR)

    def readable(self) -> bool:
        """Whether the main loop is to read; of a connection that is cut, its end."""
        return self.is_cut or bool(super().readable())

    def handle_read(self) -> None:
        """Read, or close a connection that is cut."""
        if self.is_cut:
            self.handle_close()
        else:
            super().handle_read()

    def received(self, data: bytes) -> bool:
        """Take what came, and give the client its time for the rest."""
        is_taken = bool(super().received(data))
        self._await_rest(time.monotonic())
        return is_taken

    def queue(self) -> None:
        """Know one that waits for a list: of a crowd that asks for many, the longest-waiting goes to make room."""
        self._is_queued, self.since, self.until = True, time.monotonic(), math.inf
        self._stalls.enter(self)

    def service(self) -> None:
        """Answer a request, in a thread."""
        if not self._is_queued:
            super().service()
            return
        with self._turns:
            self._is_queued = False
            self._stalls.leave(self)
            self._has_turn = True
            super().service()
            self._has_turn = False

    def write_soon(self, data: Any) -> int:
        """Take part of an answer; where the client is to take what is there first, another thread has its turn."""
        if self._has_turn and self.total_outbufs_len > self.adj.outbuf_high_watermark:
            self._turns.release()
            self._flush_outbufs_below_high_watermark()
            self._turns.acquire()
        return int(super().write_soon(data))

    def look(self, now: float) -> None:
        """See whether an answer waits to be taken."""
        if self.total_outbufs_len and self.request is None:
            self.since = max(self.since, self.taken_at) if self._has_unread else now
            self.until = self.since + self._bounds.answer_seconds
            self._has_unread = True
            self._stalls.enter(self)
        elif self._has_unread:
            self._has_unread = False
            self._stalls.leave(self)

    def handle_close(self) -> None:
        """Close the connection."""
        self._stalls.leave(self)
        super().handle_close()

    def _flush_some(self, do_close: bool = True) -> bool:
        is_some_sent = bool(super()._flush_some(do_close=do_close))
        if is_some_sent:
            self.taken_at = time.monotonic()
        return is_some_sent

    def _await_rest(self, now: float) -> None:
        request = self.request
        if request is None or self.requests:  # while a request is answered, nothing more is read
            self._body_until = None
            self.until = math.inf
            if not self._is_queued:
                self._stalls.leave(self)
            return
        if request.headers_finished:
            self._body_until = self._body_until or now + self._bounds.whole_body_seconds
            self.since, self.until = now, min(now + self._bounds.body_seconds, self._body_until)
        elif self.until == math.inf:
            self.since, self.until = now, now + self._bounds.headers_seconds
        self._stalls.enter(self)


class Server(TcpWSGIServer):
    """A listener that looks at its connections between events."""

    channel_class = Channel

    def __init__(self, *args: Any, stalls: Stalls, **kwargs: Any) -> None:
        self.stalls, self.bounds = stalls, stalls.bounds
        self._next_sweep = 0.0
        self.turns = threading.BoundedSemaphore(LISTS_AT_A_TIME)
        super().__init__(*args, **kwargs)

    def readable(self) -> bool:
        """Whether a connection can be taken; the main loop asks in each round."""
        now = time.monotonic()
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_SECONDS
            for channel in list(self.active_channels.values()):
                channel.look(now)
            self.stalls.sweep(now)
            if self.in_connection_overflow:
                self._make_room()
        return bool(super().readable())

    def handle_accept(self) -> None:
        """Take a connection; where it is the last for which there is room, another has to go."""
        super().handle_accept()
        if len(self._map) >= self.adj.connection_limit - 1:
            self._make_room()

    def _make_room(self) -> None:
        """Close a connection of a crowd, or else the one that has been idle longest."""
        if self.stalls.close_one_of_crowd():
            return
        idle = [channel for channel in self.active_channels.values() if channel.is_idle]
        if idle:
            min(idle, key=_last_activity).cut()
        else:
            self.stalls.close_longest()


class Dispatcher(ThreadedTaskDispatcher):
    """The threads: most for calls, streams and waiting polls, and a few for stops and for lists."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._kept = {lane: ThreadedTaskDispatcher() for lane in THREADS}
        for lane, dispatcher in self._kept.items():
            dispatcher.set_thread_count(THREADS[lane])
        self.set_thread_count(threads)

    def add_task(self, task: Channel) -> None:
        """Give a whole request to the threads for its kind."""
        lane = _lane_of(task)
        if lane is Lane.LISTS:
            task.queue()
        if lane in self._kept:
            self._kept[lane].add_task(task)
        else:
            super().add_task(task)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads."""
        for dispatcher in self._kept.values():
            dispatcher.shutdown(cancel_pending, timeout)
        return bool(super().shutdown(cancel_pending, timeout))


def serve(app: WSGIApplication, bounds: Bounds, **options: Any) -> None:
    """Serve an app until told to end; the options are waitress' own."""
    adjustments = Adjustments(asyncore_use_poll=hasattr(select, "poll"), **options)
    sockets: dict[int, Any] = {}
    dispatcher, stalls = Dispatcher(adjustments.threads), Stalls(bounds)
    servers = [
        Server(app, sockets, dispatcher=dispatcher, adj=adjustments, sockinfo=each, stalls=stalls)
        for each in adjustments.listen
    ]
    if len(servers) == 1:
        servers[0].run()
    else:
        listening = [(each.effective_host, each.effective_port) for each in servers]
        MultiSocketServer(sockets, adjustments, listening, dispatcher, servers[0].log_info).run()


def _last_activity(channel: Channel) -> float:
    return float(channel.last_activity)


def _lane_of(channel: Channel) -> Lane:
    request = channel.requests[0]
    if request.error:
        return Lane.CALLS
    return lane_of(str(request.command), str(request.path), lambda: _body(request))


def _body(request: Any) -> bytes:
    stream = request.get_body_stream()
    body: bytes = stream.read()
    stream.seek(0)
    return body
