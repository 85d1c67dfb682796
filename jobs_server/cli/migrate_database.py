"""`flask migrate-database`."""

from __future__ import annotations

import click

from ..config.checks import parse_url
from ..errors import ConfigError, TaskFailed
from ..upkeep import backups
from .installation import database, settings
from .progress_bars import bars


@click.command("migrate-database")
@click.option(
    "--to", required=True, metavar="URL", help="Where to, such as postgresql+psycopg://jobs:PASSWORD@HOST/jobs"
)
def migrate_database(to: str) -> None:
    """Move the jobs from SQLite to PostgreSQL; stop the server first.

    Everything is copied and then compared row by row; the SQLite file stays as it is. Broken off, it goes on where it
    was when it is run again. Then set JOBS_DATABASE_URL to the new database and start the server: streams go on where
    they were.
    """
    from ..admin.to_postgresql import move

    source = backups.database_file(settings().url)
    if not source.exists():
        raise TaskFailed(f"there is no database at {source} to move")
    try:
        backups.check_unused(source)
    except TaskFailed:
        raise TaskFailed(f"{source} is in use: stop the server first") from None
    try:
        url = parse_url(to)
    except ConfigError:
        raise click.BadParameter("is no URL of a PostgreSQL database", param_hint="--to") from None
    with bars() as progress:
        moved = move(settings(), database(), url, progress)
    database().close()
    jobs, events = moved.rows["job"], moved.rows["job_event"]
    was = "were there already" if moved.already else "were moved"
    click.echo(f"{jobs:,} jobs with {events:,} events and all else {was}, and are verified.")
    click.echo(f"Now set JOBS_DATABASE_URL={url.render_as_string(hide_password=True)} with its password, and start.")
