"""Pairs of coordinates are read as people paste them, and what can be read in two ways is asked about."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.observatory import coordinate_pairs
from jobs_server.observatory.coordinates import sexagesimal
from jobs_server.observatory.directions import Direction, separation_degrees

AT_MS = 1_796_000_000_000
M31 = Direction(0.7123056, 41.2691667)


@pytest.mark.parametrize(
    "text",
    [
        "00 42 44.3 +41 16 09",
        "  00 42 44.3  +41 16 09 ",
        "00:42:44.3 +41:16:09",
        "00:42:44.3,+41:16:09",
        "0h42m44.3s +41d16m09s",
        "00h 42m 44.3s, +41° 16′ 09″",
        "00ʰ42ᵐ44.3ˢ +41°16′09″",
        "0h 42m 44.3s / 41° 16' 09\"",
        "00 42 44.3 41 16 09",
        "00 42 44.3 41 16 09 N",
        "00 42 44.3\t41 16 09",
        "00 42 44.3\n+41 16 09\n",
        "00 42 44.3; 41 16 09",
        "00 42 44.3 | 41 16 09",
        "00 42 44,3 +41 16 09",
        "RA: 00h 42m 44.3s Dec: +41° 16' 09\"",
        "RA 00:42:44.3 DEC 41:16:09",
        "R.A. = 00 42 44.3, Decl. = +41 16 09",
        "α 00 42 44.3 δ +41 16 09",
        "J2000 00 42 44.3 +41 16 09",
        "00 42 44.3 +41 16 09 (J2000.0)",
        "ICRS 00 42 44.3 +41 16 09",
        "00\u00a042\u202f44.3 +41\u00a016\u200909",
        "\ufeff00 42 44.3 \u200e＋41 16 09",
        '0hr 42\' 44.3"" 41º 16\' 09""',
        "0.7123056 h 41.2691667 deg",
        "10.684584 deg 41.2691667",
        "10.684584° +41.2691667°",
        "J004244.3+411609",
        "004244.3+411609",
    ],
)
def test_a_pair_in_one_field_is_read(text: str) -> None:
    ((direction, said),) = coordinate_pairs.read(text, AT_MS)
    assert separation_degrees(direction, M31) * 3600 < 0.5
    assert said == ""


@pytest.mark.parametrize("minus", "-−–—‒‑﹣－")
def test_a_minus_of_every_kind_is_south(minus: str) -> None:
    ((direction, _),) = coordinate_pairs.read(f"05 35 17 {minus}05 23 28", AT_MS)
    assert direction.dec_degrees == pytest.approx(-5.391111, abs=1e-5)
    ((direction, _),) = coordinate_pairs.read(f"05 35 17 {minus}00 23 28", AT_MS)
    assert direction.dec_degrees == pytest.approx(-0.391111, abs=1e-5)


def test_what_programs_write_is_read() -> None:
    for text, hours, degrees in (
        ('12h 18\' 49"" 14º 24\' 59""', 12.313611, 14.416389),
        ("19:53:60.00 +18:19:60.0", 19.9, 18.333333),
        ("5:35:17 h -5.5e-05", 5.588056, -0.000055),
        ("5h35m17.0s -5°23'28\"", 5.588056, -5.391111),
        ("05 35 17 05 23 28 S", 5.588056, -5.391111),
        ("24 0 0 +10 0 0", 0.0, 10.0),
    ):
        ((direction, _),) = coordinate_pairs.read(text, AT_MS)
        assert direction == pytest.approx((hours, degrees), abs=1e-6)


def test_degrees_where_hours_may_be_meant_are_asked_about() -> None:
    hours, degrees = coordinate_pairs.read("10.684 +41.269", AT_MS)
    assert (hours.direction, hours.said) == (Direction(10.684, 41.269), "right ascension in hours")
    assert (degrees.direction.ra_hours, degrees.said) == (0.712267, "right ascension in degrees")
    assert [each.said for each in coordinate_pairs.read("83.82 -5.39", AT_MS)] == ["right ascension in degrees"]


def test_another_frame_is_converted_or_refused() -> None:
    ((today, said),) = coordinate_pairs.read("00 44 14.183 +41 25 15.98 JNOW", AT_MS)
    assert separation_degrees(today, Direction(0.712314, 41.26875)) * 3600 < 2
    assert "equator of today" in said
    for text in ("l=121.174329 b=-21.573311", "121.174329 -21.573311 Galactic", "l: 121.174329, b: -21.573311"):
        ((galactic, said),) = coordinate_pairs.read(text, AT_MS)
        assert separation_degrees(galactic, Direction(0.712314, 41.26875)) * 3600 < 1
    for frame in ("B1950", "FK4", "Ecliptic", "AltAz"):
        with pytest.raises(ValueError, match="frame that is not converted"):
            coordinate_pairs.read(f"00 42 44.3 +41 16 09 {frame}", AT_MS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 2 3",
        "12 34 56 78 90",
        "00 42 44.3 +41 16 09 +1",
        "00 42 44.3 +91 0 0",
        "00 42 44.3 -90 0 1",
        "24 0 1 +10 0 0",
        "180.0 95",
        "370 5",
        "00 42 44.3 ++41 16 09",
        "00 42 44.3 + -41 16 09",
        "10,68",
        "12 18 49,6",
        "0h42m44s",
        "+41 16 09",
        "nan nan",
        "1e5 2",
        "x" * 201,
    ],
)
def test_what_is_no_pair_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]{3}"):
        coordinate_pairs.read(text, AT_MS)


@pytest.mark.parametrize("name", ["M 31", "NGC 7000", "47 Tuc", "HIP 12345", "h & chi Persei", "Sh2-101", "2 Lyr", ""])
def test_a_name_is_no_pair(name: str) -> None:
    assert not coordinate_pairs.looks_like(name)


@given(
    st.floats(0, 23.9999),
    st.floats(-90, 90),
    st.sampled_from(
        ["{ra} {dec}", "{ra}, {dec}", "RA {ra} Dec {dec}", "{ra}; {dec}", "{ra}\n{dec}", "{ra}\t{dec} J2000"]
    ),
    st.sampled_from([str.maketrans({}), str.maketrans("′″", "'\""), str.maketrans("hm°′", "::::", "s″ ")]),
)
def test_what_the_pages_write_is_read_back(ra: float, dec: float, between: str, signs: dict[int, int]) -> None:
    hours, degrees = sexagesimal(ra, "h").translate(signs), sexagesimal(dec, "deg").translate(signs)
    ((direction, _),) = coordinate_pairs.read(between.format(ra=hours, dec=degrees), AT_MS)
    assert separation_degrees(direction, Direction(ra, dec)) * 3600 < 1.5


@given(st.text(max_size=80))
def test_any_text_is_a_pair_in_the_sky_or_refused(text: str) -> None:
    with suppress(ValueError):
        for direction, _ in coordinate_pairs.read(text, AT_MS):
            assert 0 <= direction.ra_hours < 24
            assert -90 <= direction.dec_degrees <= 90
