"""`flask template`: plans and commands to use again, by name, of one's own or of the site."""

from __future__ import annotations

import uuid
from typing import IO, Any

import click
import orjson
from pydantic_core import from_json

from .. import clock, program
from ..domain import actors, commands
from ..domain.actors import Actor
from ..domain.plan_commands import DeleteTemplate, ListTemplates, NewPlan, SaveTemplate
from ..errors import on_one_line
from ..jobs import plan_edits, plan_queries, plan_wire, plans, queries
from ..jobs import templates as operations
from ..jobs.plan_rows import TemplateRow
from . import plan_file, plan_screen, plan_send
from .common import CommandGroup, json_option, needed_site, site_option, user_option
from .installation import database, plan_desk, settings
from .send import say_sent, submit

template = CommandGroup("template", help="Keep plans and commands to use again, by name, and send them.")

_of_site = click.option("--of-site", is_flag=True, help="That of everybody at the site, not one's own.")


@template.command("list")
@site_option
@user_option
@json_option
def list_templates(site: str | None, user: str, as_json: bool) -> None:
    """List the templates of a site, and one's own."""
    code = needed_site(site)
    rows = _listed(code, user)
    if as_json:
        click.echo(orjson.dumps([plan_wire.template(row) for row in rows]))
        return
    for row in rows:
        whose = "your own" if row.owner_id else "of the site"
        click.echo(on_one_line(f"{row.name}  ({row.kind}, {whose}, saved by {row.by_name})"))
    if not rows:
        click.echo(f"No templates at {code}.")


@template.command()
@click.argument("name")
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--plan", "plan_id", metavar="ID", help="Take the steps of this plan.")
@click.option("--job", "ulid", metavar="ULID", help="Take the command of this job.")
@_of_site
@site_option
@user_option
def save(
    name: str,
    file: IO[bytes] | None,
    plan_id: str | None,
    ulid: str | None,
    of_site: bool,
    site: str | None,
    user: str,
) -> None:
    """Keep the plan in FILE (TOML or CSV), a plan or a job by a name; the same name is saved over.

    \b
    flask template save --site wmd "M42 in three filters" series.csv
    flask template save "Evening focus" --job 01KPR8Z4J6Q3T5V7X9Y0A1B2C3 --of-site
    """
    if sum(each is not None for each in (file, plan_id, ulid)) != 1:
        raise click.UsageError("say FILE, --plan ID or --job ULID, one of the three")
    code, content = _content(file, plan_id, ulid, site)
    who = {"site": code, "user_id": user, "user_name": user}
    command = commands.checked(SaveTemplate, who | {"name": name, "ofSite": of_site} | content)
    commands.check_site(command, settings().sites)
    kept = plan_desk().save_template(command, _actor(user))
    click.echo(on_one_line(f"Saved: {kept.name} ({kept.kind}) at {kept.site}."))


@template.command()
@click.argument("name")
@_of_site
@click.option("--not-before", metavar="TIME", help="Begin no earlier, such as 2026-11-24T20:15; by the site's clock.")
@click.option("--until", metavar="TIME", help="Of a plan: begin no step from then on.")
@click.option("--timezone", metavar="ZONE", help="Whose clock is meant, such as Europe/Madrid; else that of site.toml.")
@click.option("--key", metavar="TEXT", help="Idempotency-Key: the same sent again with it is not done twice.")
@click.option("--sure", is_flag=True, help="Send a slew although its target is down, too low or near the sun.")
@site_option
@user_option
@json_option
def send(
    name: str,
    of_site: bool,
    timezone: str | None,
    key: str | None,
    sure: bool,
    site: str | None,
    user: str,
    as_json: bool,
    **times: str | None,
) -> None:
    """Send the plan or the command of a template: one's own, or else the site's of that name."""
    code = needed_site(site)
    row = _named(code, name, user, of_site=of_site)
    who = {"site": code, "user_id": user, "user_name": user}
    body = from_json(row.content) | _times(times, timezone, code)
    if row.kind == "plan":
        _send_plan(commands.checked(NewPlan, body | who), key, as_json=as_json)
        return
    if times["until"] is not None:
        raise click.UsageError("--until is for plans, and this template is a command")
    job = submit(body | who, key, sure=sure)
    say_sent(job, as_json=as_json)


