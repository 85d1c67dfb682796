"""Whatever way a body is sent, and whatever server is in front: it is read whole, or the client sees why not."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import httpx
import pytest
from flask import Flask

from jobs_server.api import request_body

from ..support import servers
from ..support.observatory import a_command

LIMIT = 262144
SECONDS = 60.0

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers by lower-case name, and body."""


class NoAnswer(Exception):
    """The server gave none, or none that is HTTP."""


@pytest.fixture(scope="module", params=sorted(servers.COMMANDS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server process of each kind."""
    with servers.running(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


def talk(server: servers.Server, pieces: Iterable[bytes], *, hang_up: bool = False) -> Answer:
    """Send these bytes and read the answer, as one who looks at it only when all is sent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            status = read_status(stream)
            while status == 100:
                assert stream.readline() == b"\r\n"
                status = read_status(stream)
            lines = iter(lambda: stream.readline().decode("latin-1").strip(), "")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            return status, headers, stream.read(int(headers["content-length"]))


def read_status(stream: BinaryIO) -> int:
    try:
        line = stream.readline()
    except ConnectionResetError:
        line = b""
    if not line.startswith(b"HTTP/"):
        raise NoAnswer(line)
    return int(line.split()[1])


def head(path: str, *headers: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers)
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def chunks(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def padded(length: int) -> bytes:
    """A good command of this many bytes."""
    return json.dumps(a_command()).encode().ljust(length)


def accepts(server: servers.Server) -> bool:
    """Whether the next good request works."""
    return httpx.post(f"{server.url}/jobs/newjob", json=a_command(), trust_env=False, timeout=60).status_code == 200


@pytest.mark.parametrize("size", [7, 1000, LIMIT])
def test_a_body_in_chunks_is_read_whole(server: servers.Server, size: int) -> None:
    body = json.dumps(a_command(required_params={"text": "☄" * 500})).encode()
    status, _, answer = talk(server, [head("/jobs/newjob", "Transfer-Encoding: chunked"), *chunks(body, size)])
    assert (status, json.loads(answer)["required_params"]) == (200, {"text": "☄" * 500})


@pytest.mark.parametrize("path", ["/jobs/newjob", "/getnewjobs"])
@pytest.mark.parametrize("way", ["with its length", "in chunks", "after asking to continue"])
class TestTheLimit:
    """A body of exactly the limit is taken; one that is larger is refused so that its sender sees it."""

    def sent(self, way: str, path: str, body: bytes) -> list[bytes]:
        if way == "in chunks":
            return [head(path, "Transfer-Encoding: chunked"), *chunks(body, 50_000)]
        expect = ["Expect: 100-continue"] if way == "after asking to continue" else []
        return [head(path, f"Content-Length: {len(body)}", *expect), body]

    def test_at_the_limit(self, server: servers.Server, way: str, path: str) -> None:
        status, _, answer = talk(server, self.sent(way, path, padded(LIMIT)))
        assert (status, type(json.loads(answer))) == (200, dict if path == "/jobs/newjob" else list)

    @pytest.mark.parametrize("length", [LIMIT + 1, 5_000_000])
    def test_past_the_limit(self, server: servers.Server, way: str, path: str, length: int) -> None:
        status, headers, answer = talk(server, self.sent(way, path, padded(length)))
        sentence = "Error: the body is larger than 262144 bytes"
        assert status == 413
        assert (answer.decode(), headers.get("x-error")) in {(sentence, None), ("[]", sentence)}
        assert (answer == b"[]") == (path == "/getnewjobs")
        assert accepts(server)


@pytest.mark.parametrize("path", ["/jobs/nothing", "/jobs/newjob?too=late"])
def test_who_is_refused_before_the_body_is_read_sees_it_too(server: servers.Server, path: str) -> None:
    request = head(path, "Content-Length: 200000", "Idempotency-Key: two words")
    status, _, answer = talk(server, [request, b"{}".ljust(200_000)])
    assert status == (404 if "nothing" in path else 400)
    assert answer.startswith(b"Error: ")


IN_CHUNKS = head("/jobs/newjob", "Transfer-Encoding: chunked")
BROKEN: dict[str, tuple[list[bytes], bool]] = {
    "a chunk without a size": ([IN_CHUNKS, b"zz\r\n{}\r\n0\r\n\r\n"], False),
    "a chunk of a negative size": (
        [IN_CHUNKS, b"-2\r\n{}\r\n0\r\n\r\n"],
        False,
    ),
    "a body that breaks off": ([head("/jobs/newjob", "Content-Length: 500"), b'{"site":'], True),
    "a body shorter than it says, though JSON": ([head("/jobs/newjob", "Content-Length: 500"), padded(400)], True),
    "a length that is no number": ([head("/jobs/newjob", "Content-Length: many")], False),
    "a negative length": ([head("/jobs/newjob", "Content-Length: -5")], False),
    "no length and no chunks": ([head("/jobs/newjob")], False),
    "no HTTP at all": ([b"\x16\x03\x01\x02\x00\r\n\r\n"], True),
}


@pytest.mark.parametrize("way", BROKEN)
def test_what_is_sent_wrongly_is_no_failure_of_the_server(server: servers.Server, way: str) -> None:
    pieces, hang_up = BROKEN[way]
    before = len(listed(server))
    try:
        status, _, _ = talk(server, pieces, hang_up=hang_up)
    except NoAnswer:  # who hangs up, or speaks no HTTP, may get none
        assert hang_up
    else:
        assert status == 400
    assert len(listed(server)) == before
    assert accepts(server)
    assert "Traceback" not in server.log.read_text(encoding="utf-8", errors="replace")


def listed(server: servers.Server) -> list[Any]:
    reply = httpx.post(f"{server.url}/jobs/getrecentjobs", json={"site": "wmd"}, trust_env=False, timeout=60)
    assert reply.status_code == 200
    return list(reply.json())


class Nonsense:
    """A stream as a server gives it whose client sends no HTTP."""

    def read(self, *_: int) -> bytes:
        raise LookupError("invalid chunk size")


def test_a_servers_own_error_is_the_clients_fault(shared_app: Flask) -> None:
    environ = {"wsgi.input": Nonsense(), "wsgi.input_terminated": True}
    reply = shared_app.test_client().post("/jobs/newjob", environ_overrides=environ)
    assert (reply.status_code, reply.get_data(as_text=True)) == (
        400,
        "Error: the body was sent in a way that is not HTTP",
    )


class Endless:
    """A body without end."""

    given = 0

    def read(self, size: int) -> bytes:
        self.given += size
        return b" " * size


def test_an_endless_body_is_not_read_for_ever(shared_app: Flask) -> None:
    stream = Endless()
    environ = {"wsgi.input": stream, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    reply = shared_app.test_client().post("/jobs/newjob", environ_overrides=environ)
    assert reply.status_code == 413
    assert stream.given <= LIMIT + 1 + request_body.DRAIN_BYTES
