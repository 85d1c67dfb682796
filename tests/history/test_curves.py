"""Curves of a night: a series for each device, with gaps where nothing was said, and only of what was measured."""

from __future__ import annotations

import pytest

from jobs_server.history.curves import Curve, curves
from jobs_server.web import curve_drawing

MINUTE = 60_000
BEGIN = 1_700_000_000_000 // 3_600_000 * 3_600_000


def measured(device: str, name: str, values: dict[int, float]) -> list[Curve]:
    """What a device measured, by minute from the beginning."""
    return curves((BEGIN + minute * MINUTE, {device: {name: value}}) for minute, value in values.items())


def test_a_night_in_which_nothing_was_measured_has_no_curves() -> None:
    assert curves([]) == []
    assert curve_drawing.sheet([]) is None


def test_each_device_has_a_line_of_its_own_and_a_camera_s_cold_is_no_weather() -> None:
    readings = {
        "weather/w1": {"temperature_c": 8.5, "humidity_percent": 61.0, "pressure_hpa": 812.0},
        "focuser/focuser1": {"temperature_c": 9.0, "position_um": 5021.0},
        "camera/c1": {"temperature_c": -10.0},
    }
    found = {(curve.quantity.title, series.device) for curve in curves([(BEGIN, readings)]) for series in curve.series}
    assert found == {
        ("Temperature", "weather/w1"),
        ("Temperature", "focuser/focuser1"),
        ("Humidity", "weather/w1"),
        ("Focus", "focuser/focuser1"),
        ("Camera temperature", "camera/c1"),
    }


def test_where_nothing_was_said_the_line_has_a_gap() -> None:
    said = {minute: 10 + minute / 60 for minute in (*range(0, 60), *range(100, 160))}
    [curve] = measured("weather/w1", "temperature_c", said)
    assert [len(run) for run in curve.series[0].runs] == [60, 60]
    drawn = curve_drawing.sheet([curve])
    assert drawn is not None
    assert drawn.drawings[0].lines[0].path.count("M") == 2


def test_a_site_that_speaks_each_five_minutes_has_no_gaps() -> None:
    [curve] = measured("weather/w1", "wind_m_per_s", dict.fromkeys(range(0, 120, 5), 3.0))
    assert len(curve.series[0].runs) == 1


def test_a_single_reading_is_a_dot() -> None:
    drawn = curve_drawing.sheet(measured("weather/w1", "temperature_c", {30: 7.0}))
    assert drawn is not None
    [drawing] = drawn.drawings
    assert drawing.lines[0].path == "M497.0 60.0h6"
    assert drawing.columns == [("weather/w1", ["7.0"])]


def test_the_table_has_the_mean_of_each_hour_and_says_where_nothing_was_said() -> None:
    said = {0: 10.0, 30: 11.0, 130: 14.0}
    drawn = curve_drawing.sheet(measured("weather/w1", "temperature_c", said))
    assert drawn is not None
    assert drawn.drawings[0].columns == [("weather/w1", ["10.5", "–", "14.0"])]


@pytest.mark.parametrize(
    "values",
    [
        (5021.0, 5021.0),
        (-12.345, 13.0),
        (0.0, 0.0),
        (1e14, -1e14),
        (999_999_999_999_999.0, 999_999_999_999_998.0),
        (1e-9, 2e-9),
        (99.95, 100.05),
    ],
)
def test_every_line_lies_inside_of_its_box_between_round_places(values: tuple[float, float]) -> None:
    drawn = curve_drawing.sheet(measured("focuser/f", "position_um", dict(enumerate(values))))
    assert drawn is not None
    [drawing] = drawn.drawings
    assert (drawing.ticks[0].at, drawing.ticks[-1].at) == (curve_drawing.HEIGHT, 0)
    assert 2 <= len(drawing.ticks) <= 8
    assert len({tick.label for tick in drawing.ticks}) == len(drawing.ticks)
    heights = [float(place.split(" ")[1]) for place in drawing.lines[0].path.lstrip("M").split("L")]
    assert all(0 <= height <= curve_drawing.HEIGHT for height in heights)


def test_more_devices_than_dashes_can_tell_apart_stand_in_the_table() -> None:
    readings = {f"weather/w{number}": {"temperature_c": float(number)} for number in range(7)}
    drawn = curve_drawing.sheet(curves([(BEGIN, readings)]))
    assert drawn is not None
    [drawing] = drawn.drawings
    assert (len(drawing.lines), drawing.left_out, len(drawing.columns)) == (4, 3, 7)


def test_a_whole_day_has_labels_for_which_a_phone_has_room() -> None:
    drawn = curve_drawing.sheet(measured("weather/w1", "temperature_c", {0: 1.0, 24 * 60 - 1: 2.0}))
    assert drawn is not None
    assert len(drawn.rows) == 24
    assert 3 <= len(drawn.hours) <= 6
