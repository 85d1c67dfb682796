"""How long a frame of 26 megapixels takes, and how much memory, beside libraries that fetch and write alone."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from rich.progress import Progress

from . import agent_site
from .agent_devices import HEIGHT, SMALL, WIDTH
from .agent_site import Desk, Lines, Pictures, table, wait_for
from .paired import interval

PROTOCOLS = {"INDI": ("indi", "a bare copy, astropy"), "Alpaca": ("alpaca", "alpyca, astropy")}
_EXPOSE = {"time": 0.1, "image_type": "light"}
_PAUSE_SECONDS = 6.1  # the desk takes ten pictures a minute


@dataclass
class Frames:
    """What one side took for its frames: seconds, and the growth of its memory in bytes."""

    seconds: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)


@dataclass
class Pair:
    """The agent and its peer, frame by frame."""

    agent: Frames = field(default_factory=Frames)
    peer: Frames = field(default_factory=Frames)
    parts: list[tuple[float, float]] = field(default_factory=list)
    """Seconds from the frame's begin to the job's end, and to the preview."""


def measure(folder: Path, frames: int, python: str | None, *, small: bool, progress: Progress) -> Mapping[str, Pair]:
    """Take frames by turns; without a python that has alpyca, the agent's frames from Alpaca have no peer."""
    pairs = {protocol: Pair() for protocol in PROTOCOLS}
    with ExitStack() as stack:
        desk = stack.enter_context(agent_site.desk(folder))
        kinds = {protocol: kind for protocol, (kind, _) in PROTOCOLS.items()}
        cameras = {protocol: stack.enter_context(_camera(kind, small)) for protocol, kind in kinds.items()}
        drivers = {protocol: camera.read() for protocol, camera in cameras.items()}
        peers = {
            protocol: _peer(stack, kinds[protocol], folder, interpreter, small)
            for protocol, interpreter in (("INDI", sys.executable), ("Alpaca", python))
            if interpreter is not None
        }
        tables = "".join(table("camera", kinds[protocol], driver) for protocol, driver in drivers.items())
        process = stack.enter_context(agent_site.agent(folder, desk, tables))
        pictures = Pictures(desk.url)
        task = progress.add_task("frames", total=(frames + 1) * len(pairs))
        for number in range(frames + 1):
            for protocol, pair in pairs.items():
                kept = pair if number else Pair()  # the first loads what is loaded once
                due = time.monotonic() + (0 if small else _PAUSE_SECONDS)
                _by_the_agent(desk, kinds[protocol], cameras[protocol], process.pid, pictures, kept)
                if protocol in peers:
                    _by_the_peer(*peers[protocol], kept)
                time.sleep(max(0.0, due - time.monotonic()))
                progress.advance(task)
    return pairs


def _camera(kind: str, small: bool) -> AbstractContextManager[Lines]:
    options = ["--small"] if small else []
    return agent_site.lines(sys.executable, "-m", "benchmarks.agent_devices", f"camera-{kind}", *options)


def _peer(stack: ExitStack, kind: str, folder: Path, python: str, small: bool) -> tuple[Lines, Lines]:
    """Start a peer and a camera of its own, since an INDI camera sends each frame to whoever wants frames."""
    camera = stack.enter_context(_camera(kind, small))
    driver = camera.read()
    place = urlsplit(driver)
    where = [driver] if kind == "alpaca" else [str(place.hostname), str(place.port)]
    file = str(folder / f"{kind}.fits")
    peer = stack.enter_context(agent_site.lines(python, "benchmarks/agent_peers.py", f"frame-{kind}", *where, file))
    assert peer.read() == "ready"
    return camera, peer


def _by_the_agent(desk: Desk, kind: str, camera: Lines, process_id: int, pictures: Pictures, pair: Pair) -> None:
    before = _memory(process_id, "VmRSS")
    Path(f"/proc/{process_id}/clear_refs").write_text("5", "ascii")  # the peak counts from now
    job = desk.send("camera", kind, "expose", _EXPOSE)
    at = float(camera.read())
    end = wait_for(lambda: desk.end(job))
    over = time.monotonic()
    assert end is not None
    assert end[0] == "COMPLETE", end
    came = wait_for(lambda: pictures.came.get(job))
    assert came is not None
    pair.agent.seconds.append(max(over, came) - at)
    pair.agent.bytes.append(_memory(process_id, "VmHWM") - before)
    pair.parts.append((over - at, came - at))


def _by_the_peer(camera: Lines, peer: Lines, pair: Pair) -> None:
    peer.ask("take")
    at = float(camera.read())
    over, grown = peer.read().split()
    pair.peer.seconds.append(float(over) - at)
    pair.peer.bytes.append(int(grown))


def _memory(process_id: int, key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+) kB", Path(f"/proc/{process_id}/status").read_text("ascii"))
    assert found
    return int(found[1]) * 1024


def rows(pairs: Mapping[str, Pair], *, small: bool) -> Iterator[list[str]]:
    """Yield the rows of the table."""
    width, height = SMALL if small else (WIDTH, HEIGHT)
    frame = 2 * width * height
    for protocol, pair in pairs.items():
        sides = [(f"the agent, {protocol}", pair.agent), (PROTOCOLS[protocol][1], pair.peer)]
        for number, (name, side) in enumerate(sides):
            if not side.seconds:
                continue
            ratio = ""
            if number == 0 and pair.peer.seconds:
                ratios = [mine / its for mine, its in zip(pair.agent.seconds, pair.peer.seconds, strict=True)]
                found = interval(ratios)
                ratio = f"{found.ratio:.2f} ({found.low:.2f} to {found.high:.2f})"
            yield [name, str(len(side.seconds)), f"{median(side.seconds):.2f}", ratio, f"{max(side.bytes) / frame:.1f}"]
