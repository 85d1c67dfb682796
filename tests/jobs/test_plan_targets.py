"""A plan's slew is looked at when it is released: what is down pauses the plan, and what moves is followed."""

from __future__ import annotations

import pytest
from flask import Flask

from jobs_server.observatory import targets
from jobs_server.observatory.profiles import Profile
from jobs_server.observatory.sky import Place
from jobs_server.service import service_of

from ..conftest import inside
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory
from ..support.plans import a_step, carries_out, does, plans, shows

POLE_DEGREES = 89.0
"""Near a pole of the earth a star is up all day, or never."""


def slews(dec: float, name: str = "", ra: float = 5.59) -> object:
    return a_step(
        "go",
        "mount",
        "mount1",
        required_params={"ra": ra, "dec": dec},
        optional_params={"object": name} if name else {},
    )


@pytest.fixture
def site(app: Flask, clocks: Clocks) -> Observatory:
    """An observatory at the north pole, whose clocks are in the test's hands."""
    assert clocks
    service_of(app).profiles.write(Profile(code="wmd", latitude_deg=POLE_DEGREES, longitude_deg=0.0))
    return inside(app)


def test_a_target_below_the_horizon_pauses_the_plan_and_is_named(site: Observatory) -> None:
    plan = plans(site, [slews(80.0), a_step(), slews(-60.0, "the south"), a_step()])
    carries_out(site)
    carries_out(site)
    paused = shows(site, plan)
    assert paused["state"] == "paused"
    assert "step 3 was not released: the south stands" in paused["reason"]
    assert "below the horizon" in paused["reason"]
    assert site.polls() == []


def test_a_target_below_the_sites_own_limit_pauses_the_plan_which_goes_on_by_one_button_once_it_is_lifted(
    app: Flask, site: Observatory
) -> None:
    profile = Profile(code="wmd", latitude_deg=POLE_DEGREES, longitude_deg=0.0, lowest_altitude_deg=30)
    service_of(app).profiles.write(profile)
    plan = plans(site, [slews(20.0)])
    assert "below this site's limit of 30°" in shows(site, plan)["reason"]
    assert site.polls() == []
    service_of(app).profiles.write(profile.model_copy(update={"lowest_altitude_deg": 10}))
    assert does(site, "resumeplan", plan).status == 200
    assert [job["action"] for job in site.polls()] == ["go"]


def test_of_a_site_without_a_place_nothing_is_known_and_nothing_paused(app: Flask) -> None:
    site = inside(app)
    plan = plans(site, [slews(-60.0)])
    assert shows(site, plan)["state"] == "running"
    assert len(site.polls()) == 1


def test_a_planet_is_slewed_to_where_it_stands_when_its_step_is_released(
    app: Flask, site: Observatory, clocks: Clocks
) -> None:
    there = targets.place_of_moving("moon", round(clocks.now.wall_ms + 6 * HOUR * 1000), Place(POLE_DEGREES, 0.0, 0.0))
    assert there is not None
    latitude = POLE_DEGREES if there.dec_degrees > 0 else -POLE_DEGREES
    service_of(app).profiles.write(Profile(code="wmd", latitude_deg=latitude, longitude_deg=0.0, sun_distance_deg=0))
    at = Place(latitude, 0.0, 0.0)
    plan = plans(site, [a_step(), slews(there.dec_degrees, "moon", ra=there.ra_hours)])
    clocks.pass_by(30)
    now = targets.place_of_moving("moon", clocks.now.wall_ms, at)
    assert now is not None
    carries_out(site)
    (job,) = site.polls()
    assert (job["required_params"]["ra"], job["required_params"]["dec"]) == (now.ra_hours, now.dec_degrees)
    assert job["required_params"]["ra"] != there.ra_hours
    assert shows(site, plan)["steps"][1]["required_params"]["ra"] == there.ra_hours


def test_a_target_near_the_sun_pauses_the_plan_while_the_sun_is_up(
    app: Flask, site: Observatory, clocks: Clocks
) -> None:
    sun = targets.place_of_moving("sun", clocks.now.wall_ms, None)
    assert sun is not None
    latitude = POLE_DEGREES if sun.dec_degrees > 0 else -POLE_DEGREES
    service_of(app).profiles.write(Profile(code="wmd", latitude_deg=latitude, longitude_deg=0.0))
    plan = plans(site, [a_step(), slews(sun.dec_degrees, "a comet", ra=sun.ra_hours)])
    carries_out(site)
    paused = shows(site, plan)
    assert paused["state"] == "paused"
    assert "a comet is 0." in paused["reason"]
    assert "from the sun, which is up" in paused["reason"]
    assert site.polls() == []
