"""A server that sends a byte now and then, so that no read of its answer ever takes long and the answer never ends."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

_PAUSE_SECONDS = 0.02
STARTS = {
    "a header": b"HTTP/1.1 200 OK\r\nX-Name: ",
    "the body": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[",
}


@contextlib.contextmanager
def dripping(part: str = "a header") -> Iterator[str]:
    """Serve for the length of a block, and give the address; what drips is part of each answer."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(STARTS[part])
            while not over.wait(_PAUSE_SECONDS):
                connection.sendall(b" ")

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)
