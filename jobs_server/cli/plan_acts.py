"""`flask plan list`, `show`, `pause`, `resume` and `cancel`."""

from __future__ import annotations

import click
import orjson

from ..domain import actors
from ..domain.actors import Actor
from ..domain.plan_commands import CancelPlan, PausePlan, ResumePlan
from ..jobs import plan_queries, plan_wire
from ..jobs.plan_rows import PlanRow
from . import plan_screen
from .common import json_option, needed_site, site_option, user_option
from .installation import database, plan_desk, settings


@click.command("list")
@site_option
@click.option("--ended", type=click.IntRange(0, 200), default=20, show_default=True, help="So many that have ended.")
@json_option
def list_plans(site: str | None, ended: int, as_json: bool) -> None:
    """List a site's plans: those that have not ended, and the last that have."""
    code = needed_site(site)
    with database().reading() as connection:
        plans = plan_queries.of_site(connection, code, ended)
    if as_json:
        click.echo(orjson.dumps([plan_wire.plan(plan) for plan in plans]))
    elif plans:
        for plan in plans:
            click.echo(plan_screen.line(plan))
    else:
        click.echo(f"No plans at {code}.")


@click.command
@click.argument("plan_id", metavar="ID")
@site_option
@json_option
def show(plan_id: str, site: str | None, as_json: bool) -> None:
    """Show a plan with its steps, and what it waits for."""
    _show(_found(plan_id, site), as_json=as_json)


@click.command
@click.argument("plan_id", metavar="ID")
@click.option("--note", default="", help="Why.")
@site_option
@user_option
@json_option
def pause(plan_id: str, note: str, site: str | None, user: str, as_json: bool) -> None:
    """Release no more steps of a plan until somebody resumes it; what was released goes on."""
    plan = _found(plan_id, site)
    command = PausePlan(site=plan.site, id=plan.ulid, user_id=user, user_name=user, note=note)
    _show(plan_desk().pause(command, _actor(user)), as_json=as_json)


@click.command
@click.argument("plan_id", metavar="ID")
@click.option("--again", is_flag=True, help="First do the last step once more, which did not end well.")
@site_option
@user_option
@json_option
def resume(plan_id: str, again: bool, site: str | None, user: str, as_json: bool) -> None:
    """Let a paused plan go on with its next step."""
    plan = _found(plan_id, site)
    command = ResumePlan(site=plan.site, id=plan.ulid, user_id=user, user_name=user, again=again)
    _show(plan_desk().resume(command, _actor(user)), as_json=as_json)


@click.command
@click.argument("plan_id", metavar="ID")
@site_option
@user_option
@json_option
def cancel(plan_id: str, site: str | None, user: str, as_json: bool) -> None:
    """End a plan: no more of its steps is released, and what was is canceled or asked to end.

    This is no emergency stop: what runs ends when the site's software next reports. Keep a hardware one.
    """
    plan = _found(plan_id, site)
    command = CancelPlan(site=plan.site, id=plan.ulid, user_id=user, user_name=user)
    _show(plan_desk().cancel(command, _actor(user)), as_json=as_json)


def _found(plan_id: str, site: str | None) -> PlanRow:
    with database().reading() as connection:
        plan = plan_queries.anywhere(connection, plan_id)
    if plan is None or (site is not None and plan.site != site):
        raise click.ClickException(f"there is no plan {plan_id}" + (f" at {site}" if site else ""))
    return plan


def _actor(user: str) -> Actor:
    return actors.console(user, user, settings().open_roles)


def _show(plan: PlanRow, *, as_json: bool) -> None:
    with database().reading() as connection:
        steps = plan_queries.steps(connection, plan.id)
    plan_screen.show(plan, steps, as_json=as_json)
