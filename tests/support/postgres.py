"""A real PostgreSQL of the tests' own: one cluster for a run, one fresh database for each app or server."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from .programs import missing

BINARIES = Path("/usr/lib/postgresql")
START_SECONDS = 60.0
PASSWORD = "only for tests"
TEMPLATE = "jobs_template"

_QUICK = ("fsync=off", "synchronous_commit=on", "full_page_writes=off", "max_wal_size=256MB")
_SETTINGS = (
    *("listen_addresses=127.0.0.1", "max_connections=300", "shared_buffers=64MB", "log_min_messages=warning"),
    "unix_socket_directories=",
)


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs; where it is missing the test skips, or fails."""
    found = shutil.which(name)
    versions = sorted(BINARIES.glob("[0-9]*"), key=lambda folder: int(folder.name), reverse=True)
    paths = [found] if found else [str(each / "bin" / name) for each in versions if (each / "bin" / name).exists()]
    if not paths:
        missing("PostgreSQL is not installed (Debian: apt install postgresql)")
    return paths[0]


@dataclass
class Cluster:
    """A PostgreSQL server on a port of 127.0.0.1, in a folder of its own."""

    folder: Path
    port: int
    durable: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _prepared: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def initialise(self) -> None:
        """Make the cluster; roles come in by password only."""
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        for path in (self.folder, secret):
            _give_away(path)
        options = ("--auth", "scram-sha-256", "--pwfile", str(secret), "--encoding", "UTF8", "--locale", "C.UTF-8")
        command = [program("initdb"), "--pgdata", str(self.folder / "data"), "--username", "postgres", *options]
        subprocess.run(_as_nobody(command), check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        settings = [*_SETTINGS, f"port={self.port}", *(() if self.durable else _QUICK)]
        options = [part for setting in settings for part in ("-c", setting)]
        command = [program("postgres"), "-D", str(self.folder / "data"), *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                _as_nobody(command), stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it takes connections."""
        command = [program("pg_isready"), "--host", "127.0.0.1", "--port", str(self.port), "--quiet"]
        return subprocess.run(command, check=False).returncode == 0

    def stop(self) -> None:
        """Stop it at once but well: connections are cut, and nothing is to be recovered."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the postmaster as a crash would; its children see that it has gone and end."""
        self._end(signal.SIGKILL)
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(30)
        self._process = None

    def database(self, *, prepared: bool = True) -> str:
        """Make a fresh database, with this version's tables or empty, and give its URL."""
        name = f"jobs_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {self._template() if prepared else 'template0'}")
        return self.url(name)

    def _template(self) -> str:
        """Prepare a database once, to be copied."""
        if not self._prepared:
            self.run(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
            made = {"DATABASE_URL": self.url(TEMPLATE), "INSTANCE": str(self.folder / "instance")}
            app = create_app(made)
            startup.prepare(app)
            service_of(app).database.close()
            self._prepared = True
        return TEMPLATE

    def url(self, name: str, role: str = "postgres", password: str = PASSWORD, port: int | None = None) -> str:
        """Return the URL of a database."""
        secret = password.replace(" ", "%20")
        return f"postgresql+psycopg://{role}:{secret}@127.0.0.1:{port or self.port}/{name}"

    def run(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the cluster's owner."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=PASSWORD, dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """Run a cluster for the length of a block."""
    if sys.platform == "win32":
        pytest.skip("the tests start PostgreSQL on Linux and macOS only")
    program("initdb")
    folder = Path(tempfile.mkdtemp(prefix="jobs-postgresql-"))
    made = Cluster(folder, _free_port(), durable)
    try:
        made.initialise()
        made.start()
        yield made
    finally:
        if made._process is not None:
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)


_run: list[Cluster] = []
_ends: list[ExitStack] = []


def shared() -> Cluster:
    """Return the cluster of this run, started when it is first asked for."""
    if not _run:
        stack = ExitStack()
        _run.append(stack.enter_context(cluster()))
        _ends.append(stack)
    return _run[0]


def stop() -> None:
    """Stop the cluster of this run, if there is one."""
    while _ends:
        _ends.pop().close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_nobody(command: list[str]) -> list[str]:
    """Run a command as the user of Debian's package: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")
