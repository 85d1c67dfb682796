"""Debian's INDI drivers, each behind a relay on 127.0.0.1: a driver speaks on its standard input and output."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from ..support import programs

NAMES = {
    "telescope": "Telescope Simulator",
    "ccd": "CCD Simulator",
    "focus": "Focuser Simulator",
    "wheel": "Filter Simulator",
    "dome": "Dome Simulator",
    "weather": "Weather Simulator",
    "rotator": "Rotator Simulator",
    "lightpanel": "Light Panel Simulator",
}

_BLOB_BEGIN, _BLOB_END = b"<setBLOBVector", b"</setBLOBVector>\n"


class Driver:
    """One driver process and whoever connects to it; what it says goes to everybody, as an indiserver has it."""

    def __init__(self, kind: str, home: Path) -> None:
        self.name = NAMES[kind]
        self._program = programs.needs(f"indi_simulator_{kind}")
        self._home = home
        self._lock = threading.Lock()
        self._clients: list[socket.socket] = []
        self._new: list[socket.socket] = []
        self._with_blobs: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._begin()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"indi://127.0.0.1:{self.port}/{self.name}"

    def kill(self) -> None:
        """Kill the driver; its clients see the end of the stream."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def restart(self) -> None:
        """Begin anew, bare and disconnected."""
        self.kill()
        self._begin()

    def close(self) -> None:
        self._listener.close()
        self.kill()

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            [self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": str(self._home)},
        )
        # As an indiserver does: some drivers do not know their own name before, and heed no question by it.
        assert self._process.stdin is not None
        self._process.stdin.write(b'<getProperties version="1.7"/>\n')
        self._process.stdin.flush()
        self._reader = threading.Thread(target=self._pass_on, args=(self._process,), daemon=True)
        self._reader.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with self._lock:
                    if self._process.poll() is not None:
                        client.close()
                        continue
                    self._new.append(client)
                threading.Thread(target=self._take, args=(client, self._process), daemon=True).start()

    def _take(self, client: socket.socket, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            while data := client.recv(65536):
                with self._lock:
                    if b"<enableBLOB" in data and b"Never" not in data:
                        self._with_blobs.append(client)
                    process.stdin.write(data)
                    process.stdin.flush()
        with self._lock:
            self._clients = [each for each in self._clients if each is not client]
            self._new = [each for each in self._new if each is not client]
        client.close()

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        """Hand on whole lines; who is new begins with a message, and who did not ask for BLOBs gets none."""
        assert process.stdout is not None
        rest, in_blob = b"", False
        while chunk := os.read(process.stdout.fileno(), 1 << 16):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                in_blob = self._share(whole + newline, in_blob)
        with self._lock:
            ended, self._clients, self._new = self._clients + self._new, [], []
        for client in ended:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _share(self, lines: bytes, in_blob: bool) -> bool:
        """Hand lines to all; return whether they end inside a BLOB."""
        while lines:
            mark = _BLOB_END if in_blob else _BLOB_BEGIN
            found = lines.find(mark)
            end = len(lines) if found < 0 else found + (len(mark) if in_blob else 0)
            self._send(lines[:end], is_blob=in_blob)
            lines, in_blob = lines[end:], in_blob if found < 0 else not in_blob
        return in_blob

    def _send(self, data: bytes, *, is_blob: bool) -> None:
        with self._lock:
            wanted = [each for each in self._clients if not is_blob or each in self._with_blobs]
            start = 0 if data.startswith(b"<") and not data.startswith(b"</") else data.find(b"\n<def") + 1
            new = [] if is_blob or (start == 0 and not data.startswith(b"<")) else self._new
            if new:
                self._new = []
                self._clients += new
        for client, part in [*((each, data) for each in wanted), *((each, data[start:]) for each in new)]:
            with contextlib.suppress(OSError):
                client.sendall(part)


@contextlib.contextmanager
def running(kind: str, home: Path) -> Iterator[Driver]:
    """A driver for the length of a block."""
    driver = Driver(kind, home)
    try:
        yield driver
    finally:
        driver.close()
