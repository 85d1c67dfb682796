"""Debian's wrk as load generator: written in C, it takes less of the processor than `load.drive` does.

It sends each written request once, as `load.drive` does. Its histogram adds, for each reply that came late, those that
would have been asked for meanwhile, so that its percentiles are harder than those of `load.drive`.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .load import Line, Run

_SCRIPT = Path(__file__).with_name("each_once.lua")
_MOST_SECONDS = 300


def is_there() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


def version() -> str:
    """Return which wrk is installed."""
    said = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    return " ".join((said.stdout + said.stderr).split()[:2])


def drive(port: int, requests: Sequence[bytes], connections: int) -> Run:
    """Send requests over so many connections, each with the next as soon as it has its reply, and the last by itself.

    The last one's time is in no figure: it is sent for its reply, since wrk shows none. Raises AssertionError when a
    reply is an error, or one is missing.
    """
    *most, last = requests
    with tempfile.NamedTemporaryFile() as file:
        for request in most:
            file.write(b"%d\n%s" % (len(request), request))
        file.flush()
        run = _run(port, Path(file.name), len(most), min(connections, len(most)))
    line = Line(port)
    run.body = line.ask(last)
    line.close()
    return run


def _run(port: int, file: Path, count: int, connections: int) -> Run:
    options = ["--threads", "1", "--connections", str(connections), "--duration", str(_MOST_SECONDS), "--timeout", "60"]
    command = ["wrk", *options, "--script", str(_SCRIPT), f"http://127.0.0.1:{port}/", str(file), str(connections)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        took = next((line.split()[1:] for line in process.stdout if line.startswith("seconds ")), None)
        process.send_signal(signal.SIGINT)  # It would stay for as long as it was told.
        said = [line.split() for line in process.stdout]
    totals = {line[0]: int(line[1]) for line in said if line and line[0] in ("requests", "errors")}
    assert took is not None, f"wrk was not through after {_MOST_SECONDS} seconds"
    assert totals == {"requests": count, "errors": 0}, totals
    latencies = [(int(line[1]), int(line[2])) for line in said if line and line[0] == "latency"]
    spread = [1000 * microseconds for microseconds, many in latencies for _ in range(many)]
    seconds, worked = map(float, took)
    return Run(spread, seconds, worked, count=count)
