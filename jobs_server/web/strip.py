"""The strip on Now: what the devices say, in a few tiles that are read from two metres away.

`static/strip.js` writes the same tiles while a page is open. All that a site says may have any type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from ..state.devices import SeenDevice
from .blueprint import bp
from .context import page

LONGEST = 40
"""Characters of a text that a tile shows."""
_LARGEST = 1e15
AT_REST = frozenset(
    (
        *("", "idle", "parked", "tracking", "open", "closed", "partly", "error", "ok", "ready", "safe", "unsafe"),
        *("stopped", "off", "on", "connected", "disconnected", "unknown", "none"),
    )
)
"""Statuses of devices that do nothing now."""

Values = Mapping[str, Any]


class Tile(NamedTuple):
    """What one tile of the strip shows."""

    key: str
    name: str
    word: str
    value: str
    device: SeenDevice
    """The device by which the tile is as old as it is."""
    more: int
    """How many devices of the kind stand only on the page Site."""


class _Kind(NamedTuple):
    key: str
    name: str
    devices: tuple[str, ...]
    word: Callable[[Values], str]
    value: Callable[[Values], str]
    is_one: bool = False
    """Whether all devices of the kind are about the same thing: one says whether it is safe, another how warm it is."""


def tiles(seen: Iterable[SeenDevice]) -> list[Tile]:
    """Return the tiles of a site's devices, in the order of the strip; none for a kind of which nothing is said."""
    devices = list(seen)
    made = (_tile(kind, [each for each in devices if each.kind.casefold() in kind.devices]) for kind in _KINDS)
    return [tile for tile in made if tile is not None]


@bp.app_template_global("strip")
def of_page() -> list[Tile]:
    """Return the tiles of the site of the page that is asked for."""
    return tiles(page().devices)


@bp.app_template_global("devices_doing")
def doing_at_page() -> list[tuple[str, str]]:
    """Return which devices of the site of the page say that they do something."""
    return doing(page().devices)


def doing(seen: Iterable[SeenDevice]) -> list[tuple[str, str]]:
    """Return which devices say just now that they do something, each with what it does."""
    found = ((device, _text(device.values, "status")) for device in seen if not device.is_grey)
    return [
        (_plain(device.kind), _joined(status, _frames(device.values)))
        for device, status in found
        if status.casefold() not in AT_REST
    ]


def _tile(kind: _Kind, devices: Sequence[SeenDevice]) -> Tile | None:
    if not devices:
        return None
    # What is wrong goes first, then what is news, then whoever says most of what the tile is about.
    device = min(devices, key=lambda each: (not each.is_alarming, each.is_grey, not kind.word(each.values), each.key))
    values = device.values
    word, value = kind.word(values), kind.value(values)
    if kind.is_one and not value:
        value = next((said for each in devices if not each.is_grey and (said := kind.value(each.values))), "")
    if values.get("connected") is False:
        word = "not connected"
    if device.is_alarming:
        value = _text(values, "unsafe_reason") or _text(values, "message") or value
    if not word:
        word, value = value or "no word", ""
    return Tile(kind.key, kind.name, word, value, device, len(devices) - 1)


def _status(values: Values) -> str:
    return _text(values, "status")


def _busy(values: Values) -> str:
    return "" if _status(values).casefold() in AT_REST else _status(values)


def _safe(values: Values) -> str:
    safe = values.get("safe")
    return ("safe" if safe else "unsafe") if isinstance(safe, bool) else _status(values)


def _filter(values: Values) -> str:
    return _text(values, "filter") or _status(values)


def _focus(values: Values) -> str:
    position = _number(values, "position_um")
    return "" if position is None else f"{_fixed(position, 0):,f}\u00a0µm".replace(",", "\u202f")


def _pointing(values: Values) -> str:
    ra, dec = _number(values, "ra_hours"), _number(values, "dec_degrees")
    if ra is not None and dec is not None:
        minutes, arc = math.floor(ra * 60 + 0.5) % 1440, math.floor(abs(dec) * 60 + 0.5)
        sign = "-" if dec < 0 else "+"
        return f"{minutes // 60:02d}h{minutes % 60:02d} {sign}{arc // 60:02d}°{arc % 60:02d}′"
    return _joined(
        _written(values, "alt_degrees", 0, "°", "alt\u00a0"), _written(values, "az_degrees", 0, "°", "az\u00a0")
    )


def _dome(values: Values) -> str:
    return _joined(_written(values, "azimuth_degrees", 0, "°", "dome\u00a0"), _text(values, "mode"))


def _weather(values: Values) -> str:
    return _joined(
        _written(values, "temperature_c", 0, "\u00a0°C"),
        _written(values, "humidity_percent", 0, "\u00a0%"),
        _written(values, "wind_m_per_s", 0, "\u00a0m/s"),
    )


def _camera(values: Values) -> str:
    return _joined(
        _frames(values),
        _written(values, "temperature_c", 1, "\u00a0°C"),
        _written(values, "cooler_percent", 0, "\u00a0%"),
    )


def _beside_filter(values: Values) -> str:
    return _busy(values) if _text(values, "filter") else ""


def _beside_focus(values: Values) -> str:
    return _joined(_busy(values), _written(values, "temperature_c", 1, "\u00a0°C"))


def _frames(values: Values) -> str:
    frame, frames = _number(values, "frame"), _number(values, "frames")
    return "" if not frame or not frames else f"{frame:.0f} of {frames:.0f}"


_KINDS = (
    _Kind("mount", "Mount", ("mount", "telescope"), _status, _pointing),
    _Kind("roof", "Roof", ("enclosure", "dome", "roof"), _status, _dome),
    _Kind(
        "weather",
        "Weather",
        ("weather", "safety", "safety_monitor", "safetymonitor", "observing_conditions", "observingconditions"),
        _safe,
        _weather,
        is_one=True,
    ),
    _Kind("camera", "Camera", ("camera",), _status, _camera),
    _Kind("filter", "Filter", ("filter_wheel", "filterwheel"), _filter, _beside_filter),
    _Kind("focus", "Focus", ("focuser",), _focus, _beside_focus),
)


def _number(values: Values, key: str) -> float | None:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        return None
    return float(value)


def _text(values: Values, key: str) -> str:
    value = values.get(key)
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def _written(values: Values, key: str, decimals: int, unit: str, before: str = "") -> str:
    number = _number(values, key)
    return "" if number is None else f"{before}{_fixed(number, decimals):f}{unit}"


def _fixed(number: float, decimals: int) -> Decimal:
    """Return a number rounded as the page's script rounds: a half goes away from zero, and nothing has no sign."""
    return Decimal(number).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) + 0


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _plain(kind: str) -> str:
    return kind.replace("_", " ")
