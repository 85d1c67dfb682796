"""A time as people write it is that of the clock on the site's wall, and what that clock never shows is refused."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from jobs_server.observatory import site_time

MADRID = ZoneInfo("Europe/Madrid")


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2027-03-28T01:59", "2027-03-28T00:59+00:00"),
        ("2027-03-28T03:00", "2027-03-28T01:00+00:00"),
        ("2027-07-01T12:00", "2027-07-01T10:00+00:00"),
        ("2027-03-28T02:30+01:00", "2027-03-28T01:30+00:00"),
        ("2027-10-31T02:30+02:00", "2027-10-31T00:30+00:00"),
    ],
)
def test_a_time_is_that_of_the_sites_clock(written: str, utc: str) -> None:
    ms = site_time.time_ms(datetime.fromisoformat(written), MADRID, "Europe/Madrid")
    assert ms == datetime.fromisoformat(utc).timestamp() * 1000


def test_the_missing_hour_of_daylight_saving_is_refused() -> None:
    for minute in ("00", "30", "59"):
        with pytest.raises(ValueError, match=r"does not exist in Europe/Madrid: the clocks go forward"):
            site_time.time_ms(datetime.fromisoformat(f"2027-03-28T02:{minute}"), MADRID, "Europe/Madrid")


def test_the_hour_that_comes_twice_is_asked_for_its_offset() -> None:
    with pytest.raises(ValueError, match=r"comes twice in Europe/Madrid.*02:30\+02:00 or 2027-10-31T02:30\+01:00"):
        site_time.time_ms(datetime.fromisoformat("2027-10-31T02:30"), MADRID, "Europe/Madrid")
