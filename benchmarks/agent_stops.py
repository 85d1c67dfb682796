"""How soon a stop is at the device, at rest and while another device's server hangs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.progress import Progress

from . import agent_site
from .agent_devices import STAR, AlpacaSlews, IndiSlews, Slews, focusers
from .agent_site import BARE, Desk, Lines, table, wait_for
from .paired import interval

MOUNTS = 4
"""Mounts of each protocol, so that one can come to rest while others are stopped."""
_PAUSE_SECONDS = 0.2
BESIDE = ("at rest", "beside a server that hangs")
WAYS = ("a bare waiting poll", "the agent, INDI", "the agent, Alpaca")
Took = dict[tuple[str, str], list[list[float]]]
"""Seconds by what was beside and by the way, round by round."""


@dataclass
class Taken:
    """What was measured."""

    seconds: Took = field(default_factory=dict)

    def note(self, beside: str, way: str, number: int, seconds: float) -> None:
        """Note how long a stop of a round took."""
        rounds = self.seconds.setdefault((beside, way), [])
        if len(rounds) <= number:
            rounds.append([])
        rounds[number].append(seconds)

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows of the table."""
        for beside in BESIDE:
            for way in WAYS:
                rounds = self.seconds[beside, way]
                found = sorted(seconds for each in rounds for seconds in each)
                shown = [f"{1000 * percentile(found, part):.0f}" for part in (0.5, 0.99, 1)]
                poll = "" if way == WAYS[0] else _ratio(rounds, self.seconds[beside, WAYS[0]])
                rest = "" if beside == BESIDE[0] else _ratio(rounds, self.seconds[BESIDE[0], way])
                yield [way, beside, str(len(found)), *shown, poll, rest]


def percentile(ranked: Sequence[float], part: float) -> float:
    """Return the value below which such a part of ranked values lies."""
    return ranked[min(len(ranked) - 1, int(len(ranked) * part))]


def _ratio(these: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> str:
    """Return the ratio of the rounds' medians, with its 95 % interval."""
    found = interval([median(mine) / median(its) for mine, its in zip(these, others, strict=True)])
    return f"{found.ratio:.2f} ({found.low:.2f} to {found.high:.2f})"


class Course:
    """Mounts of one protocol that slew until they are stopped, one after the other."""

    def __init__(self, desk: Desk, mounts: Sequence[Slews], name: str) -> None:
        self._desk, self._mounts, self._name = desk, mounts, name
        self._turn = 0

    def instance(self, number: int) -> str:
        """Return a mount's name."""
        return f"{self._name}{number}"

    def begin(self) -> None:
        """Let all slew but one."""
        for number in range(len(self._mounts) - 1):
            self._desk.send("mount", self.instance(number), "go", STAR)

    def stop_next(self) -> float:
        """Stop a mount that slews, and return after how many seconds its driver knew; the one before slews again."""
        number = self._turn % len(self._mounts)
        mount = self._mounts[number]
        wait_for(mount.slewing.is_set)
        mount.expect()
        began = time.monotonic()
        self._desk.send("mount", self.instance(number), "stop")
        assert mount.stopped.wait(agent_site.PATIENCE_SECONDS), "no abort came"
        self._desk.send("mount", self.instance((number - 1) % len(self._mounts)), "go", STAR)
        self._turn += 1
        return mount.stopped_at - began


class Hanging:
    """Devices whose servers hang and do not, each of which a job is to move."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._indi, self._alpaca = focusers()
        self.tables = table("focuser", "fi", self._indi.address) + table(
            "focuser", "fa", self._alpaca.address("focuser")
        )

    @contextmanager
    def hang(self, number: int) -> Iterator[None]:
        """Let both servers hang, with a job under way at each, for the length of a block."""
        self._indi.hangs = self._alpaca.hangs_always = True
        wanted = {"position": number}
        jobs = {name: self._desk.send("focuser", name, "move_absolute", wanted) for name in ("fi", "fa")}
        try:
            yield
        finally:
            self._indi.hangs = self._alpaca.hangs_always = False
            for name, job in jobs.items():
                self._desk.send("focuser", name, "stop")
                wait_for(lambda: self._desk.end(job))  # noqa: B023
            wait_for(lambda: all(self._desk.is_connected(f"focuser/{name}") for name in jobs))

    def close(self) -> None:
        """End both servers."""
        self._indi.close()
        self._alpaca.close()


def measure(folder: Path, rounds: int, stops: int, progress: Progress) -> Taken:
    """Send stops by turns: to a bare poll, to a mount behind INDI, to one behind Alpaca."""
    taken = Taken()
    with ExitStack() as stack:
        desk = stack.enter_context(agent_site.desk(folder))
        courses, tables = _courses(desk, stack)
        hanging = stack.enter_context(closing(Hanging(desk)))
        bare = stack.enter_context(agent_site.lines(sys.executable, "-m", "benchmarks.agent_site", desk.url))
        stack.enter_context(agent_site.agent(folder, desk, tables + hanging.tables))
        ways: dict[str, Callable[[], float]] = {WAYS[0]: lambda: _bare(desk, bare)}
        for name, course in zip(WAYS[1:], courses, strict=True):
            course.begin()
            ways[name] = course.stop_next
        for take in ways.values():
            take()  # what is slow for the first time alone
        task = progress.add_task("stops", total=rounds * len(BESIDE) * stops)
        for number in range(rounds):
            for beside in BESIDE if number % 2 else BESIDE[::-1]:
                with hanging.hang(number) if beside == BESIDE[1] else nullcontext():
                    for _ in range(stops):
                        for name, take in ways.items():
                            taken.note(beside, name, number, take())
                            time.sleep(_PAUSE_SECONDS)
                        progress.advance(task)
    return taken


def _courses(desk: Desk, stack: ExitStack) -> tuple[list[Course], str]:
    courses, tables = [], ""
    for kind, name in ((IndiSlews, "i"), (AlpacaSlews, "a")):
        mounts: list[Slews] = [kind() for _ in range(MOUNTS)]
        for mount in mounts:
            stack.callback(mount.close)
        course = Course(desk, mounts, name)
        tables += "".join(table("mount", course.instance(at), mount.driver) for at, mount in enumerate(mounts))
        courses.append(course)
    return courses, tables


def _bare(desk: Desk, poll: Lines) -> float:
    began = time.monotonic()
    desk.send("mount", "mount1", "stop", site=BARE)
    return float(poll.read()) - began


def hung_by_a_library(python: str, stops: int) -> list[float]:
    """Return after how many seconds each abort that alpyca was told to send came while another server hung."""
    mount, (indi, alpaca) = AlpacaSlews(), focusers()
    indi.close()
    command = [python, "benchmarks/agent_peers.py", "stop", mount.driver, alpaca.address("focuser")]
    found = []
    try:
        with agent_site.lines(*command) as peer:
            assert peer.read() == "ready"
            alpaca.hangs_always = True
            for _ in range(stops):
                mount.expect()
                began = time.monotonic()
                peer.ask("stop")
                came = mount.stopped.wait(agent_site.PATIENCE_SECONDS)
                found.append(mount.stopped_at - began if came else agent_site.PATIENCE_SECONDS)
                threading.Event().wait(_PAUSE_SECONDS)
    finally:
        mount.close()
        alpaca.close()
    return found
