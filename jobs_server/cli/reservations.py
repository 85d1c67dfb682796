"""`flask reservations`: who has the telescope when."""

from __future__ import annotations

import json

import click

from .. import clock
from ..domain import actors, commands
from ..jobs import reservation_commands, wire
from ..jobs import reservations as operations
from . import terminal
from .common import CommandGroup, Number, json_option, needed_site, person_here, site_option
from .installation import database

reservations = CommandGroup("reservations", help="List, make and delete reservations of the telescope.")

_DAY_MS = 24 * 60 * 60 * 1000


@reservations.command("list")
@site_option
@click.option("--days", type=Number(min=0.01, max=1e5), default=7, show_default=True, help="How far ahead to look.")
@json_option
def list_reservations(site: str | None, days: float, as_json: bool) -> None:
    """List the reservations from now on."""
    now_ms = clock.now_ms()
    with database().reading() as connection:
        rows = operations.between(connection, needed_site(site), now_ms, now_ms + round(days * _DAY_MS))
    if as_json:
        click.echo(json.dumps([wire.reservation(row) for row in rows]))
    elif rows:
        terminal.print_reservations(rows)
    else:
        click.echo(f"Nobody has reserved {needed_site(site)} for the next {days:g} days.")


@reservations.command()
@site_option
@click.option("--user", default=person_here, show_default="you", help="For whom: their user id.")
@click.option("--name", help="Their name, as others see it.  [default: the user id]")
@click.option("--title", default="", help="What it is called.")
@click.option("--note", default="", help="A line for others to read.")
@click.argument("start")
@click.argument("end")
def add(site: str | None, user: str, name: str | None, title: str, note: str, start: str, end: str) -> None:
    r"""Reserve a telescope from START to END, both in UTC.

    \b
    flask reservations add --site wmd --user "auth0|vera" --name Vera 2026-11-24T20:00Z 2026-11-25T02:00Z
    """
    body = {"site": needed_site(site), "start": start, "end": end, "title": title, "reservation_note": note}
    wanted = commands.checked(reservation_commands.Reserve, body).row(user, name or user)
    reservation_commands.refuse_past(wanted, clock.read())
    with database().transaction() as connection:
        row = operations.add(connection, wanted, actors.console(user, name or user), clock.read())
    start, end = clock.in_utc(row.start_ms), clock.in_utc(row.end_ms)
    click.echo(f"{row.site} is reserved for {row.creator} from {start} to {end}: {row.event_id}")


@reservations.command()
@click.argument("event_id", metavar="ID")
def delete(event_id: str) -> None:
    """Delete a reservation by its id in the list, whosever it is."""
    console = actors.console(person_here(), person_here(), is_admin=True)
    with database().transaction() as connection:
        row = operations.remove(connection, event_id, console)
    start, end = clock.in_utc(row.start_ms), clock.in_utc(row.end_ms)
    click.echo(f"The reservation of {row.creator} from {start} to {end} is deleted.")
