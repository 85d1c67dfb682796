"""gunicorn's threaded worker, to whose threads only whole requests come, and which sends what waits for its reader.

gunicorn's own reads a request in the thread that answers the request, and has no deadline for that: as many slow
clients as there are threads hold up everybody. Here the worker's main loop, which watches idle connections anyway,
reads until a request is whole (`request_end`), and sends what a client does not take at once (`connection`). What the
bytes mean is left to gunicorn's parser.
"""

from __future__ import annotations

import errno
import math
import selectors
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from .bounds import Bounds
from .exchange import Exchange
from .lanes import LISTS_AT_A_TIME, THREADS, Lane, lane_of
from .request_end import RequestEnd, is_plain
from .stalls import Stalls

_MOST_LINE = 2048  # of a request's first line; no route is longer
_SWEEP_SECONDS = 0.25
_NO_CONNECTION = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NOTICE_SECONDS = 0.2
"""So often at most the master is told that the worker lives: with each request it would cost four calls of the system.

An idle worker tells it each second, and the shortest time after which gunicorn ends a worker is one second.
"""
_LINGER_BYTES = 16 * 1024 * 1024


class WholeRequestWorker(ThreadWorker):
    """Serve as gunicorn's threaded worker does, and let nobody wait for a slow client but that client."""

    bounds = Bounds()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stalls = Stalls(self.bounds)
        # Fewer than the threads that make lists, whose readers it is that may be slow.
        self._most_waiting = min(max(1, self.cfg.threads // 8), THREADS[Lane.LISTS] // 2)
        self._next_sweep = self._next_notice = 0.0
        self._is_notice_due = True
        self._turns = threading.BoundedSemaphore(LISTS_AT_A_TIME)
        # What is encrypted, or is not HTTP/1 from the first byte on, only gunicorn's own parser can follow.
        is_plain = not self.cfg.is_ssl and self.cfg.http2_cleartext == "off"
        self._sees_requests = is_plain and self.cfg.proxy_protocol == "off"

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return the threads for most requests; stops and lists have threads of their own."""
        calls: ThreadPoolExecutor = super().get_thread_pool()
        kept = {lane: ThreadPoolExecutor(count, lane.value) for lane, count in THREADS.items()}
        self._pools = {Lane.CALLS: calls} | kept
        return calls

    def run(self) -> None:
        """Serve until told to end; no thread then waits for a client, since the process would wait for the thread."""
        super().run()
        self.stalls.close_all()
        for pool in self._pools.values():
            pool.shutdown(wait=False)

    def notify(self) -> None:
        """Tell the master that the worker lives, unless it was told just now."""
        now = time.monotonic()
        self._is_notice_due = now >= self._next_notice
        if self._is_notice_due:
            self._next_notice = now + _NOTICE_SECONDS
            super().notify()

    def is_parent_alive(self) -> bool:
        """Whether the master lives, as far as was asked: as often as it is told."""
        return not self._is_notice_due or bool(super().is_parent_alive())

    def accept(self, listener: socket.socket) -> None:
        """Take a connection; where there is no room for it, one that is idle or stalled has to go."""
        if not self._sees_requests:
            super().accept(listener)
            return
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in _NO_ROOM and self._make_room():
                return
            if error.errno not in _NO_CONNECTION:
                raise
            return
        self.nr_conns += 1
        while self.nr_conns >= self.worker_connections and self._make_room():
            pass
        exchange = Exchange(self, sock, client, listener.getsockname())
        now = time.monotonic()
        exchange.since, exchange.until = now, now + self.bounds.headers_seconds
        self._read(exchange, now)

    def handle(self, conn: TConn) -> Any:
        """Answer a request, in a thread, unless its client was closed meanwhile."""
        if not isinstance(conn, Exchange):
            return super().handle(conn)
        if not conn.is_queued:
            return self._answer(conn)
        with self._turns:
            conn.is_queued = False
            self.stalls.leave(conn)
            if conn.sock.is_cut:
                return False
            conn.sock.turn = self._turns
            is_kept = self._answer(conn)
            conn.sock.turn = None
            return is_kept

    def _answer(self, exchange: Exchange) -> bool:
        is_kept = bool(super().handle(exchange))
        try:
            exchange.sock.end_answer()
        except OSError:  # the client is gone
            return False
        return is_kept

    def enqueue_req(self, conn: TConn) -> None:
        """Read a request on a connection that was idle until now."""
        if isinstance(conn, Exchange):
            self._begin(conn)
        else:
            super().enqueue_req(conn)

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Begin with a connection that was idle, unless it was closed in the same round to make room."""
        if not isinstance(conn, Exchange):
            super().on_client_socket_readable(conn, client)
        elif conn.is_idle:
            conn.is_idle = False
            self.keepalived_conns.remove(conn)
            self.unwatch(conn)
            self._begin(conn)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Keep or close a connection whose request was answered, once the client has taken the answer."""
        if not isinstance(conn, Exchange):
            super().finish_request(conn, fs)
            return
        conn.is_in_thread = False
        if conn.is_over:
            return
        if conn.sock.is_cut:
            self.end(conn)
        elif conn.sock.has_unsent:
            conn.answered = fs
            self.watch_answer(conn)
        else:
            self._finish(conn, fs)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for what happens to connections, and not past the next look at those that stall."""
        super().wait_for_and_dispatch_events(_SWEEP_SECONDS if self.stalls.count else timeout)

    def murder_pending(self) -> None:
        """Close what is overdue; gunicorn calls it between events and each second."""
        super().murder_pending()
        if not self.stalls.count:
            return
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_SECONDS
        self.stalls.sweep(now)
        waiting = [each for each in self.stalls.all() if isinstance(each, Exchange) and each.sock.is_waited_for]
        waiting.sort(key=lambda each: each.since)
        for each in waiting[: max(0, len(waiting) - self._most_waiting)]:
            self.stalls.leave(each)
            each.cut()

    def watch_answer(self, exchange: Exchange) -> None:
        """Send what the client did not take at once, whenever it takes more."""
        if exchange.is_registered or exchange.is_over or exchange.sock.is_cut or not exchange.sock.has_unsent:
            return
        self._register(exchange, selectors.EVENT_WRITE, self._write)
        now = time.monotonic()
        exchange.since, exchange.until = now, now + self.bounds.answer_seconds
        self.stalls.enter(exchange)

    def linger(self, exchange: Exchange) -> None:
        """Read off what the client still sends, before the connection is closed: else it may lose the answer."""
        try:
            exchange.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            exchange.close()
            return
        self.nr_conns += 1  # whoever closed it has counted it as closed
        now = time.monotonic()
        exchange.since, exchange.until = now, now + self.bounds.linger_seconds
        exchange.body_until = now + self.bounds.answer_seconds
        self._register(exchange, selectors.EVENT_READ, self._read_off)
        self.stalls.enter(exchange)

    def unregister(self, exchange: Exchange) -> None:
        """Watch a connection no more."""
        if exchange.is_registered:
            exchange.is_registered = False
            with suppress(OSError, KeyError, ValueError):
                self.poller.unregister(exchange.sock)

    def unwatch(self, exchange: Exchange) -> None:
        """End the watch for a next request."""
        if exchange.is_watched:
            exchange.is_watched = False
            with suppress(OSError, KeyError, ValueError):
                self.poller.unregister(exchange.sock)

    def end(self, exchange: Exchange) -> None:
        """Close a connection that is not idle."""
        self.unregister(exchange)
        self.stalls.leave(exchange)
        if not exchange.is_over:
            self.nr_conns -= 1
            exchange.close()

    def _register(self, exchange: Exchange, events: int, callback: Callable[[Exchange], None]) -> None:
        def call(_sock: socket.socket) -> None:
            if exchange.is_registered:  # what happened to another in the same round may have closed this one
                callback(exchange)

        self.unwatch(exchange)
        self.poller.register(exchange.sock, events, call)
        exchange.is_registered = True

    def _make_room(self) -> bool:
        """Close a connection of a crowd, or else the one that has been idle longest; False where there is none."""
        if self.stalls.close_one_of_crowd():
            return True
        if not self.keepalived_conns:
            return self.stalls.close_longest()
        idle = self.keepalived_conns.popleft()
        if isinstance(idle, Exchange):
            idle.is_idle = False
        else:
            with suppress(OSError, KeyError, ValueError):
                self.poller.unregister(idle.sock)
        self.nr_conns -= 1
        idle.close()
        return True

    def _begin(self, exchange: Exchange) -> None:
        now = time.monotonic()
        exchange.since, exchange.until = now, now + self.bounds.headers_seconds
        ahead, exchange.ahead = exchange.ahead, b""
        if ahead:
            self._take(exchange, ahead, now)
        if not exchange.is_in_thread:
            self._read(exchange, now)

    def _read_more(self, exchange: Exchange) -> None:
        self._read(exchange, time.monotonic())

    def _read(self, exchange: Exchange, now: float) -> None:
        """Read what is there; then the request is whole, or more is waited for."""
        try:
            piece = exchange.sock.receive()
        except BlockingIOError:
            self._wait_for_more(exchange)
            return
        except OSError:
            self.end(exchange)
            return
        self._take(exchange, piece, now)
        if not exchange.is_in_thread and not exchange.is_over:
            self._wait_for_more(exchange)

    def _take(self, exchange: Exchange, piece: bytes, now: float) -> None:
        """Take what the client sent; when the request is whole, a thread gets it."""
        request = exchange.request
        if request is None:
            if is_plain(piece, self.bounds.body_bytes):
                self._hand_over(exchange, piece)
                return
            if not piece:
                self.end(exchange)
                return
            request = exchange.request = RequestEnd(self.bounds.body_bytes)
        elif not piece:
            request.break_off()
        had_head = request.has_head
        if request.is_whole or request.feed(piece):
            self._hand_over_part(exchange, request)
        elif request.has_head:
            if not had_head:
                self._body_begins(exchange, request, now)
            exchange.since, exchange.until = now, min(now + self.bounds.body_seconds, exchange.body_until)

    def _body_begins(self, exchange: Exchange, request: RequestEnd, now: float) -> None:
        exchange.body_until = now + self.bounds.whole_body_seconds
        if request.expects_continue:
            exchange.sock.invite()

    def _wait_for_more(self, exchange: Exchange) -> None:
        if not exchange.is_registered:
            self._register(exchange, selectors.EVENT_READ, self._read_more)
            self.stalls.enter(exchange)

    def _hand_over_part(self, exchange: Exchange, request: RequestEnd) -> None:
        """Give a thread what is one request's of the bytes that came."""
        exchange.request = None
        exchange.ahead = bytes(request.data[request.size :])
        exchange.is_last = request.is_odd
        self._hand_over(exchange, bytes(request.data[: request.size]))

    def _hand_over(self, exchange: Exchange, request: bytes) -> None:
        """Give a whole request to a thread."""
        if exchange.is_registered:
            self.unregister(exchange)
            self.stalls.leave(exchange)
        exchange.sock.hand_over(request)
        lane = _lane_of(request)
        if lane is Lane.LISTS:
            self._queue(exchange)
        exchange.is_in_thread = True
        answer = self._pools[lane].submit(self.handle, exchange)
        answer.add_done_callback(partial(self.method_queue.defer, self.finish_request, exchange))

    def _queue(self, exchange: Exchange) -> None:
        """Know one that waits for a list: of a crowd that asks for many, the longest-waiting goes to make room."""
        exchange.is_queued, exchange.since, exchange.until = True, time.monotonic(), math.inf
        self.stalls.enter(exchange)

    def _write(self, exchange: Exchange) -> None:
        before = exchange.sock.taken_at
        try:
            is_all_sent = exchange.sock.flush()
        except OSError:
            self.stalls.leave(exchange)
            exchange.cut()
            return
        if exchange.sock.taken_at != before:
            exchange.since = exchange.sock.taken_at
            exchange.until = exchange.since + self.bounds.answer_seconds
        if is_all_sent:
            self.unregister(exchange)
            self.stalls.leave(exchange)
            answered, exchange.answered = exchange.answered, None
            if answered is not None:
                self._finish(exchange, answered)

    def _finish(self, exchange: Exchange, answered: Future[Any]) -> None:
        if exchange.sock.taker is not None and not answered.cancelled() and answered.exception() is None:
            self._hand_on(exchange, exchange.sock.taker)
            return
        if self._is_out_of_step(exchange):
            self.unwatch(exchange)
            self.nr_conns -= 1
            exchange.close(graceful=True)
            return
        is_good = self.alive and not answered.cancelled() and answered.exception() is None
        if is_good and answered.result() and self._goes_on(exchange):
            return
        super().finish_request(exchange, answered)
        is_kept = bool(self.keepalived_conns) and self.keepalived_conns[-1] is exchange
        exchange.is_idle = exchange.is_watched = is_kept

    def _goes_on(self, exchange: Exchange) -> bool:
        """Whether the client has sent the next request by now, as fast ones have: then that is begun at once.

        While a request is in a thread its connection is not watched: the loop would take the interpreter from the
        thread when the client has its answer and the thread is not yet done.
        """
        if not exchange.ahead:
            with suppress(OSError):
                exchange.ahead = exchange.sock.receive()
        if not exchange.ahead:
            return False
        self._begin(exchange)
        return True

    def _hand_on(self, exchange: Exchange, take: Callable[[socket.socket, bytes], None]) -> None:
        """Give up a connection to whoever asked for it: the worker knows it no more."""
        self.unwatch(exchange)
        self.unregister(exchange)
        self.stalls.leave(exchange)
        self.nr_conns -= 1
        exchange.is_over = True
        take(socket.socket(fileno=exchange.sock.detach()), exchange.ahead)

    def _is_out_of_step(self, exchange: Exchange) -> bool:
        """Whether the parser saw another request than was handed over, so that nobody knows where the next begins."""
        has_more = exchange.parser is not None and bool(exchange.parser.unreader.buf.getvalue())
        return has_more or exchange.is_last or exchange.sock.was_read_past

    def _read_off(self, exchange: Exchange) -> None:
        try:
            piece = exchange.sock.receive()
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        exchange.lingered_bytes += len(piece)
        if not piece or exchange.lingered_bytes > _LINGER_BYTES:
            self.end(exchange)
            return
        now = time.monotonic()
        exchange.since, exchange.until = now, min(now + self.bounds.linger_seconds, exchange.body_until)


def _lane_of(request: bytes) -> Lane:
    """Return which threads take up a whole request."""
    if not request.startswith(b"POST "):
        return Lane.CALLS
    path = request[5 : request.find(b" ", 5, _MOST_LINE)].decode("latin-1")
    return lane_of("POST", path, lambda: request.partition(b"\r\n\r\n")[2])
