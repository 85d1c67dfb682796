"""Measure what large jobs and slow readers take of memory: `python -m benchmarks.memory`; beside: `--against PATH`.

So many jobs of so many bytes wait at a site. Then six readers ask for all of them and read slowly, a poll takes what
there is and goes on to wait, and a page is open, with its stream. What is told is the most memory that the server
process ever held, and that nobody missed a job.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import Progress

from tests.support import processes
from tests.support.servers import ROOT

from . import report
from .checkouts import Checkout, Desk, desk
from .contenders import COMMAND

SITE = "large"
READERS = 6
_WINDOW_BYTES = 16 * 1024
_PAUSE_SECONDS = 0.05
_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    jobs: int
    job_bytes: int
    slow_seconds: float
    """For how long the readers read slowly; then they read what is left as fast as it comes."""


FULL = Size(jobs=1000, job_bytes=250_000, slow_seconds=20)
SMALLEST = Size(jobs=12, job_bytes=250_000, slow_seconds=0.5)


@dataclass
class Result:
    """What one server came to."""

    name: str
    empty_mb: float
    """The most memory before there was any job."""
    posted_mb: float
    """The most memory up to when all jobs had been posted."""
    most_mb: float
    read: list[int]
    """How many jobs each reader got."""
    taken: int
    """How many jobs the poll got."""
    largest_poll_bytes: int

    def columns(self) -> list[str]:
        """Write the row of the table."""
        memory = (f"{each:.0f}" for each in (self.empty_mb, self.posted_mb, self.most_mb))
        read = " ".join(map(str, sorted(set(self.read))))
        return [self.name, *memory, read, str(self.taken), f"{self.largest_poll_bytes:,}"]


HEADINGS = (
    *("", "MB when empty", "MB after posting", "most MB"),
    *("jobs that each reader got", "jobs that the poll got", "largest reply to the poll, bytes"),
)


def measure(checkout: Checkout, name: str, size: Size, console: Console) -> Result:
    """Measure one server, on a database of its own."""
    with tempfile.TemporaryDirectory() as folder, desk(checkout, Path(folder, "service"), "info") as server:
        worker = processes.worker(server.server)
        empty_mb = _most_mb(worker)
        with Progress(console=console, transient=True) as progress:
            _post(server, size, progress)
        posted_mb = _most_mb(worker)
        with _page(server), ThreadPoolExecutor(READERS + 1) as threads:
            readers = [threads.submit(_read_slowly, server, size) for _ in range(READERS)]
            time.sleep(size.slow_seconds / 4)  # they are all under way
            poll = threads.submit(_poll, server, size.jobs)
            read = [reader.result() for reader in readers]
            taken, largest = poll.result()
        return Result(name, empty_mb, posted_mb, _most_mb(worker), read, taken, largest)


def _post(server: Desk, size: Size, progress: Progress) -> None:
    body = COMMAND | {"site": SITE, "optional_params": {"note": "x" * size.job_bytes}}
    written = json.dumps(body | {"optional_params": {"note": "x" * (size.job_bytes - len(json.dumps(body)) % 1000)}})
    with httpx.Client(base_url=server.server.url, trust_env=False, timeout=_TIMEOUT_SECONDS) as client:
        for _ in progress.track(range(size.jobs), description="posting"):
            client.post("/jobs/newjob", content=written.encode()).raise_for_status()


@contextmanager
def _page(server: Desk) -> Iterator[None]:
    """Have a page open: it was loaded, is loaded anew now and then, and follows the stream."""
    closed = threading.Event()
    with httpx.Client(base_url=server.server.url, trust_env=False, timeout=_TIMEOUT_SECONDS) as client:
        client.get("/", params={"site": SITE}).raise_for_status()
        follower = threading.Thread(target=_follow, args=(client, closed))
        follower.start()
        try:
            yield
            client.get("/", params={"site": SITE}).raise_for_status()
        finally:
            closed.set()
            client.post("/jobs/newjob", json=COMMAND | {"site": SITE})  # the stream has something to say, and ends
            follower.join(_TIMEOUT_SECONDS)


def _follow(client: httpx.Client, closed: threading.Event) -> None:
    with client.stream("GET", "/jobs/stream", params={"site": SITE}) as stream:
        for _ in stream.iter_bytes():
            if closed.is_set():
                return


def _read_slowly(server: Desk, size: Size) -> int:
    """Ask for all jobs with hardly any room for the reply, and return how many came."""
    body = json.dumps({"site": SITE}).encode()
    head = f"POST /jobs/getrecentjobs HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(head.encode() + body)
        count, rest, slow_until = 0, b"", time.monotonic() + size.slow_seconds
        while piece := connection.recv(_WINDOW_BYTES if time.monotonic() < slow_until else 1024 * 1024):
            text = rest + piece
            count += text.count(b'"statusId"')
            rest = b"" if text.endswith(b'"statusId"') else text[-9:]
            if time.monotonic() < slow_until:
                time.sleep(_PAUSE_SECONDS)
    return count


def _poll(server: Desk, jobs: int) -> tuple[int, int]:
    """Poll as a site does until all jobs came; return how many did, and the size of the largest reply."""
    taken = largest = 0
    with httpx.Client(base_url=server.server.url, trust_env=False, timeout=_TIMEOUT_SECONDS) as client:
        while taken < jobs:
            reply = client.post("/jobs/getnewjobs", json={"site": SITE, "waitSeconds": 5}).raise_for_status()
            if not (count := reply.content.count(b'"statusId"')):
                break
            taken, largest = taken + count, max(largest, len(reply.content))
        client.post("/jobs/getnewjobs", json={"site": SITE, "waitSeconds": 2}).raise_for_status()
    return taken, largest


def _most_mb(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table as it stands in README.md."""
    parser = argparse.ArgumentParser(description="Measure the memory that large jobs and slow readers take.")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs, in a few seconds")
    parser.add_argument("--against", type=Path, metavar="PATH", help="another checkout, which is measured first")
    parser.add_argument("--python", type=Path, help="what runs it; its own .venv/bin/python unless given")
    chosen = parser.parse_args(arguments)
    console, size = Console(stderr=True), SMALLEST if chosen.smallest else FULL
    checkouts = [("new", Checkout(ROOT, Path(sys.executable)))]
    if chosen.against:
        checkouts.insert(0, ("old", Checkout.at(chosen.against, chosen.python)))
    for _, checkout in checkouts:
        checkout.check()
    rows = [measure(checkout, name, size, console).columns() for name, checkout in checkouts]
    print(report.machine())
    commits = ", ".join(f"{name} is {checkout.commit}" for name, checkout in checkouts)
    print(f"{size.jobs:,} jobs of {size.job_bytes:,} bytes, {READERS} slow readers; {commits}.\n")
    print(report.table(HEADINGS, rows))


if __name__ == "__main__":
    main()
