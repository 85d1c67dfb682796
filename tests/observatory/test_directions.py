"""Directions: of a moment's equator and equinox and back, of the galaxy's system, and the angle between two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.observatory import directions
from jobs_server.observatory.directions import Direction, separation_degrees

AT_MS = 1_796_000_000_000
ANYWHERE = st.builds(Direction, st.floats(0, 24, exclude_max=True), st.floats(-90, 90))


@given(ANYWHERE, st.integers(0, 4_000_000_000_000))
def test_a_direction_of_a_moment_comes_back_as_it_was_at_the_poles_too(seen: Direction, at_ms: int) -> None:
    found = directions.from_date(seen, at_ms)
    assert separation_degrees(directions.of_date(found, at_ms), seen) * 3600 < 0.01
    assert 0 <= found.ra_hours <= 24
    assert -90 <= found.dec_degrees <= 90


def test_the_equator_of_today_is_a_third_of_a_degree_from_that_of_2000() -> None:
    seen = directions.of_date(Direction(0.712314, 41.26875), AT_MS)  # TETE by astropy 8: 0.737273, 41.421106
    assert separation_degrees(seen, Direction(0.737273, 41.421106)) * 3600 < 1


@pytest.mark.parametrize(
    ("longitude", "latitude", "ra_hours", "dec_degrees"),
    [(0, 0, 17.760330, -28.936178), (0, 90, 12.857299, 27.128252), (121.174329, -21.573311, 0.712314, 41.26875)],
)
def test_galactic_directions(longitude: float, latitude: float, ra_hours: float, dec_degrees: float) -> None:
    found = directions.from_galactic(longitude, latitude)
    assert separation_degrees(found, Direction(ra_hours, dec_degrees)) * 3600 < 1


@given(ANYWHERE, ANYWHERE)
def test_the_angle_between_two_directions_is_the_same_both_ways(one: Direction, other: Direction) -> None:
    assert separation_degrees(one, other) == pytest.approx(separation_degrees(other, one), abs=1e-9)
    assert separation_degrees(one, one) == pytest.approx(0, abs=1e-9)
