"""What is to be said of where a plan points the telescope: of each slew, when its turn comes and when its turn ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..observatory import target_cautions
from ..observatory.abilities import Abilities

Body = Mapping[str, Any]


def in_utc(at_ms: float) -> str:
    """Write a time of day in UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M} UTC"


def cautions(
    known: Abilities,
    steps: Sequence[Body],
    begins_ms: Sequence[float],
    end_ms: float,
    written: Callable[[float], str] = in_utc,
) -> list[str]:
    """Return sentences without a stop; `begins_ms` is when each step begins by the estimates, `end_ms` the end.

    What is so at the beginning is said plainly, what comes later with its time as `written` writes it.
    """
    slews = [at for at, step in enumerate(steps) if (step["device"], step["action"]) == ("mount", "go")]
    found = list[str]()
    for number, at in enumerate(slews):
        is_last = number == len(slews) - 1
        until_ms = end_ms if is_last else begins_ms[slews[number + 1]]
        begin = "" if number == 0 else f"When its turn comes, at {written(begins_ms[at])}: "
        end = f"When {'it' if len(slews) == 1 else 'its turn'} ends, at {written(until_ms)}: "
        now = _of_step(known, steps[at], begins_ms[at])
        found += [begin + each for each in now] or [end + each for each in _of_step(known, steps[at], until_ms)]
    return list(dict.fromkeys(found))


def _of_step(known: Abilities, step: Body, at_ms: float) -> list[str]:
    at_ms += round(1000 * step.get("notBeforeSeconds", 0))
    params = step["required_params"], step["optional_params"]
    return target_cautions.of_job(known, step["device"], step["instance"], step["action"], *params, round(at_ms))
