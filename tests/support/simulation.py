"""The pretend observatory as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import servers

END_SECONDS = 60.0


@dataclass
class Simulation:
    """A pretend observatory that runs."""

    process: subprocess.Popen[bytes]
    output: Path

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def end(self) -> int:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(END_SECONDS)


@contextmanager
def simulated(url: str, site: str, folder: Path, *arguments: str) -> Iterator[Simulation]:
    """Let `flask simulate` play a site for the length of a block."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JOBS_", "FLASK_"))}
    environment |= {"JOBS_INSTANCE": str(folder / "instance"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "flask", "--app", "jobs_server", "simulate", "--url", url, "--site", site]
    output = folder / f"simulate-{site}.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*command, *arguments], cwd=servers.ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield Simulation(process, output)
    finally:
        process.kill()
        process.wait()
