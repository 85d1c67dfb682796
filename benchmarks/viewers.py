"""Many viewers of one site in a process of their own, so that they take no time from who measures.

`python -m benchmarks.viewers PORT COUNT [POSITION]` says `ready` once each stream has begun. A line on its standard
input with a number makes it wait until each viewer has seen so many jobs' events, and say what was seen as JSON.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.servers import ROOT

SITE = "watched"
_EVENT = re.compile(rb'id: \w+-(\d+)\ndata: \{"topic":"jobs"')
_PATIENCE_SECONDS = 120.0


class Stream:
    """One open stream, and the numbers of the events that came."""

    def __init__(self, port: int, position: str) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        query = f"site={SITE}" + (f"&lastEventId={position}" if position else "")
        self.connection.sendall(f"GET /stream?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.begun = False
        self.seqs: list[int] = []
        self._rest = b""

    def read(self) -> None:
        """Take what is there."""
        piece = self.connection.recv(256 * 1024)
        assert piece, "the server ended a stream"
        self.begun = self.begun or b"retry:" in self._rest + piece
        text = self._rest + piece
        end = 0
        for found in _EVENT.finditer(text):
            self.seqs.append(int(found[1]))
            end = found.end()
        self._rest = text[max(end, len(text) - 200) :]


class Viewers:
    """All the streams."""

    def __init__(self, port: int, count: int, position: str = "") -> None:
        self._selector = selectors.DefaultSelector()
        self.streams = [Stream(port, position) for _ in range(count)]
        for stream in self.streams:
            self._selector.register(stream.connection, selectors.EVENT_READ, stream)
        self.until(lambda: all(stream.begun for stream in self.streams))

    def until(self, done: Any) -> bool:
        """Read until something holds, or patience is over."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not done():
            if time.monotonic() > deadline:
                return False
            for key, _ in self._selector.select(0.2):
                key.data.read()
        return True

    def report(self, count: int) -> dict[str, Any]:
        """Wait until all have seen so many, and tell how many miss how much."""
        began = time.perf_counter()
        self.until(lambda: all(len(stream.seqs) >= count for stream in self.streams))
        return {
            "seconds": time.perf_counter() - began,
            "missed": sum(max(0, count - len(stream.seqs)) for stream in self.streams),
            "out of order": sum(stream.seqs != sorted(set(stream.seqs)) for stream in self.streams),
        }


@contextmanager
def watching(port: int, count: int, position: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run so many viewers beside a block."""
    command = [sys.executable, "-m", "benchmarks.viewers", str(port), str(count), position]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def seen(process: subprocess.Popen[str], count: int) -> dict[str, Any]:
    """Wait until each viewer has seen so many events, and tell what each missed."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{count}\n")
    process.stdin.flush()
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told


def main() -> None:
    """Watch until the standard input ends."""
    port, count, *position = sys.argv[1:]
    viewers = Viewers(int(port), int(count), *position)
    print("ready", flush=True)
    with selectors.DefaultSelector() as asked:
        asked.register(sys.stdin, selectors.EVENT_READ)
        while True:
            viewers.until(lambda: bool(asked.select(0)))
            line = sys.stdin.readline()
            if not line:
                return
            print(json.dumps(viewers.report(int(line))), flush=True)


if __name__ == "__main__":
    main()
