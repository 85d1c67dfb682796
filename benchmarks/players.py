"""A process beside the measured server that plays a benchmark's sites and viewers, when told to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.servers import ROOT


class Players:
    """The process that plays."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def turn(self, *, on: bool) -> int:
        """Have the sites say what they say each second, or nothing; return what was read until now, in bytes."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("on\n" if on else "off\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def playing(benchmark: str, port: int) -> Iterator[Players]:
    """Run the sites and the viewers of a benchmark, named as Python's module, beside a block."""
    command = [sys.executable, "-m", benchmark, "--play", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Players(process)
    finally:
        process.kill()
        process.communicate()
