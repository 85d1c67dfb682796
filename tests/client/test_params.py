"""Parameters as people's programs send them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.client import BadParameter, params
from jobs_server.observatory import poses


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (12, 12.0),
        (1.5, 1.5),
        ("12.5", 12.5),
        (" -3 ", -3.0),
        ('"7"', 7.0),
        ("'8'", 8.0),
        ("1e3", 1000.0),
    ],
)
def test_a_number_is_read_however_it_is_written(value: object, number: float) -> None:
    assert params.number({"time": value}, "time") == number
    assert params.number({"time": value}, "time", 99) == number


BLANKS = [None, "", " ", "empty", "Empty", "NaN", "nan", '"NaN"', '""', "null", "undefined", math.nan]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_blank_is_the_default_and_without_one_refused(blank: object) -> None:
    given = {"x": blank}
    assert params.is_blank(blank)
    assert (params.number(given, "x", 2), params.whole(given, "x", 3)) == (2, 3)
    assert (params.text(given, "x", "R"), params.yes_or_no(given, "x", True)) == ("R", True)
    for read in (params.number, params.whole, params.text, params.yes_or_no):
        with pytest.raises(BadParameter, match="x must be"):
            read(given, "x")
        with pytest.raises(BadParameter, match="x must be"):
            read({}, "x")


@pytest.mark.parametrize("value", ["twelve", "inf", math.inf, "1e999", 10**400, True, [1], {"a": 1}, "1,5", "1_0", "٣"])
def test_what_is_no_number_is_refused_with_and_without_a_default(value: object) -> None:
    for default in (None, 1):
        with pytest.raises(BadParameter, match="time must be a number, not"):
            params.number({"time": value}, "time", default)


def test_a_long_value_is_shown_short() -> None:
    with pytest.raises(BadParameter) as refusal:
        params.number({"time": "x" * 9999}, "time")
    assert len(str(refusal.value)) < 100


@pytest.mark.parametrize(("value", "number"), [(3, 3), ("3", 3), ("3.0", 3), (2.0, 2)])
def test_a_whole_number_is_read(value: object, number: int) -> None:
    assert params.whole({"count": value}, "count") == number


@pytest.mark.parametrize("value", ["3.5", 0.1, "one"])
def test_a_part_of_a_frame_is_refused(value: object) -> None:
    with pytest.raises(BadParameter, match="count must be a"):
        params.whole({"count": value}, "count")


@pytest.mark.parametrize(
    ("value", "text"),
    [('"optimal"', "optimal"), ("fine", "fine"), (" w ", "w"), (2, "2"), ("1,1", "1,1")],
)
def test_a_text_is_read_without_its_quotes(value: object, text: str) -> None:
    assert params.text({"bin": value}, "bin") == text


@pytest.mark.parametrize("value", [[1], {}, True])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(BadParameter, match="bin must be a text"):
        params.text({"bin": value}, "bin", "fine")


@pytest.mark.parametrize(("value", "on"), [("on", True), (True, True), ("Off", False), ('"true"', True), (0, False)])
def test_a_switch_is_read(value: object, on: bool) -> None:
    assert params.yes_or_no({"dither": value}, "dither") is on


_NO_DEVICE_GOES_SO_FAR = 1e9


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["empty", "NaN", '"12"']))
def test_the_pretend_telescope_reads_the_same_numbers(value: Any) -> None:
    def read(reader: Any) -> float | None:
        try:
            return float(reader({"x": value}, "x"))
        except ValueError:
            return None

    found = read(params.number)
    assert read(poses.number) == (None if found is not None and abs(found) > _NO_DEVICE_GOES_SO_FAR else found)
