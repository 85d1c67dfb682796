"""Checkouts of this project whose servers are measured side by side, each run by its own Python on its own packages.

All that is asked of them goes over HTTP, the preparing too: their code and their tables may differ.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.support import servers

from .contenders import COMMAND, Sent, environment
from .load import Line, post
from .usage import processor_ns

_THREADS = 64
_LOOK = """
import importlib.metadata, json, jobs_server
names = ("flask", "werkzeug", "gunicorn", "sqlalchemy", "pydantic", "orjson", "pysqlite3")
installed = {each.name.lower(): each.version for each in importlib.metadata.distributions()}
print(json.dumps({"file": jobs_server.__file__, "versions": {name: installed.get(name) for name in names}}))
"""


@dataclass(frozen=True)
class Checkout:
    """A folder with the project, and the Python that runs it."""

    folder: Path
    python: Path

    @classmethod
    def at(cls, path: Path, python: Path | None = None) -> Checkout:
        """Return the checkout at a path, run by its own `.venv` unless another Python is named."""
        folder = path.resolve()
        return cls(folder, (python or folder / ".venv" / "bin" / "python").absolute())

    def check(self) -> None:
        """Raise SystemExit, in words, unless this Python imports the service from this folder."""
        if not self.python.exists():
            raise SystemExit(f"{self.python} is missing: make it with python3 -m venv, then pip install -e '.[serve]'")
        found = Path(self._seen["file"]).resolve()
        if not found.is_relative_to(self.folder.resolve()):
            raise SystemExit(f"{self.python} takes jobs_server from {found}, not from {self.folder}")

    @property
    def versions(self) -> Mapping[str, str | None]:
        """Return the versions of the packages that a request passes through."""
        versions: Mapping[str, str | None] = self._seen["versions"]
        return versions

    @cached_property
    def commit(self) -> str:
        """Return its commit, and whether files differ from it."""
        commit = self._git("rev-parse", "--short", "HEAD") or "no commit"
        return f"{commit} with changes" if self._git("status", "--porcelain", "--untracked-files=no") else commit

    @cached_property
    def _seen(self) -> dict[str, Any]:
        done = subprocess.run([self.python, "-c", _LOOK], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{self.python} does not import jobs_server in {self.folder}:\n{done.stderr}")
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        return done.stdout.strip()


@dataclass(frozen=True)
class Job:
    """A job that was sent."""

    ulid: str
    site: str


@dataclass(frozen=True)
class Desk:
    """A server of a checkout, spoken to as sites and people speak to it."""

    server: servers.Server

    @property
    def port(self) -> int:
        """Return where it listens."""
        return self.server.port

    def send(self, sites: list[str], each: int) -> list[Job]:
        """Queue a number of jobs at each site."""
        with self._asking() as ask:
            return [Job(ask("newjob", COMMAND | {"site": site})["ulid"], site) for site in sites for _ in range(each)]

    def take(self, site: str) -> None:
        """Hand over all that waits at a site."""
        with self._asking() as ask:
            while ask("getnewjobs", {"site": site}):
                pass

    def report(self, job: Sent, status: str) -> None:
        """Report on a job, as its site would."""
        body = {"site": job.site, "ulid": job.ulid, "newStatus": status, "secondsUntilComplete": 60}
        with self._asking() as ask:
            ask("updatejobstatus", body)

    def knows(self, site: str) -> bool:
        """Whether a site has any job."""
        with self._asking() as ask:
            return bool(ask("getrecentjobs", {"site": site}))

    def processor_ns(self) -> int:
        """Return the processor time that the server has taken until now."""
        return processor_ns(self.server.process.pid)

    @contextmanager
    def _asking(self) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
        """Lend a connection: gunicorn closes one that is idle for two seconds."""
        line = Line(self.port)
        try:
            yield lambda route, body: json.loads(line.ask(post(f"/jobs/{route}", json.dumps(body).encode())))
        finally:
            line.close()


@contextmanager
def desk(checkout: Checkout, folder: Path, log_level: str) -> Iterator[Desk]:
    """Run the server of a checkout on a fresh database in a folder."""
    folder.mkdir()
    variables = environment(folder, _THREADS, log_level) | {"PYTHONDONTWRITEBYTECODE": "1"}
    variables.pop("PYTHONPATH", None)  # whoever measures may have the other checkout in it
    port = servers.free_port()
    # As it is run every day: what stands before gunicorn's threads is measured too.
    command = [str(checkout.python), "-m", "flask", "--app", "jobs_server", "serve", "--port", str(port)]
    server = servers.launch(command, port, checkout.folder, variables, folder / "server.log")
    with servers.stopped_at_the_end(server):
        yield Desk(server)
