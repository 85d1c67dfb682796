"""What a job asks of the site, read once: parameters come as people's programs send them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..client import Job, params
from ..observatory import coordinates
from ..observatory.describe import describe
from .errors import Refused

Read = TypeVar("Read")
_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Order:
    """One command for one device: `kind`, `name` and `action` as agent.toml and the catalogue have them."""

    ulid: str
    kind: str
    name: str
    action: str
    required: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)
    user_name: str = ""
    description: str = ""

    @property
    def key(self) -> str:
        """Return `kind/name`, the key of the device."""
        return f"{self.kind}/{self.name}"

    def has(self, name: str) -> bool:
        """Whether a parameter was filled in."""
        return not params.is_blank(self._value(name))

    def value(self, name: str) -> Any:
        """Return a parameter as it came; None when it is missing."""
        return self._value(name)

    def number(self, name: str, default: float | None = None) -> float:
        """Return a finite number; raise Refused when it is none, or blank without a default."""
        return self._read(params.number, name, default)

    def number_within(self, name: str, least: float, largest: float, default: float | None = None) -> float:
        """Return a number from `least` to `largest`; raise Refused otherwise."""
        found = self.number(name, default)
        if not least <= found <= largest:
            raise Refused(f"{name} must be from {least:g} to {largest:g}, not {found:g}")
        return found

    def whole(self, name: str, least: int, largest: int, default: int | None = None) -> int:
        """Return a whole number from `least` to `largest`; raise Refused otherwise."""
        found = self._read(params.whole, name, default)
        if not least <= found <= largest:
            raise Refused(f"{name} must be from {least} to {largest}, not {found}")
        return found

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text without quotes and blanks around it; raise Refused when it is none."""
        return self._read(params.text, name, default)

    def switch(self, name: str, default: bool | None = None) -> bool:
        """Return whether a switch is on; raise Refused when it is neither on nor off."""
        return self._read(params.yes_or_no, name, default)

    def angle(self, name: str, unit: coordinates.Unit, least: float, largest: float) -> float:
        """Return an angle, also a sexagesimal one, in hours (`h`) or degrees (`deg`); raise Refused beyond the two."""
        given = self._value(name)
        found = self._sexagesimal(name, unit) if isinstance(given, str) and self.has(name) else self.number(name)
        if not math.isfinite(found) or not least <= found <= largest:
            unit_text = "hours" if unit == "h" else "degrees"
            raise Refused(f"{name} must be from {least:g} to {largest:g} {unit_text}, not {shortened(given)}")
        return found

    def _sexagesimal(self, name: str, unit: coordinates.Unit) -> float:
        text = self.text(name)
        try:
            return coordinates.parse(text, unit)
        except ValueError:
            with _refusing():
                return params.number({name: text}, name)  # such as 1e-5, which is no angle as people write them

    def _value(self, name: str) -> Any:
        value = self.required.get(name)
        return value if name in self.required and not params.is_blank(value) else self.optional.get(name, value)

    def _read(self, reading: Callable[[Mapping[str, Any], str, Any], Read], name: str, default: Any) -> Read:
        with _refusing():
            return reading({name: self._value(name)}, name, default)


@contextmanager
def _refusing() -> Iterator[None]:
    """Raise Refused with the sentence of what a parameter is not."""
    try:
        yield
    except ValueError as error:
        raise Refused(str(error)[:200]) from error


def from_job(job: Job) -> Order:
    """Return the order of a job."""
    kind, name, action = (str(each).strip() for each in (job.device, job.instance, job.action))
    required, optional = job.required_params, job.optional_params
    try:
        said = describe(kind, name, action, required, optional)
    except ValueError:  # an integer of more digits than Python writes
        said = f"{action} {kind} {name}"
    return Order(job.ulid, kind, name, action.casefold(), required, optional, job.user_name, said)


def word(value: object) -> str:
    """Return a text or a number as a text without quotes and blanks around it; empty for anything else."""
    if isinstance(value, str):
        return value.strip().strip("\"'").strip()
    return shortened(value) if isinstance(value, int | float) else ""


def shortened(value: object) -> str:
    """Return a value as a message can show it, at most 60 characters."""
    try:
        shown = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        shown = f"a number of {value.bit_length() if isinstance(value, int) else 0} bits"
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."
