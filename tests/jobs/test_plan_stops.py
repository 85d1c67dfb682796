"""No step is released after a stop that covers any unfinished step of its plan, whatever the moment it comes at."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jobs_server import clock, create_app
from jobs_server.service import service_of
from jobs_server.upkeep import maintenance, plan_work, startup

from ..conftest import inside
from ..support import databases
from ..support.clocks import HOUR, START_MS
from ..support.observatory import Observatory
from ..support.plans import SLEW, WHO, a_step, carries_out, does, plans, shows

RACES = 40
CAMERA, MOUNT = {"device": "camera", "instance": "camera_1_1"}, {"device": "mount", "instance": "mount1"}
EVERYTHING = {"device": "all", "instance": "all"}
OPEN = ("waiting", "running", "paused")


@pytest.mark.parametrize("device", [MOUNT, CAMERA, EVERYTHING], ids=["released", "unreleased", "the site"])
def test_a_stop_ends_every_plan_of_which_it_covers_an_unfinished_step(
    desk: Observatory, device: dict[str, str]
) -> None:
    plan = plans(desk)
    desk.sends("stop", **device)
    stopped = shows(desk, plan)
    assert stopped["state"] == "stopped"
    assert stopped["reason"] == f"ended by stop of {device['device']} {device['instance']}, sent by Vera"
    jobs = desk.polls()
    assert [job["action"] for job in jobs if job["action"] != "stop"] == ([] if device is not CAMERA else ["go"])
    for job in jobs:
        desk.reports(job, "COMPLETE")
    assert desk.polls() == []
    assert does(desk, "resumeplan", plan).status == 409


def test_a_stop_of_a_device_leaves_plans_that_are_through_with_it(desk: Observatory) -> None:
    plan = plans(desk)
    carries_out(desk)
    desk.sends("stop", **MOUNT)
    assert shows(desk, plan)["state"] == "running"
    elsewhere = plans(desk, [a_step(instance="camera_2")])
    desk.sends("stop", **CAMERA)
    assert shows(desk, plan)["state"] == "stopped"
    assert shows(desk, elsewhere)["state"] == "running"


@pytest.mark.parametrize("state", ["paused", "waiting"])
def test_a_stop_ends_also_a_plan_that_is_paused_or_waits_for_its_time(desk: Observatory, state: str) -> None:
    plan = plans(desk, **({"notBefore": "2126-01-01T00:00:00Z"} if state == "waiting" else {}))
    if state == "paused":
        does(desk, "pauseplan", plan)
    desk.sends("cancel_all_commands", **EVERYTHING)
    assert shows(desk, plan)["state"] == "stopped"


def test_a_stop_that_is_sent_again_while_it_waits_ends_the_plans_that_came_since(desk: Observatory) -> None:
    first = desk.sends("stop", **CAMERA)
    plan = plans(desk)
    assert desk.sends("stop", **CAMERA)["ulid"] == first["ulid"]
    assert shows(desk, plan)["state"] == "stopped"


def test_where_a_devices_stop_covers_the_site_it_ends_all_plans_there(tmp_path: Path) -> None:
    app = create_app({"TESTING": True, "STOP_SCOPE": "site"} | databases.at(tmp_path))
    startup.prepare(app)
    site = inside(app)
    plan = plans(site, [a_step("home", "rotator", "r")])
    site.sends("stop", **CAMERA)
    assert shows(site, plan)["state"] == "stopped"
    service_of(app).database.close()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Flask, Flask]]:
    """Two services on one database, with nothing in common but that."""
    both = tuple(create_app({"TESTING": True} | databases.at(tmp_path)) for _ in range(2))
    for app in both:
        startup.prepare(app)
    yield both[0], both[1]
    for app in both:
        service_of(app).database.close()


def test_whichever_of_a_stop_and_the_end_of_a_step_comes_first_nothing_is_released_after_the_stop(
    two: tuple[Flask, Flask],
) -> None:
    site, people = inside(two[0]), inside(two[1])
    released_before = 0
    with ThreadPoolExecutor(2) as pool:
        for number in range(RACES):
            plan = plans(site, [SLEW, a_step()])
            (job,) = site.polls()
            ends = pool.submit(site.reports, job, "COMPLETE")
            stops = pool.submit(people.sends, "stop", **CAMERA)
            assert ends.result().status == 200
            stopped, after = stops.result(), shows(site, plan)
            assert after["state"] == "stopped", number
            left = [job for job in site.polls() if job["ulid"] != stopped["ulid"]]
            assert left == [], "a step was released after a stop, or was left waiting by it"
            released_before += after["step"] == 2
            site.reports(stopped, "COMPLETE")
    assert shows(site, plan)["state"] == "stopped"
    assert 0 <= released_before <= RACES


class PlansAndStops(RuleBasedStateMachine):
    """People, a site, stops, lock-outs, the server's own work, clocks and restarts; what must hold after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.read, self.now_ms = clock.read, clock.now_ms
        self.now = clock.Now(START_MS, (1 << clock.BOOT_BITS) + 1_000_000)
        clock.read, clock.now_ms = (lambda: self.now), (lambda: self.now.wall_ms)
        self.app: Any = None
        self.claims = itertools.count()
        self.plans: dict[str, dict[str, Any]] = {}
        self.held: dict[str, dict[str, Any]] = {}  # jobs in the site's hands, by ulid
        self.begun: set[str] = set()
        self.may_not_grow: dict[str, int] = {}  # by plan, how many steps it had released when it was ended or paused
        self.locked_out = False
        self.restart()

    def teardown(self) -> None:
        clock.read, clock.now_ms = self.read, self.now_ms
        service_of(self.app).database.close()
        shutil.rmtree(self.folder)

    @rule()
    def restart(self) -> None:
        """The server is restarted."""
        if self.app is not None:
            service_of(self.app).database.close()
        self.app = create_app({"TESTING": True} | databases.at(self.folder))
        startup.prepare(self.app)
        self.site: Observatory = inside(self.app)
        self.serving_since = self.now

    @rule(seconds=st.sampled_from([1, 60, HOUR / 4, 5 * HOUR]))
    def time_goes_by(self, seconds: float) -> None:
        passed_ms = round(seconds * 1000)
        self.now = clock.Now(self.now.wall_ms + passed_ms, self.now.boot_ms + passed_ms)

    @rule(seconds=st.sampled_from([-8 * HOUR, 8 * HOUR]))
    def the_wall_clock_is_set(self, seconds: float) -> None:
        self.now = self.now._replace(wall_ms=self.now.wall_ms + round(seconds * 1000))

    @rule()
    def the_server_works(self) -> None:
        service = service_of(self.app)
        maintenance.sweep(service.database, service.settings, self.serving_since)
        plan_work.release_due(service)

    @rule(
        steps=st.lists(st.sampled_from([SLEW, a_step(), a_step(instance="camera_2")]), min_size=1, max_size=4),
        on_failure=st.sampled_from(["stop", "next"]),
        waits=st.booleans(),
    )
    def somebody_plans(self, steps: list[Any], on_failure: str, waits: bool) -> None:
        begin = {"notBefore": _iso(self.now.wall_ms + 60_000)} if waits else {}
        body = {"site": "wmd", "steps": steps, "onFailure": on_failure} | WHO | begin
        reply = self.site.posts("newplan", body)
        assert reply.status == (423 if self.locked_out and not waits else 200), reply.text
        if reply.status == 200:
            self.plans[reply.job["id"]] = reply.job

    @rule(device=st.sampled_from([CAMERA, MOUNT, EVERYTHING]))
    def somebody_stops(self, device: dict[str, str]) -> None:
        before = {each: shows(self.site, plan) for each, plan in self.plans.items()}
        self.site.sends("stop", **device)
        for each, plan in before.items():
            after = shows(self.site, plan)
            covered = [step for step in plan["steps"] if _is_unfinished(step) and _is_on(step, device)]
            if plan["state"] in OPEN and (covered or device is EVERYTHING):
                assert after["state"] == "stopped", "a stop left a plan of which it covers a step"
            else:
                assert after["state"] == plan["state"], "a stop ended a plan of which it covers nothing"
            assert after["step"] == plan["step"]
            assert each in self.plans

    @rule()
    def hands_on_the_telescope(self) -> None:
        deed = "liftlockout" if self.locked_out else "lockout"
        assert self.site.posts(deed, {"site": "wmd", "note": "hands"} | WHO).status == 200
        self.locked_out = not self.locked_out

    @rule(old=st.booleans())
    def the_site_polls(self, old: bool) -> None:
        claim = {} if old else {"claimId": f"c-{next(self.claims)}"}
        for job in self.site.polls(**claim):
            assert job["ulid"] not in self.held, "handed over twice"
            self.held[job["ulid"]] = job | claim

    @precondition(lambda self: self.held)
    @rule(data=st.data(), end=st.sampled_from(["COMPLETE", "COMPLETE", "COMPLETE", "FAILED", "CANCELED"]))
    def the_site_carries_out(self, data: st.DataObject, end: str) -> None:
        job = self.held[data.draw(st.sampled_from(sorted(self.held)))]
        claim = {"claimId": job["claimId"]} if "claimId" in job else {}
        if claim and job["ulid"] not in self.begun and self.site.starts(job, **claim).status != 200:
            return
        self.begun.add(job["ulid"])
        reply = self.site.reports(job, end)
        assert reply.status in (200, 409)

    @precondition(lambda self: self.plans)
    @rule(data=st.data(), deed=st.sampled_from(["pauseplan", "resumeplan", "cancelplan", "canceljob"]))
    def somebody_acts(self, data: st.DataObject, deed: str) -> None:
        plan = shows(self.site, self.plans[data.draw(st.sampled_from(sorted(self.plans)))])
        if deed == "canceljob":
            if "ulid" in plan:
                assert self.site.asks_to_cancel({"site": "wmd", "ulid": plan["ulid"]}).status in (200, 409)
            return
        reply = does(self.site, deed, plan)
        ended = plan["state"] not in OPEN and not (deed == "cancelplan" and plan["state"] == "canceled")
        assert reply.status == (409 if ended else 200), reply.text
        if deed == "resumeplan" and not ended:
            self.may_not_grow.pop(plan["id"], None)

    @invariant()
    def steps_follow_each_other_and_nothing_follows_an_end(self) -> None:
        for each in self.plans:
            plan = shows(self.site, self.plans[each])
            released = [step for step in plan["steps"] if "ulid" in step]
            assert [step["step"] for step in released] == list(range(1, plan["step"] + 1))
            unfinished = [step for step in released if step["status"] in ("UNREAD", "RECEIVED", "STARTED")]
            later = [step["step"] for step in unfinished if step["step"] < plan["step"]]
            assert not later, "a step was released before the one before it was over"
            if plan["state"] in ("paused", "stopped", "canceled", "done"):
                at = self.may_not_grow.setdefault(each, plan["step"])
                assert plan["step"] == at, "a step was released after the plan was ended or paused"
            else:
                self.may_not_grow.pop(each, None)
            for step in released[:-1]:
                assert step["status"] != "UNREAD"
            assert (plan["state"] == "done") <= (plan["step"] == plan["of"])


def _iso(time_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _is_unfinished(step: dict[str, Any]) -> bool:
    return step.get("status", "UNREAD") in ("UNREAD", "RECEIVED", "STARTED", "LOST")


def _is_on(step: dict[str, Any], device: dict[str, str]) -> bool:
    return device is EVERYTHING or all(step[key] == value for key, value in device.items())


TestPlansAndStops = PlansAndStops.TestCase
TestPlansAndStops.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
