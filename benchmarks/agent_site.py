"""A desk, the site agent and people who send it jobs, each a process of its own, for `benchmarks.agent`."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.support import servers
from tests.support.waiting import until

SITE, BARE = "tst", "bare"
PATIENCE_SECONDS = 60.0
_WHO = {"user_name": "Ana", "user_id": "ana", "optional_params": {}}
Found = TypeVar("Found")


class Desk:
    """What people and the site's program ask of the desk."""

    def __init__(self, server: servers.Server) -> None:
        self.url, self.process_id = server.url, server.process.pid
        self._http = httpx.Client(base_url=server.url, trust_env=False, timeout=60)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def send(
        self, device: str, instance: str, action: str, params: Mapping[str, Any] | None = None, site: str = SITE
    ) -> str:
        """Send a job, and return its ulid."""
        job = {"site": site, "device": device, "instance": instance, "action": action, "required_params": params or {}}
        answer = self._http.post("/jobs/newjob", json=job | _WHO)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ulid"])

    def end(self, ulid: str) -> tuple[str, str] | None:
        """Return a job's end with its sentence; None while it goes on."""
        job = self._http.post("/jobs/getjob", json={"site": SITE, "ulid": ulid}).json()
        status = job["statusId"].partition("#")[0]
        ended = status in {"COMPLETE", "FAILED", "CANCELED", "EXPIRED", "LOST"}
        return (status, str(job["history"][-1].get("message") or "")) if ended else None

    def devices(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what is known of the site's devices."""
        known: dict[str, Any] = self._http.get("/jobs/devicestate", params={"site": SITE}).json()
        return {key: state or {} for key, state in known["devices"].items()}

    def is_connected(self, key: str) -> bool:
        """Whether a device is said to be there."""
        return self.devices().get(key, {}).get("connected") is True


def table(kind: str, name: str, driver: str) -> str:
    """Write a device's table of agent.toml."""
    limits = "min_altitude_degrees = 0\nsun_distance_degrees = 0\n" if kind == "mount" else ""
    steps = "um_per_step = 1\n" if kind == "focuser" else ""
    return f'[{kind}.{name}]\ndriver = "{driver}"\n{limits}{steps}\n'


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """Run `flask serve` for the length of a block."""
    with servers.running("serve", folder / "instance") as server:
        asked = Desk(server)
        try:
            yield asked
        finally:
            asked.close()


@contextmanager
def agent(folder: Path, at: Desk, tables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `flask agent run` for the length of a block, which begins when all devices are there."""
    file = folder / "agent.toml"
    place = "latitude_degrees = 47.7\nlongitude_degrees = 12.0\n"
    file.write_text(f'url = "{at.url}"\nsite = "{SITE}"\nimages = "{folder / "images"}"\n{place}\n{tables}', "utf-8")
    command = [sys.executable, "-m", "jobs_server", "agent", "run", "--config", str(file)]
    with (folder / "agent.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=servers.ROOT, env=servers.environment(folder / "x"), stdout=log, stderr=log
        )
    try:
        keys = [line.strip("[]").replace(".", "/") for line in tables.splitlines() if line.startswith("[")]
        until(lambda: all(map(at.is_connected, keys)), PATIENCE_SECONDS)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


class Lines:
    """A program that prints a line for whatever it notes."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            command, cwd=servers.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @property
    def process_id(self) -> int:
        """Return the program's process id."""
        return self._process.pid

    def read(self) -> str:
        """Wait for the next line; raise EOFError when the program ended."""
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise EOFError("the program that is measured has ended")
        return line.strip()

    def ask(self, line: str) -> None:
        """Write a line to the program."""
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def kill(self) -> float:
        """Kill the program, and return when, by the monotonic clock."""
        now = time.monotonic()
        self._process.kill()
        self._process.wait()
        return now

    def close(self) -> None:
        """End the program."""
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def lines(*command: str) -> Iterator[Lines]:
    """Run a program for the length of a block."""
    program = Lines(*command)
    try:
        yield program
    finally:
        program.close()


class Pictures(threading.Thread):
    """A viewer of the site, who notes when each picture came."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self.came: dict[str, float] = {}
        self.start()

    def run(self) -> None:
        """Watch until the desk ends."""
        try:
            with httpx.stream("GET", f"{self._url}/stream", params={"site": SITE}, trust_env=False, timeout=None) as on:
                for line in on.iter_lines():
                    self._note(line)
        except httpx.TransportError:
            return

    def _note(self, line: str) -> None:
        if line.startswith("data: ") and (message := json.loads(line[6:])).get("topic") == "previews":
            self.came[message["data"]["ulid"]] = time.monotonic()


def wait_for(look: Callable[[], Found], every: float = 0.01) -> Found:
    """Look until there is something, and return it."""
    return until(look, PATIENCE_SECONDS, every)


def poll(url: str) -> None:
    """Wait for stops as a plain script would, and print when each came."""
    body = {"site": BARE, "stopsOnly": True, "waitSeconds": 20}
    with httpx.Client(trust_env=False, timeout=60) as client:
        while True:
            jobs = client.post(f"{url}/jobs/getnewjobs", json=body).json()
            now = time.monotonic()
            if jobs:
                print(repr(now), flush=True)


if __name__ == "__main__":
    poll(sys.argv[1])
