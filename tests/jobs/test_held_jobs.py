"""A job may be held back until a time: it is not handed over earlier, and its time to live counts from then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask

from ..conftest import inside
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory
from ..support.plans import WHO, a_step, asks_for_plan
from .test_plan_releases import reserve

MOUNT = {"device": "mount", "instance": "mount1"}


@pytest.fixture
def site(clocks: Clocks, app: Flask) -> Observatory:
    return inside(app)


def iso(clocks: Clocks, seconds: float, hours_east: float = 0) -> str:
    """Return the time in so many seconds, as clocks so far east show it."""
    zone = timezone(timedelta(hours=hours_east)) if hours_east else UTC
    return datetime.fromtimestamp(clocks.now.wall_ms / 1000 + seconds, zone).isoformat()


@pytest.mark.parametrize("hours_east", [0, 1, -9.5])
def test_a_job_is_not_handed_over_before_its_time(site: Observatory, clocks: Clocks, hours_east: float) -> None:
    """An ISO `notBefore` of `newjob` was ignored in silence: the job went out at once."""
    job = site.sends(notBefore=iso(clocks, 30 * HOUR, hours_east))
    clocks.pass_by(30 * HOUR - 1)
    assert site.polls() == site.polls(claimId="a") == site.polls(alternateQueue=True) == []
    clocks.pass_by(1)
    assert [each["ulid"] for each in site.polls(claimId="a")] == [job["ulid"]]
    assert site.shows(job)["notBeforeSeconds"] == 30 * HOUR


def test_it_is_held_over_a_restart_of_the_machine(site: Observatory, clocks: Clocks) -> None:
    site.sends(notBefore=iso(clocks, HOUR))
    clocks.reboot(HOUR - 1)
    assert site.polls() == []
    clocks.pass_by(1)
    assert len(site.polls()) == 1


def test_its_time_to_live_counts_from_then(site: Observatory, clocks: Clocks) -> None:
    for _ in range(2):
        site.sends(notBefore=iso(clocks, 36 * HOUR), expiresInSeconds=10)
    clocks.pass_by(36 * HOUR + 9)
    assert len(site.polls(limit=1)) == 1
    clocks.pass_by(1)
    assert site.polls() == []


def test_a_time_that_is_over_holds_nothing_back(site: Observatory, clocks: Clocks) -> None:
    job = site.sends(notBefore=iso(clocks, -HOUR))
    assert site.polls() == [job]
    assert "notBeforeSeconds" not in site.shows(job)


def test_of_both_the_later_one_counts(site: Observatory, clocks: Clocks) -> None:
    site.sends(notBefore=iso(clocks, 60), notBeforeSeconds=30)
    site.sends(notBefore=iso(clocks, 30), notBeforeSeconds=60)
    clocks.pass_by(59)
    assert site.polls() == []
    clocks.pass_by(1)
    assert len(site.polls()) == 2


def test_seconds_go_up_to_a_day(site: Observatory, clocks: Clocks) -> None:
    site.sends(notBeforeSeconds=86_400)
    clocks.pass_by(86_399)
    assert site.polls() == []
    clocks.pass_by(1)
    assert len(site.polls()) == 1


@pytest.mark.parametrize(
    "time", ["23:00", "2027-01-15T23:00:00", "tonight", "", 1_800_000_000, True, ["x"], "9999-12-31"]
)
def test_what_is_no_time_with_its_zone_is_refused(site: Observatory, time: object) -> None:
    refusal = site.asks(notBefore=time)
    assert refusal.status == 400
    assert refusal.text.startswith(
        "Error: notBefore must be a time in ISO 8601 with its zone, such as 2026-11-24T20:15"
    )
    assert site.lists() == []


def test_more_than_36_hours_ahead_is_refused(site: Observatory, clocks: Clocks) -> None:
    refusal = site.asks(notBefore=iso(clocks, 36 * HOUR + 1))
    assert (refusal.status, refusal.text) == (
        400,
        "Error: notBefore must be at most 36 hours ahead, which is 2027-01-16T20:00:00Z; a plan may begin later",
    )
    assert site.lists() == []


def test_null_is_no_time(site: Observatory) -> None:
    job = site.sends(notBefore=None)
    assert site.polls() == [job]


def test_a_retry_is_the_first_job_again_however_late_it_comes(site: Observatory, clocks: Clocks) -> None:
    body: dict[str, Any] = {"notBefore": iso(clocks, 2 * HOUR)}
    key = {"Idempotency-Key": "k"}
    command = {"site": "wmd", **MOUNT, "action": "park", "required_params": {}, "optional_params": {}, **WHO}
    first = site.posts("newjob", command | body, key).job
    clocks.pass_by(3 * HOUR)
    assert site.posts("newjob", command | body, key).job["ulid"] == first["ulid"]
    other = site.posts("newjob", command | {"notBefore": iso(clocks, HOUR)}, key)
    assert other.status == 422


def test_a_stop_that_is_held_leaves_the_stops_before_it(site: Observatory, clocks: Clocks) -> None:
    at_once = site.sends("stop", **MOUNT)
    held = site.sends("stop", **MOUNT, notBefore=iso(clocks, HOUR))
    assert held["ulid"] != at_once["ulid"]
    assert [job["ulid"] for job in site.polls()] == [at_once["ulid"]]


def test_what_would_go_out_into_somebodys_reservation_is_refused(app: Flask, site: Observatory, clocks: Clocks) -> None:
    reserve(app, clocks, begin=2 * HOUR, end=3 * HOUR)
    for held in ({"notBefore": iso(clocks, 2.5 * HOUR)}, {"notBeforeSeconds": 2.5 * HOUR}):
        refusal = site.asks(**held)
        assert refusal.status == 401
        assert "wmd is reserved by Tycho until" in refusal.text
    assert site.lists() == []
    site.sends(notBefore=iso(clocks, 2.5 * HOUR), user_id="auth0|tycho")
    site.sends(notBefore=iso(clocks, 3.5 * HOUR))
    site.sends("stop", notBefore=iso(clocks, 2.5 * HOUR))


def test_a_step_of_a_plan_has_no_such_time_of_its_own(site: Observatory, clocks: Clocks) -> None:
    refusal = asks_for_plan(site, [a_step(), a_step(notBefore=iso(clocks, HOUR))])
    assert refusal.status == 400
    assert refusal.text.startswith("Error: step 2 has notBefore, which is of a whole plan, or of a job sent alone")
    assert site.lists() == []


def test_a_template_keeps_no_time_of_one_night(site: Observatory, clocks: Clocks) -> None:
    command = {**MOUNT, "action": "park", "notBefore": iso(clocks, HOUR), "notBeforeSeconds": 30}
    site.posts("savetemplate", {"site": "wmd", "name": "Park", "command": command, **WHO})
    (kept,) = site.posts("gettemplates", {"site": "wmd", **WHO}).jobs
    assert kept["command"] == {**MOUNT, "action": "park", "notBeforeSeconds": 30} | {
        "required_params": {},
        "optional_params": {},
    }
