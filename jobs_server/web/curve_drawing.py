"""Curves as the night's page draws them: paths in a box that stretches with the page, and axes beside it with units.

All is made here, so that the curves are there without a script. Texts stand outside of the box that stretches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..domain.language import ENGLISH, Language
from ..history.curves import Curve, Point, Series
from . import quantities, wall_clocks
from .wall_clocks import WallClock

WIDTH, HEIGHT = 1000, 120
"""Of the box in which the paths are; its width stretches."""
MOST_SERIES = 4
"""How many devices are drawn in one box: at night dashes alone tell one line from another."""
_HOUR_MS = 60 * 60 * 1000
_MOST_HOURS = 6  # labels, so that a phone has room for them
_TICKS = 4
_DOT = 6  # how wide a single reading is, beside its round ends
_AT_EDGE = 4  # percent of the width: a label nearer to an edge would be cut


class Line(NamedTuple):
    """One device's curve."""

    name: str
    path: str
    low: str
    high: str
    last: str
    last_ms: int


class Tick(NamedTuple):
    """A place on an axis, with its label."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One thing that was measured, ready to be drawn."""

    title: str
    unit: str
    lines: list[Line]
    left_out: int
    """How many devices stand in the table alone."""
    ticks: list[Tick]
    """On the upright axis, from 0 at the top to `HEIGHT`."""
    columns: list[tuple[str, list[str]]]
    """For the table, by device, a text for each hour of the sheet."""


class Sheet(NamedTuple):
    """All curves of a night, over one span of time."""

    drawings: list[Drawing]
    hours: list[Tick]
    """On the axis of time, in percent of the width."""
    rows: list[int]
    """The hours of the table, in ms since 1970 UTC."""


def sheet(curves: Sequence[Curve], by: WallClock = wall_clocks.ALONE, language: Language = ENGLISH) -> Sheet | None:
    """Draw curves over the hours in which anything was measured; None when nothing was."""
    times = [series.points[end].at_ms for curve in curves for series in curve.series for end in (0, -1)]
    if not times:
        return None
    begin_ms = min(times) // _HOUR_MS * _HOUR_MS
    end_ms = (max(times) // _HOUR_MS + 1) * _HOUR_MS
    rows = list(range(begin_ms, end_ms, _HOUR_MS))
    return Sheet([_drawing(curve, rows, end_ms, language) for curve in curves], hours(begin_ms, end_ms, by), rows)


def _drawing(curve: Curve, rows: Sequence[int], end_ms: int, language: Language) -> Drawing:
    shown = curve.series[:MOST_SERIES]
    places, labels = _scale(*_span(shown, curve.quantity.least_span))
    low, high = places[0], places[-1]
    box = _Box(rows[0], end_ms, low, high)
    return Drawing(
        title=curve.quantity.title,
        unit=curve.quantity.unit,
        lines=[_line(each, box, language) for each in shown],
        left_out=len(curve.series) - len(shown),
        ticks=[
            Tick(round(box.y(place), 1), language.number(label)) for place, label in zip(places, labels, strict=True)
        ],
        columns=[(each.device, _column(each, rows, language)) for each in curve.series],
    )


def _span(shown: Sequence[Series], least: float) -> tuple[float, float]:
    """Return the least and the largest reading, or what lies around them when they are nearly the same."""
    low, high = min(each.low for each in shown), max(each.high for each in shown)
    missing = max(least, abs(high) * 1e-9) - (high - low)
    return (low - missing / 2, high + missing / 2) if missing > 0 else (low, high)


class _Box(NamedTuple):
    begin_ms: int
    end_ms: int
    low: float
    high: float

    def x(self, at_ms: int) -> float:
        return (at_ms - self.begin_ms) / (self.end_ms - self.begin_ms) * WIDTH

    def y(self, value: float) -> float:
        return HEIGHT - (value - self.low) / (self.high - self.low) * HEIGHT


def _line(series: Series, box: _Box, language: Language) -> Line:
    path = "".join(_path(run, box) for run in series.runs)
    last = series.points[-1]
    low, high, latest = (
        language.number(quantities.number(round(value, 1))) for value in (series.low, series.high, last.value)
    )
    return Line(series.device, path, low, high, latest, last.at_ms)


def _path(run: Sequence[Point], box: _Box) -> str:
    """Write a run of points; what stays the same is written at its beginning and end alone."""
    places = [(f"{box.x(point.at_ms):.1f}", f"{box.y(point.value):.1f}") for point in run]
    kept = [
        place
        for number, place in enumerate(places)
        if not (0 < number < len(places) - 1 and places[number - 1][1] == place[1] == places[number + 1][1])
    ]
    if len(kept) == 1:
        return f"M{box.x(run[0].at_ms) - _DOT / 2:.1f} {kept[0][1]}h{_DOT}"
    return "M" + "L".join(f"{x} {y}" for x, y in kept)


def _column(series: Series, rows: Iterable[int], language: Language) -> list[str]:
    hours = series.by_hour()
    return [language.number(f"{hours[row]:.1f}") if row in hours else "–" for row in rows]


def _scale(low: float, high: float) -> tuple[list[float], list[str]]:
    """Return round places from below a least to above a largest value, and how they are written."""
    step = _round_step((high - low) / _TICKS)
    places = [step * number for number in range(math.floor(low / step), math.ceil(high / step) + 1)]
    decimals = max(0, -math.floor(math.log10(step)))
    return places, [_tick(place, decimals) for place in places]


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def _tick(value: float, decimals: int) -> str:
    if abs(value) >= 1e7:
        return f"{value:.15g}"
    return f"{round(value, decimals) + 0.0:,.{decimals}f}".replace(",", "\u202f")


def hours(begin_ms: int, end_ms: int, by: WallClock) -> list[Tick]:
    """Return the labels of an axis of time by a clock, no more than a phone has room for, in percent of the width."""
    count = (end_ms - begin_ms) // _HOUR_MS
    step = next((each for each in (1, 2, 3, 4, 6) if count <= each * _MOST_HOURS), 12)
    found = []
    for at_ms in by.full_hours(begin_ms, end_ms, step):
        at = (at_ms - begin_ms) / (end_ms - begin_ms) * 100
        if _AT_EDGE <= at <= 100 - _AT_EDGE:
            found.append(Tick(round(at, 2), by.hour(at_ms)))
    return found or [Tick(50.0, by.hour((begin_ms + end_ms) // 2))]
