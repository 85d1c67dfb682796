"""One slow client makes no stop unreachable: under gunicorn, waitress and `flask run`, with no proxy in front."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..support import servers
from ..support.streams import Viewer
from ..support.waiting import until
from . import serving
from .clients import BEGINNINGS, LIST, PERSON, SLOW, Client, client, fill, post, send_stop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all addresses of 127.0.0.0/8")

CROWD = 200
CAP = 48
LONG = {"headers_seconds": 600, "body_seconds": 600, "whole_body_seconds": 600, "answer_seconds": 600}
"""Nothing is closed because its time is over."""


@pytest.fixture(scope="module", params=serving.KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server with a list of 8 MB, which closes what is too many, and nothing because of its time."""
    started = serving.start(request.param, tmp_path_factory.mktemp(request.param), LONG)
    with servers.stopped_at_the_end(started):
        fill(started.port)
        yield started


def crowd(stack: ExitStack, port: int, beginning: bytes, count: int = CROWD) -> list[Client]:
    """Clients of one address that send a beginning and then do nothing."""
    clients = []
    for _ in range(count):
        slow = stack.enter_context(client(port, SLOW, buffer_bytes=4096))
        slow.send(beginning)
        clients.append(slow)
    return clients


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_a_stop_is_answered_beside_200_slow_clients_of_one_address(server: servers.Server, kind: str) -> None:
    with ExitStack() as stack:
        clients = crowd(stack, server.port, BEGINNINGS[kind])
        assert send_stop(server.port) == 200
        until(lambda: sum(each.is_open for each in clients) <= CAP)
        assert send_stop(server.port) == 200, "those that may stay hold it up"
        assert send_stop(server.port, SLOW) == 200, "whoever shares their address is not heard"


@pytest.mark.parametrize("kind", ["half-sent bodies", "half-sent headers", "silent connections"])
def test_the_longest_stalled_is_closed_and_never_the_newest(server: servers.Server, kind: str) -> None:
    with ExitStack() as stack:
        clients = crowd(stack, server.port, BEGINNINGS[kind], 2)
        for _ in range(3):  # `flask run` has a thread for each, which may begin in another order
            assert send_stop(server.port) == 200
        clients += crowd(stack, server.port, BEGINNINGS[kind], CAP)
        until(lambda: not (clients[0].is_open or clients[1].is_open))
        assert all(each.is_open for each in clients[2:])


def test_the_cap_is_for_each_address(server: servers.Server) -> None:
    with ExitStack() as stack:
        clients = crowd(stack, server.port, BEGINNINGS["half-sent headers"], CAP)
        other = stack.enter_context(client(server.port, "127.0.0.4"))
        other.send(BEGINNINGS["half-sent headers"])
        last = stack.enter_context(client(server.port, SLOW))
        until(lambda: not clients[0].is_open)
        assert other.is_open
        assert last.is_open


def test_a_slow_reader_who_reads_gets_all_of_a_long_list(server: servers.Server) -> None:
    with client(server.port) as person, client(server.port, SLOW, buffer_bytes=4096) as slow:
        person.send(LIST)
        slow.send(LIST)
        expected = person.answer()
        head = slow.status()
        assert slow.body(head, pieces=4096) == expected[1]


@pytest.fixture(scope="module", params=serving.KINDS)
def hurried(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server whose clients have little time."""
    short = {"headers_seconds": 1, "body_seconds": 1, "whole_body_seconds": 3, "answer_seconds": 1}
    started = serving.start(request.param, tmp_path_factory.mktemp(request.param), short)
    with servers.stopped_at_the_end(started):
        fill(started.port)
        yield started


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_each_slow_client_has_a_deadline(hurried: servers.Server, kind: str) -> None:
    with ExitStack() as stack:
        (slow,) = crowd(stack, hurried.port, BEGINNINGS[kind], 1)
        until(lambda: not slow.is_open)


def test_a_body_that_trickles_has_one_in_all(hurried: servers.Server) -> None:
    with client(hurried.port, SLOW) as slow:
        slow.send(post("/jobs/newjob", {}, length=200_000))

        def is_closed() -> bool:
            try:
                slow.send(b" ")
            except ConnectionError:
                return True
            return not slow.is_open

        until(is_closed, every=0.1)


def test_headers_that_trickle_have_one_in_all(hurried: servers.Server) -> None:
    with client(hurried.port, SLOW) as slow:
        slow.send(b"POST /jobs/newjob HTTP/1.1\r\nHost: localhost\r\nX: ")

        def is_closed() -> bool:
            try:
                slow.send(b"x")
            except ConnectionError:
                return True
            return not slow.is_open

        until(is_closed, every=0.1)


@pytest.mark.parametrize("kind", ["gunicorn", "waitress"])
def test_a_connection_that_is_idle_between_requests_has_none(kind: str, tmp_path: Path) -> None:
    started = serving.start(kind, tmp_path, {"headers_seconds": 0.5})
    with servers.stopped_at_the_end(started), client(started.port) as kept:
        kept.send(post("/jobs/getnewjobs", {"site": "wmd"}))
        assert kept.answer() == (200, b"[]")
        for _ in range(3):  # each comes later than the one that was used, and is closed for saying nothing
            with client(started.port, SLOW) as silent:
                assert silent.ends()
        kept.send(post("/jobs/getnewjobs", {"site": "wmd"}))
        assert kept.answer() == (200, b"[]")


def test_polls_and_streams_that_wait_have_none(hurried: servers.Server) -> None:
    with client(hurried.port) as site, Viewer(hurried.url, "quiet") as viewer:
        site.send(post("/jobs/getnewjobs", {"site": "quiet", "waitSeconds": 60}))
        for _ in range(3):
            with client(hurried.port, SLOW) as silent:
                assert silent.ends()
        with client(hurried.port) as person:
            person.send(post("/jobs/newjob", JOB | {"site": "quiet"}))
            assert person.answer()[0] == 200
        assert site.answer()[0] == 200
        assert viewer.sees(1)


@pytest.mark.parametrize("kind", ["gunicorn", "waitress"])
def test_sixty_people_behind_the_address_of_slow_clients_lose_nothing(kind: str, tmp_path: Path) -> None:
    started = serving.start(kind, tmp_path, {}, {"JOBS_THREADS": "128"})
    with servers.stopped_at_the_end(started), ExitStack() as stack:
        people = [stack.enter_context(client(started.port, SLOW)) for _ in range(60)]
        for each in people:
            each.send(b"GET /stream?site=wmd HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert " 200 " in each.status()
        for beginning in BEGINNINGS.values():
            crowd(stack, started.port, beginning, 50)
        assert send_stop(started.port, SLOW) == 200
        assert all(each.reads(b'"action":"cancel_all_commands"') for each in people)


JOB = {
    "site": "wmd",
    "device": "camera1",
    "instance": "camera1",
    "action": "expose",
    "user_name": "Ana",
    "user_id": PERSON,
    "required_params": {"exposure": 1},
    "optional_params": {},
}
