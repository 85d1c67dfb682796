"""Measure what the state of devices costs: `python -m benchmarks.devices`.

Three sites say the state of 20 devices every second, and 30 viewers watch them, from a process of their own. First it
is measured what the server takes of a core for that, and how often it writes; then the speed of new jobs and stops by
turns with and without it, the viewers watching all the time.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from . import report
from .contenders import COMMAND, Contender, service
from .load import Line, drive, post
from .paired import interval
from .players import Players, playing
from .usage import processor_ns

SITES = ("one", "two", "three")
DEVICES = 20
VIEWERS = 30
_COMMITS = "jobs_commit_seconds_count"
_CHANGE_SECONDS = 1.5


def state(site: str, number: int) -> bytes:
    """Write a request that says how 20 devices of a site are; each time other numbers."""
    each = {"status": "tracking", "ra_hours": 5.5 + number / 1e4, "dec_degrees": -5.4, "temperature_c": number % 40}
    devices = {f"mount/m{which}": each | {"alt_degrees": 40 + which} for which in range(DEVICES)}
    return post("/jobs/devicestate", json.dumps({"site": site, "devices": devices}).encode())


class Play:
    """The sites and the viewers, in this process."""

    def __init__(self, port: int) -> None:
        self._selector = selectors.DefaultSelector()
        self.read_bytes = 0
        for number in range(VIEWERS):
            connection = socket.create_connection(("127.0.0.1", port))
            path = f"/stream?site={SITES[number % len(SITES)]}"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self._selector.register(connection, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._port = port
        self._lines: dict[str, Line] = {}
        self._number = 0

    def run(self) -> None:
        """Say the state each second while the last line of the standard input was `on`; end with the input."""
        is_on, due = False, time.monotonic()
        while True:
            for key, _ in self._selector.select(max(0.0, due - time.monotonic())):
                if isinstance(key.fileobj, socket.socket):
                    self.read_bytes += len(key.fileobj.recv(256 * 1024))
                elif word := sys.stdin.readline():
                    is_on = word == "on\n"
                    # The server closes what was silent for long.
                    self._lines = {site: Line(self._port) for site in SITES} if is_on else {}
                    print(self.read_bytes, flush=True)
                else:
                    return
            if time.monotonic() >= due:
                due = max(due + 1.0, time.monotonic())
                if is_on:
                    self._say()

    def _say(self) -> None:
        self._number += 1
        for site, line in self._lines.items():
            line.ask(state(site, self._number))


def cost(ours: Contender, players: Players, seconds: float) -> dict[str, float]:
    """Return what the server takes in per cent of a core, with the state and without it, and how often it writes."""
    shares = {}
    writes = 0.0
    for on in (False, True):
        read = players.turn(on=on)
        time.sleep(_CHANGE_SECONDS)
        began, before_ns, before = time.monotonic(), processor_ns(ours.server.process.pid), _commits(ours.port)
        time.sleep(seconds)
        passed = time.monotonic() - began
        shares[on] = (processor_ns(ours.server.process.pid) - before_ns) / passed / 1e7
        writes = (_commits(ours.port) - before) / passed * 60 / len(SITES)
        assert not on or players.turn(on=False) - read > VIEWERS * seconds * 500, "the viewers saw too little"
    return {"with it, %": shares[True], "without it, %": shares[False], "writes a minute and site": writes}


def _commits(port: int) -> float:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(_COMMITS))


def _bodies(action: str, requests: int) -> list[bytes]:
    body: dict[str, Any] = COMMAND | {"site": f"measured {action}", "action": action}
    return [post("/jobs/newjob", json.dumps(body).encode())] * requests


def speeds(ours: Contender, players: Players, action: str, rounds: int, requests: int) -> list[float]:
    """Return by round the throughput of an action with the state as a part of that without it."""
    ratios = []
    for number in range(rounds):
        found = {}
        for on in (True, False) if number % 2 else (False, True):
            ours.take(f"measured {action}")
            players.turn(on=on)
            time.sleep(_CHANGE_SECONDS)
            found[on] = drive(ours.port, _bodies(action, requests), 1).requests_a_second
        ratios.append(found[True] / found[False])
    return ratios


def measure(rounds: int, requests: int, seconds: float) -> list[list[str]]:
    """Measure all, and return the rows of the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder)) as ours,
        playing("benchmarks.devices", ours.port) as players,
    ):
        rows = [[name, f"{value:.1f}", ""] for name, value in cost(ours, players, seconds).items()]
        for action, name in (("expose", "newjob"), ("stop", "a stop")):
            found = interval(speeds(ours, players, action, rounds, requests))
            rows.append([f"speed of {name} beside without it", f"{found.ratio:.3f}", str(found)])
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table as it stands in README.md."""
    parser = argparse.ArgumentParser(description="Measure what the state of devices costs.")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs, in a few seconds")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--requests", type=int, default=900, help="requests in a round")
    parser.add_argument("--seconds", type=float, default=120, help="for how long the cost is counted")
    parser.add_argument("--play", type=int, metavar="PORT", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.play:
        Play(chosen.play).run()
        return
    rounds, requests, seconds = (1, 20, 2.0) if chosen.smallest else (chosen.rounds, chosen.requests, chosen.seconds)
    rows = measure(rounds, requests, seconds)
    print(f"{report.machine()}\n")
    print(report.table(("what", "figure", "95 % interval"), rows))


if __name__ == "__main__":
    main()
