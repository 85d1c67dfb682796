"""Forms out of the catalogue: each parameter of an action becomes a field, and a filled form becomes parameters."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from ..domain import strict_json
from ..errors import BadRequest
from ..observatory import catalogue
from ..observatory.coordinates import Unit, parse, sexagesimal
from ..observatory.profiles import Profile

Kind = Literal["whole", "number", "angle", "choice", "yesno", "text", "json"]

_PLACEHOLDERS = ("empty", "Unspecified", "NaN")
_ANGLE_UNITS = ("h", "deg")
_LARGEST = 2**53
_FINEST = 6  # decimals of an angle: 0.004 arcsec


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
    note: str = ""
    needed: bool = True
    """A blank one is a fault."""
    more: bool = False
    """It is shown only when more is asked for."""

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
        return [(written(choice), str(choice)) for choice in self.choices]

    @property
    def shown_default(self) -> str:
        """Write the default as a form holds it; what stands for nothing is left blank."""
        return "" if self.default in _PLACEHOLDERS or self.default is None else written(self.default)


class Form(NamedTuple):
    """An action as a form."""

    device: str
    action: str
    fields: tuple[Field, ...]
    one_of: tuple[tuple[str, ...], ...]
    """Groups of parameters of which one is to be given."""


class Filled(NamedTuple):
    """What was read out of a filled form."""

    required: dict[str, Any]
    optional: dict[str, Any]
    faults: dict[str, str]
    """By key, a sentence."""
    readings: dict[str, str]
    """By key, how an angle was understood."""


def form(device: str, action: str, profile: Profile, script: str = "") -> Form | None:
    """Make the form of an action; None when the catalogue does not know it."""
    known = catalogue.action(device, action)
    if not known:
        return None
    groups = tuple(tuple(group) for group in known.get("one_of", ()))
    grouped = {key for group in groups for key in group}
    required = dict(known.get("required_params", {}))
    if device == "sequencer" and action == "run":
        required.pop("script", None)
        required |= known.get("scripts", {}).get(script, {}).get("params", {})
    optional = dict(known.get("optional_params", {}))
    fields = [_field(device, key, spec, profile, grouped, optional=False) for key, spec in required.items()]
    fields += [_field(device, key, spec, profile, grouped, optional=True) for key, spec in optional.items()]
    usual = catalogue.sent_with(device, action).items()
    fields += [_usual(key, spec) for key, spec in usual if key not in required and key not in optional]
    return Form(device, action, tuple(field for field in fields if field.key != "username"), groups)


def read(form: Form, given: Mapping[str, str], prefix: str = "") -> Filled:
    """Read a filled form: what it does not hold has its default.

    A blank optional parameter is left out, or its stand-in sent where the site expects one.
    """
    filled = Filled({}, {}, {}, {})
    group = _chosen_group(form, given, prefix)
    for field in form.fields:
        if group is not None and field.key not in group and any(field.key in other for other in form.one_of):
            continue
        text = given.get(prefix + field.key, field.shown_default).strip()
        try:
            value = _value(field, text, filled.readings)
        except ValueError as error:
            filled.faults[field.key] = str(error)
            continue
        if value is not None:
            (filled.optional if field.optional else filled.required)[field.key] = value
    return filled


def read_object(text: str, name: str) -> dict[str, Any]:
    """Read a JSON object that somebody typed. Raises BadRequest."""
    try:
        value = strict_json.read(text.encode()) if text.strip() else {}
    except ValueError as error:
        raise BadRequest(f"Error: {name} must be JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadRequest(f'Error: {name} must be a JSON object, such as {{"filter": "R"}}')
    return value


def fits(form: Form, required: Mapping[str, Any], optional: Mapping[str, Any]) -> bool:
    """Whether a form can hold these parameters, so that a job can be edited in the form."""
    keys = {(field.key, field.optional) for field in form.fields}
    sent = {(key, False) for key in required} | {(key, True) for key in optional if key != "username"}
    return sent <= keys


def values_of(form: Form, required: Mapping[str, Any], optional: Mapping[str, Any]) -> dict[str, str]:
    """Write parameters as the form holds them."""
    values = {**required, **optional}
    shown = {field.key: written(values[field.key]) for field in form.fields if field.key in values}
    shown = {key: "" if text in _PLACEHOLDERS else text for key, text in shown.items()}
    given = {key for key, text in shown.items() if text}
    group = next((number for number, keys in enumerate(form.one_of) if set(keys) <= given), 0)
    return {**shown, "group": str(group)} if form.one_of else shown


def written(value: Any) -> str:
    """Write a value as a form holds it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _field(
    device: str, key: str, spec: Mapping[str, Any], profile: Profile, grouped: Iterable[str], *, optional: bool
) -> Field:
    kind = _kind(key, spec)
    choices = _choices(device, key, spec, profile)
    low, high = spec.get("range", (spec.get("min"), spec.get("max")))
    unread = spec.get("used_by_site") is False
    is_explained = unread or kind not in ("text", "yesno") or (kind == "text" and not choices and "default" not in spec)
    note = spec.get("note", "") if is_explained else ""
    notes = (note, "The public site software does not read it." if unread else "")
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
        note=". ".join(filter(None, notes)),
        needed=not optional and key not in grouped and default not in _PLACEHOLDERS and spec.get("ui", True),
        more=optional and (not spec.get("ui", True) or unread or kind == "json"),
    )


