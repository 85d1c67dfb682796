"""Measure starts, from the process to its first answers: `python -m benchmarks.start`; `--against PATH` compares.

A site polls as soon as the port is open, then a person asks for the page Now. All files are warm and the database has
been brought up to date. All sides take turns, so that what else the machine does meets all; the time that passed
counts what else it does, the processor time that the server took until then does not.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.support.servers import ROOT, STOP_SECONDS, free_port

from . import report
from .checkouts import Checkout
from .load import Line, post
from .paired import Interval, interval
from .usage import family, processor_ns

ROUNDS = 15
SERVERS: Mapping[str, Sequence[str]] = {
    "flask run": ("run",),
    "flask serve": ("serve",),
    "flask serve --server waitress": ("serve", "--server", "waitress"),
}
_POLL = post("/jobs/getnewjobs", b'{"site": "wmd"}')
_NOW = b"GET /?site=wmd HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n"
_STREAM = b"GET /jobs/stream?site=wmd HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
_OTHER_THREADS = 100
_START_SECONDS = 120
_PAUSE_SECONDS = 0.002


class Start(NamedTuple):
    """What one start took."""

    poll_seconds: float
    """Until the first poll was answered."""
    page_seconds: float
    """Until the page after it was."""
    poll_processor: float
    page_processor: float
    memory_mb: float
    """What the largest process of the server holds after both."""
    streams_mb: float
    """The same with the streams open; 0 without any."""


@dataclass(frozen=True)
class Side:
    """A checkout, and an instance folder of its own."""

    checkout: Checkout
    instance: Path
    streams: int = 0
    """How many streams are opened after both."""

    def start(self, arguments: Sequence[str]) -> Start:
        """Start a server, ask both, and end it. Raises SystemExit with what it wrote when it does not start."""
        port = free_port()
        command = [str(self.checkout.python), "-m", "flask", *arguments, "--port", str(port)]
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.instance), "JOBS_INSTANCE": str(self.instance)}
        if self.streams:
            variables["JOBS_THREADS"] = str(self.streams + _OTHER_THREADS)
        log = self.instance / "server.log"
        with log.open("wb") as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                command,
                cwd=self.checkout.folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                return _asked(process, port, began, log, self.streams)
            finally:
                _end(process)


@dataclass
class Result:
    """The starts of one kind of server in each round, by side."""

    name: str
    starts: dict[str, list[Start]] = field(default_factory=dict)

    def ratio(self, name: str) -> Interval:
        """Return what the new side took of a kind as a part of what the old one did."""
        pairs = zip(self.starts["new"], self.starts["old"], strict=True)
        return interval([getattr(new, name) / getattr(old, name) for new, old in pairs])

    def rows(self) -> Iterator[list[str]]:
        """Write the rows of the table."""
        for title, name in (("a poll", "poll"), ("Now", "page")):
            row = [self.name, title]
            for kind, scale, digits in (("seconds", 1, 2), ("processor", 1000, 0)):
                medians = [statistics.median(getattr(each, f"{name}_{kind}") for each in of) for of in self._sides]
                row.append(" / ".join(f"{scale * each:.{digits}f}" for each in medians))
                if "old" in self.starts:
                    found = self.ratio(f"{name}_{kind}")
                    row += [f"{found.ratio:.2f}", str(found)]
            for held in ("memory_mb", "streams_mb"):
                medians = [statistics.median(getattr(each, held) for each in of) for of in self._sides]
                row.append(" / ".join(f"{each:.0f}" for each in medians))
            yield row

    @property
    def _sides(self) -> list[list[Start]]:
        return list(self.starts.values())


def _asked(process: subprocess.Popen[bytes], port: int, began: float, log: Path, streams: int) -> Start:
    line = _line(process, port, log)
    line.ask(_POLL)
    poll = time.perf_counter() - began, processor_ns(process.pid) / 1e9
    line.close()  # Werkzeug's server answers one request of a connection.
    line = Line(port)
    line.ask(_NOW)
    page = time.perf_counter() - began, processor_ns(process.pid) / 1e9
    line.close()
    memory_mb = _largest_mb(process)
    with _open_streams(port, streams):
        streams_mb = _largest_mb(process) if streams else 0.0
    return Start(poll[0], page[0], poll[1], page[1], memory_mb, streams_mb)


@contextmanager
def _open_streams(port: int, count: int) -> Iterator[None]:
    """Open streams, and leave them open until each has begun. Raises AssertionError when one is refused."""
    with ExitStack() as stack:
        streams = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 60)) for _ in range(count)]
        for each in streams:
            each.sendall(_STREAM)
        for each in streams:
            head = each.recv(4096)
            assert head.startswith(b"HTTP/1.1 200"), head
        yield


def _largest_mb(process: subprocess.Popen[bytes]) -> float:
    return max(map(_memory_mb, family(process.pid)))


def _line(process: subprocess.Popen[bytes], port: int, log: Path) -> Line:
    """Connect as soon as somebody listens."""
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with suppress(ConnectionRefusedError):
            return Line(port)
        time.sleep(_PAUSE_SECONDS)
    raise SystemExit(f"the server did not start:\n{log.read_text(errors='replace')}")


def _memory_mb(process_id: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)
    return 0.0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure(sides: Mapping[str, Side], names: Sequence[str], rounds: int) -> Iterator[Result]:
    """Measure the servers one after the other, each by turns on all sides, in an order that changes each round."""
    for name in names:
        result = Result(name, {side: [] for side in sides})
        for number in range(-1, rounds):  # the first makes the database, and the files warm
            for side in sorted(sides, reverse=bool(number % 2)):
                start = sides[side].start(SERVERS[name])
                if number >= 0:
                    result.starts[side].append(start)
        yield result


@contextmanager
def _prepared(checkouts: Mapping[str, Checkout], streams: int) -> Iterator[dict[str, Side]]:
    with tempfile.TemporaryDirectory() as folder:
        sides = {name: Side(checkout, Path(folder) / name, streams) for name, checkout in checkouts.items()}
        for side in sides.values():
            side.checkout.check()
            side.instance.mkdir()
        yield sides


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the starts, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, metavar="PATH", help="another checkout, which counts as the old one")
    parser.add_argument("--python", type=Path, help="what runs it; its own .venv/bin/python unless given")
    parser.add_argument("--only", action="append", help="measure this server; repeat as needed")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--streams", type=int, default=0, help="open so many streams too, and show what is held then")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs")
    chosen = parser.parse_args(arguments)
    names = [name for name in SERVERS if name in (chosen.only or SERVERS)]
    checkouts = {"new": Checkout(ROOT, Path(sys.executable))}
    if chosen.against:
        checkouts["old"] = Checkout.at(chosen.against, chosen.python)
    with _prepared(checkouts, 3 if chosen.smallest else chosen.streams) as sides:
        print(report.machine())
        print(", ".join(f"{name}: {checkout.commit}" for name, checkout in checkouts.items()), end="\n\n")
        of = " / ".join(sides)
        ratio = ["new to old", "95 %"] if chosen.against else []
        headings = ["", "first answer to", f"s, {of}", *ratio, f"processor ms, {of}", *ratio, f"MB, {of}"]
        headings.append(f"with {chosen.streams} streams")
        print(report.table(headings, []))
        for result in measure(sides, names, 1 if chosen.smallest else chosen.rounds):
            for row in result.rows():
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
