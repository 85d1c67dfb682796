"""Clients on raw sockets, at addresses of 127.0.0.0/8, that send and read as slowly as a test wants."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SLOW, PERSON = "127.0.0.2", "127.0.0.3"
PATIENCE_SECONDS = 60.0

STOP: dict[str, Any] = {
    "site": "wmd",
    "device": "all",
    "instance": "all",
    "action": "cancel_all_commands",
    "user_name": "Ana",
    "user_id": "ana",
    "required_params": {},
    "optional_params": {},
}


def post(path: str, body: object, *headers: str, length: int | None = None) -> bytes:
    """Write a request, perhaps with a length that is not the body's."""
    text = json.dumps(body).encode()
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length or len(text)}", *headers)
    return "\r\n".join((*lines, "", "")).encode() + text


LIST = post("/jobs/getrecentjobs", {"site": "wmd"})
BEGINNINGS = {
    "half-sent bodies": post("/jobs/newjob", {"site": "wmd"}, length=500),
    "half-sent headers": b"POST /jobs/newjob HTTP/1.1\r\nHost: localh",
    "silent connections": b"",
    "clients that do not read an 8 MB list": LIST,
}


class Client:
    """One connection."""

    def __init__(self, port: int, address: str = PERSON, buffer_bytes: int | None = None) -> None:
        self._socket = socket.socket()
        if buffer_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self._socket.settimeout(PATIENCE_SECONDS)
        self._socket.bind((address, 0))
        self._socket.connect(("127.0.0.1", port))
        self._read = bytearray()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    @property
    def is_open(self) -> bool:
        """Whether the server has not closed it, as the system sees it without reading."""
        try:
            return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x01"
        except OSError:
            return False

    def status(self) -> str:
        """Read the line and the headers with which an answer begins, and return both."""
        while b"\r\n\r\n" not in self._read:
            self._receive()
        head, _, rest = bytes(self._read).partition(b"\r\n\r\n")
        self._read[:] = rest
        return head.decode()

    def body(self, head: str, pieces: int = 65536) -> bytes:
        """Read the body that follows."""
        if "transfer-encoding: chunked" in head.lower():
            return b"".join(iter(lambda: self._chunk(pieces), b""))
        length = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:"))
        while len(self._read) < length:
            self._receive(pieces)
        body = bytes(self._read[:length])
        del self._read[:length]
        return body

    def _chunk(self, pieces: int) -> bytes:
        while b"\r\n" not in self._read:
            self._receive(pieces)
        line, _, rest = bytes(self._read).partition(b"\r\n")
        self._read[:] = rest
        size = int(line, 16)
        while len(self._read) < size + 2:
            self._receive(pieces)
        chunk = bytes(self._read[:size])
        del self._read[: size + 2]
        return chunk

    def answer(self) -> tuple[int, bytes]:
        """Read an answer."""
        head = self.status()
        return int(head.split()[1]), self.body(head)

    def reads(self, text: bytes) -> bool:
        """Read until a text comes."""
        while text not in self._read:
            self._receive()
        return True

    def hang_up(self) -> None:
        """Send no more."""
        self._socket.shutdown(socket.SHUT_WR)

    def read_to_the_end(self) -> bytes:
        """Read until the server closes the connection."""
        try:
            while True:
                self._receive()
        except ConnectionError:
            return bytes(self._read)

    def ends(self) -> bool:
        """Wait until the server closes the connection; whether it has."""
        try:
            while self._socket.recv(65536):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def _receive(self, size: int = 65536) -> None:
        piece = self._socket.recv(size)
        if not piece:
            raise ConnectionResetError(f"the server sent no more after {bytes(self._read[:200])!r}")
        self._read += piece


@contextmanager
def client(port: int, address: str = PERSON, buffer_bytes: int | None = None) -> Iterator[Client]:
    """Open a connection for the length of a block."""
    opened = Client(port, address, buffer_bytes)
    try:
        yield opened
    finally:
        opened.close()


def send_stop(port: int, address: str = PERSON) -> int:
    """Send a stop on a connection of its own, and return the status of its answer."""
    with client(port, address) as person:
        person.send(post("/jobs/newjob", STOP))
        return person.answer()[0]


def fill(port: int, megabytes: int = 8) -> None:
    """Queue so many jobs that their list has so many megabytes, which no buffer of the system's holds."""
    job = STOP | {"device": "camera1", "instance": "camera1", "action": "expose"}
    job |= {"required_params": {"exposure": 1}, "optional_params": {"note": "n" * 200_000}}
    for _ in range(5 * megabytes):
        with client(port) as person:
            person.send(post("/jobs/newjob", job))
            assert person.answer()[0] == 200
