"""A power cut cannot be tried here; what makes it harmless can: nothing is acknowledged before it is on the disk.

The server runs under a tracer that notes, for each of its threads, what it is asked, what it writes to the database's
log, when the disk has kept that, and what it answers. (A disk that lies about having kept it loses what it likes.)
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from ..conftest import over_http
from ..support import servers
from ..support.programs import missing, needs

pytestmark = pytest.mark.sqlite("what it writes to its log, and when")

CALLS = "trace=recvfrom,pwrite64,fsync,fdatasync,sendto"
SIGNS = {
    "?": r'recvfrom\(.*"POST /jobs/(?!getjob|getrecentjobs)',
    "w": r"pwrite64\(\d+<\S*/jobs\.db-wal>.* = \d+$",
    "s": r"(fsync|fdatasync)\(\d+<\S*/jobs\.db-wal>\) += 0$",
    "!": r'sendto\(.*"HTTP/1\.1 200 ',
}
KEPT_FIRST = re.compile("[ws]*ws+!")
"""Written to the log, kept by the disk, acknowledged, and nothing written in between."""

PEOPLE = 6
JOBS_OF_EACH = 4
CHANGES_OF_A_JOB = 5


@pytest.mark.skipif(sys.platform != "linux", reason="the tracer is Linux's strace")
@pytest.mark.parametrize("kind", ["flask", "gunicorn"])
def test_every_acknowledgement_comes_after_the_disk_has_kept_its_commit(
    kind: str, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    server = servers.start(kind, tmp_path / "instance", prefix=tracer(tmp_path / "trace"))
    try:
        with ThreadPoolExecutor(PEOPLE) as people:
            list(people.map(lambda number: change_jobs(server, f"site {number}"), range(PEOPLE)))
    finally:
        os.killpg(server.process.pid, signal.SIGTERM)
        server.process.wait(servers.STOP_SECONDS)
    requests = [request for path in tmp_path.glob("trace.*") for request in traced(path).split("?")[1:]]
    assert len(requests) == PEOPLE * JOBS_OF_EACH * CHANGES_OF_A_JOB
    assert [request for request in requests if not KEPT_FIRST.fullmatch(request)] == []
    tell(f"{kind}: {len(requests)} of {len(requests)} acknowledgements were sent after the fsync of their commit")


def change_jobs(server: servers.Server, site: str) -> None:
    """Change a few jobs in each way there is."""
    with httpx.Client(trust_env=False, timeout=60, verify=False) as client:
        here = over_http(server.url, client, site)
        for number in range(JOBS_OF_EACH):
            job = here.sends()
            assert len(here.polls(claimId=f"claim-{number}")) == 1
            assert here.starts(job, claimId=f"claim-{number}").status == 200
            assert here.asks_to_cancel(job).status == 200
            assert here.reports(job, "STOPPED").status == 200


def tracer(output: Path) -> tuple[str, ...]:
    """Return the command that traces another into one file for each thread."""
    strace = needs("strace")
    trial = subprocess.run([strace, "-o", os.devnull, "true"], check=False, capture_output=True, text=True)
    if trial.returncode != 0:
        missing(f"strace may not trace here ({trial.stderr.strip()})")
    return (strace, "-ff", "-y", "-s", "40", "-e", CALLS, "-o", str(output))


def traced(path: Path) -> str:
    """Write what a thread did as one sign for each step."""
    steps = ((line, sign) for line in path.read_text(errors="replace").splitlines() for sign in SIGNS)
    return "".join(sign for line, sign in steps if re.match(SIGNS[sign], line))
