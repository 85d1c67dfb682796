"""`flask admin`: what only the person at the observatory's PC may do."""

from __future__ import annotations

from pathlib import Path

import click

from ..auth import console_links
from .common import CommandGroup, person_here
from .installation import settings

admin = CommandGroup("admin", help="For the person at this PC.")


@admin.command()
@click.option("--user", default=person_here, show_default="you", help="The name that the history will show.")
def link(user: str) -> None:
    """Print a link that signs you in on the pages as an admin, once, in a browser on this PC.

    For when the sign-in service cannot be reached. It works for ten minutes.
    """
    in_force = settings()
    if in_force.is_open:
        raise click.ClickException("no sign-in is set, so there is nothing to sign in to")
    secret = console_links.create(Path(in_force.instance), user)
    click.echo(f"{console_links.place(in_force.host, in_force.port)}/sign-in/link/{secret}")
    click.echo("Open it in a browser on this PC within ten minutes; it works once.", err=True)