@template.command()
@click.argument("name")
@_of_site
@site_option
@user_option
def delete(name: str, of_site: bool, site: str | None, user: str) -> None:
    """Delete a template."""
    body = {"site": needed_site(site), "user_id": user, "user_name": user, "name": name, "ofSite": of_site}
    row = plan_desk().delete_template(commands.checked(DeleteTemplate, body), _actor(user))
    click.echo(on_one_line(f"Deleted: {row.name} at {row.site}."))


def _content(
    file: IO[bytes] | None, plan_id: str | None, ulid: str | None, site: str | None
) -> tuple[str, dict[str, Any]]:
    """Return of which site a template is to be, and what it is to hold."""
    if file is not None:
        try:
            read = plan_file.read("the plan" if file.name in ("-", "<stdin>") else file.name, file.read())
        except plan_file.WrongFile as error:
            raise click.ClickException(f"{error}; nothing was saved") from None
        plan: dict[str, Any] = {key: read[key] for key in ("title", "steps", "repeat") if key in read}
        plan |= {"onFailure": read["on_failure"]} if "on_failure" in read else {}
        return needed_site(site or read.get("site")), {"plan": plan}
    with database().reading() as connection:
        if plan_id is not None:
            row = plan_queries.anywhere(connection, plan_id)
            if row is None:
                raise click.ClickException(f"there is no plan {plan_id}")
            steps = [plan_edits.as_sent(each.step) for each in plan_queries.steps(connection, row.id)]
            return site or row.site, {"plan": {"title": row.title, "onFailure": row.on_failure, "steps": steps}}
        job = queries.job_anywhere(connection, ulid or "")
    if job is None:
        raise click.ClickException(f"there is no job {ulid}")
    command = {key: getattr(job, key) for key in ("device", "instance", "action")}
    command |= {key: from_json(getattr(job, key)) for key in ("required_params", "optional_params")}
    return site or job.site, {"command": command}


def _listed(site: str, user: str) -> list[TemplateRow]:
    asked = commands.checked(ListTemplates, {"site": site, "user_id": user, "user_name": user})
    with database().reading() as connection:
        return operations.listed(connection, asked, _actor(user))


def _named(site: str, name: str, user: str, *, of_site: bool) -> TemplateRow:
    """Return the template of a name: one's own before the site's."""
    found = [row for row in _listed(site, user) if row.name == name and not (of_site and row.owner_id)]
    if not found:
        listing = program.command("template list")
        raise click.ClickException(f"there is no template {name!r} at {site}; `{listing}` shows them")
    return max(found, key=lambda row: bool(row.owner_id))


def _times(times: dict[str, str | None], timezone: str | None, site: str) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        zone, name = plan_send.zone_of(timezone, site)
        for key, alias in (("not_before", "notBefore"), ("until", "until")):
            if (text := times[key]) is not None:
                option = f"--{key.replace('_', '-')}"
                found[alias] = plan_send.time_of(option, text, zone, name, after=found.get("notBefore"))
    except plan_file.WrongFile as error:
        raise click.ClickException(f"{error}; nothing was sent") from None
    return found


def _send_plan(command: NewPlan, key: str | None, *, as_json: bool) -> None:
    actor = _actor(command.user_id)
    row, steps = plan_desk().new(command, actor, commands.parse_key(key) or uuid.uuid4().hex)
    for sentence in plan_screen.sky_cautions(*plans.drafted(command, actor, clock.read())):
        click.echo(f"Caution: {sentence}.", err=True)  # Nobody is asked: the plan pauses where it is so then.
    plan_screen.show(row, steps, as_json=as_json)


def _actor(user: str) -> Actor:
    return actors.console(user, user, settings().open_roles)
