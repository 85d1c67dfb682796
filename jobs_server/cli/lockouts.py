"""`flask lockout`: keep the telescope still while there are hands on it."""

from __future__ import annotations

import click

from ..domain import actors, commands
from ..jobs import lockouts, wire
from . import terminal
from .common import AnyFunction, CommandGroup, json_option, needed_site, person_here, say_held, site_option
from .installation import database, desk

lockout = CommandGroup("lockout", help="Lock a telescope out while somebody works on it, and lift that again.")


def _by_option(function: AnyFunction) -> AnyFunction:
    return click.option("--by", default=person_here, show_default="you", help="Who works on it.")(function)


@lockout.command()
@site_option
@_by_option
@click.option("--note", required=True, help='Why, for everybody to read, such as "hands on the mount".')
def on(site: str | None, by: str, note: str) -> None:
    """Lock a telescope out.

    New jobs are refused and waiting ones are held back; stop commands pass. What the telescope does already goes on:
    stop it with `flask jobs cancel-all`. This is no substitute for switching the power off.
    """
    command = commands.checked(commands.LockOut, {"site": needed_site(site), "note": note, "user_id": by})
    row = desk().lock_out(command, actors.console(by, by))
    say_held(lockouts.sentence(row), command.site)


@lockout.command()
@site_option
@_by_option
@click.option("--cancel-waiting/--keep-waiting", default=None, help="Cancel what waited (asked; default yes).")
@click.option("--admin", is_flag=True, help="Lift it although somebody else put it on: you answer for it.")
def off(site: str | None, by: str, cancel_waiting: bool | None, admin: bool) -> None:
    """Lift a lock-out."""
    site = needed_site(site)
    if cancel_waiting is None:
        cancel_waiting = click.confirm("Cancel the jobs that waited meanwhile?", default=True)
    command = commands.LiftLockout(site=site, cancel_waiting=cancel_waiting, user_id=by, user_name=by)
    actor = actors.console(by, by, is_admin=admin)
    _, canceled = desk().lift(command, actor)
    click.echo(f"{site} is free again. Jobs canceled: {canceled}.")


@lockout.command("list")
@site_option
@json_option
def list_lockouts(site: str | None, as_json: bool) -> None:
    """Show whether a telescope is locked out, and when it was before."""
    site = needed_site(site)
    with database().reading() as connection:
        rows = lockouts.latest(connection, site)
    if as_json:
        click.echo(wire.lockouts(site, rows))
    elif rows:
        terminal.print_lockouts(rows)
    else:
        click.echo(f"{site} was never locked out.")
