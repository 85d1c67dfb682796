"""Numbers as jobs and sites write them: as numbers or as texts, a binning in one of half a dozen ways."""

from __future__ import annotations

import math
import re
from typing import Any


def as_number(value: object) -> float | None:
    """Return a finite number, also of a text; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def binning(value: object) -> tuple[float, float] | None:
    """Return a binning, such as 2, "2", "2,2", "2x2" or [2, 2]; None when it is in words, such as optimal."""
    parts: list[Any] = value if isinstance(value, list) else [value]
    if isinstance(value, str):
        parts = re.split(r"[x×,]", value.strip('"[] '))
    numbers = [as_number(part) for part in parts]
    first, last = numbers[0] if numbers else None, numbers[-1] if numbers else None
    return None if first is None or last is None or len(numbers) > 2 else (first, last)
