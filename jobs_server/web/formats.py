"""Times, ages, durations and places as the pages write them. `static/clock.js` writes them in the same way."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo


def instant(at_ms: int, zone: tzinfo = UTC) -> str:
    """Write a time of day."""
    return f"{datetime.fromtimestamp(at_ms / 1000, zone):%H:%M:%S}"


def moment(at_ms: int, zone: tzinfo = UTC) -> str:
    """Write a date and a time of day."""
    return f"{datetime.fromtimestamp(at_ms / 1000, zone):%Y-%m-%d %H:%M:%S}"


def iso(at_ms: int) -> str:
    """Write a time for machines."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def age(ms: float) -> str:
    """Write how long ago something was; never negative, clocks differ."""
    seconds = max(0, int(ms // 1000))
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{days} d {hours % 24} h"


def left(ms: float) -> str:
    """Write how long something will still take, to the second while that matters."""
    seconds = max(0, int(ms // 1000))
    return f"{seconds // 60} min {seconds % 60:02d} s" if 60 <= seconds < 3600 else age(ms)


def duration(ms: float | None) -> str:
    """Write how long something took."""
    if ms is None:
        return "–"
    if ms < 10_000:
        return f"{max(0, ms) / 1000:.1f} s"
    seconds = int(ms // 1000)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return age(ms)


def hours(value: float) -> str:
    """Write sidereal hours."""
    seconds = int(value * 3600) % 86400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def size(count: int) -> str:
    """Write a number of bytes."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count = round(count / 1000, 2)  # type: ignore[assignment]
    return f"{count:,.2f} GB"


def place(latitude_deg: float, longitude_deg: float) -> str:
    """Write where something is on Earth, with sides in the place of signs; 289.3 degrees east are 70.7 west."""
    east = round((longitude_deg + 180) % 360 - 180, 6)
    north_south, east_west = "S" if latitude_deg < 0 else "N", "W" if east < 0 else "E"
    return f"{abs(latitude_deg):.4f}° {north_south}, {abs(east):.4f}° {east_west}"
