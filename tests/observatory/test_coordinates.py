"""Angles are read as people write them, and written so that reading gives them back."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs_server.observatory.coordinates import parse, parse_within, sexagesimal


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("00 42 44.3", 0.712305556),
        ("0:42:44.3", 0.712305556),
        ("0h42m44.3s", 0.712305556),
        ("00h 42m 44.3s", 0.712305556),
        ("0h 42.5m", 0.708333333),
        ("5 35", 5.583333333),
        ("0.7123", 0.7123),
        ("0.7123 h", 0.7123),
        ("10.6845 deg", 0.7123),
        ("10.6845°", 0.7123),
        ("10d41m04.2s", 0.7123),
        (" 23:59:59.9 ", 23.999972222),
        (".5", 0.5),
        ("0hr 56' 01\"", 0.933611111),
        ("0hrs 56min 01sec", 0.933611111),
        ('12h 18\' 49""', 12.313611111),
        ("19:53:60.00", 19.9),
        ("12 59 60", 13.0),
        ("5:35:17 h", 5.588055556),
        ("83.82 degrees", 5.588),
        ("  5 35 17", 5.588055556),
        ("5\u00a035\u202f17", 5.588055556),
        ("\ufeff5h\u200935m\u300017s", 5.588055556),
        ("5ʰ35ᵐ17ˢ", 5.588055556),
        ("5：35：17", 5.588055556),
        ("5.5e-05", 0.000055),
    ],
)
def test_right_ascension(text: str, hours: float) -> None:
    assert parse(text, "h") == pytest.approx(hours, abs=1e-8)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("+41 16 09", 41.269166667),
        ("-0 30 00", -0.5),
        ("-00:00:36", -0.01),
        ("−5° 23′ 24″", -5.39),
        ("-5d23m24s", -5.39),
        ("41.269", 41.269),
        ("- 5.39", -5.39),
        ("1h", 15.0),
        ("-5.5e-05", -0.000055),
        ("-5.55556e-05", -0.0000555556),
        ("41° 16' 09\" N", 41.269166667),
        ("41° 16′ 09″ S", -41.269166667),
        ("5 35 17 N", 5.588055556),
        ("5 23 24 S", -5.39),
        ("S 5:23:24", -5.39),
        ("5°23'24\"S", -5.39),
        ("-5d 23m 24 s", -5.39),
        ('57º 30\' 50""', 57.513888889),
        ("+18:19:60.0", 18.333333333),
        ("－5 23 24", -5.39),
        ("﹣5 23 24", -5.39),
        ("‒5 23 24", -5.39),
        ("\u200e−5° 23‘ 24“", -5.39),
    ],
)
def test_declination(text: str, degrees: float) -> None:
    assert parse(text, "deg") == pytest.approx(degrees, abs=1e-8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "north",
        "12 61 00",
        "12 00 60.5",
        "12 60 00",
        "5d3s",
        "-41 16 09 N",
        "12 30 S 5",
        "1 2 3 4",
        "12h30d",
        "1e5",
        "nan",
        "inf",
        "--5",
        "0 30.5 20",
        "٣",
    ],
)
def test_what_is_no_angle_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no angle|60 or more|fraction of minutes"):
        parse(text, "deg")


def test_out_of_range_is_refused_with_the_value_understood() -> None:
    with pytest.raises(ValueError, match=r"'95' is 95\.0000 deg; it must be from -90 to 90 deg"):
        parse_within("95", "deg", -90, 90)


@pytest.mark.parametrize("text", ["9" * 400, "-" + "9" * 306, "1" + "0" * 10, "0:" + "0" * 9 + ".0:" + "9" * 400])
def test_what_no_angle_can_be_is_refused_in_words(text: str) -> None:
    """RA `1e308`, as a form may hold it: in digits."""
    with pytest.raises(ValueError, match=r"is too large for an angle|60 or more"):
        parse(text, "h")


@given(st.floats(0, 24))
@example(24)
@example(23 + 59 / 60 + 59.99 / 3600)
def test_hours_written_are_hours_read(hours: float) -> None:
    """RA `23:59:59.99` is shown as `24h 00m 00.0s`."""
    read = parse(sexagesimal(hours, "h"), "h")
    assert read < 24
    assert min(abs(read - hours), abs(read + 24 - hours)) < 0.051 / 3600


@given(st.floats(-90, 90))
def test_degrees_written_are_degrees_read(degrees: float) -> None:
    assert parse(sexagesimal(degrees, "deg"), "deg") == pytest.approx(degrees, abs=0.51 / 3600)


@given(st.text(max_size=40))
def test_any_text_is_an_angle_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert abs(parse(text, "deg")) < 1e41
