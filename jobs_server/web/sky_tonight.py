"""The sky on the pages Now and Night: sun, moon, and the target of the job that runs, from sunset to sunrise."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..history.now import JobWithTiming
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


def of_now(page: Page, running: Sequence[JobWithTiming]) -> SkyDrawing | None:
    """Return tonight's sky with the target of the job that runs; None where the site's place is not known."""
    place = page.profile.place
    night = tonight.tonight(place, page.now_ms, page.profile.zone) if place else None
    return None if night is None else _drawn(page, night, running)


def of_night(page: Page, from_ms: int, to_ms: int, running: Sequence[JobWithTiming] = ()) -> SkyDrawing | None:
    """Return the sky of a night between two noons, with the target of a job that runs; None without a place."""
    place = page.profile.place
    return None if place is None else _drawn(page, tonight.night(place, from_ms, to_ms), running)


def _drawn(page: Page, night: Night, running: Sequence[JobWithTiming]) -> SkyDrawing:
    asked = Asked(Abilities(page.profile, {}), page.now_ms)  # what the site says need not be read for this
    found = next(filter(None, (_target(page, each.job) for each in running)), None)
    curves = [(found.name, target_search.curve(found, asked, night))] if found else []
    return sky_drawing.draw(night, curves, page.profile.lowest_altitude_deg, page.now_ms)


def _target(page: Page, job: JobRow) -> Target | None:
    """Return what a job looks at: where it slews to, or what bears the name that it gives to its frames."""
    params = json.loads(job.optional_params) | json.loads(job.required_params)
    name = next((str(params[key]) for key in _NAMES if str(params.get(key, "")).casefold() not in _NAMELESS), "")
    ra, dec = as_number(params.get("ra")), as_number(params.get("dec"))
    if (job.device, job.action) == ("mount", "go") and ra is not None and dec is not None:
        return Target(name or "target", Direction(ra % 24, max(-90.0, min(90.0, dec))))
    return next(iter(targets.named(name, page.now_ms, page.profile.place)), None) if name else None
