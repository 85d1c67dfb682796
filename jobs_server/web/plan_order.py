"""What the form of a plan asks for: the steps in their order, the times, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..domain import commands, plan_commands, strict_json
from ..domain.language import ENGLISH, Language
from ..domain.plan_commands import MOST_STEPS, NewPlan
from ..errors import BadRequest
from ..observatory import own_targets, sequence_steps, solar_system, target_lines, targets
from ..observatory.sequence_steps import Manner, Step, focus_step
from ..observatory.sequence_steps import step as step_of
from ..observatory.sequences import Sequence as Listed
from ..observatory.targets import Target
from . import filled_forms, formats, forms, pointing, series, wall_clocks
from .context import Page
from .order import Order
from .pointing import Pointing
from .series import Row
from .wall_clocks import WallClock

_MOST_FAULTS, _NAMED = 8, 3
_BEFORE = ("", "once", "each")
_LONGEST_TITLE = 200


@dataclass
class PlanOrder:
    """A plan that is to be sent, and what is wrong with it."""

    given: dict[str, str]
    """The form, with the coordinates of the target and all rows in it."""
    rows: list[Row]
    times: WallClock = wall_clocks.ALONE
    """By which clock the times are written."""
    steps: list[Step] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    """By name of the form's field, a sentence."""
    readings: dict[str, str] = field(default_factory=dict)
    pointing: Pointing | None = None
    listed: Listed | None = None
    """The targets, where there are several."""
    not_before_ms: int | None = None
    until_ms: int | None = None
    language: Language = ENGLISH

    @property
    def title(self) -> str:
        """Return what the plan is called: as somebody wrote, or else by its target and filters."""
        filters = " ".join(dict.fromkeys(row.filter for row in self.rows if row.filter))
        name = _names_of(self) or _name_of(self) or self.given.get("target", "").strip()
        made = ", ".join(filter(None, (name, filters)))
        return (self.given.get("title", "").strip() or made or self.language.text("Series"))[:_LONGEST_TITLE]

    def begins_ms(self, now_ms: int) -> int:
        """Return when the plan may begin at the earliest."""
        return max(now_ms, self.not_before_ms or 0)

    @property
    def jobs(self) -> Order:
        """Return the steps as jobs, for what is to be said of these before they are sent."""
        bodies: list[dict[str, Any]] = [{"required_params": {}, "optional_params": {}} | step for step in self.steps]
        return Order(bodies, language=self.language)

    @property
    def digest(self) -> str:
        """Return a name of exactly these steps; of a target that moves its name counts."""
        found = self.jobs
        found.pointing = None
        follows = self.pointing is not None and self.pointing.follows
        found.bodies = [
            {**each, "required_params": {}} if _is_slew(each) and (follows or _is_to_moving(each)) else each
            for each in found.bodies
        ]
        return found.digest

    def body(self) -> dict[str, Any]:
        """Return the plan as `newplan` takes it, without site and who asks."""
        times = {"notBefore": self.not_before_ms, "until": self.until_ms}
        return {
            "title": self.title,
            "steps": self.steps,
            "onFailure": self.given.get("on_failure") or "stop",
            **{key: formats.iso(ms) for key, ms in times.items() if ms is not None},
        }

    def command(self, page: Page) -> NewPlan:
        """Return the command. Raises BadRequest when it is not what the service takes."""
        actor = page.actor
        whole = {"site": page.site, "user_id": actor.id, "user_name": actor.name} | self.body()
        made = commands.checked(NewPlan, whole)
        commands.check_site(made, page.settings.sites)
        return made


def from_form(page: Page, given: Mapping[str, str]) -> PlanOrder:
    """Read a plan out of a form: rows and what is before them, or the steps as JSON."""
    rows = series.changed(series.rows_of(given), given.get("do", ""))
    kept = {key: value for key, value in given.items() if not key.startswith("row-")}
    order = PlanOrder(kept | series.written(rows), rows, _clock_of(page, given), language=page.language)
    _read_times(page, order)
    if "raw" in given:
        _read_raw(page, order)
    elif order.given.get("targets", "").strip():
        _read_targets(page, order)
    else:
        _read_target(page, order)
        _read_rows(page, order)
    return order


def _is_slew(step: Mapping[str, Any]) -> bool:
    return (step["device"], step["action"]) == ("mount", "go")


def _is_to_moving(step: Mapping[str, Any]) -> bool:
    return solar_system.called(str(step["optional_params"].get("object", ""))) is not None


