"""Filled forms: what somebody typed becomes parameters, or a sentence beside the field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from ..domain import strict_json
from ..errors import BadRequest
from ..observatory.coordinates import Unit, parse, sexagesimal, within_a_turn
from ..observatory.decimals import with_points
from .forms import PLACEHOLDERS, Field, Form, written

_CIRCLES = ("ra", "ha", "az", "header_rahrs")
"""Of these a whole turn is sent as 0, also where it comes about by rounding."""
_LARGEST = 2**53
_FINEST = 6  # decimals of an angle: 0.004 arcsec


class Filled(NamedTuple):
    """What was read out of a filled form."""

    required: dict[str, Any]
    optional: dict[str, Any]
    faults: dict[str, str]
    """By key, a sentence."""
    readings: dict[str, str]
    """By key, how an angle was understood."""


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
    if not text.strip():
        return {}
    wanted = 'must be a JSON object, such as {"filter": "R"}'
    try:
        return strict_json.read_object(text.encode(), name, not_json="must be JSON", no_object=wanted)
    except ValueError as error:
        raise BadRequest(f"Error: {error}") from None


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
        if field.default in PLACEHOLDERS:
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
        value = round(parse(text, cast(Unit, field.unit)), _FINEST) or 0.0  # a small negative one comes to -0.0
    else:
        value = _plain_number(field, text)
    if field.key in _CIRCLES:
        value = within_a_turn(value, cast(Unit, field.unit))
    if field.kind == "angle":
        readings[field.key] = _reading(value, cast(Unit, field.unit))
    if (field.low is not None and value < field.low) or (field.high is not None and value > field.high):
        sentence = f"{field.label} must be {field.range_text} {field.unit}".rstrip() + f", not {value:g}"
        raise ValueError(sentence + _in_degrees(field, value, text))
    return value


def _in_degrees(field: Field, value: float, text: str) -> str:
    """Ask whether degrees are meant where hours are read, and they may be."""
    is_bare = text.strip().replace(".", "", 1).isdigit()
    return f"; if it is in degrees, write {text.strip()} deg" if field.key == "ra" and is_bare and value <= 360 else ""


def _reading(value: float, unit: Unit) -> str:
    """Return how an angle was understood, in digits enough that no value looks like its neighbour."""
    other = f" = {round(value * 15, 4) % 360:.4f} deg" if unit == "h" else ""
    return f"{sexagesimal(value, unit)} = {value:.9g} {unit}{other}"


def _plain_number(field: Field, text: str) -> float:
    pointed = with_points(text)
    try:
        value = float(pointed)
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
