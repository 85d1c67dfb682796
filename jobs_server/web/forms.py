"""Forms out of the catalogue: each parameter of an action becomes a field."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..domain.language import marked
from ..errors import shown
from ..observatory import catalogue
from ..observatory.abilities import Abilities
from ..observatory.profiles import Profile
from . import offers

Kind = Literal["whole", "number", "angle", "choice", "yesno", "text", "json"]

PLACEHOLDERS = ("empty", "Unspecified", "NaN")
_MOST_NAMED = 6
_LONGEST_NAME = 40
_ANGLE_UNITS = ("h", "deg")


@dataclass(frozen=True, kw_only=True)
class Field:
    """One parameter as a form shows it."""

    key: str
    kind: Kind
    optional: bool
    """It goes among the optional parameters."""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    default: Any = None
    choices: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    needed: bool = True
    """A blank one is a fault."""
    more: bool = False
    """It is shown only when more is asked for."""
    here: str = ""
    """Which values the site takes, as the site says; others are sent with a caution."""

    @property
    def note(self) -> str:
        """Return what is noted of the parameter, in one line."""
        return ". ".join(self.notes)

    @property
    def label(self) -> str:
        """Return the name for people."""
        return self.key.replace("_", " ")

    @property
    def range_text(self) -> str:
        """Return which values are taken; blank when any is."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f"at least {self.low:g}" if self.low is not None else ""

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Return the choices, each as the form holds it and as the form shows it."""
        return [(written(choice), _shown(choice)) for choice in self.choices]

    @property
    def shown_default(self) -> str:
        """Write the default as a form holds it; what stands for nothing is left blank."""
        return "" if self.default in PLACEHOLDERS or self.default is None else written(self.default)


class Form(NamedTuple):
    """An action as a form."""

    device: str
    action: str
    fields: tuple[Field, ...]
    one_of: tuple[tuple[str, ...], ...]
    """Groups of parameters of which one is to be given."""


def form(device: str, action: str, site: Abilities | Profile, script: str = "") -> Form | None:
    """Make the form of an action with what a site has; None when the catalogue does not know the action."""
    abilities = Abilities(site, {}) if isinstance(site, Profile) else site
    known = catalogue.action(device, action)
    if not known:
        return Form(device, action, (), ()) if abilities.said and action == offers.STOP else None
    groups = tuple(tuple(group) for group in known.get("one_of", ()))
    grouped = {key for group in groups for key in group}
    required = dict(known.get("required_params", {}))
    if device == "sequencer" and action == "run":
        required.pop("script", None)
        required |= known.get("scripts", {}).get(script, {}).get("params", {})
    optional = dict(known.get("optional_params", {}))
    fields = [_field(device, key, spec, abilities, grouped, optional=False) for key, spec in required.items()]
    fields += [_field(device, key, spec, abilities, grouped, optional=True) for key, spec in optional.items()]
    usual = catalogue.sent_with(device, action).items()
    fields += [_usual(key, spec) for key, spec in usual if key not in required and key not in optional]
    return Form(device, action, tuple(field for field in fields if field.key != "username"), groups)


def fits(form: Form, required: Mapping[str, Any], optional: Mapping[str, Any]) -> bool:
    """Whether a form can hold these parameters, so that a job can be edited in the form."""
    keys = {(field.key, field.optional) for field in form.fields}
    sent = {(key, False) for key in required} | {(key, True) for key in optional if key != "username"}
    return sent <= keys


def values_of(form: Form, required: Mapping[str, Any], optional: Mapping[str, Any]) -> dict[str, str]:
    """Write parameters as the form holds them."""
    values = {**required, **optional}
    shown = {field.key: written(values[field.key]) for field in form.fields if field.key in values}
    shown = {key: "" if text in PLACEHOLDERS else text for key, text in shown.items()}
    given = {key for key, text in shown.items() if text}
    group = next((number for number, keys in enumerate(form.one_of) if set(keys) <= given), 0)
    return {**shown, "group": str(group)} if form.one_of else shown


def written(value: Any) -> str:
    """Write a value as a form holds it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _field(
    device: str, key: str, spec: Mapping[str, Any], abilities: Abilities, grouped: Iterable[str], *, optional: bool
) -> Field:
    kind = _kind(key, spec)
    choices = _choices(device, key, spec, abilities)
    low, high = spec.get("range", (spec.get("min"), spec.get("max")))
    is_listed = key == "bin" and abilities.said and bool(choices)
    unread = spec.get("used_by_site") is False and not is_listed
    is_explained = unread or kind not in ("text", "yesno") or (kind == "text" and not choices and "default" not in spec)
    note = spec.get("note", "") if is_explained else ""
    notes = (note, marked("The public site software does not read it.") if unread else "")
    default = (
        spec.get("default") if spec.get("ui", True) or not optional else None
    )  # what no interface sends, is not sent
    return Field(
        key=key,
        kind="choice" if choices and kind in ("text", "whole", "number") else kind,
        optional=optional,
        unit=spec.get("unit", ""),
        low=low,
        high=high,
        default=default,
        choices=choices,
        notes=tuple(filter(None, notes)),
        needed=not optional and key not in grouped and default not in PLACEHOLDERS and spec.get("ui", True),
        here=_limits(device, key, abilities),
        more=optional and (not spec.get("ui", True) or unread or kind == "json"),
    )


