"""Measure the site agent beside libraries and a bare poll: `python -m benchmarks.agent`.

Real parts are `flask serve` and `flask agent run`, each a process; the devices are scripted and note the time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import Progress

from . import agent_frames, agent_losses, agent_stops, report

PARTS = ("stops", "losses", "frames")
_PACKAGES = ("alpyca", "indipyclient", "numpy", "astropy")
_HUNG_STOPS = 3


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int = 12
    stops: int = 9
    """Stops of each kind in a round, at rest and beside a server that hangs."""
    kills: int = 10
    frames: int = 8
    small: bool = False
    """Whether frames are small."""


SMALLEST = Size(rounds=1, stops=1, kills=1, frames=1, small=True)


def peers(named: Path | None, folder: Path, *, install: bool) -> tuple[str | None, str]:
    """Return the Python that has the libraries, and what there is to say of them; None where they are missing."""
    if named is None and not install:
        return None, "Libraries: skipped, since no --peers was named."
    if named is None:
        venv.create(folder, with_pip=True)
        named = next(path for path in (folder / "bin/python", folder / "Scripts/python.exe") if path.exists())
        command = [str(named), "-m", "pip", "install", "--quiet", *_PACKAGES]
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
            return None, f"Libraries: skipped, since {', '.join(_PACKAGES)} could not be installed."
    look = f"from importlib.metadata import version; print(*(f'{{n}} {{version(n)}}' for n in {_PACKAGES!r}), sep=', ')"
    done = subprocess.run([str(named), "-c", look], capture_output=True, text=True, check=False)
    if done.returncode:
        return None, f"Libraries: skipped, since {named} has not all of {', '.join(_PACKAGES)}."
    return str(named), f"Libraries: {done.stdout.strip()}."


def stops(folder: Path, size: Size, python: str | None, progress: Progress) -> Iterator[str]:
    """Measure stops, and yield the tables."""
    taken = agent_stops.measure(folder, size.rounds, size.stops, progress)
    headings = ("stop to", "beside", "stops", "p50 ms", "p99 ms", "longest ms", "times the poll", "times at rest")
    yield report.table(headings, list(taken.rows()))
    if python is not None:
        took = agent_stops.hung_by_a_library(python, min(size.stops, _HUNG_STOPS))
        shown = ", ".join(f"{each:.1f}" for each in took)
        yield f"alpyca, from the call to the abort at the mount, beside a focuser whose server hangs, s: {shown}."


def losses(folder: Path, size: Size, python: str | None, progress: Progress) -> Iterator[str]:
    """Measure killed servers, and yield the tables."""
    found = agent_losses.measure(folder, size.kills, progress)
    rows = [
        [way, str(len(each.noticed))]
        + [f"{value:.2f}" for values in (each.noticed, each.failed) for value in (median(values), max(values))]
        + [each.sentence]
        for way, each in found.items()
    ]
    headings = ("server killed", "kills", "noticed after s", "longest", "job FAILED after s", "longest", "in words")
    yield report.table(headings, rows)
    if python is not None:
        noticed = next(agent_losses.noticed_by_a_library(python, 1))
        yield f"indipyclient noticed a killed server after {noticed:.1f} s."


def frames(folder: Path, size: Size, python: str | None, progress: Progress) -> Iterator[str]:
    """Measure frames, and yield the table."""
    pairs = agent_frames.measure(folder, size.frames, python, small=size.small, progress=progress)
    headings = ("frame by", "frames", "s", "times its peer", "memory, times the frame")
    yield report.table(headings, list(agent_frames.rows(pairs, small=size.small)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--smallest", action="store_true", help="only show that it runs; without libraries unless named"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="measure this alone")
    parser.add_argument("--rounds", type=int, default=Size.rounds)
    parser.add_argument("--stops", type=int, default=Size.stops, help="stops of each kind in a round")
    parser.add_argument("--kills", type=int, default=Size.kills)
    parser.add_argument("--frames", type=int, default=Size.frames)
    parser.add_argument(
        "--peers", type=Path, metavar="PYTHON", help=f"has {', '.join(_PACKAGES)}; made in a temporary folder otherwise"
    )
    asked = parser.parse_args(arguments)
    size = SMALLEST if asked.smallest else Size(asked.rounds, asked.stops, asked.kills, asked.frames)
    with tempfile.TemporaryDirectory() as temporary, Progress(console=Console(stderr=True), transient=True) as progress:
        python, said = peers(asked.peers, Path(temporary) / "peers", install=not asked.smallest)
        print(f"{report.machine()}\n{said}\nLoad at the beginning {os.getloadavg()[0]:.1f}.", flush=True)
        for name, part in (("stops", stops), ("losses", losses), ("frames", frames)):
            if name in asked.only:
                folder = Path(temporary) / name
                folder.mkdir()
                for table in part(folder, size, python, progress):
                    print(f"\n{table}", flush=True)
    print(f"\nLoad at the end {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("what processes note is compared by Linux' one monotonic clock")
    main()
