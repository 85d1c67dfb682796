"""`flask queue`, and of `flask jobs` what changes what waits: move, edit, again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
from pydantic_core import from_json

from .. import clock
from ..domain import actors, commands, queue_commands
from ..history import queue_view
from ..history.plan_times import PlanTimes
from ..jobs import pauses, queries, wire
from ..jobs.rows import JobRow
from .common import CommandGroup, json_option, needed_site, say_held, site_option, user_option
from .installation import database, desk, settings
from .send import placed, say_sent, submit

queue = CommandGroup("queue", help="Pause the queue of a site, let it go on, and show what will happen when.")


@click.command
@click.argument("ulid")
@click.argument("to", metavar="first|last|ULID")
@user_option
@json_option
def move(ulid: str, to: str, user: str, as_json: bool) -> None:
    """Move a job that waits: to the front (behind stop commands), to the end, or before another one.

    \b
    flask jobs move 01KPR8Z4J6Q3T5V7X9Y0A1B2C3 first
    """
    command = queue_commands.MoveJob(site=_found(ulid).site, ulid=ulid, to=to, user_id=user, user_name=user)
    job = desk().move(command, actors.console(user, user))
    where = {"first": "goes first now", "last": "goes last now"}.get(to, f"goes before {to} now")
    _print(job, f"{job.action} for {job.device} {job.instance} at {job.site} {where}.", as_json)


@click.command
@click.argument("ulid")
@click.option(
    "-p",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter to set; the others stay. A value that is JSON (5, true, [1,2]) is taken as such, else as text.",
)
@click.option("--instance", help="Another device of the same kind.")
@user_option
@json_option
def edit(ulid: str, parameters: tuple[str, ...], instance: str | None, user: str, as_json: bool) -> None:
    """Change what a job asks for that waits; its history keeps both.

    \b
    flask jobs edit 01KPR8Z4J6Q3T5V7X9Y0A1B2C3 -p time=30
    """
    found = _found(ulid)
    new = placed(found.device, found.action, parameters)
    changed: dict[str, Any] = {name: from_json(getattr(found, name)) | new[name] for name in new if new[name]}
    body = {"site": found.site, "ulid": ulid, "instance": instance, "user_id": user, "user_name": user}
    command = commands.checked(queue_commands.EditJob, body | changed)
    job = desk().edit(command, actors.console(user, user))
    _print(job, f"Changed: {job.action} for {job.device} {job.instance} at {job.site}.", as_json)


@click.command
@click.argument("ulid")
@click.option("--next", "goes_next", is_flag=True, help="Let it go before what waits.")
@click.option("--sure", is_flag=True, help="Send it although the target is down, too low or near the sun.")
@user_option
@json_option
def again(ulid: str, goes_next: bool, sure: bool, user: str, as_json: bool) -> None:
    """Send a job once more, as a new one with the same parameters."""
    found = _found(ulid)
    body: dict[str, Any] = {name: getattr(found, name) for name in ("site", "device", "instance", "action")}
    body |= {name: from_json(getattr(found, name)) for name in ("required_params", "optional_params")}
    job = submit(body | {"user_id": user, "user_name": user, "next": goes_next}, sure=sure)
    say_sent(job, as_json=as_json)


@queue.command()
@site_option
@click.option("--note", required=True, help='Why, for everybody to read, such as "clouds".')
@user_option
def pause(site: str | None, note: str, user: str) -> None:
    """Pause the queue of a site: what waits is not handed over, and stop commands pass.

    What the site has begun goes on: stop it with `flask jobs cancel-all`. Times to live go on too.
    """
    body = {"site": needed_site(site), "note": note, "user_id": user, "user_name": user}
    row = desk().pause(commands.checked(queue_commands.PauseQueue, body), actors.console(user, user))
    say_held(pauses.sentence(row), row.site)


@queue.command()
@site_option
@user_option
def resume(site: str | None, user: str) -> None:
    """Let the queue of a site go on."""
    command = queue_commands.ResumeQueue(site=needed_site(site), user_id=user, user_name=user)
    desk().resume(command, actors.console(user, user))
    click.echo(f"The queue of {command.site} goes on.")


@queue.command("show")
@site_option
def show(site: str | None) -> None:
    """Show what is to happen at a site, in the order in which it will."""
    site = needed_site(site)
    with database().reading() as connection:
        found = queue_view.queue(connection, site, PlanTimes(), clock.read())
    if found.pause is not None:
        click.echo(f"{pauses.sentence(found.pause)}.")
    for entry in found.entries:
        job = entry.job
        when = "?" if entry.begins_ms is None else f"{datetime.fromtimestamp(entry.begins_ms / 1000, UTC):%H:%M:%S}"
        click.echo(
            f"{when:8} {entry.state.value:11} {job.ulid} {job.action} {job.device} {job.instance}, {job.user_name}"
        )
    if not found.entries:
        click.echo(f"Nothing waits at {site}.")


def _found(ulid: str) -> JobRow:
    with database().reading() as connection:
        found = queries.job_anywhere(connection, ulid)
    if found is None:
        raise click.ClickException(f"there is no job {ulid}")
    commands.check_site(commands.Command(site=found.site), settings().sites)
    return found


def _print(job: JobRow, sentence: str, as_json: bool) -> None:
    click.echo(wire.job(job) if as_json else sentence)
