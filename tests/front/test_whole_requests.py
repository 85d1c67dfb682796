"""HTTP is as exact as before where only whole requests reach a thread: what one means, the server's parser says."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from ..support import servers
from . import serving
from .clients import client, post

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")

POLL = post("/jobs/getnewjobs", {"site": "wmd"})
POLL_IN_CHUNKS = (
    b"POST /jobs/getnewjobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'e\r\n{"site":"wmd"}\r\n0\r\n\r\n'
)


@pytest.fixture(scope="module", params=["gunicorn", "waitress"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a server that keeps connections listens."""
    started = serving.start(request.param, tmp_path_factory.mktemp(request.param), {})
    with servers.stopped_at_the_end(started):
        yield started.port


def test_a_request_that_comes_byte_by_byte_is_answered(port: int) -> None:
    with client(port) as slow:
        for place in range(len(POLL)):
            slow.send(POLL[place : place + 1])
        assert slow.answer() == (200, b"[]")


def test_requests_that_come_together_are_answered_in_order(port: int) -> None:
    with client(port) as sender:
        sender.send(POLL + POLL_IN_CHUNKS + post("/jobs/nothing", {}) + POLL)
        assert [sender.answer()[0] for _ in range(4)] == [200, 200, 404, 200]


def test_the_rest_of_a_second_request_may_come_later(port: int) -> None:
    with client(port) as sender:
        sender.send(POLL + POLL[:50])
        assert sender.answer() == (200, b"[]")
        sender.send(POLL[50:])
        assert sender.answer() == (200, b"[]")


@pytest.mark.parametrize("request_", [POLL, POLL_IN_CHUNKS], ids=["a length", "chunks"])
def test_a_connection_is_kept(port: int, request_: bytes) -> None:
    with client(port) as sender:
        for _ in range(3):
            sender.send(request_)
            assert sender.answer() == (200, b"[]")


def test_head_and_http_1_0_are_answered(port: int) -> None:
    with client(port) as sender:
        sender.send(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert " 200 " in sender.status()
        sender.send(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert sender.answer()[0] == 200
        assert sender.ends()


def test_whoever_asks_before_sending_a_body_is_told_once_to_go_on(port: int) -> None:
    asking = post("/jobs/getnewjobs", {"site": "wmd"}, "Expect: 100-continue")
    head, _, body = asking.partition(b"\r\n\r\n")
    with client(port) as sender:
        sender.send(head + b"\r\n\r\n")
        assert sender.status() == "HTTP/1.1 100 Continue"
        sender.send(body)
        assert sender.answer() == (200, b"[]")
        sender.send(asking)  # nobody asked may send at once
        head_of_answer = sender.status()
        while "100 Continue" in head_of_answer:
            head_of_answer = sender.status()
        assert " 200 " in head_of_answer


@pytest.mark.parametrize("port", ["gunicorn"], indirect=True)  # waitress takes the chunks, as HTTP allows
def test_a_request_hidden_in_the_body_of_another_is_not_answered(port: int) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    said = f"Content-Length: {len(hidden) + 5}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with client(port) as sender:
        sender.send(b"POST /jobs/nothing HTTP/1.1\r\nHost: localhost\r\n" + said.encode() + b"0\r\n\r\n" + hidden)
        assert sender.read_to_the_end().count(b"HTTP/1.1 200") == 0


def test_whoever_hangs_up_within_a_request_is_let_go(port: int) -> None:
    with client(port) as sender:
        sender.send(POLL[:-3])
        sender.hang_up()
        assert sender.ends()
