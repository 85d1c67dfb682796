"""A connection of gunicorn's threaded worker, and the request and answer that are under way on it."""

from __future__ import annotations

import socket
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import TConn

from .connection import Connection
from .request_end import RequestEnd

if TYPE_CHECKING:
    from .gunicorn_worker import WholeRequestWorker


class Exchange(TConn):
    """A connection, and the request and answer that are under way on it."""

    sock: Connection

    def __init__(self, worker: WholeRequestWorker, sock: socket.socket, client: Any, server: Any) -> None:
        connection = Connection(sock.detach(), lambda: worker.method_queue.defer(worker.watch_answer, self))
        super().__init__(worker.cfg, connection, client, server)
        self.data_ready = True  # no thread is to wait for the first byte
        self.address = client[0] if isinstance(client, tuple) else ""
        self.request: RequestEnd | None = None
        """What came of a request that is not all there."""
        self.is_last = False
        """Whether nobody knows where a request after this one would begin."""
        self.since = self.until = 0.0
        self.body_until = 0.0
        self.ahead = b""
        """What the client sent after the request that is under way."""
        self.answered: Future[Any] | None = None
        """What became of a request, once no thread has anything to do with the connection."""
        self.is_in_thread = False
        self.is_queued = False
        """Whether the request waits for one of the threads that make lists."""
        self.is_registered = False
        self.is_idle = False
        """Whether the connection is kept for a next request."""
        self.is_watched = False
        """Whether gunicorn's own watch for the next request goes on: to end and begin it each time costs two calls."""
        self.is_over = False
        self.lingered_bytes = 0
        self._worker = worker

    @property
    def held_bytes(self) -> int:
        """Return how much memory waits for the client."""
        begun = len(self.request.data) if self.request else 0
        return begun + len(self.ahead) + self.sock.unsent_bytes

    def counts(self, now: float) -> bool:
        """Whether the connection counts among the stalled ones."""
        return not self.is_queued and now - self.since >= self._worker.bounds.still_seconds

    def cut(self) -> None:
        """Close the connection; where a thread works for the client, the thread ends first."""
        self._worker.unregister(self)
        self.sock.cut()
        if not self.is_in_thread:
            self._worker.end(self)

    def close(self, graceful: bool = False) -> None:
        """Close the connection; gracefully is when the client has taken its answer, so that the answer is not lost."""
        if graceful and not self.sock.is_cut:
            self._worker.linger(self)
        else:
            self.is_over = True
            self._worker.unwatch(self)
            self.sock.release()
