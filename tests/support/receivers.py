"""A real receiver of alerts on this machine: it takes, refuses, leads elsewhere or keeps silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class Receiver:
    """What was posted to an address, and how the address answers."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        self.may_answer = Event()
        self.may_answer.set()
        self.url = ""

    @property
    def texts(self) -> list[str]:
        """What was posted, as text."""
        return [body.decode() for _, _, body in self.got]

    @property
    def messages(self) -> list[str]:
        """What was posted as JSON, the messages in it."""
        return [json.loads(body)["message"] for _, _, body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive on a port of this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((self.path, dict(self.headers), body))
            receiver.may_answer.wait(60)
            self.send_response(receiver.status)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # whoever asked did not wait
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        receiver.may_answer.set()
        server.shutdown()
        server.server_close()
