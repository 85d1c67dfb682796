"""What INDI calls properties: vectors of numbers, texts, switches, lights or BLOBs, with a state."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast
from xml.sax.saxutils import escape, quoteattr

from .indi_stream import BadStream, Element, Member

Kind = Literal["Number", "Text", "Switch", "Light", "BLOB"]
VectorState = Literal["Idle", "Ok", "Busy", "Alert"]
Value = float | str | bool
_MESSAGE = re.compile(r"(def|set)(Number|Text|Switch|Light|BLOB)Vector")
_STATES = ("Idle", "Ok", "Busy", "Alert")


@dataclass(frozen=True)
class Blob:
    """What came as a BLOB: the bytes, and the format as the driver named it, such as `.fits`."""

    data: bytearray
    format: str
    size: int | None


@dataclass(frozen=True)
class Range:
    """The least and largest value of a number, and its step; both 0 where the driver says none."""

    least: float
    largest: float
    step: float


_NO_RANGE = Range(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Vector:
    """One property as it stands.

    `sets` counts the messages that changed it; being described anew is none. `labels` holds what people read, `at` is
    the monotonic clock when the values came.
    """

    name: str
    kind: Kind
    state: VectorState
    writable: bool
    values: Mapping[str, Value]
    ranges: Mapping[str, Range] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    blobs: Mapping[str, Blob] = field(default_factory=dict)
    timestamp: str = ""
    sets: int = 0
    rule: str = ""
    at: float = 0.0

    def number(self, member: str) -> float | None:
        """Return a number; None when it is missing, NaN or infinite."""
        value = self.values.get(member)
        return float(value) if isinstance(value, float) and math.isfinite(value) else None

    def range(self, member: str) -> Range:
        """Return the range of a number; one of zeros where the driver says none."""
        return self.ranges.get(member, _NO_RANGE)

    def is_on(self, member: str) -> bool:
        """Whether a switch is on."""
        return self.values.get(member) is True

    def text(self, member: str) -> str:
        """Return a text; nothing when it is missing."""
        return str(self.values.get(member, ""))


def kind_of(element: Element) -> tuple[Literal["def", "set"], Kind] | None:
    """Return whether a message describes or sets a vector, and of which kind; None when it does neither."""
    found = _MESSAGE.fullmatch(element.tag)
    return cast(tuple[Literal["def", "set"], Kind], found.groups()) if found else None


def described(element: Element, kind: Kind) -> Vector:
    """Return the vector that a `def` message describes."""
    members = {member.attributes.get("name", ""): member for member in element.members}
    return Vector(
        name=element.attributes.get("name", ""),
        kind=kind,
        state=_state(element, "Idle"),
        writable="w" in element.attributes.get("perm", "") and kind != "Light",
        values={name: _value(kind, member) for name, member in members.items() if kind != "BLOB"},
        ranges={name: _range(member) for name, member in members.items()} if kind == "Number" else {},
        labels={name: member.attributes.get("label", name) for name, member in members.items()},
        timestamp=element.attributes.get("timestamp", ""),
        rule=element.attributes.get("rule", ""),
        at=time.monotonic(),
    )


def described_again(known: Vector, new: Vector) -> Vector:
    """Return a vector that was known and is described anew, as a look at the device has it described."""
    at = known.at if known.values == new.values else new.at
    return replace(new, sets=known.sets, blobs=known.blobs, at=at)


def changed(vector: Vector, element: Element) -> Vector:
    """Return a vector as a `set` message makes it; members that it does not name keep their values."""
    values, blobs = dict(vector.values), dict(vector.blobs)
    ranges = dict(vector.ranges)
    for member in element.members:
        name = member.attributes.get("name", "")
        if member.data is not None:
            blobs[name] = Blob(member.data, member.attributes.get("format", ""), _whole(member.attributes.get("size")))
        elif vector.kind != "BLOB":
            values[name] = _value(vector.kind, member)
            if "min" in member.attributes or "max" in member.attributes:
                ranges[name] = _range(member)
    return replace(
        vector,
        state=_state(element, vector.state),
        values=values,
        ranges=ranges,
        blobs=blobs,
        timestamp=element.attributes.get("timestamp", vector.timestamp),
        sets=vector.sets + 1,
        at=time.monotonic(),
    )


def command(device: str, vector: Vector, values: Mapping[str, Value]) -> bytes:
    """Return the message that asks a device for new values of a vector."""
    members = "".join(
        f"<one{vector.kind} name={quoteattr(name)}>{_written(value)}</one{vector.kind}>"
        for name, value in values.items()
    )
    head = f"<new{vector.kind}Vector device={quoteattr(device)} name={quoteattr(vector.name)}>"
    return f"{head}{members}</new{vector.kind}Vector>\n".encode()


def number(text: str) -> float:
    """Return a number as INDI writes it: decimal, or hours and minutes with colons, semicolons or blanks between.

    A text that is no number is NaN.
    """
    text = text.strip()
    try:
        return float(text)
    except ValueError:
        pass
    parts = re.split(r"[:;\s]+", text)
    try:
        sizes = [abs(float(part)) for part in parts]
    except ValueError:
        return math.nan
    if len(sizes) > 3:
        return math.nan
    whole = sum(size / (1.0, 60.0, 3600.0)[place] for place, size in enumerate(sizes))
    return -whole if text.startswith("-") else whole


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "On" if value else "Off"
    return repr(float(value)) if isinstance(value, int | float) else escape(value)


def _value(kind: Kind, member: Member) -> Value:
    if kind == "Number":
        return number(member.text)
    return member.text == "On" if kind == "Switch" else member.text


def _state(element: Element, usual: VectorState) -> VectorState:
    state = element.attributes.get("state", usual)
    if state not in _STATES:
        raise BadStream(f"this is no INDI: the state {state[:40]!r}")
    return cast(VectorState, state)


def _range(member: Member) -> Range:
    least, largest, step = (number(member.attributes.get(key, "0")) for key in ("min", "max", "step"))
    if not (math.isfinite(least) and math.isfinite(largest)):
        return _NO_RANGE
    return Range(least, largest, step if math.isfinite(step) else 0.0)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() and len(text) < 16 else None
