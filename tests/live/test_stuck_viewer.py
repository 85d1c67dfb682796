"""A viewer that opens a stream and then takes nothing: the server keeps neither its thread nor what it was to read."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from werkzeug.serving import make_server

from jobs_server.live.tuning import FeedTimes

from ..conftest import inside
from ..support import feeds
from ..support.waiting import until

LARGE = {"note": "m" * 200_000}  # the system keeps some megabytes of what is sent for a reader that takes nothing
ENOUGH = 60


@contextmanager
def served(app: Flask) -> Iterator[int]:
    """Serve an app of this process on a real port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_viewer_that_takes_nothing_is_cut_off(file_app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    live, observatory = feeds.put_in(file_app, FeedTimes(slow_reader_seconds=0.5)), inside(file_app)
    with served(file_app) as port, socket.socket() as stuck, caplog.at_level(logging.WARNING, "jobs_server.live.feed"):
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", port))
        stuck.sendall(b"GET /stream?site=wmd HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: live.counts()[0] == 1)
        for _ in range(ENOUGH):
            observatory.sends(optional_params=LARGE)
        until(lambda: live.counts()[0] == 0)
    assert "was dropped: it took nothing" in caplog.text
    assert "127.0.0.1" in caplog.text
