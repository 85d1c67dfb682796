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


class Driver:
    """One driver process and whoever connects to it; what it says goes to everybody, as an indiserver has it."""

    def __init__(self, kind: str, home: Path) -> None:
        self.name = NAMES[kind]
        self._program = programs.needs(f"indi_simulator_{kind}")
        self._home = home
        self._lock = threading.Lock()
        self._clients: list[socket.socket] = []
        self._new: list[socket.socket] = []
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

    def restart(self) -> None:
        """Begin anew, bare and disconnected."""
        self.kill()
        self._begin()

    def close(self) -> None:
        self._listener.close()
        self.kill()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            [self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": str(self._home)},
        )
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
                    process.stdin.write(data)
                    process.stdin.flush()
        with self._lock:
            self._clients = [each for each in self._clients if each is not client]
            self._new = [each for each in self._new if each is not client]
        client.close()

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        """Hand on line by line; who is new begins with a message, never in the middle of one."""
        assert process.stdout is not None
        for line in process.stdout:
            with self._lock:
                if line.startswith(b"<") and not line.startswith(b"</"):
                    self._clients += self._new
                    self._new = []
                clients = list(self._clients)
            for client in clients:
                with contextlib.suppress(OSError):
                    client.sendall(line)
        with self._lock:
            ended, self._clients, self._new = self._clients + self._new, [], []
        for client in ended:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running(kind: str, home: Path) -> Iterator[Driver]:
    """A driver for the length of a block."""
    driver = Driver(kind, home)
    try:
        yield driver
    finally:
        driver.close()
