"""JSON as Python programs send it: what JSON does not have becomes null, and what no reader keeps is rounded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic_core import from_json

from ..errors import BadRequest, Fault
from .strict_json import MAX_NESTING, check_nesting

_LARGEST = 2**63


def read_object(text: bytes) -> dict[str, Any]:
    """Read a body as one JSON object, NaN and infinities as null. Raises BadRequest."""
    try:
        value = _read(text)
        if text.count(b"[") + text.count(b"{") > MAX_NESTING:
            check_nesting(value)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"Error: the body is not JSON: {error}", [Fault(None, str(error))]) from None
    if not isinstance(value, dict):
        raise BadRequest("Error: the body must be a JSON object")
    return {key: writable(each) for key, each in value.items()}


def read_any(text: bytes) -> Any:
    """Read JSON of any kind, as `read_object` reads an object; None where it is none."""
    try:
        return writable(_read(text))
    except (ValueError, RecursionError):
        return None


def writable(value: Any) -> Any:
    """Return a value with null for what JSON does not have, and a float for an integer that takes over 64 bits."""
    if isinstance(value, dict):
        return {key: writable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [writable(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        return _rounded(value)
    return value


def text_of(body: Mapping[str, Any], key: str, longest: int) -> str:
    """Return a text of a body that is not blank. Raises BadRequest, naming the key."""
    value = body.get(key)
    if value is None:
        raise _wrong(key, f"missing required key {key}")
    if not isinstance(value, str) or not value.strip() or len(value) > longest or "\0" in value:
        raise _wrong(key, f"{key} must be a text of 1 to {longest} characters")
    return value


def _read(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return from_json(text)  # It knows NaN and the infinities, and is slower.


def _rounded(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _wrong(key: str, sentence: str) -> BadRequest:
    return BadRequest(f"Error: {sentence}", [Fault(key, sentence)])
