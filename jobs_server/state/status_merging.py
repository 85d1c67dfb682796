"""What becomes of the status that public site software posts: leaves with their times, merged into what was before.

Its readers depend on the exact form: each value at depth three is `{"val": ..., "timestamp": ...}`, those above stay as
they are, new leaves win, and keys that are not sent stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..clock import DAY_MS

FORECAST = "forecast"
KEPT_FORECAST_MS = 4 * DAY_MS
_MOST_HOURS = 500
_NOTHING = "-"

Status = Mapping[str, Any]


def stamped(status: Status, now_ms: int) -> dict[str, Any]:
    """Return a status with a time at each leaf, and a dash for each empty text, as the original does."""
    return {
        kind: {name: _leaves(each, now_ms) for name, each in instances.items()}
        if isinstance(instances, dict)
        else _filled(instances)
        for kind, instances in status.items()
    }


def merged(before: Status, new: Status) -> dict[str, Any]:
    """Return what was posted before with what is posted now in it."""
    return {**before, **{key: _merged(before.get(key), value, 2) for key, value in new.items()}}


def newest(one: Status, one_ms: int, other: Status, other_ms: int) -> dict[str, Any]:
    """Return two servers' words of one status merged: of each leaf the later, of all else what was heard later."""
    older, newer = (other, one) if one_ms >= other_ms else (one, other)
    return {**older, **{key: _later(older.get(key), value) for key, value in newer.items()}}


def with_forecast(before: object, new: object, now_ms: int) -> list[Any]:
    """Return a forecast with new hours in it: of the same hour the later word, none that is over for four days."""
    listed = [*_hours(before), *_hours(new)]
    by_hour = {str(each.get("utc_long_form")): _filled(each) for each in listed}
    return [each for each in by_hour.values() if not _is_over(each.get("utc_long_form"), now_ms)][-_MOST_HOURS:]


def without_old(status: Status, before_ms: int) -> dict[str, Any]:
    """Return a status without the leaves that are older than a time."""
    return {
        kind: {name: _young(each, before_ms) for name, each in instances.items()}
        if isinstance(instances, dict)
        else instances
        for kind, instances in status.items()
    }


def count_leaves(status: Status) -> int:
    """Count the values of a status down to depth three."""
    found = 0
    for instances in status.values():
        inner = instances.values() if isinstance(instances, dict) else ()
        found += 1 + sum(len(each) if isinstance(each, dict) else 1 for each in inner)
    return found


def leaf_ms(leaf: object) -> int | None:
    """Return when a leaf was heard; None where it is no leaf with a time."""
    if not isinstance(leaf, dict) or leaf.keys() != {"val", "timestamp"}:
        return None
    at_ms = leaf["timestamp"]
    return at_ms if isinstance(at_ms, int) else None


def _leaves(values: object, now_ms: int) -> object:
    if not isinstance(values, dict):
        return _filled(values)
    return {key: {"val": _filled(value), "timestamp": now_ms} for key, value in values.items()}


def _filled(value: Any) -> Any:
    """Return a value with a dash for each empty text in it."""
    if isinstance(value, dict):
        return {key: _filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    return _NOTHING if value == "" else value


def _merged(before: object, new: object, levels: int) -> object:
    if not levels or not isinstance(before, dict) or not isinstance(new, dict) or leaf_ms(new) is not None:
        return new
    return {**before, **{key: _merged(before.get(key), value, levels - 1) for key, value in new.items()}}


def _later(older: object, newer: object) -> object:
    if not isinstance(older, dict) or not isinstance(newer, dict):
        return newer
    older_ms, newer_ms = leaf_ms(older), leaf_ms(newer)
    if older_ms is not None or newer_ms is not None:
        return older if (older_ms or 0) > (newer_ms or 0) else newer
    return {**older, **{key: _later(older.get(key), value) for key, value in newer.items()}}


def _young(values: object, before_ms: int) -> object:
    if not isinstance(values, dict):
        return values
    return {key: leaf for key, leaf in values.items() if (at_ms := leaf_ms(leaf)) is None or at_ms >= before_ms}


def _hours(value: object) -> Iterable[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _is_over(text: object, now_ms: int) -> bool:
    try:
        at = datetime.fromisoformat(str(text).strip().replace(" UTC", "+00:00"))
    except ValueError:
        return False  # In whatever form it is written, the site knows what it means.
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at.timestamp() * 1000 < now_ms - KEPT_FORECAST_MS
