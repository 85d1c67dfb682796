"""Years in short: people, watchers and two sites go on while backups are made and old jobs are deleted beside them.

How long: `--soak-seconds`.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from jobs_server.upkeep import backups

from ..conftest import over_http
from ..faults import ledger
from ..storage.test_migrations import of_the_first_version
from ..support import servers
from ..support.commands import run_apart
from ..support.processes import Holds, holds, worker
from ..support.streams import Viewer

pytestmark = pytest.mark.sqlite("backups beside the service, and a file of an earlier version")

OLD_JOBS = 5_000
SITES = ("wmd", "mrc1")
STREAMS = 10
JOBS_A_SECOND = 5
GROWTH_KB = 12 * 1024  # of memory, once all is warm
LEAST_JOBS = 10  # in each half, however slow the machine is

# How often each step was told at each site, of the jobs that are sent here.
TOLD = """SELECT job.site, event.status, count(*) FROM job_event AS event JOIN job ON job.id = event.job_id
    WHERE event.queue = 0 AND job.required_params LIKE '%"soak"%' GROUP BY job.site, event.status"""


class Site(threading.Thread):
    """The software of a site, which waits for jobs and carries them out; anything but a good answer is its failure."""

    def __init__(self, url: str, code: str, stop: threading.Event) -> None:
        super().__init__()
        self._url, self._code, self._stop_now = url, code, stop
        self.done = 0
        self.failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            with httpx.Client(trust_env=False, timeout=60) as client:
                self._work(client)
        except BaseException as error:
            self.failure = error

    def _work(self, client: httpx.Client) -> None:
        site = over_http(self._url, client, self._code)
        while not self._stop_now.is_set():
            claim = f"{self._code}-{self.done}"
            for job in site.polls(waitSeconds=1, claimId=claim):
                assert site.starts(job, claimId=claim).status == 200
                assert site.reports(job, "COMPLETE").status == 200
                self.done += 1


def test_all_stays_flat_beside_backups_and_pruning(
    tmp_path: Path, pytestconfig: pytest.Config, tell: Callable[[str], None]
) -> None:
    seconds: float = pytestconfig.getoption("soak_seconds")
    instance, folder = tmp_path / "instance", tmp_path / "backups"
    of_the_first_version(instance, OLD_JOBS)
    stop, upkeep = threading.Event(), Upkeep(instance, folder, rest_seconds=max(1, seconds / 120))
    with servers.running("gunicorn", instance) as server, ExitStack() as watching:
        viewers = {
            watching.enter_context(Viewer(server.url, SITES[number % 2], keeps=False)): SITES[number % 2]
            for number in range(STREAMS)
        }
        sites = [Site(server.url, code, stop) for code in SITES]
        try:
            with httpx.Client(trust_env=False, timeout=60) as client:
                upkeep.start()
                warming = post(server, client, seconds / 2)
                warm = holds(worker(server))
                took = post(server, client, seconds / 2)
                after = holds(worker(server))
        finally:
            stop.set()
            upkeep.stop.set()
            for thread in (*sites, upkeep):
                thread.join()
        assert [site.failure for site in sites] == [None, None]
        check_flat(warm, after)
        told = ledger.select(instance / "jobs.db", TOLD)
        assert sum(count for _, status, count in told if status == "UNREAD") == len(warming) + len(took)
        for viewer, code in viewers.items():
            viewer.sees_all_of({status: count for site, status, count in told if site == code})
        assert 'status="5' not in httpx.get(f"{server.url}/metrics", trust_env=False, timeout=60).text
    assert upkeep.failures == []
    assert upkeep.pruned, "nothing was pruned"
    kept = ledger.read(instance / "jobs.db")
    assert [job.status for job in kept if job.mark == "soak"].count("COMPLETE") == sum(site.done for site in sites)
    assert len(backups.listed(folder)) >= 1
    tell(
        f"{len(warming) + len(took)} jobs in {seconds:g} s beside {upkeep.rounds} backups and {OLD_JOBS} deletions:"
        f" warm {warm}, after {after}; half of the posts within {1000 * statistics.median(warming):.0f} ms,"
        f" then {1000 * statistics.median(took):.0f} ms"
    )


class Upkeep(threading.Thread):
    """Backups one after the other, and pruning, in processes of their own, with rests between."""

    def __init__(self, instance: Path, folder: Path, rest_seconds: float) -> None:
        super().__init__()
        self._rest_seconds = rest_seconds
        self._instance, self._folder = instance, folder
        self.stop = threading.Event()
        self.rounds = 0
        self.pruned = False
        self.failures: list[str] = []

    def run(self) -> None:
        while not self.rounds or not self.stop.wait(self._rest_seconds):
            for arguments in (("backup", str(self._folder)), ("prune", "--days", "30")):
                ended = run_apart(self._instance, *arguments)
                if ended.returncode:
                    self.failures.append(ended.stderr)
                self.pruned |= f"Deleted {OLD_JOBS:,} jobs" in ended.stdout
            self.rounds += 1


def post(server: servers.Server, client: httpx.Client, seconds: float) -> list[float]:
    """Send jobs at an even pace, and give how long each answer took."""
    took: list[float] = []
    end, number = time.monotonic() + seconds, 0
    while len(took) < LEAST_JOBS or time.monotonic() < end:
        people = over_http(server.url, client, SITES[number % 2])
        began = time.perf_counter()
        people.sends(required_params={"mark": "soak"})
        took.append(time.perf_counter() - began)
        number += 1
        time.sleep(1 / JOBS_A_SECOND)
    return took


def check_flat(warm: Holds, after: Holds) -> None:
    # gunicorn makes its threads one by one as they are needed, and no more than 64.
    assert after.threads <= max(warm.threads, 64 + 8)
    assert after.handles <= warm.handles + 2
    assert after.memory_kb - warm.memory_kb < GROWTH_KB
