"""A wire between the service and its database that can be cut, stopped up and mended."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

_CHUNK = 65536


class Relay:
    """Listens on a port of 127.0.0.1 and passes bytes on to another, while it is whole."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._whole = True
        self._passes = threading.Event()
        self._passes.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """Close all connections, and each new one at once."""
        with self._lock:
            self._whole = False
            ended, self._open = self._open, []
        for each in ended:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def stop_up(self) -> None:
        """Keep all connections, take new ones too, and pass nothing on: TCP is well, and nobody answers."""
        self._passes.clear()

    def mend(self) -> None:
        """Pass on again."""
        with self._lock:
            self._whole = True
        self._passes.set()

    def close(self) -> None:
        self._passes.set()
        self.cut()
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                with self._lock:
                    whole = self._whole
                if not whole:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    near.close()
                    continue
                with self._lock:
                    self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(one, other, self._passes), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket, passes: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while True:
            chunk = one.recv(_CHUNK)
            passes.wait()  # what ends is not passed on either
            if not chunk:
                break
            other.sendall(chunk)
    for each in (one, other):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    one.close()  # the other is the other thread's


@contextlib.contextmanager
def relay(to: int) -> Iterator[Relay]:
    """Stand between for the length of a block."""
    made = Relay(to)
    try:
        yield made
    finally:
        made.close()
