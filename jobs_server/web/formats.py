"""Times, ages, durations and places as the pages write them. `static/clock.js` writes them in the same way.

Dates are written as forms take them, 2026-11-23, in every language; the names of days and decimal signs follow it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from ..domain.language import ENGLISH, Language, marked


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


def duration(ms: float | None, language: Language = ENGLISH) -> str:
    """Write how long something took."""
    if ms is None:
        return "–"
    if ms < 10_000:
        return language.number(f"{max(0, ms) / 1000:.1f} s")
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


def size(count: int, language: Language = ENGLISH) -> str:
    """Write a number of bytes."""
    for unit in (marked("bytes"), "kB", "MB"):
        if count < 1000:
            return f"{language.number(f'{count:.3g}')} {language.gettext(unit)}"
        count = round(count / 1000, 2)  # type: ignore[assignment]
    return language.number(f"{count:,.2f} GB")


def place(latitude_deg: float, longitude_deg: float, language: Language = ENGLISH) -> str:
    """Write where something is on Earth, with sides in the place of signs; 289.3 degrees east are 70.7 west."""

    def degrees(value: float) -> str:
        return language.number(f"{abs(value):.4f}")

    east = round((longitude_deg + 180) % 360 - 180, 6)
    north = language.text("%(degrees)s° N", degrees=degrees(latitude_deg))
    south = language.text("%(degrees)s° S", degrees=degrees(latitude_deg))
    at_east = language.text("%(degrees)s° E", degrees=degrees(east))
    at_west = language.text("%(degrees)s° W", degrees=degrees(east))
    return f"{south if latitude_deg < 0 else north}, {at_west if east < 0 else at_east}"


@dataclass(frozen=True)
class Formats:
    """What pages write, in one language, for templates."""

    language: Language

    instant = staticmethod(instant)
    moment = staticmethod(moment)
    iso = staticmethod(iso)
    age = staticmethod(age)
    left = staticmethod(left)
    hours = staticmethod(hours)

    def duration(self, ms: float | None) -> str:
        """Write how long something took."""
        return duration(ms, self.language)

    def size(self, count: int) -> str:
        """Write a number of bytes."""
        return size(count, self.language)

    def number(self, value: float, shape: str = "%g") -> str:
        """Write a number in a shape of `printf`."""
        return self.language.number(shape % value)

    def place(self, latitude_deg: float, longitude_deg: float) -> str:
        """Write where something is on Earth."""
        return place(latitude_deg, longitude_deg, self.language)

    def weekday(self, day: date) -> str:
        """Write the name of a day of the week."""
        return self.language.days[day.weekday()]

    def short_weekday(self, day: date) -> str:
        """Write the name of a day of the week in short."""
        return self.language.short_days[day.weekday()]
