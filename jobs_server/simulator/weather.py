"""The pretend weather: it swings slowly, and is always safe."""

from __future__ import annotations

import math
from typing import Any


def swing(seconds: float, period_seconds: float) -> float:
    """Return a number from -1 to 1 that swings with time."""
    return math.sin(2 * math.pi * seconds / period_seconds)


def at(seconds: float) -> dict[str, Any]:
    """Return the weather at a time in seconds since 1970 UTC, in the words of the wire."""
    slow, quick = swing(seconds, 7200), swing(seconds, 610)
    temperature, humidity = 11 + 2.5 * slow, 48 - 9 * slow + quick
    return {
        "safe": True,
        "temperature_c": round(temperature, 1),
        "humidity_percent": round(humidity, 1),
        "dew_point_c": round(temperature - (100 - humidity) / 5, 1),
        "wind_m_per_s": round(3 + 1.5 * slow + quick, 1),
        "rain_mm_per_h": 0.0,
        "cloud_percent": round(8 + 6 * slow),
        "sky_temperature_c": round(-19 + 2 * slow, 1),
        "pressure_hpa": round(982 + 1.5 * slow, 1),
    }
