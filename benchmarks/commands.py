"""Measure whole commands, from start to end of the process: `python -m benchmarks.commands`; `--against PATH` compares.

A figure is the processor time that the process took, which says more on a busy machine than the time that passed. All
sides take turns, so that what else the machine does meets all.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.servers import ROOT

from . import report
from .checkouts import Checkout
from .paired import Interval, interval

ROUNDS = 20
SITE = ("--site", "wmd")
COMMANDS: Mapping[str, Sequence[str]] = {
    "--help": ("--help",),
    "jobs list": ("jobs", "list", *SITE),
    "jobs send": ("jobs", "send", "camera", "camera_1_1", "expose", *SITE),
    "jobs watch --help": ("jobs", "watch", "--help"),
    "lockout list": ("lockout", "list", *SITE),
    "reservations list": ("reservations", "list", *SITE),
    "tokens list": ("tokens", "list"),
    "settings": ("settings",),
    "backup": ("backup",),
    "prune --dry-run": ("prune", "--days", "365", "--dry-run"),
    "simulate --help": ("simulate", "--help"),
    "serve --help": ("serve", "--help"),
    "version": ("version",),
    "doctor": ("doctor",),
    "db current": ("db", "current"),
    "routes (Flask's)": ("routes",),
}
FLOOR = {"Python itself": "pass", "Python and Click": "import click"}
_MAY_END_WITH_1 = "doctor"  # it finds no server


@dataclass(frozen=True)
class Side:
    """A checkout, and an instance folder of its own that it has prepared."""

    checkout: Checkout
    instance: Path

    def prepare(self) -> None:
        """Make the database, with some jobs in it. Raises CalledProcessError."""
        self.seconds(("db", "upgrade"))
        for _ in range(5):
            self.seconds(COMMANDS["jobs send"])

    def seconds(self, arguments: Sequence[str]) -> float:
        """Run a command, and return the processor time that it took. Raises CalledProcessError when it fails."""
        return processor_seconds([str(self.checkout.python), "-m", "jobs_server", *arguments], self)


@dataclass
class Result:
    """The processor seconds of one command in each round, by side."""

    name: str
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, side: str, seconds: float) -> None:
        """Keep what a side took in a round."""
        self.seconds.setdefault(side, []).append(seconds)

    @property
    def ratio(self) -> Interval:
        """Return the new side's processor time as a part of the old one's."""
        return interval([new / old for new, old in zip(self.seconds["new"], self.seconds["old"], strict=True)])

    def columns(self) -> list[str]:
        """Write the row of the table."""
        milliseconds = [f"{1000 * statistics.median(each):.0f}" for each in self.seconds.values()]
        if "old" not in self.seconds:
            return [self.name, *milliseconds]
        return [self.name, *milliseconds, f"{self.ratio.ratio:.3f}", str(self.ratio)]


def processor_seconds(command: Sequence[str], side: Side) -> float:
    """Run a program in a side's folder, and return the processor time that it and what it started took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        cwd=side.checkout.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(side.instance), "JOBS_INSTANCE": str(side.instance)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode and not (done.returncode == 1 and _MAY_END_WITH_1 in command):
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(sides: Mapping[str, Side], names: Sequence[str], rounds: int) -> Iterator[Result]:
    """Measure the commands one after the other, each by turns on all sides, in an order that changes each round."""
    for name in names:
        result = Result(name)
        for number in range(-1, rounds):  # the first makes the files warm
            for side in sorted(sides, reverse=bool(number % 2)):
                seconds = sides[side].seconds(COMMANDS[name])
                if number >= 0:
                    result.add(side, seconds)
        result.seconds = {side: result.seconds[side] for side in sides}
        yield result


def floor(side: Side, rounds: int) -> Iterator[list[str]]:
    """Measure what of each command is Python and Click themselves."""
    for name, code in FLOOR.items():
        times = [processor_seconds([str(side.checkout.python), "-c", code], side) for _ in range(rounds)]
        yield [name, f"{1000 * statistics.median(times):.0f}"]


@contextmanager
def prepared(checkouts: Mapping[str, Checkout]) -> Iterator[dict[str, Side]]:
    """Prepare an instance folder for each checkout."""
    with tempfile.TemporaryDirectory() as folder:
        sides = {name: Side(checkout, Path(folder) / name) for name, checkout in checkouts.items()}
        for side in sides.values():
            side.checkout.check()
            side.instance.mkdir()
            side.prepare()
        yield sides


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the commands, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, metavar="PATH", help="another checkout, which counts as the old one")
    parser.add_argument("--python", type=Path, help="what runs it; its own .venv/bin/python unless given")
    parser.add_argument("--only", action="append", help="measure this command; repeat as needed")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--smallest", action="store_true", help="only show that it runs")
    chosen = parser.parse_args(arguments)
    names = [name for name in COMMANDS if name in (chosen.only or COMMANDS)]
    rounds = 1 if chosen.smallest else chosen.rounds
    checkouts = {"new": Checkout(ROOT, Path(sys.executable))}
    if chosen.against:
        checkouts["old"] = Checkout.at(chosen.against, chosen.python)
    with prepared(checkouts) as sides:
        print(report.machine())
        print(", ".join(f"{name}: {checkout.commit}" for name, checkout in checkouts.items()), end="\n\n")
        print(report.table(["", "processor ms"], list(floor(sides["new"], rounds))), end="\n\n")
        headings = ["command", *(f"{name}, ms" for name in sides), *(["new to old", "95 %"] if chosen.against else [])]
        print(report.table(headings, []))
        for result in measure(sides, names, rounds):
            print(f"| {' | '.join(result.columns())} |", flush=True)


if __name__ == "__main__":
    main()
