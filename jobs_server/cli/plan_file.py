"""Plans as people write them into files: TOML, or CSV as spreadsheets save it. See docs/plans.md."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..domain import plan_commands, strict_json
from ..errors import BadRequest
from ..observatory import catalogue

_OWN = ("device", "instance", "action")
_TEXTS = ("site", *_OWN)
_TIMES = {"expires_in_seconds": "expiresInSeconds", "not_before_seconds": "notBeforeSeconds"}
_NOT_OF_STEPS = {
    "not_before": "not_before is of the whole plan; a step may have not_before_seconds, counted from its release",
    "until": "until is of the whole plan",
    **{alias: f"write {name}" for name, alias in _TIMES.items()},
    "notBefore": "write not_before, which is of the whole plan",
}
"""Keys that would be taken for parameters of a step, which nobody means."""
_GIVEN = ("required_params", "optional_params")
_OF_PLAN = ("title", "site", "steps", "repeat", "on_failure", "not_before", "until", "timezone")


class WrongFile(Exception):
    """A file is no plan; the message says where and why."""


def read(name: str, content: bytes) -> dict[str, Any]:
    """Read a plan from a file's content: TOML when its name ends so, else CSV; `steps` are as `newplan` takes them.

    Raises WrongFile with the line, or the number of the step.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongFile(f"{name} is not UTF-8 text; save it as CSV UTF-8") from None
    if name.lower().endswith(".toml"):
        return _of_toml(name, text)
    steps = _counted(name, list(_of_csv(name, text)), "write one a line, below the names of the columns")
    sites = {step.get("site") for step in steps}
    return {"title": Path(name).stem, "steps": steps} | (
        {"site": sites.pop()} if sites != {None} and len(sites) == 1 else {}
    )


def _of_toml(name: str, text: str) -> dict[str, Any]:
    try:
        plan = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongFile(f"{name}: {error}") from None
    except RecursionError:
        raise WrongFile(f"{name} is nested too deep") from None
    except ValueError:
        raise WrongFile(f"{name} has a number of more digits than a plan can hold") from None
    if unknown := [key for key in plan if key not in _OF_PLAN]:
        raise WrongFile(f"{name}: {unknown[0]} is not known; a plan has {', '.join(_OF_PLAN)}")
    steps = plan.get("steps")
    steps = _counted(name, steps if isinstance(steps, list) else [], "write each as [[steps]]")
    numbered = [(f"{name}, step {number}", each) for number, each in enumerate(steps, 1)]
    plan["steps"] = [_checked(where, _step(where, each)) for where, each in numbered]
    return {"title": Path(name).stem} | plan


def _counted(name: str, steps: list[Any], how: str) -> list[Any]:
    """Return the steps of a plan, where there are neither none nor too many. Raises WrongFile."""
    if not steps:
        raise WrongFile(f"{name} has no steps; {how}")
    if len(steps) > plan_commands.MOST_STEPS:
        raise WrongFile(f"{name} has {len(steps)} steps, and a plan may have {plan_commands.MOST_STEPS}: part it")
    return steps


def _of_csv(name: str, text: str) -> Iterator[dict[str, Any]]:
    reader = csv.reader(io.StringIO(text, newline=""), _dialect(text), strict=True)
    header: list[str] = []
    where = f"{name}, line 1"
    try:
        for row in reader:
            if not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#"):
                pass
            elif not header:
                header = _header(where, row)
            else:
                yield _checked(where, _row(where, header, row))
            where = f"{name}, line {reader.line_num + 1}"  # where the next row begins
    except csv.Error as error:
        raise WrongFile(f"{where}: {error}; is a quotation mark left open?") from None
    if not header:
        raise WrongFile(f"{name} is empty; its first line names the columns: device,instance,action,...")


def _dialect(text: str) -> type[csv.Dialect]:
    """Return how the cells are parted: by semicolons where the first line has more of these than commas."""
    first = text.lstrip().partition("\n")[0]

    class Dialect(csv.excel):
        delimiter = ";" if first.count(";") > first.count(",") else ","
        skipinitialspace = True

    return Dialect


def _header(where: str, row: list[str]) -> list[str]:
    header = [cell.strip() for cell in row]
    if missing := [each for each in _OWN if each not in header]:
        raise WrongFile(f"{where}: the first line names the columns, and {missing[0]} is not among them")
    if twice := [each for each in header if header.count(each) > 1]:
        raise WrongFile(f"{where}: the column {twice[0] or 'without a name'} is there twice")
    return header


def _row(where: str, header: list[str], row: list[str]) -> object:
    if len(row) > len(header):
        raise WrongFile(f"{where} has {len(row)} cells, and the first line names {len(header)} columns")
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=False) if cell.strip()}
    return _step(where, {name: cell if name in _TEXTS else _value(cell) for name, cell in cells.items()})


def _value(cell: str) -> object:
    """Return a cell's value: what is JSON (5, true, [1, 2]) as such, else the text."""
    try:
        return strict_json.read(cell.encode())
    except ValueError:
        return cell


def _step(where: str, given: object) -> object:
    """Return a step as `newplan` takes it: what is beside its own keys are parameters, put where the catalogue says."""
    if not isinstance(given, dict):
        return given
    if why := next((_NOT_OF_STEPS[name] for name in given if name in _NOT_OF_STEPS), None):
        raise WrongFile(f"{where}: {why}")
    step: dict[str, Any] = {name: given[name] for name in _TEXTS if name in given}
    step |= {alias: given[name] for name, alias in _TIMES.items() if name in given}
    step |= {name: {} if given.get(name) is None else given[name] for name in _GIVEN}
    if not all(isinstance(step[name], dict) for name in _GIVEN):
        return step  # Whoever checks it refuses what is no object, which nothing can be put into.
    step |= {name: dict(step[name]) for name in _GIVEN}
    for name, value in given.items():
        if name not in (*_TEXTS, *_TIMES, *_GIVEN):
            optional = catalogue.is_optional(str(given.get("device")), str(given.get("action")), name)
            step["optional_params" if optional else "required_params"][name] = value
    return step


def _checked(where: str, step: object) -> dict[str, Any]:
    """Return a step that is one. Raises WrongFile that says where it stands."""
    try:
        if isinstance(step, Mapping):
            strict_json.check(dict(step))
        own_site = step.get("site") if isinstance(step, Mapping) else None
        plan_commands.steps_of(own_site if isinstance(own_site, str) else "any", [step])
    except BadRequest as error:
        sentence = error.sentence.removeprefix("Error: ").removeprefix("step 1: ").replace("step 1 is", "this is", 1)
        raise WrongFile(f"{where}: {sentence}") from None
    except ValueError as error:
        raise WrongFile(f"{where}: {error}") from None
    return dict(step)  # type: ignore[call-overload, no-any-return]  # `steps_of` has seen that it is an object
