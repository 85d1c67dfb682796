"""The strip on Now: what the devices say, in a few tiles that are read from two metres away.

`static/strip.js` writes the same tiles while a page is open. All that a site says may have any type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from ..domain.language import ENGLISH, Language, marked
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
    word: Callable[[Values, Language], str]
    value: Callable[[Values, Language], str]
    is_one: bool = False
    """Whether all devices of the kind are about the same thing: one says whether it is safe, another how warm it is."""


def tiles(seen: Iterable[SeenDevice], language: Language = ENGLISH) -> list[Tile]:
    """Return the tiles of a site's devices, in the order of the strip; none for a kind of which nothing is said."""
    devices = list(seen)
    made = (
        _tile(kind, [each for each in devices if each.kind.casefold() in kind.devices], language) for kind in _KINDS
    )
    return [tile for tile in made if tile is not None]


@bp.app_template_global("strip")
def of_page() -> list[Tile]:
    """Return the tiles of the site of the page that is asked for."""
    return tiles(page().devices, page().language)


@bp.app_template_global("devices_doing")
def doing_at_page() -> list[tuple[str, str]]:
    """Return which devices of the site of the page say that they do something."""
    return doing(page().devices, page().language)


def doing(seen: Iterable[SeenDevice], language: Language = ENGLISH) -> list[tuple[str, str]]:
    """Return which devices say just now that they do something, each with what it does."""
    found = ((device, _text(device.values, "status")) for device in seen if not device.is_grey)
    return [
        (language.named(_plain(device.kind)), _joined(status, _frames(device.values, language)))
        for device, status in found
        if status.casefold() not in AT_REST
    ]


def _tile(kind: _Kind, devices: Sequence[SeenDevice], language: Language) -> Tile | None:
    if not devices:
        return None
    # What is wrong goes first, then what is news, then whoever says most of what the tile is about.
    device = min(
        devices,
        key=lambda each: (not each.is_alarming, each.is_grey, not kind.word(each.values, language), each.key),
    )
    values = device.values
    word, value = kind.word(values, language), kind.value(values, language)
    if kind.is_one and not value:
        value = next((said for each in devices if not each.is_grey and (said := kind.value(each.values, language))), "")
    if values.get("connected") is False:
        word = language.text("not connected")
    if device.is_alarming:
        value = _text(values, "unsafe_reason") or _text(values, "message") or value
    if not word:
        word, value = value or language.text("no word"), ""
    return Tile(kind.key, language.text(kind.name), word, value, device, len(devices) - 1)


def _status(values: Values, _language: Language) -> str:
    return _text(values, "status")


def _busy(values: Values, language: Language) -> str:
    return "" if _status(values, language).casefold() in AT_REST else _status(values, language)


def _safe(values: Values, language: Language) -> str:
    safe = values.get("safe")
    if not isinstance(safe, bool):
        return _status(values, language)
    return language.text("safe") if safe else language.text("unsafe")


def _filter(values: Values, language: Language) -> str:
    return _text(values, "filter") or _status(values, language)


def _focus(values: Values, _language: Language) -> str:
    position = _number(values, "position_um")
    return "" if position is None else f"{_fixed(position, 0):,f}\u00a0µm".replace(",", "\u202f")


def _pointing(values: Values, language: Language) -> str:
    ra, dec = _number(values, "ra_hours"), _number(values, "dec_degrees")
    if ra is not None and dec is not None:
        minutes, arc = math.floor(ra * 60 + 0.5) % 1440, math.floor(abs(dec) * 60 + 0.5)
        sign = "-" if dec < 0 else "+"
        return f"{minutes // 60:02d}h{minutes % 60:02d} {sign}{arc // 60:02d}°{arc % 60:02d}′"
    return _joined(
        _written(language, values, "alt_degrees", 0, "°", "alt\u00a0"),
        _written(language, values, "az_degrees", 0, "°", "az\u00a0"),
    )


def _dome(values: Values, language: Language) -> str:
    return _joined(
        _written(language, values, "azimuth_degrees", 0, "°", language.text("dome") + "\u00a0"), _text(values, "mode")
    )


def _weather(values: Values, language: Language) -> str:
    return _joined(
        _written(language, values, "temperature_c", 0, "\u00a0°C"),
        _written(language, values, "humidity_percent", 0, "\u00a0%"),
        _written(language, values, "wind_m_per_s", 0, "\u00a0m/s"),
    )


def _camera(values: Values, language: Language) -> str:
    return _joined(
        _frames(values, language),
        _written(language, values, "temperature_c", 1, "\u00a0°C"),
        _written(language, values, "cooler_percent", 0, "\u00a0%"),
    )


def _beside_filter(values: Values, language: Language) -> str:
    return _busy(values, language) if _text(values, "filter") else ""


def _beside_focus(values: Values, language: Language) -> str:
    return _joined(_busy(values, language), _written(language, values, "temperature_c", 1, "\u00a0°C"))


def _frames(values: Values, language: Language) -> str:
    frame, frames = _number(values, "frame"), _number(values, "frames")
    if not frame or not frames:
        return ""
    number, count = f"{frame:.0f}", f"{frames:.0f}"
    return language.text("%(number)s of %(count)s", number=number, count=count)


_KINDS = (
    _Kind("mount", marked("Mount"), ("mount", "telescope"), _status, _pointing),
    _Kind("roof", marked("Roof"), ("enclosure", "dome", "roof"), _status, _dome),
    _Kind(
        "weather",
        marked("Weather"),
        ("weather", "safety", "safety_monitor", "safetymonitor", "observing_conditions", "observingconditions"),
        _safe,
        _weather,
        is_one=True,
    ),
    _Kind("camera", marked("Camera"), ("camera",), _status, _camera),
    _Kind("filter", marked("Filter"), ("filter_wheel", "filterwheel"), _filter, _beside_filter),
    _Kind("focus", marked("Focus"), ("focuser",), _focus, _beside_focus),
)


def _number(values: Values, key: str) -> float | None:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        return None
    return float(value)


def _text(values: Values, key: str) -> str:
    value = values.get(key)
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def _written(language: Language, values: Values, key: str, decimals: int, unit: str, before: str = "") -> str:
    number = _number(values, key)
    return "" if number is None else f"{before}{language.number(f'{_fixed(number, decimals):f}')}{unit}"


def _fixed(number: float, decimals: int) -> Decimal:
    """Return a number rounded as the page's script rounds: a half goes away from zero, and nothing has no sign."""
    return Decimal(number).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) + 0


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _plain(kind: str) -> str:
    return kind.replace("_", " ")
