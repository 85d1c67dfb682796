"""Sequences of N.I.N.A.'s advanced sequencer: containers in containers, with loops, filters and exposures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import list_objects
from .list_items import Item, Unreadable
from .numbers_said import as_number
from .sequence_entries import (
    Exposure,
    Found,
    Mark,
    binning_of,
    count_of,
    kind_of,
    left_out,
    looped,
    seconds_of,
)

_IMPLIED = ("SlewScopeToRaDec", "UnparkScope", "SetTracking", "Annotation")
"""What a slew to the target does anyway, and what does nothing."""
_FOCUSES = "RunAutofocus"


def read(value: object) -> tuple[str, str, Iterable[Found]]:
    """Return whose sequence it is, its title, and what stands in it. Raises ValueError when it is none."""
    if not isinstance(value, dict) or not (_values(value, "Items") or _target(value)):
        form, items = list_objects.of_nina_anywhere(value)
        return form, "", items
    walk = _Walk()
    found = walk.visit(value)
    if not any(isinstance(each, Exposure | Unreadable | Item) for each in found):
        raise ValueError("the sequence has neither targets nor exposures")
    return "N.I.N.A.’s sequence", str(value.get("Name") or ""), found


class _Walk:
    """A way through a sequence, which knows the filter that was set last."""

    def __init__(self) -> None:
        self.filter = ""
        self.targets = 0
        self.where = "the sequence"

    def visit(self, node: Mapping[str, Any]) -> list[Found]:
        """Return what a node of the sequence comes to."""
        kind = _kind(node)
        if kind == "SwitchFilter":
            self.filter = _filter(node)
            return []
        if kind == _FOCUSES:
            return [Mark.FOCUS]
        children = _values(node, "Items")
        if (kind.startswith("Take") and kind.endswith("Exposure")) or (kind == "TakeManyExposures" and not children):
            return [self._exposure(node)]
        if "Items" in node:
            return self._container(node, children)
        return [] if kind in _IMPLIED else list(left_out(self.where, [kind or "an instruction without a kind"]))

    def _container(self, node: Mapping[str, Any], children: Sequence[Mapping[str, Any]]) -> list[Found]:
        found, before = list[Found](), self.where
        target = _target(node)
        if target:
            self.targets += 1
            self.where = f"target {self.targets}"
            found.append(list_objects.of_nina(self.where, target, target["InputCoordinates"]))
        inner, conditions = [each for child in children for each in self.visit(child)], _values(node, "Conditions")
        unused = [_kind(each) for each in (*conditions, *_values(node, "Triggers")) if _kind(each) != "LoopCondition"]
        inner += left_out(self.where, unused)
        found += self._in_rounds(inner, conditions)
        self.where = before
        return [*found, Mark.NO_TARGET] if target else found

    def _in_rounds(self, inner: Sequence[Found], conditions: Iterable[Mapping[str, Any]]) -> list[Found]:
        times = 1
        for condition in conditions:
            if _kind(condition) == "LoopCondition":
                times *= max(1, round(as_number(condition.get("Iterations")) or 1))
        try:
            return looped(inner, times)
        except ValueError as error:
            return [Unreadable(self.where, str(error))]

    def _exposure(self, node: Mapping[str, Any]) -> Found:
        gain, binning = as_number(node.get("Gain")), node.get("Binning")
        across, down = (str(binning.get(name, "")) for name in ("X", "Y")) if isinstance(binning, dict) else ("", "")
        many = node.get("TotalExposureCount") or node.get("ExposureCount") if _kind(node) == "TakeManyExposures" else 1
        try:
            return Exposure(
                seconds_of(str(node.get("ExposureTime", ""))),
                count_of(str(many or 1)),
                str(node.get("FilterName") or self.filter),
                binning_of(across, down),
                kind_of(str(node.get("ImageType") or "LIGHT")),
                gain=gain if gain is not None and gain >= 0 else None,
            )
        except ValueError as error:
            return Unreadable(self.where, str(error))


def _kind(node: Mapping[str, Any]) -> str:
    """Return the name of what a node is, without the name of its program."""
    return str(node.get("$type", "")).partition(",")[0].rpartition(".")[2]


def _values(node: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the members of a collection, with or without the type that Newtonsoft writes around them."""
    found = node.get(name)
    values = found.get("$values") if isinstance(found, dict) else found
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _target(node: Mapping[str, Any]) -> Mapping[str, Any]:
    target = node.get("Target")
    return target if isinstance(target, dict) and isinstance(target.get("InputCoordinates"), dict) else {}


def _filter(node: Mapping[str, Any]) -> str:
    found = node.get("Filter")
    names = (found.get("_name"), found.get("Name")) if isinstance(found, dict) else (found, None)
    return next((name.strip() for name in names if isinstance(name, str)), "")
