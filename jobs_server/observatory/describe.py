"""Jobs in plain language: what a command asks for, in one line that an observer reads at a glance."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol

from ..domain.language import ENGLISH, Language, marked
from ..domain.lifecycle import is_stop, stop_covers_site
from .coordinates import sexagesimal, within_a_turn

LONGEST = 160
"""Characters that a line may have; parameters of any size are cut."""

_REMEMBERED_LENGTH = 1000
_LARGEST = 1e9
_MOST_NAMED = 40
_NAMED = frozenset(
    (
        *("time", "count", "filter", "filter_name", "image_type", "object_name", "object", "script", "position"),
        *("ra", "ha", "dec", "az", "alt"),
    )
)
"""The parameters that lines name."""

_NOTHING = (None, "", "empty", "Unspecified", "NaN")
Params = Mapping[str, Any]


def describe(
    device: str, instance: str, action: str, required: Params, optional: Params, language: Language = ENGLISH
) -> str:
    """Return what a command asks for, in a line of a language."""
    if is_stop(action, required):
        if stop_covers_site(device, instance, action):
            return language.text("Stop everything")
        return language.text("Stop the %(device)s", device=language.named(_plain(device)))
    write = _LINES.get((device, action))
    line = write(required, optional, language) if write else None
    return shorten(line or _anything(device, action, required, language))


class Described(Protocol):
    """A job whose parameters are JSON texts."""

    @property
    def device(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def required_params(self) -> str: ...
    @property
    def optional_params(self) -> str: ...


def describe_job(job: Described, language: Language = ENGLISH) -> str:
    """Return what a job asks for, in a line of a language."""
    asked = (job.device, job.instance, job.action, job.required_params, job.optional_params, language)
    if len(job.required_params) + len(job.optional_params) > _REMEMBERED_LENGTH:
        return _described(*asked)
    return _remembered(*asked)


def _described(device: str, instance: str, action: str, required: str, optional: str, language: Language) -> str:
    return describe(device, instance, action, json.loads(required), json.loads(optional), language)


# The same jobs are shown again and again, on every page that is open.
_remembered = lru_cache(4096)(_described)


def shortened(params: str) -> str:
    """Return parameters as a JSON text, without what is so long that no line shows it."""
    if len(params) <= _REMEMBERED_LENGTH:
        return params
    named = [(key, value) for key, value in json.loads(params).items() if key in _NAMED or len(key) <= LONGEST]
    first = sorted(named, key=lambda pair: pair[0] not in _NAMED)[:_MOST_NAMED]
    return json.dumps({key: _shortened(value) for key, value in first})


def _shortened(value: object) -> object:
    if isinstance(value, str):
        return shorten(value, 2 * LONGEST)
    return value if len(json.dumps(value)) <= 2 * LONGEST else "…"


def shorten(line: str, longest: int = LONGEST) -> str:
    """Cut a line that is too long, and show that it was cut."""
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _plain(name: str) -> str:
    return shorten(name.replace("_", " ").strip(), 60)


def _known(value: object) -> bool:
    return value not in _NOTHING if isinstance(value, str | None) else True


def _text(value: object, language: Language) -> str:
    """Write a value as people do: a list with commas, yes and no, and a question mark for what is not there."""
    if value is None or value == "":
        return "?"
    if isinstance(value, bool):
        return language.text("yes") if value else language.text("no")
    if isinstance(value, Mapping):
        written = (f"{language.named(_plain(str(key)))} {_text(each, language)}" for key, each in value.items())
        return ", ".join(written) or language.text("none")
    if isinstance(value, list | tuple):
        return ", ".join(_text(each, language) for each in value) or language.text("none")
    return language.number(str(value)) if isinstance(value, float) else str(value)


def _number(value: object) -> float | None:
    """Read a number that can be written as an angle or a way; None when it is none, not finite, or beyond all sense."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return found if abs(found) <= _LARGEST else None


def _expose(required: Params, optional: Params, language: Language) -> str:
    count = optional.get("count")
    times = "" if not _known(count) or str(count) in ("1", "1.0") else f"{_text(count, language)} × "
    parts = [language.text("Expose %(time)s s", time=times + _text(required.get("time"), language))]
    if _known(optional.get("filter")):
        parts.append(language.text("filter %(name)s", name=_text(optional["filter"], language)))
    if _known(required.get("image_type")):
        parts.append(_text(required["image_type"], language))
    if _known(optional.get("object_name")):
        parts.append(_text(optional["object_name"], language))
    return ", ".join(parts)


