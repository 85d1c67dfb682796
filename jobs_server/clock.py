"""The one place that reads the clock."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Give the wall clock's milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000
