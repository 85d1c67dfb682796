"""`flask plan send`: a plan from a file."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, tzinfo
from datetime import time as time_of_day
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from .. import clock
from ..domain import actors, commands, plan_commands, times
from ..domain.plan_commands import NewPlan
from ..jobs import plans
from ..observatory import profiles, site_time
from . import plan_file, plan_screen
from .common import json_option, needed_site, site_option, user_option
from .installation import plan_desk, settings

_OF_DAY = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d ?(Z|UTC)?", re.IGNORECASE)
_OPTIONS = ("title", "repeat", "on_failure", "not_before", "until", "timezone")


@click.command
@click.argument("file", type=click.File("rb"))
@click.option("--title", help="What it is called; else as the file says, or as the file is called.")
@click.option("--repeat", type=click.IntRange(1, plan_commands.MOST_STEPS), help="How often the steps are done.")
@click.option("--on-failure", type=click.Choice(["stop", "next"]), help="What follows a step that failed.")
@click.option(
    "--not-before", metavar="TIME", help="Begin no earlier, such as 20:15 or 2026-11-24T20:15; by the site's clock."
)
@click.option("--until", metavar="TIME", help="Begin no step from then on.")
@click.option("--timezone", metavar="ZONE", help="Whose clock is meant, such as Europe/Madrid; else that of site.toml.")
@click.option("--check", is_flag=True, help="Only say what it is and how long it takes; send nothing.")
@click.option("--key", metavar="TEXT", help="Idempotency-Key: the same file sent again with it makes no second plan.")
@site_option
@user_option
@json_option
def send(
    file: IO[bytes], check: bool, key: str | None, site: str | None, user: str, as_json: bool, **options: Any
) -> None:
    """Send the plan in FILE, TOML or CSV; - is standard input, as CSV.

    \b
    flask plan send night.toml
    flask plan send --site wmd --not-before 2026-11-24T20:15 series.csv --check
    """
    try:
        plan = plan_file.read("the plan" if file.name in ("-", "<stdin>") else file.name, file.read())
        plan |= {name: options[name] for name in _OPTIONS if options[name] is not None}
        command = _command(plan, site, user, check=check)
    except plan_file.WrongFile as error:
        raise click.ClickException(f"{error}; nothing was sent") from None
    in_force = settings()
    commands.check_site(command, in_force.sites)
    actor = actors.console(user, user, in_force.open_roles)
    if check:
        row, steps = plan_desk().check(command, actor)
    else:
        row, steps = plan_desk().new(command, actor, commands.parse_key(key) or uuid.uuid4().hex)
    for sentence in plan_screen.sky_cautions(*plans.drafted(command, actor, clock.read())):
        click.echo(f"Caution: {sentence}.", err=True)  # Nobody is asked: the plan pauses where it is so then.
    plan_screen.show(row, steps, as_json=as_json)


def _command(plan: dict[str, Any], site: str | None, user: str, *, check: bool) -> NewPlan:
    code = needed_site(site or plan.get("site"))
    zone, name = zone_of(plan.pop("timezone", None), code)
    body: dict[str, Any] = {key: plan[key] for key in ("title", "steps", "repeat") if key in plan}
    body |= {"onFailure": plan["on_failure"]} if "on_failure" in plan else {}
    for key, alias in (("not_before", "notBefore"), ("until", "until")):
        if key in plan:
            body[alias] = time_of(key, plan[key], zone, name, after=body.get("notBefore"))
    return commands.checked(NewPlan, body | {"site": code, "user_id": user, "user_name": user, "check": check})


def _next(key: str, text: str, zone: tzinfo | None, name: str, after: str | None) -> str:
    if zone is None:
        raise plan_file.WrongFile(
            f"{key}: say whose clock {text} is by: {text} UTC, a date with its offset, or with timezone"
        )
    after_ms = clock.now_ms() if after is None else max(clock.now_ms(), times.time_ms(after) or 0)
    try:
        return plan_screen.iso(site_time.read_ms(text, zone, name, after_ms))
    except ValueError as error:
        raise plan_file.WrongFile(f"{key}: {error}") from None


def zone_of(name: str | None, site: str) -> tuple[tzinfo | None, str]:
    """Return whose clock times without a zone are meant by; none where nobody says."""
    if name is None:
        profile = profiles.load(Path(settings().instance)).get(site)
        return (profile.zone, profile.timezone) if profile is not None else (None, "")
    try:
        return ZoneInfo(name), name
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise plan_file.WrongFile(f"timezone: {name!r} is no time zone; write one such as Europe/Madrid") from None


def time_of(key: str, written: object, zone: tzinfo | None, name: str, *, after: str | None = None) -> str:
    """Return a time with its offset, as the wire takes it; a time of day is the next such one. Raises WrongFile.

    `after` is a time of the wire after which the next one is meant, and else now.
    """
    text = f"{written:%H:%M}" if isinstance(written, time_of_day) else written
    if isinstance(text, str) and (marked := _OF_DAY.fullmatch(text.strip())):
        return _next(key, text.strip(), zone if not marked[1] else UTC, name, after)
    try:
        time = written if isinstance(written, datetime) else datetime.fromisoformat(str(written).strip())
    except ValueError:
        raise plan_file.WrongFile(f"{key} must be a time such as 2026-11-24T20:15, not {str(written)[:40]!r}") from None
    if time.tzinfo is None and zone is None:
        raise plan_file.WrongFile(
            f"{key}: say whose clock {time:%Y-%m-%d %H:%M} is by: with its offset, such as +01:00, or with timezone"
        )
    try:
        ms = site_time.time_ms(time, zone or time.tzinfo, name)  # type: ignore[arg-type]  # one of the two is there
    except ValueError as error:
        raise plan_file.WrongFile(f"{key}: {error}") from None
    return plan_screen.iso(ms)
