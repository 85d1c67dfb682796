"""How long a plan takes: by the catalogue, and by this site's own past where there is enough of it."""

from __future__ import annotations

import pytest
from flask import Flask

from jobs_server.history import plan_times
from jobs_server.jobs.plan_rows import StepRow
from jobs_server.service import service_of

from ..conftest import inside
from ..support.clocks import Clocks
from ..support.plans import a_step, plans


def estimate(app: Flask, *steps: StepRow) -> plan_times.Estimate:
    with service_of(app).database.reading() as connection:
        return plan_times.PlanTimes().estimate(connection, "wmd", steps)


def expose(seconds: float, count: int = 1) -> StepRow:
    params = f'{{"time": {seconds}}}', f'{{"count": {count}}}'
    return StepRow(0, 0, 1, "camera", "c", "expose", *params, 0, None, None)


def test_without_a_past_the_catalogue_says_how_long(app: Flask) -> None:
    assert estimate(app, expose(60, 3), expose(10)).each == [189.0, 13.0]
    unknown = expose(1)._replace(device="widget", action="turn", hold_ms=5000)
    assert estimate(app, unknown).each == [5.0]


def test_enough_of_the_sites_own_past_is_heeded_for_other_exposures_too(app: Flask, clocks: Clocks) -> None:
    site = inside(app)
    for number in range(plan_times.ENOUGH):
        before = estimate(app, expose(100))
        assert (before.seconds, before.from_past) == (103.0, 0), number
        site.sends("expose", required_params={"time": 10}, optional_params={})
        (job,) = site.polls()
        site.starts(job)
        clocks.pass_by(10 + 3 + 7)  # seven seconds more than by the catalogue
        site.reports(job, "COMPLETE")
    after = estimate(app, expose(100), expose(1))
    assert after.each == pytest.approx([110.0, 11.0], abs=0.1)
    assert after.from_past == 2


def test_what_is_left_of_a_plan_shrinks_with_each_step_that_is_over(app: Flask, clocks: Clocks) -> None:
    assert clocks
    site = inside(app)
    plan = plans(site, [a_step(required_params={"time": 100}, optional_params={})] * 2)
    assert (plan["estimated_seconds"], plan["left_seconds"]) == (206.0, 206.0)
    assert plan["estimated_end_ms"] == clocks.now.wall_ms + 206_000
    (job,) = site.polls()
    site.reports(job, "COMPLETE")
    shown = site.posts("getplan", {"site": "wmd", "id": plan["id"]}).job
    assert (shown["estimated_seconds"], shown["left_seconds"]) == (206.0, 103.0)