def _usual(key: str, spec: Mapping[str, Any]) -> Field:
    choices = tuple(spec.get("enum", ()))
    kind: Kind = "choice" if choices else "whole"
    note = marked("Sent with every command by the public user interface.")
    return Field(
        key=key,
        kind=kind,
        optional=True,
        low=spec.get("min"),
        default=spec["default"],
        choices=choices,
        notes=(note,),
        more=True,
        needed=False,
    )


def _kind(key: str, spec: Mapping[str, Any]) -> Kind:
    name = spec.get("type", "string")
    if name == "number" and spec.get("unit") in _ANGLE_UNITS and key in ("ra", "dec", "ha", "az", "alt"):
        return "angle"
    kinds: Mapping[str, Kind] = {
        "integer": "whole",
        "number": "number",
        "boolean": "yesno",
        "object": "json",
        "array": "json",
    }
    return kinds.get(name, "text")


def _choices(device: str, key: str, spec: Mapping[str, Any], abilities: Abilities) -> tuple[Any, ...]:
    if key in ("filter", "filter_name"):
        return _listed(device, abilities, abilities.filters)
    if key == "bin" and (binnings := _listed(device, abilities, abilities.binnings)):
        return binnings
    return tuple(spec.get("offered") or spec.get("enum") or spec.get("enum_ui") or ())


def _listed(device: str, abilities: Abilities, read: Callable[[str, str], tuple[Any, ...] | None]) -> tuple[Any, ...]:
    """Return what the devices of a type list together."""
    found = {written(each): each for name in abilities.instances(device) or ("",) for each in read(device, name) or ()}
    return tuple(found.values())


def _limits(device: str, key: str, abilities: Abilities) -> str:
    """Write between which values the devices of a type take a parameter; blank when they say nothing."""
    limits = {name: abilities.limits(device, name).get(key) for name in abilities.instances(device) or ()}
    texts = {name: _between(*bounds) for name, bounds in limits.items() if bounds}
    if len(set(texts.values())) <= 1 and len(texts) == len(limits):
        return next(iter(texts.values()), "")
    return "; ".join(f"{shown(name, _LONGEST_NAME)} {text}" for name, text in list(texts.items())[:_MOST_NAMED])


def _between(low: float, high: float) -> str:
    if math.isinf(high):
        return f"at least {low:g}"
    return f"at most {high:g}" if math.isinf(low) else f"{low:g} to {high:g}"


def _shown(choice: Any) -> str:
    return " × ".join(map(str, choice)) if isinstance(choice, list) else str(choice)
