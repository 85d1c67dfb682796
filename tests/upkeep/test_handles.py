"""Where the system lets a process open few files and connections, stops find some left."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from ..conftest import over_http
from ..support import servers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")

FEW = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")


def stream(port: int) -> tuple[socket.socket, bytes]:
    """Ask for a stream; return the connection and the line of the answer's status."""
    connection = socket.create_connection(("127.0.0.1", port), 60)
    connection.sendall(b"GET /jobs/stream?site=wmd HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connection, connection.recv(100).partition(b"\r\n")[0]


def test_with_64_handles_and_70_who_want_a_stream_a_stop_passes(tmp_path: Path) -> None:
    server = servers.start("gunicorn", tmp_path / "instance", prefix=FEW)
    with servers.stopped_at_the_end(server), ExitStack() as open_streams:
        seen = []
        for _ in range(70):
            connection, status = stream(server.port)
            seen.append(status)
            if status.endswith(b"200 OK"):
                open_streams.callback(connection.close)
            else:
                connection.close()
        assert 0 < sum(b"200" in status for status in seen) < 48
        assert all(b"200" in status or b"503" in status for status in seen)
        with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
            assert over_http(server.url, client).sends("cancel_all_commands", device="all", instance="all")
    assert "lets this process open 64 files and connections" in server.log.read_text(encoding="utf-8")


def test_a_soft_limit_is_raised_as_far_as_the_system_allows(tmp_path: Path) -> None:
    soft = ("sh", "-c", 'ulimit -S -n 64; exec "$@"', "sh")
    server = servers.start("gunicorn", tmp_path / "instance", prefix=soft)
    with servers.stopped_at_the_end(server), ExitStack() as open_streams:
        for _ in range(48):
            connection, status = stream(server.port)
            open_streams.callback(connection.close)
            assert status.endswith(b"200 OK")
    assert "lets this process open" not in server.log.read_text(encoding="utf-8")
