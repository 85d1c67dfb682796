"""What a site's own code needs to read commands: their parameters, and which may be carried out at the same time.

Parameters come as people's programs send them: numbers as texts, texts in quotes inside the text, `empty` or `NaN`
for a field that was left blank.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from .job import Job

Params = Mapping[str, Any]

_BLANKS = frozenset(("", "empty", "nan", "none", "null", "undefined"))
_YES = frozenset(("true", "on", "yes", "1"))
_NO = frozenset(("false", "off", "no", "0"))
_LONGEST_SHOWN = 40
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""Python alone would also take `1_000`, and digits of other scripts."""

_CAMERAS = frozenset({"camera"})
_MOVERS = frozenset({"mount", "focuser", "filter_wheel", "rotator", "selector"})
_WHOLE_TELESCOPE = frozenset({"sequencer"})
_EVERYTHING = "all"


class BadParameter(ValueError):
    """A parameter is not what the device can take; the message says which and why."""


def number(params: Params, name: str, default: float | None = None) -> float:
    """Return a finite number, also out of a text such as `"12.5"`; the default for a blank.

    Raises BadParameter when the value is no number, or is blank and there is no default.
    """
    value = params.get(name)
    if default is not None and is_blank(value):
        return default
    try:
        bare = _bare(value)
        is_odd = isinstance(value, bool) or (isinstance(bare, str) and not _NUMBER.fullmatch(bare))
        if not is_odd and math.isfinite(found := float(bare)):
            return found
    except (TypeError, ValueError, OverflowError):
        pass
    raise BadParameter(f"{name} must be a number, not {_short(value)}")


def whole(params: Params, name: str, default: int | None = None) -> int:
    """Return a whole number, also out of a text such as `"3"` or `"3.0"`; the default for a blank.

    Raises BadParameter as `number` does, and when the number is not whole.
    """
    found = number(params, name, default)
    if found != math.floor(found):
        raise BadParameter(f"{name} must be a whole number, not {_short(params.get(name))}")
    return int(found)


def text(params: Params, name: str, default: str | None = None) -> str:
    """Return a text without the quotes and blanks around it: `optimal` for `"\\"optimal\\""`; the default for a blank.

    Raises BadParameter when the value is neither a text nor a number, or is blank and there is no default.
    """
    value = params.get(name)
    if not is_blank(value) and isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(_bare(value))
    if default is not None and is_blank(value):
        return default
    raise BadParameter(f"{name} must be a text, not {_short(value)}")


def yes_or_no(params: Params, name: str, default: bool | None = None) -> bool:
    """Return whether a switch is on: true and false, `on` and `off`, `yes` and `no`; the default for a blank.

    Raises BadParameter when the value is none of these, or is blank and there is no default.
    """
    value = params.get(name)
    if default is not None and is_blank(value):
        return default
    word = str(_bare(value)).casefold()
    if word not in _YES | _NO:
        raise BadParameter(f"{name} must be on or off, not {_short(value)}")
    return word in _YES


def is_blank(value: object) -> bool:
    """Whether a field was left blank: missing, empty, or filled in by the page with `empty` or `NaN`."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and str(_bare(value)).casefold() in _BLANKS)


def may_run_beside(job: Job, other: Job) -> bool:
    """Whether a job may run while an earlier one does, at an ordinary telescope; give it to `claims(beside=...)`.

    The mount, the focuser, the rotator and the filter wheel may move at the same time; a camera exposes only while none
    of them moves; a script has the whole telescope for itself. The dome, the screen, switches and settings go beside
    all that. Each device does one thing at a time, and nothing goes beside what is for all devices.
    """
    if _EVERYTHING in (job.device, other.device) or (job.device, job.instance) == (other.device, other.instance):
        return False
    telescope = _CAMERAS | _MOVERS | _WHOLE_TELESCOPE
    if job.device not in telescope or other.device not in telescope:
        return True
    if _WHOLE_TELESCOPE & {job.device, other.device}:
        return False
    return (job.device in _CAMERAS) == (other.device in _CAMERAS)


def _bare(value: object) -> Any:
    """Return a text without the blanks and quotes around it, anything else as it is."""
    return value.strip().strip("\"'").strip() if isinstance(value, str) else value


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."
