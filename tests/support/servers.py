"""Real server processes on 127.0.0.1, ended by the process id that was started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from . import databases

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0
STOP_SECONDS = 30.0

UNLIMITED = {"JOBS_NEW_JOBS_PER_SECOND": "0", "JOBS_RESERVATIONS_PER_MINUTE": "0", "JOBS_BALLAST_MB": "0"}
"""Tests post faster than people do, and start more servers; the tests of the limits and the ballast set them anew."""

COMMANDS = {
    "flask": ("-m", "flask", "--app", "jobs_server", "run", "--host", "127.0.0.1", "--port", "{port}"),
    "gunicorn": (
        *("-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", "64", "--graceful-timeout", "2"),
        # As `flask serve` has it: a slow test must not meet a connection that is closed under it.
        *("--keep-alive", "75"),
        *("--bind", "127.0.0.1:{port}", "wsgi:app"),
    ),
    "serve": ("-m", "flask", "--app", "jobs_server", "serve", "--port", "{port}"),
    "serve-waitress": (*("-m", "flask", "--app", "jobs_server", "serve", "--server", "waitress", "--port", "{port}"),),
    "waitress": ("-m", "waitress", "--listen", "127.0.0.1:{port}", "--threads", "64", "wsgi:app"),
}


@dataclass(frozen=True)
class Server:
    """A server process that answers."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End it as a power cut would, with all the processes that it started."""
        if sys.platform == "win32":
            self.process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    kind: str,
    instance: Path,
    settings: Mapping[str, str] | None = None,
    port: int | None = None,
    prefix: Sequence[str] = (),
) -> Server:
    """Start a server of a kind (`flask`, `gunicorn`, `waitress`) on an instance folder, and wait until it answers.

    `prefix` is a command that runs it, such as a tracer.
    """
    port = port or free_port()
    instance.mkdir(parents=True, exist_ok=True)
    command = [*prefix, sys.executable, *(part.format(port=port) for part in COMMANDS[kind])]
    return launch(command, port, ROOT, environment(instance, settings), instance / f"server-{port}.log")


def environment(instance: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a server on an instance folder, without the settings of whoever runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("JOBS_", "FLASK_"))}
    database = {"JOBS_DATABASE_URL": url} if (url := databases.of(instance)) else {}
    place = {"JOBS_INSTANCE": str(instance), "PYTHONUNBUFFERED": "1"}
    return kept | UNLIMITED | database | place | dict(settings or {})


def launch(command: list[str], port: int, folder: Path, variables: Mapping[str, str], log: Path) -> Server:
    """Start a command that serves on a port, and wait until it answers."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=output, stderr=output, start_new_session=True
        )
    server = Server(f"http://127.0.0.1:{port}", port, process, log)
    try:
        until_it_answers(server.url, process, log)
    except BaseException:
        server.kill()
        raise
    return server


@contextmanager
def running(kind: str, instance: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a server for the length of a block."""
    with stopped_at_the_end(start(kind, instance, settings)) as server:
        yield server


@contextmanager
def stopped_at_the_end(server: Server) -> Iterator[Server]:
    """Stop a server at the end of a block."""
    try:
        yield server
    finally:
        server.stop()


def until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers, whatever it says. Raises AssertionError with its log when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            httpx.get(url, trust_env=False, timeout=60)
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"the server did not start:\n{log.read_text(errors='replace')}")
