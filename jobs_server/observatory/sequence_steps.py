"""Steps of a plan out of targets and exposures: a slew to each target, focusing, and the frames there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import shown
from . import catalogue, targets
from .abilities import Abilities
from .directions import Direction
from .numbers_said import binning
from .own_targets import OwnTarget
from .sequence_entries import Exposure, Mark
from .sequences import Entry

Step = dict[str, Any]

_FOCUS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sequencer", "run", {"script": "focusAuto"}),
    ("sequencer", "autofocus", {}),
    ("focuser", "fine_focus", {}),
)
"""How a site may be asked to focus by itself, the likeliest first."""
_ALWAYS = {"sequencer": "sequencer1"}
_NAMELESS = ("", "Unspecified")


@dataclass(frozen=True, kw_only=True)
class Manner:
    """With what, and how, targets are observed."""

    site: Abilities
    camera: str
    mount: str
    at_ms: int
    """When it begins: where what moves stands then is written into the slew."""
    common: Sequence[Step] = ()
    """What is taken at a target that brings no exposures of its own."""
    rounds: int = 1
    focus: str = ""
    """Whether to focus `once`, before the first exposure, or `each` time before a round."""
    most: int = 500
    """How many steps a plan may have."""

    def with_common(self, common: Sequence[Step]) -> Manner:
        """Return the same with what is taken at targets that bring nothing of their own."""
        return replace(self, common=common)


def focus_step(known: Abilities) -> Step | None:
    """Return how a site is asked to focus by itself; None where it names nothing that does."""
    for device, action, params in _FOCUS:
        instances = known.instances(device)
        if instances is None:
            return step(device, _ALWAYS.get(device, device), action, params, {})
        for name in instances:
            actions = known.actions(device, name)
            if actions is None or action in actions:
                return step(device, name, action, params, {})
    return None


def step(device: str, instance: str, action: str, required: Mapping[str, Any], optional: Mapping[str, Any]) -> Step:
    """Return a step as `newplan` takes it."""
    what = {"device": device, "instance": instance, "action": action}
    return {**what, "required_params": dict(required), "optional_params": dict(optional)}


def steps_of(entries: Iterable[Entry], manner: Manner) -> list[Step]:
    """Return the steps of a plan. Raises ValueError when a target has nothing to be taken, or the plan is too long."""
    made, focus = list[Step](), focus_step(manner.site)
    for number, (target, rest) in enumerate(_parts(entries)):
        if target is not None:
            made.append(_slew(target, manner))
        if any(isinstance(each, Exposure) for each in rest):
            for each in rest:
                made += _own(each, target, manner, focus)
        else:
            made += _common(target, rest, manner, focus, is_first=number == 0)
        if len(made) > manner.most:
            raise ValueError(f"a plan may have {manner.most} steps, and this one would have more: part it")
    return made


def exposure_steps(exposure: Exposure, name: str, manner: Manner) -> list[Step]:
    """Return an exposure as steps: one, or where it waits between its frames, one for each frame."""
    required = _usual("camera", "expose", "required_params") | {"time": _number(exposure.seconds)}
    optional = _usual("camera", "expose", "optional_params") | {"count": exposure.count, "object_name": name}
    optional |= catalogue.usual_with("camera", "expose")
    given = {
        "filter": _listed(exposure.filter, manner.site.filters("camera", manner.camera) or ()),
        "bin": _binning(exposure.binning, manner),
        "gain": None if exposure.gain is None else _number(exposure.gain),
    }
    optional |= {key: value for key, value in given.items() if value not in (None, "")}
    required |= {"image_type": exposure.kind}
    whole = step("camera", manner.camera, "expose", required, _without_blanks(optional))
    if not exposure.delay_seconds or exposure.count == 1:
        return [whole]
    if exposure.count > manner.most:
        raise ValueError(
            f"a plan may have {manner.most} steps, and {exposure.count} frames with a delay are more: part it"
        )
    first = {**whole, "optional_params": {**whole["optional_params"], "count": 1}}
    return [first, *[{**first, "notBeforeSeconds": _number(exposure.delay_seconds)}] * (exposure.count - 1)]


def _parts(entries: Iterable[Entry]) -> Iterator[tuple[OwnTarget | None, list[Entry]]]:
    """Yield each target with what is to be done there; what stands before the first has none."""
    target: OwnTarget | None = None
    rest = list[Entry]()
    for each in entries:
        if isinstance(each, OwnTarget) or each is Mark.NO_TARGET:
            if target is not None or rest:
                yield target, rest
            target, rest = (each if isinstance(each, OwnTarget) else None), []
        else:
            rest.append(each)
    if target is not None or rest:
        yield target, rest


def _slew(target: OwnTarget, manner: Manner) -> Step:
    if target.ra_hours is None or target.dec_degrees is None:
        found = targets.named(target.name, manner.at_ms, manner.site.profile.place)
        if not found:
            raise ValueError(f"{shown(target.name)} has no coordinates, and no catalogue here knows the name")
        where = found[0].direction
    else:
        where = targets.rounded(Direction(target.ra_hours, target.dec_degrees))
    required = {"ra": where.ra_hours, "dec": where.dec_degrees} | _usual("mount", "go", "required_params")
    optional = {"object": target.name} | catalogue.usual_with("mount", "go")
    return step("mount", manner.mount, "go", required, optional)


def _own(each: Entry, target: OwnTarget | None, manner: Manner, focus: Step | None) -> list[Step]:
    if isinstance(each, Exposure):
        return exposure_steps(each, target.name if target else _NAMELESS[1], manner)
    return [focus] if focus and each is Mark.FOCUS else []


def _common(
    target: OwnTarget | None, rest: Sequence[Entry], manner: Manner, focus: Step | None, *, is_first: bool
) -> list[Step]:
    if not manner.common:
        where = shown(target.name) if target else "the place"
        raise ValueError(f"nothing is to be taken at {where}: say what, or bring its sequence in too")
    series = [_named(each, target.name if target else "") for each in manner.common]
    focusing = [focus] if focus else []
    if manner.focus == "each":
        return (focusing + series) * manner.rounds
    is_focused = (manner.focus == "once" and is_first) or Mark.FOCUS in rest
    return (focusing if is_focused else []) + series * manner.rounds


def _named(exposure: Step, name: str) -> Step:
    """Return an exposure with the name of its target in its frames."""
    optional = exposure["optional_params"]
    return {**exposure, "optional_params": {**optional, "object_name": name}} if name else exposure


def _usual(device: str, action: str, kind: str) -> dict[str, Any]:
    """Return the parameters that forms send where nobody says otherwise."""
    known: Mapping[str, Mapping[str, Any]] = catalogue.action(device, action).get(kind, {})
    return {key: spec["default"] for key, spec in known.items() if "default" in spec and spec.get("ui", True)}


def _without_blanks(optional: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in optional.items() if value not in (None, "")}


def _listed(name: str, known: Iterable[str]) -> str:
    """Return a filter as the site spells it, where only small and capital letters differ."""
    return next((each for each in known if each.casefold() == name.casefold()), name)


def _binning(text: str, manner: Manner) -> Any:
    """Return a binning as the site lists it, where it does."""
    listed = manner.site.binnings("camera", manner.camera) or ()
    return next((each for each in listed if text and binning(each) == binning(text)), text)


def _number(value: float) -> float:
    return int(value) if value == int(value) else value
