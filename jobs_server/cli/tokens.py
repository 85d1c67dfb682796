"""`flask tokens`: make, list and revoke what the software beside a telescope shows."""

from __future__ import annotations

import json

import click

from .. import clock, program
from ..auth import site_tokens
from . import terminal
from .common import CommandGroup, json_option, needed_site, person_here, site_option
from .installation import database, settings

tokens = CommandGroup("tokens", help="Make, list and revoke the tokens of sites' software.")


@tokens.command()
@site_option
@click.option("--name", required=True, help='Who will use it, such as "dome pc".')
def create(site: str | None, name: str) -> None:
    """Make a token and print it, this once.

    The site's software sends it with every request. The token alone goes to the standard output; beside it, for people,
    stand the lines to paste.
    """
    with database().transaction() as connection:
        row, token = site_tokens.create(connection, needed_site(site), name, person_here(), clock.read())
    click.echo(token)
    click.echo(
        f"Token {row.id} of {row.site} for {row.name}. It is shown only now: keep it where it is used.", err=True
    )
    click.echo(f'For the site agent, in agent.toml:  token = "{token}"', err=True)
    click.echo(f"For other programs, in every request:  Authorization: Bearer {token}", err=True)
    if settings().site_tokens == "off":
        click.echo(
            "It is not asked for yet: set JOBS_SITE_TOKENS=required when the site's software sends it.", err=True
        )


@tokens.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """List the tokens, when each was used last, and which are revoked."""
    with database().reading() as connection:
        rows = site_tokens.list_all(connection)
    if as_json:
        public = ({name: value for name, value in row._asdict().items() if name != "token_hash"} for row in rows)
        click.echo(json.dumps(list(public)))
    elif rows:
        terminal.print_tokens(rows)
    else:
        click.echo(f'There are none; make one with: {program.command("tokens create")} --site wmd --name "dome pc"')


@tokens.command()
@click.argument("token_id", type=int, metavar="NUMBER")
def revoke(token_id: int) -> None:
    """Revoke a token by its number in the list: it works no more from now on."""
    with database().transaction() as connection:
        row = site_tokens.revoke(connection, token_id, clock.read())
    click.echo(f"Token {row.id} of {row.site} for {row.name} works no more.")
