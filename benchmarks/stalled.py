"""How soon a stop is answered beside slow and silent clients: `python -m benchmarks.stalled`.

Slow clients of one address (127.0.0.2) hold as many connections as they are asked to, and open a new one whenever the
server closes one. A person at another address (127.0.0.3) meanwhile sends stops, each on a connection of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
SLOW, PERSON = "127.0.0.2", "127.0.0.3"
SERVERS = {
    "gunicorn": ("serve", "--server", "gunicorn"),
    "waitress": ("serve", "--server", "waitress"),
    "flask": ("run",),
}
_GIVE_UP_SECONDS = 30.0
_LIST_JOBS, _NOTE_BYTES = 40, 200_000  # eight million bytes, which no socket's buffer holds


def _request(path: str, body: bytes, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    says = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    return f"POST {path} HTTP/1.1\r\n{says}\r\n".encode() + body


_LIST = _request("/jobs/getrecentjobs", json.dumps({"site": "tst"}).encode())
KINDS: dict[str, bytes] = {
    "none": b"",
    "half-sent bodies": _request("/jobs/newjob", b'{"site": "tst", ', 2000),
    "half-sent headers": b"POST /jobs/newjob HTTP/1.1\r\nHost: localh",
    "silent connections": b"",
    "unread lists of 8 MB": _LIST,
}
STOP = {
    "site": "tst", "device": "all", "instance": "all", "action": "cancel_all_commands", "user_name": "Ana",
    "user_id": "ana", "required_params": {}, "optional_params": {},
}  # fmt: skip


class SlowClients:
    """Clients of one address that send a beginning and then do nothing, as many as asked, for ever."""

    def __init__(self, port: int, beginning: bytes, count: int) -> None:
        self._port, self._beginning, self._count = port, beginning, count
        self.closed = 0
        self._sockets = selectors.DefaultSelector()
        self._ends = Event()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> SlowClients:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        for key in list(self._sockets.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._sockets.close()

    @property
    def open(self) -> int:
        """Return how many connections are open."""
        return len(self._sockets.get_map())

    def _run(self) -> None:
        while not self._ends.is_set():
            for _ in range(self._count - self.open):
                self._connect()
            for key, _ in self._sockets.select(0.05):
                self._look(key.fileobj)  # type: ignore[arg-type]

    def _connect(self) -> None:
        client = socket.socket()
        client.settimeout(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.bind((SLOW, 0))
        try:
            client.connect(("127.0.0.1", self._port))
            client.sendall(self._beginning)
        except OSError:
            client.close()
            self._ends.wait(0.05)
            return
        # Whoever does not read learns of the end alone.
        self._sockets.register(client, selectors.EVENT_READ)

    def _look(self, client: socket.socket) -> None:
        """Let go of a connection that the server closed; nothing is read of an answer."""
        try:
            state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except OSError:
            state = 0
        if state != 1:  # no longer established
            self._sockets.unregister(client)
            client.close()
            self.closed += 1
        else:
            self._ends.wait(0.001)


def stop_seconds(port: int) -> float | None:
    """Send a stop, and return after how many seconds it was answered; None when it was not."""
    began = time.monotonic()
    with socket.socket() as person, suppress(OSError):
        person.settimeout(_GIVE_UP_SECONDS)
        person.bind((PERSON, 0))
        person.connect(("127.0.0.1", port))
        person.sendall(_request("/jobs/newjob", json.dumps(STOP).encode()))
        if person.recv(4096).startswith(b"HTTP/1.1 200"):
            return time.monotonic() - began
    return None


@contextmanager
def served(server: str, checkout: Path, folder: Path) -> Iterator[int]:
    """Serve a checkout on a port of this PC."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    python = checkout / ".venv/bin/python"
    command = [str(python if python.exists() else sys.executable), "-m", "flask", "--app", "jobs_server"]
    command += [*SERVERS[server], "--port", str(port)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("JOBS_", "FLASK_"))}
    settings = {"JOBS_INSTANCE": str(folder), "JOBS_NEW_JOBS_PER_SECOND": "0", "JOBS_LOG_LEVEL": "warning"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=checkout, env=kept | settings, stdout=log, stderr=log)
    try:
        _until(lambda: stop_seconds(port) is not None, 60)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def fill(port: int) -> None:
    """Post so many jobs that their list is 8 MB."""
    job = STOP | {"device": "camera1", "instance": "camera1", "action": "expose"}
    job |= {"required_params": {"exposure": 1}, "optional_params": {"note": "n" * _NOTE_BYTES}}
    for _ in range(_LIST_JOBS):
        with socket.create_connection(("127.0.0.1", port), _GIVE_UP_SECONDS) as client:
            client.sendall(_request("/jobs/newjob", json.dumps(job).encode()))
            assert client.recv(4096).startswith(b"HTTP/1.1 200"), "a job was refused"


def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the server does not answer")
        time.sleep(0.05)


def measure(port: int, kind: str, clients: int, stops: int) -> list[str]:
    """Return a row: how many slow clients there were, and how soon stops were answered beside them."""
    with SlowClients(port, KINDS[kind], 0 if kind == "none" else clients) as slow:
        time.sleep(2 if kind != "none" else 0)
        found: list[float] = []
        missed, most = 0, slow.open
        for _ in range(stops):
            seconds = stop_seconds(port)
            most = max(most, slow.open)
            if seconds is None:
                missed += 1
                if missed == 3:
                    break
            else:
                found.append(seconds)
            time.sleep(0.03)
    found.sort()
    shown = [f"{1000 * found[int(part * (len(found) - 1))]:,.0f}" if found else "-" for part in (0.5, 0.99, 1)]
    return [kind, str(most), str(slow.closed), str(len(found)), str(missed), *shown]


def main() -> None:
    """Measure each kind of slow client."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=SERVERS, default="gunicorn")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="another commit's checkout, with its .venv")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--stops", type=int, default=300)
    parser.add_argument("--only", choices=KINDS, help="one kind of slow client")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs")
    asked = parser.parse_args()
    clients, stops = (5, 3) if asked.smallest else (asked.clients, asked.stops)
    columns = ("beside", "open at most", "closed", "answered", "given up", "p50 ms", "p99 ms", "longest ms")
    table = Table(*columns, title=f"Stops, {asked.server}")
    for kind in [asked.only] if asked.only else list(KINDS):
        with tempfile.TemporaryDirectory() as folder, served(asked.server, asked.checkout, Path(folder)) as port:
            fill(port)
            table.add_row(*measure(port, kind, clients, stops))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
