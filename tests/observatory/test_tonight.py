"""Tonight over a place: dark, heights, and cautions, also where the sun never sets or a target never rises."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from jobs_server.observatory import target_cautions, target_search, targets, tonight
from jobs_server.observatory.abilities import Abilities
from jobs_server.observatory.directions import Direction
from jobs_server.observatory.profiles import Profile
from jobs_server.observatory.sky import Place
from jobs_server.observatory.target_cautions import PointingLimits
from jobs_server.observatory.target_search import Asked

PLACE = Place(34.4, -119.7, 500)
ZONE = ZoneInfo("America/Los_Angeles")
EVENING_MS = 1_796_010_000_000  # 2026-11-29 19:40 there
HOUR_MS = 3_600_000
SITE = Profile(code="wmd", latitude_deg=34.4, longitude_deg=-119.7, elevation_m=500, timezone="America/Los_Angeles")


def seen(name: str, at_ms: int = EVENING_MS, profile: Profile = SITE) -> target_search.Found:
    return target_search.search(name, Asked(Abilities(profile, {}), at_ms), ())[0]


def test_a_target_highest_in_the_dark_is_so_where_a_long_table_of_altitudes_has_its_top() -> None:
    night = tonight.tonight(PLACE, EVENING_MS, ZONE)
    (dark,) = night.dark
    for name in ("M 31", "Jupiter", "Vega", "Moon"):
        target = targets.named(name, EVENING_MS, PLACE)[0]
        height = tonight.altitudes(PLACE, name, target.direction, EVENING_MS)
        table = {at_ms: height(at_ms) for at_ms in range(dark.from_ms, dark.to_ms, 60_000)}
        top_ms = max(table, key=lambda at_ms: table[at_ms])
        found = tonight.visibility(night, height, target.direction, EVENING_MS, 20)
        assert found.highest_degrees == pytest.approx(table[top_ms], abs=0.3), name
        assert abs(found.highest_ms - top_ms) < 4 * 60_000
        up = sum(value > 20 for value in table.values()) / 60
        assert found.hours_up_in_the_dark == pytest.approx(up, abs=0.1), name


def test_by_day_tonight_is_the_coming_night() -> None:
    night = tonight.tonight(PLACE, EVENING_MS, ZONE)
    noon = tonight.tonight(PLACE, night.to_ms + HOUR_MS, ZONE)
    assert tonight.tonight(PLACE, night.to_ms - HOUR_MS, ZONE) == night
    assert noon.from_ms > night.to_ms
    assert tonight.tonight(PLACE, noon.from_ms - 2 * HOUR_MS, ZONE) == noon


@pytest.mark.parametrize(
    ("latitude", "light"), [(78, "day"), (55, "nautical"), (90, "day"), (-90, "night"), (-78, "night")]
)
def test_a_night_without_dark_has_its_least_light(latitude: float, light: str) -> None:
    midsummer_ms = 1_782_000_000_000  # 2026-06-21
    night = tonight.tonight(Place(latitude, 0, 0), midsummer_ms, UTC)
    assert night.light == light
    target = targets.named("Polaris", midsummer_ms, None)[0]
    height = tonight.altitudes(night.place, "Polaris", target.direction, midsummer_ms)
    found = tonight.visibility(night, height, target.direction, midsummer_ms, 0)
    assert (found.hours_up_in_the_dark > 0) == (light != "day" and latitude > 0)
    assert tonight.curve(night, height)


def test_a_target_that_never_rises_is_never_up_and_said_to_be_down() -> None:
    found = seen("Acrux", profile=SITE.model_copy(update={"latitude_deg": 60.0}))
    assert found.seen is not None
    assert found.seen.hours_up_in_the_dark == 0
    assert found.seen.highest_degrees < 0
    assert "below the horizon" in found.cautions[0]


def test_a_site_without_a_place_has_no_altitudes() -> None:
    found = seen("m31", profile=Profile(code="wmd"))
    assert (found.seen, found.cautions) == (None, ())
    assert target_search.curve(found.target, Asked(Abilities(Profile(code="wmd"), {}), EVENING_MS)) == []


def test_the_limit_is_the_profiles_or_else_what_the_site_says_and_the_horizon_without_any() -> None:
    said = {
        "mount/mount1": {"limits": {"altitude_degrees": [25, 90]}},
        "mount/m2": {"limits": {"altitude_degrees": [15, 90]}},
    }
    own = SITE.model_copy(update={"lowest_altitude_deg": 30.0})
    assert target_cautions.limits(Abilities(own, said)).altitude_degrees == 30
    assert target_cautions.limits(Abilities(SITE, said), "mount1").altitude_degrees == 25
    assert target_cautions.limits(Abilities(SITE, said)).altitude_degrees == 15
    assert target_cautions.limits(Abilities(SITE, {})).altitude_degrees is None


def slews(required: Mapping[str, object], profile: Profile = SITE, at_ms: int = EVENING_MS) -> list[str]:
    known = Abilities(profile, {})
    return target_cautions.of_job(known, "mount", "mount1", "go", required, {"object": "It"}, at_ms)


def test_a_slew_below_the_horizon_or_the_limit_is_said_to_be_so() -> None:
    high = SITE.model_copy(update={"lowest_altitude_deg": 89.0})
    assert slews({"ra": 0.712, "dec": 41.27}) == []
    assert "89°" in slews({"ra": "0.712", "dec": "41.27"}, high)[0]
    (down,) = slews({"ra": 12.5, "dec": 12})
    assert down.endswith("below the horizon")
    assert slews({"az": 180, "alt": -5}) == ["It stands 5.0° below the horizon"]
    assert slews({"az": 180, "alt": 5}, high)[0].startswith("It stands 5.0° high")
    assert slews({"ha": 0, "dec": 34}) == []
    assert slews({"ha": 12, "dec": -34}) != []


def test_what_cannot_be_read_or_is_no_slew_is_left_alone() -> None:
    odd: Mapping[str, object]
    for odd in (
        {},
        {"ra": "x", "dec": 3},
        {"ra": 5},
        {"ra": 30, "dec": 3},
        {"ra": 3, "dec": 95},
        {"ra": float("nan"), "dec": 0},
    ):
        assert slews(odd) == []
    known = Abilities(SITE, {})
    assert target_cautions.of_job(known, "camera", "c", "expose", {"ra": 12.5, "dec": 12}, {}, EVENING_MS) == []


def test_near_the_sun_is_said_while_the_sun_is_up() -> None:
    noon_ms = EVENING_MS - 7 * HOUR_MS
    sun = targets.place_of_moving("sun", noon_ms, PLACE)
    assert sun is not None
    near = Direction(sun.ra_hours, sun.dec_degrees + 12)
    for direction, at_ms, count in ((near, noon_ms, 1), (sun, noon_ms, 1), (near, noon_ms + 12 * HOUR_MS, 0)):
        said = target_cautions.of_target("It", direction, at_ms, PLACE, PointingLimits(-90))
        assert len([each for each in said if "from the sun" in each]) == count
    assert target_cautions.of_target("It", near, noon_ms, PLACE, PointingLimits(0, 10)) == []
