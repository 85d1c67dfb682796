"""The servers that some of the measured queues need, each of this run's own: PostgreSQL and Redis on 127.0.0.1."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import psycopg
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from tests.support.servers import free_port

from .queues import Queue

_WAIT_SECONDS = 60.0
_DEBIAN = Path("/usr/lib/postgresql")
_ACCOUNT = "postgres"


class Stores:
    """A place of its own for each queue; a server is started when the first queue needs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._stack = ExitStack()
        self._ports: dict[Callable[[], AbstractContextManager[int]], int] = {}

    def __enter__(self) -> Stores:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def place(self, kind: type[Queue]) -> str:
        """Make a fresh place for a queue. Raises SystemExit, in words, when its server is not installed."""
        number = next(self._numbers)
        if kind.place == "postgresql":
            return _database(self._port(postgresql), number)
        if kind.place == "redis":
            return f"{self._port(redis)}/{number}"
        folder = self._folder / f"{kind.package}-{number}"
        folder.mkdir(parents=True)
        return str(folder)

    def _port(self, server: Callable[[], AbstractContextManager[int]]) -> int:
        if server not in self._ports:
            self._ports[server] = self._stack.enter_context(server())
        return self._ports[server]


def server_versions() -> str:
    """Return the versions of those servers that are installed."""
    programs = [path for path in map(find, ("postgres", "redis-server")) if path]
    return "; ".join(subprocess.check_output([path, "--version"], text=True).strip() for path in programs)


@contextmanager
def redis() -> Iterator[int]:
    """Run a Redis that writes each command to the disk before it answers; gives its port."""
    port = free_port()
    durable = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
    options = ("--port", str(port), "--bind", "127.0.0.1", "--databases", "1000", *durable)
    with _folder() as folder, _running([_program("redis-server", "redis-server"), *options], folder):
        _wait(lambda: Redis(port=port).ping(), RedisAway)
        yield port


@contextmanager
def postgresql() -> Iterator[int]:
    """Run a PostgreSQL as it comes, which is durable; gives its port."""
    port = free_port()
    with _folder() as folder:
        cluster = ("-D", str(folder / "cluster"))
        made = [_program("initdb", "postgresql"), *cluster, "-U", _ACCOUNT, "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(_as_account(made), check=True, capture_output=True, cwd=folder)
        options = ("-h", "127.0.0.1", "-p", str(port), "-k", "", "-c", "fsync=on", "-c", "synchronous_commit=on")
        with _running(_as_account([_program("postgres", "postgresql"), *cluster, *options]), folder):
            _wait(lambda: psycopg.connect(_url(port, _ACCOUNT)).close(), psycopg.OperationalError)
            yield port


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder for a server; root gives it to PostgreSQL's account, since PostgreSQL refuses to be root."""
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, _ACCOUNT, _ACCOUNT)
        yield Path(name)


def _database(port: int, number: int) -> str:
    with psycopg.connect(_url(port, _ACCOUNT), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE jobs_{number}".encode())
    return _url(port, f"jobs_{number}")


def _url(port: int, database: str) -> str:
    return f"postgresql://{_ACCOUNT}@127.0.0.1:{port}/{database}"


def _as_account(command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--clear-groups", *command]


def find(name: str) -> str | None:
    """Return the path of a server's program, also where Debian keeps it out of the way; None when it is missing."""
    places = [*sorted(_DEBIAN.glob("*/bin"), reverse=True), Path("/usr/sbin")]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, places)))


def _program(name: str, package: str) -> str:
    path = find(name)
    if path is None:
        raise SystemExit(f"{name} is not installed (Debian: apt install {package}); --only measures without it")
    return path


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)  # for both: end well, but wait for nobody
        process.wait(_WAIT_SECONDS)


def _wait(ask: Callable[[], object], away: type[Exception]) -> None:
    """Wait until a server answers. Raises what it says when it does not for too long."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            ask()
        except away:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
