"""A server that is killed while plans are carried out: each step is released once, in order, and none is lost."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..conftest import over_http
from ..support import servers
from ..support.observatory import Observatory
from ..support.plans import a_step, asks_for_plan, shows
from ..support.waiting import until

PLANS, STEPS = 4, 12
SETTINGS = {"JOBS_EXPIRES_IN_SECONDS": "604800"}


def test_a_server_killed_while_plans_run_releases_each_step_once_and_in_order(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    port, instance = servers.free_port(), tmp_path / "instance"
    dice = random.Random()
    server = servers.start("gunicorn", instance, SETTINGS, port)
    done: list[tuple[str, int]] = []
    stopping = threading.Event()
    site_software = threading.Thread(target=carry_out, args=(server.url, stopping, done))
    try:
        with httpx.Client(trust_env=False, timeout=30) as client:
            people = over_http(server.url, client)
            plans = [asks_for_plan(people, [a_step()] * STEPS, key=f"k-{number}").job for number in range(PLANS)]
            site_software.start()
            for _ in range(pytestconfig.getoption("--kills")):
                time.sleep(dice.uniform(0.0, 0.5))  # the fault itself: any moment is a good one
                server.kill()
                server = servers.start("gunicorn", instance, SETTINGS, port)
            until(lambda: all(shows(people, plan)["state"] == "done" for plan in plans))
            for plan in plans:
                found = shows(people, plan)
                assert len({step["ulid"] for step in found["steps"]}) == STEPS
                assert [number for of, number in done if of == plan["id"]] == list(range(1, STEPS + 1))
            assert len(people.lists(limit=1000)) == PLANS * STEPS
    finally:
        stopping.set()
        server.kill()
        site_software.join()


def carry_out(url: str, stopping: threading.Event, done: list[tuple[str, int]]) -> None:
    """Play a site: take what waits, and say of each job that it is complete until that was heard."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        site, claim = over_http(url, client), 0
        while not stopping.is_set():
            jobs = _insist(stopping, lambda: site.polls(claimId=f"c-{claim}", waitSeconds=1))  # noqa: B023
            claim += bool(jobs)
            for job in jobs or []:
                heard = _insist(stopping, lambda: _complete(site, job))  # noqa: B023
                if heard:
                    done.append((job["plan"]["id"], job["plan"]["step"]))


def _complete(site: Observatory, job: dict[str, Any]) -> bool:
    assert site.reports(job, "COMPLETE").status == 200
    return True


def _insist(stopping: threading.Event, ask: Any) -> Any:
    while not stopping.is_set():
        try:
            return ask()
        except (httpx.HTTPError, AssertionError):
            stopping.wait(0.05)
    return None