def _go(required: Params, optional: Params, language: Language) -> str | None:
    name = optional.get("object")
    where = _position(required, language)
    if _known(name):
        line = language.text("Slew to %(target)s", target=_text(name, language))
        return f"{line} ({where})" if where else line
    return language.text("Slew to %(target)s", target=where) if where else None


def _position(params: Params, language: Language) -> str | None:
    found = {key: _number(params.get(key)) for key in ("ra", "ha", "dec", "az", "alt")}
    if found["dec"] is not None and found["ra"] is not None:
        return f"{sexagesimal(found['ra'], 'h')} {sexagesimal(found['dec'], 'deg')}"
    if found["dec"] is not None and found["ha"] is not None:
        hours = language.text("hour angle %(angle)s", angle=sexagesimal(found["ha"], "h"))
        return f"{hours}, {sexagesimal(found['dec'], 'deg')}"
    if found["az"] is not None and found["alt"] is not None:
        azimuth = within_a_turn(float(f"{found['az']:g}"), "deg")  # 359.9999999 is written as 360
        sides = {"azimuth": language.number(f"{azimuth:g}"), "altitude": language.number(f"{found['alt']:g}")}
        return language.text("az %(azimuth)s°, alt %(altitude)s°", **sides)
    return None


def _move(to: str, by: str, *, relative: bool) -> Callable[[Params, Params, Language], str | None]:
    def write(required: Params, _optional: Params, language: Language) -> str | None:
        number = _number(required.get("position"))
        if number is None:
            return None
        if relative:
            return language.text(by, number=language.number(f"{number:+g}"))
        return language.text(to, number=language.number(f"{number:g}"))

    return write


def _always(line: str) -> Callable[[Params, Params, Language], str]:
    return lambda _required, _optional, language: language.text(line)


def _filter(required: Params, _optional: Params, language: Language) -> str:
    name = _text(required.get("filter_name", required.get("filter")), language)
    return language.text("Filter %(name)s", name=name)


def _script(required: Params, _optional: Params, language: Language) -> str:
    return language.text("Run script %(name)s", name=_text(required.get("script"), language))


_FOCUS = marked("Move focus to %(number)s µm"), marked("Move focus by %(number)s µm")
_ROTATOR = marked("Turn rotator to %(number)s °"), marked("Turn rotator by %(number)s °")

_LINES: Mapping[tuple[str, str], Callable[[Params, Params, Language], str | None]] = {
    ("camera", "expose"): _expose,
    ("camera", "darkslide_open"): _always(marked("Open the dark slide")),
    ("camera", "darkslide_close"): _always(marked("Close the dark slide")),
    ("mount", "go"): _go,
    ("mount", "park"): _always(marked("Park the mount")),
    ("mount", "unpark"): _always(marked("Unpark the mount")),
    ("mount", "home"): _always(marked("Home the mount")),
    ("focuser", "move_relative"): _move(*_FOCUS, relative=True),
    ("focuser", "move_absolute"): _move(*_FOCUS, relative=False),
    ("rotator", "move_relative"): _move(*_ROTATOR, relative=True),
    ("rotator", "move_absolute"): _move(*_ROTATOR, relative=False),
    ("filter_wheel", "set_name"): _filter,
    ("sequencer", "run"): _script,
    ("sequencer", "autofocus"): _always(marked("Focus automatically")),
    ("enclosure", "open"): _always(marked("Open the roof")),
    ("enclosure", "close"): _always(marked("Close the roof")),
    ("all", "observatory_restart"): _always(marked("Restart the observatory")),
}


def _anything(device: str, action: str, required: Params, language: Language) -> str:
    """Write an action that has no line of its own: its name, its device, its first plain parameters."""
    name = language.named(_plain(action))
    line = f"{name[:1].upper()}{name[1:]} ({language.named(_plain(device))})"
    plain = [
        f"{language.named(_plain(key))} {_text(value, language)}"
        for key, value in required.items()
        if isinstance(value, str | int | float)
    ]
    return ": ".join((line, ", ".join(plain[:3]))) if plain else line
