"""Tonight's sky as a drawing: how high the sun, the moon and targets stand from sunset to sunrise, without a script."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from flask import render_template
from markupsafe import Markup

from ..observatory import solar_system, tonight
from ..observatory.tonight import Night
from . import wall_clocks
from .blueprint import bp
from .context import page
from .curve_drawing import HEIGHT, WIDTH, Tick, hours
from .wall_clocks import WallClock

LOWEST, HIGHEST = -20, 90
"""Degrees of altitude at the bottom and the top of the box."""
PLANNED = 4
"""The first of the styles of what is planned."""
_PLACES = (0, 30, 60, 90)


class SkyLine(NamedTuple):
    """The way of one thing over the sky."""

    name: str
    path: str
    style: int
    """Which of the styles of lines it has: 1 the target, 2 the moon, 3 the sun, from `PLANNED` on what is planned."""


class SkyDrawing(NamedTuple):
    """A night's sky, ready to be drawn."""

    lines: tuple[SkyLine, ...]
    ticks: tuple[Tick, ...]
    hours: tuple[Tick, ...]
    dark: tuple[tuple[float, float], ...]
    """Where it is dark: from where, and how wide."""
    limit: float | None
    """Where the site's least altitude is."""
    now: float | None
    """Where the present moment is, in percent of the width; None outside of the night."""
    from_ms: int
    to_ms: int
    moonlit_percent: float
    light: str
    left_out: int
    """How many planned targets are not drawn."""


Curves = Sequence[tuple[str, Sequence[tuple[int, float]]]]
"""Names, each with altitudes in degrees by time in ms."""


def draw(
    night: Night,
    curves: Curves,
    limit: float | None,
    now_ms: int,
    planned: Curves = (),
    left_out: int = 0,
    by: WallClock = wall_clocks.ALONE,
) -> SkyDrawing:
    """Draw targets' altitudes over a night, beside the moon's and the sun's; `planned` are those still to come."""
    box = _Box(night.from_ms, night.to_ms)
    lines = [SkyLine(name, box.path(curve), 1) for name, curve in curves]
    lines += [SkyLine(name, box.path(curve), style) for style, (name, curve) in enumerate(planned, PLANNED)]
    for style, body in ((2, solar_system.MOON), (3, solar_system.SUN)):
        if all(name != body for name, _ in (*curves, *planned)):
            lines.append(SkyLine(body, _path_of_body(night, body), style))
    inside = night.from_ms <= now_ms <= night.to_ms
    return SkyDrawing(
        lines=tuple(lines),
        ticks=tuple(Tick(round(box.y(place), 1), f"{place}°") for place in _PLACES),
        hours=tuple(hours(night.from_ms, night.to_ms, by)),
        dark=tuple((round(box.x(begin), 1), round(box.x(end) - box.x(begin), 1)) for _, begin, end in night.dark),
        limit=None if limit is None else round(box.y(limit), 1),
        now=round(box.x(now_ms) / WIDTH * 100, 1) if inside else None,
        from_ms=night.from_ms,
        to_ms=night.to_ms,
        moonlit_percent=night.moonlit_percent,
        light=night.light,
        left_out=left_out,
    )


class _Box(NamedTuple):
    from_ms: int
    to_ms: int

    def x(self, at_ms: int) -> float:
        return (at_ms - self.from_ms) / (self.to_ms - self.from_ms) * WIDTH

    def y(self, altitude: float) -> float:
        return HEIGHT - (altitude - LOWEST) / (HIGHEST - LOWEST) * HEIGHT

    def path(self, curve: Sequence[tuple[int, float]]) -> str:
        """Write the parts of a curve that the box holds, each with a point beyond its edge."""
        return "".join(
            ("M" if number == 0 or not self._is_near(curve, number - 1) else "L")
            + f"{self.x(at_ms):.1f} {self.y(altitude):.1f}"
            for number, (at_ms, altitude) in enumerate(curve)
            if self._is_near(curve, number)
        )

    @staticmethod
    def _is_near(curve: Sequence[tuple[int, float]], number: int) -> bool:
        return any(altitude >= LOWEST for _, altitude in curve[max(0, number - 1) : number + 2])


@lru_cache(maxsize=64)
def _path_of_body(night: Night, name: str) -> str:
    curve = tonight.curve(night, lambda at_ms: solar_system.altitude_degrees(name, at_ms, night.place))
    return _Box(night.from_ms, night.to_ms).path(curve)


@bp.app_template_global("sky_figure")
def figure(drawing: SkyDrawing, title: str, by: WallClock, tall: int = HEIGHT) -> Markup:
    """Return a drawing as a figure of a page, so many pixels tall; many look at the same one."""
    return _figure(drawing, title, by, tall, page().language.code)


@lru_cache(maxsize=64)
def _figure(drawing: SkyDrawing, title: str, by: WallClock, tall: int, language: str) -> Markup:
    del language  # in which texts are looked up
    return Markup(render_template("pages/_sky.html", drawing=drawing, title=title, tall=tall, by=by))  # noqa: S704  # escaped there
