"""`flask restore`."""

from __future__ import annotations

from pathlib import Path

import click

from .. import program
from ..upkeep import backups
from .installation import settings as in_force
from .progress_bars import bars


@click.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(file: Path, yes: bool) -> None:
    """Put the backup FILE in the place of the database; stop the server first.

    The database that is there is kept beside it under another name. The backup is read through, brought up to this
    version, and every job that was unfinished in it is ended: nothing old comes alive. A telescope that is locked out
    now stays locked out, and a site token that is revoked now stays revoked; one made after the backup is gone.
    """
    from ..admin.restore import restore as operation

    settings = in_force()
    live = backups.database_file(settings.url)
    if not yes:
        click.confirm(f"Replace {live} by {file.name}? (The present one is kept beside it.)", abort=True)
    with bars() as progress:
        restored = operation(file, settings, progress)
    click.echo(
        f"{live} is now {file.name}: {restored.counts.jobs:,} jobs with {restored.counts.events:,} events;"
        f" {restored.ended:,} were unfinished and are ended."
    )
    if restored.locked_out:
        click.echo(f"Locked out since the backup, and still so: {', '.join(restored.locked_out)}.")
    if restored.lost_tokens:
        click.echo(
            f"Site tokens that were made after the backup are gone: {', '.join(restored.lost_tokens)};"
            f" make new ones with: {program.command('tokens create')}"
        )
    if restored.aside:
        click.echo(f"The database that was there is {restored.aside}; delete it when you need it no more.")
