"""What a night's devices measured, as curves: one series for each device, with gaps where nothing was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..state import storing
from ..storage.statement import Connection

APART_MS = 6 * 60 * 1000
"""Readings further apart are not joined: the slowest sites say each five minutes how their devices are."""
_HOUR_MS = 60 * 60 * 1000
_CAMERAS = ("camera", "guider", "guide_camera")
_FOCUSERS = ("focuser",)


class Point(NamedTuple):
    """One reading."""

    at_ms: int
    value: float


@dataclass(frozen=True)
class Series:
    """What one device measured of one thing."""

    device: str
    """type/instance"""
    points: list[Point] = field(default_factory=list)

    @property
    def runs(self) -> list[list[Point]]:
        """Return the points in runs without a gap."""
        runs: list[list[Point]] = []
        for point in self.points:
            if runs and point.at_ms - runs[-1][-1].at_ms <= APART_MS:
                runs[-1].append(point)
            else:
                runs.append([point])
        return runs

    @property
    def low(self) -> float:
        """Return the least reading."""
        return min(point.value for point in self.points)

    @property
    def high(self) -> float:
        """Return the largest reading."""
        return max(point.value for point in self.points)

    def by_hour(self) -> dict[int, float]:
        """Return the mean of each hour in which something was said, by the hour's beginning in ms."""
        hours: dict[int, list[float]] = {}
        for point in self.points:
            hours.setdefault(point.at_ms // _HOUR_MS * _HOUR_MS, []).append(point.value)
        return {hour_ms: sum(values) / len(values) for hour_ms, values in hours.items()}


class Quantity(NamedTuple):
    """One thing that is measured."""

    key: str
    title: str
    unit: str
    least_span: float
    """A smaller difference is noise: it is not drawn as if it were one."""
    only: tuple[str, ...] = ()
    """The kinds of devices whose readings count; all when there are none."""
    never: tuple[str, ...] = ()

    def is_of(self, device: str) -> bool:
        """Whether the readings of a device count."""
        kind = device.partition("/")[0].casefold()
        return kind not in self.never and (not self.only or kind in self.only)


QUANTITIES = (
    Quantity("temperature_c", "Temperature", "°C", 4, never=_CAMERAS),
    Quantity("humidity_percent", "Humidity", "%", 10),
    Quantity("wind_m_per_s", "Wind", "m/s", 4),
    Quantity("position_um", "Focus", "µm", 20, only=_FOCUSERS),
    Quantity("temperature_c", "Camera temperature", "°C", 4, only=_CAMERAS),
)


class Curve(NamedTuple):
    """One thing that was measured, by each device that measured it."""

    quantity: Quantity
    series: list[Series]


def of_night(connection: Connection, site: str, from_ms: int, to_ms: int) -> list[Curve]:
    """Read the curves of a site in a span of time; nothing where nothing was measured."""
    return curves(storing.curves(connection, site, from_ms, to_ms))


def curves(samples: Iterable[tuple[int, Mapping[str, Mapping[str, float]]]]) -> list[Curve]:
    """Return as curves what was measured minute by minute."""
    found: dict[Quantity, dict[str, Series]] = {}
    for at_ms, readings in samples:
        for device, numbers in readings.items():
            for quantity in QUANTITIES:
                if quantity.key in numbers and quantity.is_of(device):
                    series = found.setdefault(quantity, {}).setdefault(device, Series(device))
                    series.points.append(Point(at_ms, numbers[quantity.key]))
    return [
        Curve(quantity, [found[quantity][device] for device in sorted(found[quantity])])
        for quantity in QUANTITIES
        if quantity in found
    ]
