"""How soon a device server that was killed is noticed, and its job FAILED."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rich.progress import Progress

from tests.support.servers import free_port

from . import agent_site
from .agent_devices import STAR
from .agent_site import Desk, Lines, table, wait_for

KINDS = {"the agent, INDI": "mount-indi", "the agent, Alpaca": "mount-alpaca"}


@dataclass
class Losses:
    """What was measured of one protocol, in seconds; the sentence is the last job's."""

    noticed: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    sentence: str = ""


def measure(folder: Path, kills: int, progress: Progress) -> dict[str, Losses]:
    """Kill the server of each protocol's mount while it slews, and start it again, by turns."""
    found = {way: Losses() for way in KINDS}
    ports = {kind: free_port() for kind in KINDS.values()}
    with ExitStack() as stack:
        desk = stack.enter_context(agent_site.desk(folder))
        first = {kind: _serve(kind, port) for kind, port in ports.items()}
        stack.callback(_close, first)
        tables = "".join(table("mount", kind, server.read()) for kind, server in first.items())
        stack.enter_context(agent_site.agent(folder, desk, tables))
        task = progress.add_task("kills", total=kills * len(KINDS))
        for _ in range(kills):
            for way, kind in KINDS.items():
                _kill(desk, kind, first[kind], found[way])
                first[kind] = _serve(kind, ports[kind])
                first[kind].read()
                wait_for(lambda: desk.is_connected(f"mount/{kind}"))  # noqa: B023
                progress.advance(task)
    return found


def _close(servers: Mapping[str, Lines]) -> None:
    for server in servers.values():
        server.close()


def _serve(kind: str, port: int) -> Lines:
    return Lines(sys.executable, "-m", "benchmarks.agent_devices", kind, "--port", str(port))


def _kill(desk: Desk, kind: str, server: Lines, found: Losses) -> None:
    job = desk.send("mount", kind, "go", STAR)
    wait_for(lambda: desk.devices()[f"mount/{kind}"].get("status") == "slewing")
    at = server.kill()
    noticed: float | None = None
    end: tuple[str, str] | None = None
    deadline = at + agent_site.PATIENCE_SECONDS
    while (noticed is None or end is None) and time.monotonic() < deadline:
        if noticed is None and not desk.is_connected(f"mount/{kind}"):
            noticed = time.monotonic() - at
        if end is None and (end := desk.end(job)) is not None:
            assert end[0] == "FAILED", end
            found.failed.append(time.monotonic() - at)
            found.sentence = end[1]
        time.sleep(0.01)
    assert noticed is not None, "the loss was not noticed"
    found.noticed.append(noticed)
    server.close()


def noticed_by_a_library(python: str, kills: int) -> Iterator[float]:
    """Yield after how many seconds indipyclient took the connection of a killed server for lost."""
    for _ in range(kills):
        with agent_site.lines(sys.executable, "-m", "benchmarks.agent_devices", "mount-indi") as server:
            place = urlsplit(server.read())
            with agent_site.lines(
                python, "benchmarks/agent_peers.py", "noticed", str(place.hostname), str(place.port)
            ) as peer:
                assert peer.read() == "ready"
                at = server.kill()
                yield float(peer.read()) - at
