"""A power cut cannot be tried here; what makes it harmless can: nothing is acknowledged before it is on the disk.

The server runs under a tracer that notes, for each of its threads, what it is asked, what it writes to the database's
log, when the disk has kept that, and what it answers, each with its time: those who
wait share a commit. (A disk that lies about having kept it loses what it likes.)
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

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
    "s": r"(fsync|fdatasync)\(\d+<\S*/jobs\.db-wal>\) += 0( \(DELAYED\))?$",
    "!": r'sendto\(.*"HTTP/1\.1 200 ',
}
LINE = re.compile(r"(?P<began>\d+\.\d+) (?P<call>.*) <(?P<seconds>\d+\.\d+)>$")
SLOW_DISK = ("-e", "inject=fsync,fdatasync:delay_enter=20000")
"""A disk that takes 20 ms: those who come meanwhile share the next flush, and who is answered too early is seen."""

PEOPLE = 6
JOBS_OF_EACH = 4
CHANGES_OF_A_JOB = 5


class Step(NamedTuple):
    """What a thread did, and when; seconds of the tracer's clock."""

    sign: str
    began: float
    ended: float


class Request(NamedTuple):
    """When a request was read, and when its answer was sent."""

    read: float
    answered: float


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
    threads = [traced(path) for path in tmp_path.glob("trace.*")]
    requests = [request for thread in threads for request in requests_of(thread)]
    assert len(requests) == PEOPLE * JOBS_OF_EACH * CHANGES_OF_A_JOB
    flushes = sorted(flush for thread in threads for flush in flushes_of(thread))
    assert [request for request in requests if not any(lies_within(flush, request) for flush in flushes)] == []
    while_asked = [flush for flush in flushes if any(lies_within(flush, request) for request in requests)]
    assert len(while_asked) < len(requests)
    tell(f"{kind}: {len(requests)} acknowledgements, each after the disk had kept its commit, {len(while_asked)} times")


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
    return (strace, "-ff", "-ttt", "-T", *SLOW_DISK, "-y", "-s", "40", "-e", CALLS, "-o", str(output))


def traced(path: Path) -> list[Step]:
    """Return what a thread did, in order."""
    lines = filter(None, map(LINE.match, path.read_text(errors="replace").splitlines()))
    timed = [(line["call"], float(line["began"]), float(line["seconds"])) for line in lines]
    return [
        Step(sign, began, began + seconds)
        for call, began, seconds in timed
        for sign, pattern in SIGNS.items()
        if re.match(pattern, call)
    ]


def requests_of(thread: list[Step]) -> list[Request]:
    """List the requests that a thread read and answered."""
    steps = [step for step in thread if step.sign in "?!"]
    return [Request(asked.ended, answer.began) for asked, answer in pairwise(steps) if asked.sign + answer.sign == "?!"]


def flushes_of(thread: list[Step]) -> list[tuple[float, float]]:
    """List each commit of a thread: when it began to write to the log, and when the disk had kept that."""
    found, began = [], None
    for step in thread:
        if step.sign == "w" and began is None:
            began = step.began
        elif step.sign == "s" and began is not None:
            found.append((began, step.ended))
            began = None
    return found


def lies_within(flush: tuple[float, float], request: Request) -> bool:
    """Whether a commit was written and kept between a request and its answer."""
    return request.read <= flush[0] and flush[1] <= request.answered
