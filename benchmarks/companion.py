"""Measure what the companion for the public clients costs: `python -m benchmarks.companion`.

By turns, each over one kept-alive connection: an empty poll, the complete status of a site, the configs of all sites.
Then 30 WebSockets follow a site whose software posts a status each second, from a process of their own, and it is
counted what the server takes of a core, and how often it writes.
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

from tests.support import servers
from tests.support.public_clients import DEVICE, OBS_SETTINGS, ROOF, SITE, WEATHER, WEMA
from tests.support.web_sockets import Client

from . import report
from .load import Line, drive, post
from .paired import interval
from .players import Players, playing
from .usage import processor_ns

SOCKETS = 30
CONFIG_BYTES = 20_000
"""About as large as the config of a real site is at the least."""
_COMMITS = "jobs_commit_seconds_count"
_CHANGE_SECONDS = 1.5
_OPEN = (
    "GET /datastream/dev?site=hill1 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_POLL = "an empty poll"
_KINDS = ("time", "processor time")
_PING, _PONG = b"\x89\x00", b"\x8a\x80\0\0\0\0"
ASKED = {
    _POLL: post("/jobs/getnewjobs", b'{"site": "hill1"}'),
    "complete_status": b"GET /status/hill1/complete_status HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "all/config": b"GET /api/all/config HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


def status(number: int, kind: str = "device", said: dict[str, Any] = DEVICE) -> bytes:
    """Write a request by which a site's software posts a status; each time with another number."""
    body = {"statusType": kind, "status": said | {"current_fwhm_seeing": number / 10}}
    return post("/status/hill1/status/", json.dumps(body).encode())


def play(port: int) -> None:
    """Follow the site with all sockets, and post a status each second while the last line of the input was `on`."""
    selector, read_bytes = selectors.DefaultSelector(), 0
    for _ in range(SOCKETS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(_OPEN.encode())
        selector.register(connection, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    line, number, due = None, 0, time.monotonic()
    while True:
        for key, _ in selector.select(max(0.0, due - time.monotonic())):
            if isinstance(key.fileobj, socket.socket):
                piece = key.fileobj.recv(256 * 1024)
                read_bytes += len(piece)
                if _PING in piece:
                    key.fileobj.sendall(_PONG)
            elif word := sys.stdin.readline():
                line = Line(port) if word == "on\n" else None
                print(read_bytes, flush=True)
            else:
                return
        if time.monotonic() >= due:
            due, number = max(due + 1.0, time.monotonic()), number + 1
            if line:
                line.ask(status(number))


def fill(port: int) -> None:
    """Put configs and post statuses as a site and its wema do."""
    padding = {"padding": "x" * (CONFIG_BYTES - len(json.dumps(SITE)))}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        client.put("/api/hill/config/", json=WEMA).raise_for_status()
        client.put("/api/hill1/config/", json=SITE | padding).raise_for_status()
    line = Line(port)
    posted: dict[str, dict[str, Any]] = {
        "device": DEVICE,
        "enclosure": ROOF,
        "weather": WEATHER,
        "obs_settings": OBS_SETTINGS,
    }
    for kind, said in posted.items():
        line.ask(status(0, kind, said))
    line.close()


def times(server: servers.Server, rounds: int, requests: int) -> dict[str, list[float]]:
    """Return by what is asked and by round its times as multiples of those of an empty poll of the same round.

    Beside the time that passed stands the processor time of the server, with which other programs meddle less.
    """
    ratios: dict[str, list[float]] = {}
    for number in range(rounds):
        order = list(ASKED) if number % 2 else list(reversed(ASKED))
        found = {name: _taken(server, ASKED[name], requests) for name in order}
        for name in ASKED:
            for kind, one, poll in zip(_KINDS, found[name], found[_POLL], strict=True):
                if name != _POLL:
                    ratios.setdefault(f"{kind} of {name}", []).append(one / poll)
    return ratios


def _taken(server: servers.Server, request: bytes, requests: int) -> tuple[float, float]:
    before_ns = processor_ns(server.process.pid)
    seconds = drive(server.port, [request] * requests, 1).seconds
    return seconds, (processor_ns(server.process.pid) - before_ns) / 1e9


def cost(server: servers.Server, players: Players, seconds: float) -> dict[str, float]:
    """Return what the server takes in per cent of a core, with the posts and without them, and how often it writes."""
    shares, writes = {}, 0.0
    for on in (False, True):
        read = players.turn(on=on)
        time.sleep(_CHANGE_SECONDS)
        began, before_ns, before = time.monotonic(), processor_ns(server.process.pid), _commits(server.port)
        time.sleep(seconds)
        passed = time.monotonic() - began
        shares[on] = (processor_ns(server.process.pid) - before_ns) / passed / 1e7
        writes = (_commits(server.port) - before) / passed * 60
        assert not on or players.turn(on=False) - read > SOCKETS * seconds * 500, "the pages saw too little"
    return {"with it, %": shares[True], "without it, %": shares[False], "writes a minute": writes}


def delays_ms(port: int, times: int) -> list[float]:
    """Return how long after a status was sent an open page had it, for so many statuses."""
    found = []
    with Client(port, "hill1") as page:
        line = Line(port)
        for number in range(times):
            began = time.perf_counter()
            line.ask(status(number))
            while page.next()["data"]["status"]["current_fwhm_seeing"] != number / 10:
                pass
            found.append((time.perf_counter() - began) * 1000)
    return found


def _commits(port: int) -> float:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(_COMMITS))


def measure(rounds: int, requests: int, seconds: float) -> list[list[str]]:
    """Measure all, and return the rows of the table."""
    settings = {"JOBS_COMPANION": "on", "JOBS_LOG_LEVEL": "info"}
    with tempfile.TemporaryDirectory() as folder, servers.running("serve", Path(folder), settings) as server:
        fill(server.port)
        ratios = times(server, rounds, requests)
        rows = [
            [f"{name}, beside an empty poll's", f"{(found := interval(each)).ratio:.3f}", str(found)]
            for name, each in ratios.items()
        ]
        delays = sorted(delays_ms(server.port, max(20, requests // 10)))
        rows += [["from a status to the open page, ms: median", f"{delays[len(delays) // 2]:.1f}", ""]]
        rows += [["the longest", f"{delays[-1]:.1f}", ""]]
        with playing("benchmarks.companion", server.port) as players:
            return rows + [[name, f"{value:.1f}", ""] for name, value in cost(server, players, seconds).items()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table as it stands in README.md."""
    parser = argparse.ArgumentParser(description="Measure what the companion for the public clients costs.")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs, in a few seconds")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--requests", type=int, default=1000, help="requests in a round")
    parser.add_argument("--seconds", type=float, default=120, help="for how long the cost is counted")
    parser.add_argument("--play", type=int, metavar="PORT", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.play:
        play(chosen.play)
        return
    rounds, requests, seconds = (1, 20, 2.0) if chosen.smallest else (chosen.rounds, chosen.requests, chosen.seconds)
    rows = measure(rounds, requests, seconds)
    print(f"{report.machine()}\n")
    print(report.table(("what", "figure", "95 % interval"), rows))


if __name__ == "__main__":
    main()
