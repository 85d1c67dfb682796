"""Times as people write them, who mean the clock on the wall of the site."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

_HOUR = re.compile(r"([01]?\d|2[0-3]):[0-5]\d")
_MARKED = re.compile(r"(.*\d) ?(?:Z|UTC)", re.IGNORECASE)


def time_ms(written: datetime, zone: tzinfo, name: str) -> int:
    """Return a time in ms since 1970 UTC; one without a zone is meant by the clocks of `zone`, which is called `name`.

    Raises ValueError in words for one that those clocks never show, or show twice, when they are set for summer time.
    """
    if written.tzinfo is not None:
        return _ms(written)
    first, second = (written.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return _ms(first)
    if _back(first, zone) != written:
        raise ValueError(
            f"{written:%H:%M} on {written:%Y-%m-%d} does not exist in {name}: the clocks go forward then; write another"
            f" time, or one with its offset such as {_with_offset(first)}"
        )
    raise ValueError(
        f"{written:%H:%M} on {written:%Y-%m-%d} comes twice in {name}: the clocks go back then; write it with its"
        f" offset, {_with_offset(first)} or {_with_offset(second)}"
    )


def _back(time: datetime, zone: tzinfo) -> datetime:
    return time.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def _with_offset(time: datetime) -> str:
    return time.isoformat(timespec="minutes")


def _ms(time: datetime) -> int:
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(milliseconds=1)


def read_ms(text: str, zone: tzinfo, name: str, after_ms: int) -> int:
    """Read a time as somebody writes it for a night's work, in ms since 1970 UTC.

    An hour alone is the next such hour after `after_ms`; Z or UTC behind a time means UTC, as does an offset what it
    says, and otherwise the clocks of `zone` are meant. Raises ValueError in words.
    """
    written = " ".join(text.split())
    found = _MARKED.fullmatch(written)
    if found:
        written, zone, name = found[1], UTC, "UTC"
    if _HOUR.fullmatch(written):
        return _next_ms(written.zfill(5), zone, name, after_ms)
    try:
        time = datetime.fromisoformat(written.replace(" ", "T", 1))
        time.astimezone(UTC)  # The first and the last years have no time of all zones.
    except (OverflowError, ValueError):
        raise ValueError(f"write a time such as 21:30, 2026-11-24 21:30 or 20:30 UTC, not {text[:40]!r}") from None
    return time_ms(time, zone, name)


def _next_ms(hour: str, zone: tzinfo, name: str, after_ms: int) -> int:
    today = datetime.fromtimestamp(after_ms / 1000, zone).date()
    for days in range(2):
        found = time_ms(datetime.fromisoformat(f"{today + timedelta(days=days)}T{hour}"), zone, name)
        if found >= after_ms:
            return found
    return found
