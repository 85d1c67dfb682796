"""Nights go from noon to noon of the site, and the light of the sky is right to a minute, also near the poles."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.observatory import sky

BERLIN = ZoneInfo("Europe/Berlin")


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
    spans = sky.spans(51.4779, 0, ms("2026-03-20 12:00"), ms("2026-03-21 12:00"))
    assert [span.light for span in spans] == [
        *("day", "civil", "nautical", "astronomical", "night"),
        *("astronomical", "nautical", "civil", "day"),
    ]
    assert abs(spans[0].to_ms - ms("2026-03-20 18:14")) < 90_000
    assert abs(spans[1].to_ms - ms("2026-03-20 18:46")) < 90_000
    assert all(one.to_ms == other.from_ms for one, other in pairwise(spans))


@pytest.mark.parametrize(("month", "light"), [("06", "day"), ("12", "night")])
def test_where_the_sun_does_not_set_or_rise(month: str, light: str) -> None:
    spans = sky.spans(89, 0, ms(f"2026-{month}-21 12:00"), ms(f"2026-{month}-22 12:00"))
    assert [span.light for span in spans] == [light]