def _read_raw(page: Page, order: PlanOrder) -> None:
    try:
        found = strict_json.read(order.given["raw"].encode())
    except ValueError as error:
        order.faults["raw"] = f"the steps must be JSON: {error}"
        return
    if not isinstance(found, list) or not found:
        order.faults["raw"] = "the steps must be a list with at least one step in it"
        return
    if len(found) > MOST_STEPS:
        order.faults["raw"] = f"a plan may have {MOST_STEPS} steps, and this one would have {len(found)}: part it"
        return
    try:
        plan_commands.steps_of(page.site, found)
    except BadRequest as error:
        order.faults["raw"] = error.sentence.removeprefix("Error: ")
        return
    order.steps = found


def _clock_of(page: Page, given: Mapping[str, str]) -> WallClock:
    """Return the clock that a form names; one that names none and has times means the site's. Raises BadRequest."""
    if name := given.get("clock", ""):
        return wall_clocks.called(name, page.profile)
    has_times = any(given.get(key, "").strip() for key in ("not_before", "until"))
    return wall_clocks.of_site(page.profile) if has_times else page.times


def _read_times(page: Page, order: PlanOrder) -> None:
    for key in ("not_before", "until"):
        text = order.given.get(key, "").strip()
        if not text:
            continue
        try:
            ms = order.times.read(text, order.begins_ms(page.now_ms))
        except ValueError as error:
            order.faults[key] = str(error)
            continue
        setattr(order, f"{key}_ms", ms)
        order.readings[key] = page.times.both(ms)


def _read_target(page: Page, order: PlanOrder) -> None:
    """Look the target up where the telescope is to slew there; else it is only what frames are called by."""
    if not order.given.get("target", "").strip() or order.given.get("slew") != "yes":
        order.given |= dict.fromkeys(("placed", "choose", "ra", "dec"), "")
        return
    order.pointing = pointing.read(page, order.given)
    order.given = order.pointing.given
    if order.pointing.is_new:  # A pair has no name, and what was called before is not what it is called.
        order.pointing.filled.setdefault("object", "")
        order.given["object"] = order.pointing.filled["object"]
    if fault := next(iter(order.pointing.faults.values()), ""):
        order.faults["target"] = fault
        return
    if order.pointing.follows:
        begins_ms = order.begins_ms(page.now_ms)
        where = targets.place_of_moving(order.given["target"], begins_ms, page.profile.place)
        if where is not None:
            order.given |= {"ra": str(where.ra_hours), "dec": str(where.dec_degrees)}
    form = page.form("mount", "go")
    assert form is not None
    values = {"ra": order.given.get("ra", ""), "dec": order.given.get("dec", ""), "object": _name_of(order)}
    filled = filled_forms.read(form, {"group": "0"} | values)
    if filled.faults:
        order.faults["target"] = "; ".join(filled.faults.values())
    mount = order.given.get("mount", "").strip()
    order.steps.append(step_of("mount", mount, "go", filled.required, filled.optional))


def _read_targets(page: Page, order: PlanOrder) -> None:
    """Read targets that stand one a line; at each the same is taken."""
    at_ms, place = order.begins_ms(page.now_ms), page.profile.place
    if order.given.get("target", "").strip():
        order.faults["target"] = "leave it blank, since the targets stand in the list; or empty the list"
    with page.snapshot() as connection:

        def known(name: str) -> list[Target]:
            own = own_targets.as_targets(own_targets.called(connection, page.site, name), at_ms, place)
            return targets.named(name, at_ms, place, list(own))

        order.listed = target_lines.read(order.given["targets"], known, at_ms)
    if order.listed.problems:
        order.faults["targets"] = "; ".join(order.listed.problems[:_MOST_FAULTS])
    exposures = [_exposure(page, order, number, row) for number, row in enumerate(order.rows, 1)]
    if not exposures:
        order.faults["rows"] = "choose a filter: each is a row of its own"
        return
    manner = Manner(
        site=page.abilities,
        camera=order.given.get("camera", "").strip(),
        mount=order.given.get("mount", "").strip(),
        at_ms=at_ms,
        common=exposures,
        rounds=_rounds(order),
        focus=order.given.get("focus", ""),
        most=MOST_STEPS,
    )
    _ = _focus(page, order)  # which says what is wrong with the choice
    try:
        order.steps = sequence_steps.steps_of(order.listed.entries, manner)
    except ValueError as error:
        order.faults["targets"] = str(error)


def _names_of(order: PlanOrder) -> str:
    """Return the names of the first targets of a list, and how many more there are."""
    names = [each.name for each in order.listed.targets] if order.listed else []
    more = order.language.text(" and %(count)s more", count=len(names) - _NAMED) if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _name_of(order: PlanOrder) -> str:
    """Return what the target is called in the frames: as it was found, else as somebody wrote."""
    return order.given.get("object" if order.pointing else "target", "").strip()


