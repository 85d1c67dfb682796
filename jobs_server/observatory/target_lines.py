"""Targets as people write them into a field, one a line: a name, a pair of coordinates, or a name; coordinates."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ..errors import shown
from . import coordinate_pairs, target_lists
from .list_items import Item
from .own_targets import OwnTarget
from .sequences import Known, Sequence

MOST = 250
"""A plan of more targets would have too many steps."""
_SEPARATORS = (";", "\t")


def read(text: str, known: Known, at_ms: int) -> Sequence:
    """Read targets; `known` looks names up. Whatever is no target is among the problems, with its line."""
    made = Sequence(form="targets")
    lines = [(at, line.strip()) for at, line in enumerate(text.splitlines(), 1)]
    written = [(at, line) for at, line in lines if line and not line.startswith("#")]
    for at, line in islice(written, MOST):
        try:
            made.entries.append(_read(line, f"line {at}", known, at_ms))
        except ValueError as error:
            made.problems.append(f"line {at}: {error}")
    if len(written) > MOST:
        made.problems.append(f"at most {MOST} targets, and these are {len(written)}: part them")
    return made


def written(targets: Iterable[OwnTarget]) -> str:
    """Write targets as `read` takes them."""
    return "\n".join(map(_line, targets))


def _line(target: OwnTarget) -> str:
    name = target.name.replace(";", ",").replace("\t", " ")
    name = name.lstrip("# ") or "target" if name.startswith("#") else name  # A line that begins so is a comment.
    if target.ra_hours is None or target.dec_degrees is None:
        return name
    return f"{name}; {target.ra_hours:.6f}h {target.dec_degrees:+.6f}d"


def _read(line: str, where: str, known: Known, at_ms: int) -> OwnTarget:
    separator = next((each for each in _SEPARATORS if each in line), None)
    if separator is None and not coordinate_pairs.looks_like(line):
        return target_lists.target_of(Item(where, (line,)), known)
    name, _, pair = (line, "", line) if separator is None else line.partition(separator)
    if not pair.strip():
        return target_lists.target_of(Item(where, (name,)), known)
    readings = coordinate_pairs.read(pair.replace(separator or "\t", " "), at_ms)
    if len(readings) > 1:
        raise ValueError(f"is the right ascension of {shown(name)} in hours or in degrees? Write h or d behind it")
    where_to = readings[0].direction
    item = Item(where, (name,), where_to.ra_hours, where_to.dec_degrees)
    return target_lists.target_of(item, lambda _: ())