def _usual(key: str, spec: Mapping[str, Any]) -> Field:
    choices = tuple(spec.get("enum", ()))
    kind: Kind = "choice" if choices else "whole"
    note = "Sent with every command by the public user interface."
    return Field(
        key=key,
        kind=kind,
        optional=True,
        low=spec.get("min"),
        default=spec["default"],
        choices=choices,
        note=note,
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


def _choices(device: str, key: str, spec: Mapping[str, Any], profile: Profile) -> tuple[Any, ...]:
    own = profile.device(device)
    if key in ("filter", "filter_name"):
        return tuple(own.filters or profile.device("camera").filters or profile.device("filter_wheel").filters)
    if key == "bin" and own.binnings:
        return tuple(own.binnings)
    return tuple(spec.get("enum") or spec.get("enum_ui") or ())


def _chosen_group(form: Form, given: Mapping[str, str], prefix: str) -> tuple[str, ...] | None:
    """Find which of the groups is meant: the one that was chosen, else the first that is filled in."""
    if not form.one_of:
        return None
    chosen = given.get(f"{prefix}group", "")
    if chosen.isdecimal() and int(chosen) < len(form.one_of):
        return form.one_of[int(chosen)]
    return next(
        (group for group in form.one_of if all(given.get(prefix + key, "").strip() for key in group)), form.one_of[0]
    )


def _value(field: Field, text: str, readings: dict[str, str]) -> Any:
    """Read one field. Raises ValueError with a sentence."""
    if not text:
        if field.default in _PLACEHOLDERS:
            return field.default
        if field.needed or (field.kind == "angle" and not field.optional):
            raise ValueError(f"{field.label} is needed")
        return None
    if field.kind in ("whole", "number", "angle"):
        return _numeric(field, text, readings)
    if field.kind == "yesno":
        return _yes_or_no(field, text)
    if field.kind == "json":
        return _json(field, text)
    if field.kind == "choice":
        return next((choice for choice in field.choices if written(choice) == text), text)
    return text


def _numeric(field: Field, text: str, readings: dict[str, str]) -> float:
    if field.kind == "angle":
        unit = cast(Unit, field.unit)
        value: float = round(parse(text, unit), _FINEST)
        other = f" = {value * 15:.4f} deg" if unit == "h" else ""
        readings[field.key] = f"{sexagesimal(value, unit)} = {value:.6g} {unit}{other}"
    else:
        value = _plain_number(field, text)
    if (field.low is not None and value < field.low) or (field.high is not None and value > field.high):
        raise ValueError(f"{field.label} must be {field.range_text} {field.unit}".rstrip() + f", not {value:g}")
    return value


def _plain_number(field: Field, text: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise ValueError(f"{field.label} must be a number, not {text[:40]!r}")
    if value != int(value) or abs(value) > _LARGEST:
        if field.kind == "whole":
            raise ValueError(f"{field.label} must be a whole number, not {text[:40]!r}")
        return value
    return int(value)


def _yes_or_no(field: Field, text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{field.label} must be yes or no")
    return text == "true"


def _json(field: Field, text: str) -> Any:
    try:
        return strict_json.read(text.encode())
    except ValueError as error:
        raise ValueError(f"{field.label} must be JSON: {error}") from None
