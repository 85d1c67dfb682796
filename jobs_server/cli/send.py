"""`flask jobs send`, `cancel` and `cancel-all`: what asks something of a telescope."""

from __future__ import annotations

import sys
import time
import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from .. import clock, program
from ..domain import actors, commands, lifecycle, strict_json
from ..errors import BadRequest, ConfigError, Unavailable
from ..jobs import operations, queries, rows, wire
from ..observatory import catalogue
from .common import json_option, needed_site, site_option, user_option
from .installation import database, desk, settings

if TYPE_CHECKING:
    from ..observatory import profiles

_BUSY_SECONDS = 20.0  # how long a busy database is waited for


@click.command
@click.argument("device", required=False)
@click.argument("instance", required=False)
@click.argument("action", required=False)
@click.option(
    "-p",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter; repeat as needed. A value that is JSON (5, true, [1,2]) is taken as such, else as text.",
)
@click.option(
    "--file",
    "file",
    type=click.File("r", encoding="utf-8-sig"),  # Windows writes a byte order mark
    help="Take the job as JSON from a file; - is standard input.",
)
@click.option(
    "--key",
    metavar="TEXT",
    help="Idempotency-Key: the same command sent again with it within a day, such as by cron, makes no second job.",
)
@click.option(
    "--not-before", metavar="TIME", help="Hold it until then, such as 20:15 or 2026-11-24T20:15; by the site's clock."
)
@click.option("--target", metavar="NAME", help="Slew to a target by its name: m31, 'NGC 7000', jupiter.")
@click.option("--sure", is_flag=True, help="Send it although the target is down, too low or near the sun.")
@site_option
@user_option
@json_option
def send(
    device: str | None,
    instance: str | None,
    action: str | None,
    parameters: tuple[str, ...],
    file: IO[str] | None,
    key: str | None,
    not_before: str | None,
    target: str | None,
    sure: bool,
    site: str | None,
    user: str,
    as_json: bool,
) -> None:
    """Send one job.

    \b
    flask jobs send --site wmd camera camera_1_1 expose -p time=5 -p image_type=light
    flask jobs send --site wmd mount mount1 go --target m31
    flask jobs send --file job.json
    flask jobs send - < job.json
    """
    if device == "-" and instance is None:
        file, device = click.open_file("-", encoding="utf-8-sig"), None
    if file is not None:
        if device or parameters:
            raise click.UsageError("a job from a file is sent as it is: leave out DEVICE INSTANCE ACTION and -p")
        body = _read_job(file)
    elif device and instance and action:
        body = {"device": device, "instance": instance, "action": action} | placed(device, action, parameters)
    else:
        raise click.UsageError("say DEVICE INSTANCE ACTION, or --file job.json, or - for standard input")
    if site or "site" not in body:
        body["site"] = needed_site(site)
    body = {"user_name": user, "user_id": user, "required_params": {}, "optional_params": {}} | body
    if not_before is not None:
        body["notBefore"] = _time(not_before, str(body["site"]))
    if target is not None:
        body = _towards(target, body)
    job = submit(body, key, sure=sure)
    say_sent(job, as_json=as_json)


@click.command
@click.argument("ulid")
@user_option
@json_option
def cancel(ulid: str, user: str, as_json: bool) -> None:
    """Cancel one job: it will not begin, or the site is asked to end it.

    This is no emergency stop: what runs ends when the site's software next reports. Keep a hardware one.
    """
    with database().reading() as connection:
        found = queries.job_anywhere(connection, ulid)
    if found is None:
        raise click.ClickException(f"there is no job {ulid}")
    with database().transaction(found.site, urgent=True) as connection:
        command = commands.CancelJob(site=found.site, ulid=found.ulid, user_id=user, user_name=user)
        job = operations.cancel(connection, command, actors.console(user, user, ()), clock.read(), settings())
    if job.phase not in lifecycle.UNFINISHED and job.replica_phase in lifecycle.UNFINISHED:
        sentence = (
            f"{job.site} is asked to end {job.action} for {job.device} {job.instance},"
            f" now {job.replica_status} on the alternate queue."
        )
    elif job.status == lifecycle.CANCELED:
        sentence = f"Canceled: {job.action} for {job.device} {job.instance} at {job.site} will not begin."
    else:
        sentence = f"{job.site} is asked to end {job.action} for {job.device} {job.instance}, now {job.status}."
    _print(job, sentence, as_json)


@click.command("cancel-all")
@site_option
@user_option
@json_option
def cancel_all(site: str | None, user: str, as_json: bool) -> None:
    """Cancel what waits at a site, and tell the site to stop what it does.

    This is no emergency stop: it acts when the site's software next asks for jobs. Keep a hardware one.
    """
    everything = {"device": "all", "instance": "all", "action": "cancel_all_commands"}
    job = submit(
        {"site": needed_site(site), "user_name": user, "user_id": user, "required_params": {}, "optional_params": {}}
        | everything
    )
    _print(job, f"What waited at {job.site} is canceled; the stop itself now waits for the site: {job.ulid}", as_json)


def _time(text: str, site: str) -> str:
    """Return a time as the wire takes it; one without a zone is by the site's clock."""
    from . import plan_file, plan_send  # Most jobs are sent at once.

    try:
        return plan_send.time_of("--not-before", text, *plan_send.zone_of(None, site))
    except plan_file.WrongFile as error:
        raise click.ClickException(f"{error}; nothing was sent") from None


