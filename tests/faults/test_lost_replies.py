"""A network that drops, delays and doubles: each job is carried out at most once, and none is left without an end."""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobs_server.client import ClaimedJob, Conflict, Job, SiteClient
from jobs_server.client.job_loop import Claims

from ..support import servers
from ..support.proxy import Fate, proxied
from ..support.waiting import until

SEED = 20
SITES = 4
HANDS = 4  # jobs that a site carries out at the same time
FAULTY = 0.25  # of all requests
CANCELED = 0.05  # of all jobs, by the person who sent them
WHO: dict[str, Any] = {"user_name": "Vera", "user_id": "auth0|vera"}
ENDS = {"COMPLETE", "CANCELED"}
PATIENCE_SECONDS = 500.0


class Site:
    """A person who sends jobs to one site, and its software, both on the bad network."""

    def __init__(self, url: str, name: str, jobs: int, ledger: Path) -> None:
        self._client = SiteClient(url, name, patience_seconds=PATIENCE_SECONDS)
        self._ledger = ledger
        self._chance = random.Random(f"{SEED} {name}")
        self._lock = threading.Lock()
        self.name = name
        self.jobs = jobs
        self.sent: list[str] = []
        self.carried: Counter[str] = Counter()

    def send(self) -> None:
        """Send all jobs, and cancel some of them at once."""
        for number in range(self.jobs):
            job = self._client.submit("camera", f"camera{number}", "expose", {"time": 0}, **WHO)
            self.sent.append(job.ulid)
            if self._chance.random() < CANCELED:
                with contextlib.suppress(Conflict):  # it has ended already
                    self._client.cancel(job, **WHO)

    def work(self, all_ended: Callable[[], bool]) -> None:
        """Carry out what comes; in the middle the program is ended and started again."""
        self._work_until(lambda: sum(self.carried.values()) >= self.jobs // 2)
        self._work_until(all_ended)

    def _work_until(self, enough: Callable[[], bool]) -> None:
        claims = self._client.claims(self._ledger, beside=lambda _job, _other: True, wait_seconds=2, look_seconds=5)
        with claims, ThreadPoolExecutor(HANDS) as hands:
            closing = threading.Thread(target=_close_when, args=(enough, claims))
            closing.start()
            while (run := claims.next()) is not None:
                hands.submit(self._carry_out, run)
            closing.join()

    def _carry_out(self, run: ClaimedJob) -> None:
        with run:
            run.check()
            with self._lock:
                self.carried[run.ulid] += 1


def test_nothing_is_done_twice_and_nothing_stays_without_an_end(
    tmp_path: Path, pytestconfig: pytest.Config, tell: Callable[[str], None]
) -> None:
    count: int = pytestconfig.getoption("lossy_jobs")
    chance = random.Random(SEED)
    bad = [fate for fate in Fate if fate is not Fate.PASSES]
    with (
        servers.running("gunicorn", tmp_path / "instance") as server,
        proxied(server.port, lambda _asked: chance.choice(bad) if chance.random() < FAULTY else Fate.PASSES) as proxy,
        ThreadPoolExecutor(2 * SITES) as threads,
    ):
        sites = [
            Site(proxy.url, f"site{number}", count // SITES, tmp_path / f"site{number}.json") for number in range(SITES)
        ]
        sending = {site.name: threads.submit(site.send) for site in sites}

        def ended(site: Site) -> Callable[[], bool]:
            return lambda: sending[site.name].done() and {job.status for job in jobs(server, site)} <= ENDS

        working = [threads.submit(site.work, ended(site)) for site in sites]
        for task in (*sending.values(), *working):
            task.result()
        statuses = sum((check(site, jobs(server, site)) for site in sites), Counter[str]())
        tell(f"{sum(proxy.routes.values())} requests ({in_words(proxy.fates)}); {count} jobs ({in_words(statuses)})")


def check(site: Site, listed: list[Job]) -> Counter[str]:
    """Hold what the service says against what was done; gives how many jobs ended how."""
    assert [job.ulid for job in listed] == site.sent, "a command was lost or doubled"
    assert set(site.carried.values()) <= {1}, "a job was carried out twice"
    for job in listed:
        assert job.status in ENDS
        assert (job.status == "COMPLETE") == (job.ulid in site.carried), f"{job.status}, carried out: {site.carried}"
    return Counter(job.status for job in listed)


def jobs(server: servers.Server, site: Site) -> list[Job]:
    """List a site's jobs, over a good network."""
    with SiteClient(server.url, site.name) as client:
        return client.recent()


def in_words(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _close_when(enough: Callable[[], bool], claims: Claims) -> None:
    try:
        until(enough, PATIENCE_SECONDS, every=1)
    finally:
        claims.close()
