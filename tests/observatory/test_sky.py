"""Nights go from noon to noon of the site, and the light of the sky is what astropy says, also at the poles."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs_server.observatory import sky
from jobs_server.observatory.sky import Place

BERLIN = ZoneInfo("Europe/Berlin")
DAY_MS = 86_400_000


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_a_night_is_named_by_the_day_it_begins_on() -> None:
    assert sky.night_of(ms("2026-11-24 03:00"), BERLIN) == date(2026, 11, 23)
    assert sky.night_of(ms("2026-11-24 11:00"), BERLIN) == date(2026, 11, 24)


def test_a_night_in_which_the_clocks_change_has_another_length() -> None:
    begin, end = sky.night_span(date(2026, 10, 24), BERLIN)
    assert (begin, end) == (ms("2026-10-24 10:00"), ms("2026-10-25 11:00"))


@given(
    st.dates(date(1990, 1, 1), date(2090, 1, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Denver", "Asia/Tokyo"]),
)
def test_nights_follow_each_other_without_a_gap(night: date, zone: str) -> None:
    begin, end = sky.night_span(night, ZoneInfo(zone))
    assert sky.night_of(begin, ZoneInfo(zone)) == night
    assert sky.night_of(end - 1, ZoneInfo(zone)) == night
    assert sky.night_of(end, ZoneInfo(zone)) > night


def test_sidereal_time_of_a_known_moment() -> None:
    # Meeus, Astronomical Algorithms, example 12.b: 1987 April 10, 19:21:00 UT is 8h 34m 57.0896s at Greenwich
    hours = sky.sidereal_hours(ms("1987-04-10 19:21"), 0)
    assert hours == pytest.approx(8 + 34 / 60 + 57.0896 / 3600, abs=0.1 / 3600)
    assert sky.sidereal_hours(ms("1987-04-10 19:21"), 15) == pytest.approx(hours + 1)


def test_an_evening_at_greenwich() -> None:
    # US Naval Observatory, Greenwich, 2026 March 20: sunset 18:14, end of civil twilight 18:46 UT
    spans = sky.spans(Place(51.4779, 0), ms("2026-03-20 12:00"), ms("2026-03-21 12:00"))
    assert [span.light for span in spans] == [
        *("day", "civil", "nautical", "astronomical", "night"),
        *("astronomical", "nautical", "civil", "day"),
    ]
    assert abs(spans[0].to_ms - ms("2026-03-20 18:14")) < 90_000
    assert abs(spans[1].to_ms - ms("2026-03-20 18:46")) < 90_000
    assert all(one.to_ms == other.from_ms for one, other in pairwise(spans))


CASES = json.loads((Path(__file__).parents[1] / "data" / "sky.json").read_text(encoding="utf-8"))["cases"]
"""What astropy says, see `tests/data/make_sky.py`."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["about"])
@pytest.mark.parametrize(("body", "parted"), [("sun", sky.spans), ("moon", sky.moon_spans)])
def test_astropy_says_the_same(
    body: str, parted: Callable[[Place, int, int], list[sky.Span]], case: dict[str, Any]
) -> None:
    place = Place(*case["place"])
    spans = parted(place, case["from_ms"], case["to_ms"])
    assert [span.light for span in spans] == [light for _, light in case[body]]
    apart_ms = [span.from_ms - from_ms for span, (from_ms, _) in zip(spans, case[body], strict=True)]
    assert max(map(abs, apart_ms)) <= (30_000 if abs(place.latitude_deg) < 65 else 120_000)


def test_a_longitude_of_289_degrees_is_the_one_of_minus_71() -> None:
    """Longitude 289.3 at latitude -30: sunset 01:17 site time in May, at -70.7 it is 18:00."""
    night = ms("2026-05-10 16:43"), ms("2026-05-11 16:43")
    spans = sky.spans(Place(-30, 289.3), *night)
    assert spans == sky.spans(Place(-30, -70.7), *night)
    assert abs(spans[0].to_ms - ms("2026-05-10 22:00")) < 60_000


@pytest.mark.parametrize("latitude_deg", [-90, 89, 90])
@pytest.mark.parametrize("month", ["06", "12"])
def test_where_the_sun_does_not_set_or_rise(month: str, latitude_deg: float) -> None:
    spans = sky.spans(Place(latitude_deg, 0), ms(f"2026-{month}-21 12:00"), ms(f"2026-{month}-22 12:00"))
    assert [span.light for span in spans] == ["day" if (month == "06") == (latitude_deg > 0) else "night"]


@settings(max_examples=50, deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 360), st.floats(-500, 9000), st.integers(0, 930 * 365))
def test_spans_follow_each_other_wherever_and_whenever(
    latitude_deg: float, longitude_deg: float, elevation_m: float, day: int
) -> None:
    place, from_ms, to_ms = Place(latitude_deg, longitude_deg, elevation_m), day * DAY_MS, (day + 1) * DAY_MS
    for spans in (sky.spans(place, from_ms, to_ms), sky.moon_spans(place, from_ms, to_ms)):
        assert (spans[0].from_ms, spans[-1].to_ms) == (from_ms, to_ms)
        assert all(one.to_ms == other.from_ms and one.light != other.light for one, other in pairwise(spans))


def test_a_height_makes_the_day_longer_and_leaves_twilight_as_it_is() -> None:
    night = ms("2026-03-20 12:00"), ms("2026-03-21 12:00")
    low, high, below = (sky.spans(Place(47.7, 0, metres), *night) for metres in (0, 1838, -400))
    later_ms = high[0].to_ms - low[0].to_ms
    assert 7 * 60_000 < later_ms < 8 * 60_000  # 1.26 degrees, at 10.1 degrees an hour
    assert max(abs(one.to_ms - other.to_ms) for one, other in zip(high[1:-2], low[1:-2], strict=True)) < 2_000
    assert abs(below[0].to_ms - low[0].to_ms) < 2_000


def test_how_much_of_the_moon_is_lit() -> None:
    # US Naval Observatory, 2026 May: full on the 1st at 17:23, new on the 16th at 20:01, half on the 23rd at 11:11 UT
    assert sky.moonlit_percent(ms("2026-05-01 17:23")) > 99
    assert sky.moonlit_percent(ms("2026-05-16 20:01")) < 1
    assert sky.moonlit_percent(ms("2026-05-23 11:11")) == pytest.approx(50, abs=0.5)
