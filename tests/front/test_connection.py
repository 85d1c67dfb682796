"""How an answer leaves: its head with what follows, and never held back for something that may be long in coming."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from jobs_server.front.connection import Connection

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn, and its connections, are for Unix alone")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[Connection, socket.socket]]:
    """A server's end of a connection that has handed over a request, and the client's, where each send is a packet."""
    server, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection = Connection(server.detach(), lambda: None)
    connection.hand_over(b"GET / HTTP/1.1\r\n\r\n")
    client.settimeout(10)
    yield connection, client
    connection.release()
    client.close()


def test_the_head_of_an_answer_goes_out_with_its_body_in_one_packet(ends: tuple[Connection, socket.socket]) -> None:
    connection, client = ends
    connection.sendall(HEAD)
    connection.sendall(b"[]")
    assert client.recv(1000) == HEAD + b"[]"


def test_an_answer_without_a_body_goes_out_at_its_end(ends: tuple[Connection, socket.socket]) -> None:
    connection, client = ends
    connection.sendall(HEAD)
    connection.end_answer()
    connection.end_answer()
    connection.sendall(b"next")
    assert [client.recv(1000), client.recv(1000)] == [HEAD, b"next"]


def test_the_head_of_a_stream_is_not_held_back_for_an_event(ends: tuple[Connection, socket.socket]) -> None:
    connection, client = ends
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    connection.sendall(head)
    assert client.recv(1000) == head


def test_a_large_body_is_not_copied_to_go_out_with_its_head(ends: tuple[Connection, socket.socket]) -> None:
    connection, client = ends
    body = b"x" * 100_000
    connection.sendall(HEAD)
    connection.sendall(body)
    assert [client.recv(200_000), client.recv(200_000)] == [HEAD, body]
