"""Tonight's sky on pages: sun, moon, the target of the job that runs and those of plans, from sunset to sunrise."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ..history import plan_views
from ..history.now import JobWithTiming
from ..jobs.plan_rows import StepOfPlan, StepRow
from ..jobs.rows import JobRow
from ..observatory import target_search, targets, tonight
from ..observatory.abilities import Abilities
from ..observatory.directions import Direction
from ..observatory.numbers_said import as_number
from ..observatory.target_search import Asked
from ..observatory.targets import Target
from ..observatory.tonight import Night
from . import sky_drawing
from .context import Page
from .sky_drawing import SkyDrawing

_NAMES = ("object", "object_name", "object_id", "target")
_NAMELESS = ("", "empty", "unspecified")


MOST_PLANNED = 4
"""So many targets of plans are drawn, the first to come."""


def of_now(page: Page, running: Sequence[JobWithTiming] = (), planned: Iterable[StepOfPlan] = ()) -> SkyDrawing | None:
    """Return tonight's sky with the target of the job that runs and those of plans' steps that are still to come.

    None where the site's place is not known.
    """
    place = page.profile.place
    night = tonight.tonight(place, page.now_ms, page.profile.zone) if place else None
    return None if night is None else _drawn(page, night, running, planned)


def of_night(
    page: Page,
    from_ms: int,
    to_ms: int,
    running: Sequence[JobWithTiming] = (),
    planned: Iterable[StepOfPlan] = (),
) -> SkyDrawing | None:
    """Return the sky of a night between two noons, with targets as `of_now`; None without a place."""
    place = page.profile.place
    return None if place is None else _drawn(page, tonight.night(place, from_ms, to_ms), running, planned)


def _drawn(page: Page, night: Night, running: Sequence[JobWithTiming], planned: Iterable[StepOfPlan]) -> SkyDrawing:
    asked = Asked(Abilities(page.profile, {}), page.now_ms)  # what the site says need not be read for this
    found = next(filter(None, (_target(page, each.job) for each in running)), None)
    others = [each for each in _planned(page, planned) if found is None or _key(each) != _key(found)]
    curves, coming = (
        [(each.name, target_search.curve(each, asked, night)) for each in targets_of]
        for targets_of in ([found] if found else [], others[:MOST_PLANNED])
    )
    limit, left_out = page.profile.lowest_altitude_deg, len(others) - len(coming)
    return sky_drawing.draw(night, curves, limit, page.now_ms, coming, left_out, page.times)


def _planned(page: Page, steps: Iterable[StepOfPlan]) -> list[Target]:
    """Return where plans point the telescope with what is still to come of them, each place once."""
    slews = (each.step for each in steps if _is_slew(each.step) and not plan_views.is_over(each))
    found = filter(None, (_target(page, step) for step in slews))
    return list({_key(each): each for each in reversed(list(found))}.values())[::-1]


def _is_slew(job: JobRow | StepRow) -> bool:
    return (job.device, job.action) == ("mount", "go")


def _key(target: Target) -> tuple[str, Direction | None]:
    """Return by what targets are the same: what moves by its name, and else by name and place."""
    return target.name.casefold(), None if target.moves else target.direction


def _target(page: Page, job: JobRow | StepRow) -> Target | None:
    """Return what a job looks at: where it slews to, or what bears the name that it gives to its frames."""
    params = json.loads(job.optional_params) | json.loads(job.required_params)
    name = next((str(params[key]) for key in _NAMES if str(params.get(key, "")).casefold() not in _NAMELESS), "")
    ra, dec = as_number(params.get("ra")), as_number(params.get("dec"))
    if _is_slew(job) and ra is not None and dec is not None:
        moves = targets.place_of_moving(name, page.now_ms, page.profile.place) is not None
        return Target(name or "target", Direction(ra % 24, max(-90.0, min(90.0, dec))), moves=moves)
    return next(iter(targets.named(name, page.now_ms, page.profile.place)), None) if name else None