def _read_rows(page: Page, order: PlanOrder) -> None:
    rounds = _rounds(order)
    once, exposures = _focus(page, order), list[Step]()
    for number, row in enumerate(order.rows, 1):
        exposures.append(_exposure(page, order, number, row))
    if not order.rows:
        order.faults["rows"] = "choose a filter: each is a row of its own"
    each = order.given.get("focus") == "each"
    total = len(order.steps) + rounds * len(exposures) + len(once) * (rounds if each else 1)
    if total > MOST_STEPS:
        order.faults["repeat"] = f"a plan may have {MOST_STEPS} steps, and this one would have {total}: part it"
        return
    if each:
        order.steps += (once + exposures) * rounds
    else:
        order.steps += once + exposures * rounds


def _rounds(order: PlanOrder) -> int:
    text = order.given.get("repeat", "").strip() or "1"
    if text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST_STEPS:
        return int(text)
    order.faults["repeat"] = f"so many rounds must be a whole number from 1 to {MOST_STEPS}, not {text[:40]!r}"
    return 1


def _focus(page: Page, order: PlanOrder) -> list[Step]:
    wanted = order.given.get("focus", "")
    if wanted not in _BEFORE:
        order.faults["focus"] = "focus must be no, once or before each round"
    found = focus_step(page.abilities) if wanted in _BEFORE[1:] else None
    return [found] if found else []


def _exposure(page: Page, order: PlanOrder, number: int, row: Row) -> Step:
    form = page.form("camera", "expose")
    assert form is not None
    values = {"filter": row.filter, "time": row.time, "count": row.count or "1", "bin": row.bin}
    filled = filled_forms.read(form, values | {"object_name": _name_of(order)})
    for key, sentence in filled.faults.items():
        order.faults[f"row-{number}-{key}"] = f"row {number}: {sentence}"
    return step_of("camera", order.given.get("camera", "").strip(), "expose", filled.required, filled.optional)


def as_form(page: Page, steps: Sequence[Step]) -> dict[str, str] | None:
    """Return how the form holds these steps; None when it cannot, and they are to be shown as JSON."""
    rest, given = list(steps), dict[str, str]()
    if rest and _is_slew(rest[0]):
        given |= _target_of(rest.pop(0))
    focus = focus_step(page.abilities)
    count = sum(step == focus for step in rest)
    if count == 1 and rest[0] == focus:
        given["focus"], rest = "once", rest[1:]
    block = _period(rest)
    rounds = len(rest) // len(block) if block else 0
    if count > 1 and block and block[0] == focus:
        given["focus"], block = "each", block[1:]
    if not block or any((step["device"], step["action"]) != ("camera", "expose") for step in block):
        return None
    names = {"camera": block[0]["instance"], "repeat": str(rounds)}
    object_name = str(block[0].get("optional_params", {}).get("object_name", ""))
    if "target" not in given and object_name not in forms.PLACEHOLDERS:
        given["target"] = object_name
    given |= names | series.written([_row_of(step) for step in block])
    made = from_form(page, given)
    first = 1 if made.steps and _is_slew(made.steps[0]) else 0
    return made.given if made.steps[first:] == list(steps)[first:] and len(made.steps) == len(steps) else None


def _period(steps: Sequence[Step]) -> list[Step]:
    """Return the shortest row of steps of which all of these are repeats."""
    for length in range(1, len(steps) + 1):
        if len(steps) % length == 0 and all(step == steps[at % length] for at, step in enumerate(steps)):
            return list(steps[:length])
    return []


def _target_of(step: Step) -> dict[str, str]:
    required, optional = step["required_params"], step["optional_params"]
    ra, dec = (forms.written(required.get(key, "")) for key in ("ra", "dec"))
    name = str(optional.get("object", ""))
    text = f"{ra} {dec}" if name in forms.PLACEHOLDERS or not name else name
    placed = {"placed": f"{ra} {dec} {text}", "object": "" if name in forms.PLACEHOLDERS else name}
    return {"slew": "yes", "target": text, "ra": ra, "dec": dec, "mount": step["instance"]} | placed


def _row_of(step: Step) -> Row:
    required, optional = step["required_params"], step["optional_params"]
    values = {"filter": optional.get("filter"), "time": required.get("time"), "count": optional.get("count", 1)}
    values["bin"] = optional.get("bin")
    return replace(Row(), **{key: forms.written(value) for key, value in values.items() if value is not None})
