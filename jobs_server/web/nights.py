"""Nights by which people find what they look for: the last ones, by their weekdays."""

from __future__ import annotations

from datetime import date, timedelta, tzinfo

from ..observatory import sky

_LATELY = 7


def lately(now_ms: int, zone: tzinfo) -> list[date]:
    """Return the present night and the seven before it, the present one first: one of each weekday is over."""
    tonight = sky.night_of(now_ms, zone)
    return [tonight - timedelta(days=ago) for ago in range(_LATELY + 1)]


def read(text: str) -> date | None:
    """Read a night of our time, which is called by the day on which it begins; None when it is none."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 < found.year < 2900 else None
