"""The one place that reads the clocks: the wall's, which people set, and one that nobody can set.

A job's age is the larger of what the two say, so that a clock set forward expires what waits and one set back never
makes the stale fresh.
"""

from __future__ import annotations

import time
import uuid
import zlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

BOOT_BITS = 43
"""A boot reading's low bits are milliseconds (278 years of them); the high bits are a tag of the boot."""

END_MS = 221_876_928_000_000
"""Where the years end that times are taken from: 9001-01-01 UTC. Beyond the year 9999 none can be written."""

DAY_MS = 24 * 60 * 60 * 1000
AHEAD_MS = DAY_MS
"""By how much a time may be ahead of the clock, as after it was set back; what is further ahead counts for nothing."""
FEW_DAYS_MS = 3 * DAY_MS
"""By how much a clock may be ahead of what vouches for it; beyond that a person is asked before anything is deleted."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TAG_BITS = 63 - BOOT_BITS


class Now(NamedTuple):
    """One reading of both clocks."""

    wall_ms: int
    """Milliseconds since 1970 UTC, as the wall clock says."""
    boot_ms: int
    """Milliseconds since the machine started, sleep included, tagged: readings of two boots are not comparable."""


def read() -> Now:
    """Read both clocks."""
    return Now(time.time_ns() // 1_000_000, (_boot_tag() << BOOT_BITS) | _since_boot_ms())


def now_ms() -> int:
    """Read the wall clock: milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def steady_seconds() -> float:
    """Read a clock that nobody can set, for spans within this process: seconds since some moment."""
    return time.monotonic()


def utc_now() -> datetime:
    """Read the wall clock as a date and time in UTC."""
    return datetime.fromtimestamp(now_ms() / 1000, UTC)


def leapt_ms(now: Now, before: Now) -> int:
    """Return by how much the wall clock went on further than time did, as far as two readings can tell.

    Within one boot the other clock says how much time there was. Readings of two boots tell only how far the wall clock
    went: a machine that was off for a week looks like one whose clock leapt by a week.
    """
    passed_ms = now.boot_ms - before.boot_ms
    same_boot = 0 <= passed_ms < 1 << BOOT_BITS
    return now.wall_ms - before.wall_ms - (passed_ms if same_boot else 0)


def age_ms(now: Now, since: Now) -> int:
    """Return how long ago something was: the larger of what the two clocks say."""
    boot_ms = now.boot_ms - since.boot_ms
    wall_ms = now.wall_ms - since.wall_ms
    return max(wall_ms, boot_ms) if 0 <= boot_ms < 1 << BOOT_BITS else wall_ms


def in_utc(time_ms: int) -> str:
    """Write a time as the calendar's wire does: ISO 8601, UTC, to the second; what no year can hold as the last one."""
    return datetime.fromtimestamp(min(time_ms, END_MS) // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _since_boot_ms() -> int:
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux: goes on while the machine sleeps
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    return time.monotonic_ns() // 1_000_000


@cache
def _boot_tag() -> int:
    """Return what tells this boot from others; where the system has no name of its boots, this process from others."""
    try:
        name = _BOOT_ID.read_bytes()
    except OSError:
        name = uuid.uuid4().bytes
    return zlib.crc32(name) >> (32 - _TAG_BITS)
