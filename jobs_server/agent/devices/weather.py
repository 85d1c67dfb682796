"""Whether weather is within the limits of the file."""

from __future__ import annotations

from collections.abc import Mapping


def beyond(values: Mapping[str, float], limits: Mapping[str, tuple[float, float]]) -> str | None:
    """Return which value is missing or beyond its limits, in words; None when all are within."""
    for key, (least, largest) in limits.items():
        value = values.get(key)
        if value is None:
            return f"there is no value for {key}"
        if not least <= value <= largest:
            return f"{key} is {value:g}, and {least:g} to {largest:g} is safe"
    return None
