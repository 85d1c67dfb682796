"""Plans on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import click
import orjson

from .. import clock
from ..errors import on_one_line
from ..history import plan_skies, plan_views
from ..history.plan_times import PlanTimes
from ..jobs.plan_rows import PlanRow, StepOfPlan
from ..observatory import profiles
from ..observatory.abilities import Abilities
from ..state import capabilities
from .installation import database, plan_desk, settings

_PARAMS = ("required_params", "optional_params")


def show(plan: PlanRow, steps: Sequence[StepOfPlan], *, as_json: bool) -> None:
    """Print a plan with its steps, how long it takes and what to mind."""
    at_once = plan_desk().releasing.is_at_once(plan.site)
    with database().reading() as connection:
        public = plan_views.whole(connection, PlanTimes(), plan, steps, clock.read(), at_once=at_once)
    if as_json:
        click.echo(orjson.dumps(public))
        return
    click.echo(line(plan))
    for key, before in (("reason", ""), ("waitsFor", "waits for ")):
        if key in public:
            click.echo(on_one_line(f"  {before}{public[key]}"))
    click.echo(f"  {_duration(public['estimated_seconds'])} in all{_end(plan, public)}")
    for caution in public.get("cautions", []):
        click.echo(on_one_line(f"  Caution: {caution}."))
    for step in public["steps"]:
        click.echo(on_one_line(_step(step)))


def sky_cautions(plan: PlanRow, steps: Sequence[StepOfPlan]) -> list[str]:
    """Return what is to be said of where a plan points the telescope, as each slew's turn comes and ends."""
    at_once, now = plan_desk().releasing.is_at_once(plan.site), clock.read()
    with database().reading() as connection:
        public = plan_views.whole(connection, PlanTimes(), plan, steps, now, at_once=at_once)
        said = capabilities.of_site(connection, plan.site)
    profile = profiles.load(Path(settings().instance)).get(plan.site) or profiles.Profile(code=plan.site)
    known = Abilities(profile, said.devices if said else {})
    bodies = [each | {key: _plain(each[key]) for key in _PARAMS} for each in public["steps"]]
    lengths = (1000 * each["estimated_seconds"] for each in bodies)
    begins_ms = list(accumulate(lengths, initial=max(now.wall_ms, plan.not_before_ms or 0)))
    return plan_skies.cautions(known, bodies, begins_ms, begins_ms[-1])


def line(plan: PlanRow) -> str:
    """Return a plan in one line."""
    state = "waiting" if plan.state == "running" and not plan.released else plan.state
    name = plan.ulid or "(not sent)"
    return on_one_line(f"{name}  {state}  {plan.released}/{plan.steps}  {plan.title}  ({plan.user_name}, {plan.site})")


def iso(time_ms: int) -> str:
    """Return a time as the wire takes it, to the millisecond."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _step(step: dict[str, Any]) -> str:
    params = {**_plain(step["required_params"]), **_plain(step["optional_params"])}
    said = " ".join(f"{key}={value}" for key, value in params.items())
    what = f"{step['action']} {step['device']} {step['instance']}"
    return f"  {step['step']:>4}  {step.get('status', '-'):<10}  {what}  {said}  {_duration(step['estimated_seconds'])}"


def _plain(fragment: Any) -> dict[str, Any]:
    return dict(orjson.loads(orjson.dumps(fragment)))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )


def _end(plan: PlanRow, public: dict[str, Any]) -> str:
    """Return when a plan ends, by UTC and the site's clock."""
    if "estimated_end_ms" not in public:
        return ""
    end = datetime.fromtimestamp(public["estimated_end_ms"] / 1000, UTC)
    profile = profiles.load(Path(settings().instance)).get(plan.site)
    there = f", {end.astimezone(profile.zone):%H:%M} at the site" if profile is not None else ""
    return f"; ends about {end:%Y-%m-%d %H:%M} UTC{there}"