def _read_job(file: IO[str]) -> dict[str, Any]:
    name = getattr(file, "name", "<stdin>")
    try:
        return strict_json.read_object(file.read().encode(), name, no_object="must hold one JSON object, a job")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{name} is not JSON: {error}") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def placed(device: str, action: str, parameters: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Put each KEY=VALUE where the catalogue says that the action takes it."""
    found: dict[str, dict[str, Any]] = {"required_params": {}, "optional_params": {}}
    for parameter in parameters:
        key, separator, text = parameter.partition("=")
        if not separator or not key:
            raise click.BadParameter(f"{parameter!r} is not KEY=VALUE", param_hint="-p")
        kind = "optional_params" if catalogue.is_optional(device, action, key) else "required_params"
        found[kind][key] = _value(text)
    return found


def _value(text: str) -> object:
    try:
        return strict_json.read(text.encode())
    except ValueError:
        return text


def _towards(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return a slew's body with the place of a target in it, where the target stands now."""
    if (body.get("device"), body.get("action")) != ("mount", "go"):
        raise click.UsageError("--target is for a slew: mount INSTANCE go")
    from ..observatory import own_targets, targets

    profile = _profile(str(body["site"]))
    now_ms = clock.now_ms()
    with database().reading() as connection:
        own = own_targets.like(connection, str(body["site"]), name)
    found = targets.named(name, now_ms, profile.place, list(own_targets.as_targets(own, now_ms, profile.place)))
    if not found:
        raise click.ClickException(
            f"no target here is called {name!r}; `{program.command(f'targets {name}')}` finds those like it"
        )
    where = {"ra": found[0].direction.ra_hours, "dec": found[0].direction.dec_degrees}
    named = {"object": found[0].name} | body["optional_params"]
    return body | {"required_params": body["required_params"] | where, "optional_params": named}


def submit(body: dict[str, Any], key: str | None = None, *, sure: bool = False) -> rows.JobRow:
    """Queue a job, again while the database is busy: the key makes sure that it is queued once."""
    command = _command(body)
    in_force = settings()
    commands.check_site(command, in_force.sites)
    actor = actors.console(command.user_id, command.user_name, in_force.open_roles)
    _caution(command, sure=sure)
    key = commands.parse_key(key) or uuid.uuid4().hex
    return _post(command, actor, key)


def _caution(command: commands.SubmitJob, *, sure: bool) -> None:
    """Print what the job asks for that its site is not known to have, and have what is down acknowledged.

    What cannot be read hinders no job.
    """
    if lifecycle.is_stop(command.action, command.required_params):
        return
    from ..observatory import abilities, target_cautions  # what reads a profile need not be loaded for a stop
    from ..state import capabilities

    try:
        profile = _profile(command.site)
        with database().reading() as connection:
            said = capabilities.of_site(connection, command.site)
    except (Unavailable, ConfigError) as error:
        click.echo(f"What {command.site} has is not known now: {error}", err=True)
        return
    known = abilities.Abilities(profile, said.devices if said else {})
    what = (command.device, command.instance, command.action, command.required_params, command.optional_params)
    for sentence in abilities.cautions(known, *what):
        click.echo(f"Caution: {sentence}.", err=True)
    now_ms = clock.now_ms()
    _have_acknowledged(target_cautions.of_job(known, *what, now_ms + command.hold_ms(now_ms)), sure=sure)


def _have_acknowledged(sentences: list[str], *, sure: bool) -> None:
    """Print what is to be said of where a job points, and ask; where nobody can be, send nothing unless `sure`."""
    for sentence in sentences:
        click.echo(f"Caution: {sentence}.", err=True)
    if not sentences or sure:
        return
    if not sys.stdin.isatty():
        raise click.ClickException("nothing is sent; with --sure it is sent all the same")
    click.confirm("Send it all the same?", abort=True, err=True)


def _profile(site: str) -> profiles.Profile:
    """Return what is known of a site. Raises ConfigError."""
    from ..observatory import profiles

    return profiles.load(Path(settings().instance)).get(site) or profiles.Profile(code=site)


def _post(command: commands.SubmitJob, actor: actors.Actor, key: str) -> rows.JobRow:
    until, backoff = time.monotonic() + _BUSY_SECONDS, None
    while True:
        try:
            return desk().post(command, actor, key)
        except Unavailable:
            from ..client.backoff import Backoff  # with it comes the whole client, which is seldom needed

            backoff = backoff or Backoff(until - time.monotonic())
            if (pause := backoff.pause()) is None:
                raise
            time.sleep(pause)


def _command(body: dict[str, Any]) -> commands.SubmitJob:
    """Check what the body of a request would be. Raises BadRequest."""
    try:
        strict_json.check(body)
    except ValueError as error:
        raise BadRequest(f"Error: the body is not JSON: {error}") from None
    return commands.checked(commands.SubmitJob, body)


def say_sent(job: rows.JobRow, *, as_json: bool) -> None:
    """Print a job that was sent, and until when it is held back."""
    held = f", held until {clock.in_utc(job.accepted_ms + job.hold_ms)}" if job.hold_ms else ""
    _print(job, f"Sent {job.action} to {job.device} {job.instance} at {job.site}{held}: {job.ulid}", as_json)


def _print(job: rows.JobRow, sentence: str, as_json: bool) -> None:
    click.echo(wire.job(job) if as_json else sentence)
