"""`flask backup` and `flask restore`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import click
from flask.cli import with_appcontext
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..config import Settings
from ..errors import TaskFailed
from ..service import service
from ..upkeep import backups

_SAYS = {
    "copy": "Copying",
    "verify": "Reading it through",
    "compress": "Compressing",
    "unpack": "Unpacking",
}


@click.command
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--alert", is_flag=True, help="If it fails have the server tell so, as of its own, until one succeeds.")
@with_appcontext
def backup(folder: Path | None, alert: bool) -> None:
    """Back up the database into FOLDER, while it is served.

    FOLDER is JOBS_BACKUP_FOLDER unless named. The copy is one moment of the database, read through and compressed. In
    FOLDER the newest backup of each of the last 7 days, 4 weeks and 12 months is kept, and older ones are deleted.
    Ends with 0 when the backup is good, and with 1 and one sentence when there is none.
    """
    settings = _settings()
    with _told(Path(settings.instance)) if alert else nullcontext(), bars() as progress:
        made = backups.make(backups.database_file(settings.url), folder or settings.backups, progress)
    click.echo(
        f"{made.path}: {made.counts.jobs:,} jobs with {made.counts.events:,} events, verified,"
        f" {made.size_bytes / 1e6:,.1f} MB."
    )
    if made.dropped:
        click.echo(f"Deleted as too old: {', '.join(path.name for path in made.dropped)}.")


@click.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def restore(file: Path, yes: bool) -> None:
    """Put the backup FILE in the place of the database; stop the server first.

    The database that is there is kept beside it under another name. The backup is read through, brought up to this
    version, and every job that was unfinished in it is ended: nothing old comes alive. A telescope that is locked out
    now stays locked out, and a site token that is revoked now stays revoked; one made after the backup is gone.
    """
    from ..admin.restore import restore as operation

    settings = _settings()
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
            " make new ones with: flask tokens create"
        )
    if restored.aside:
        click.echo(f"The database that was there is {restored.aside}; delete it when you need it no more.")


@contextmanager
def _told(instance: Path) -> Iterator[None]:
    """Leave word for the server when a backup fails, and take it back when one is made."""
    try:
        yield
    except TaskFailed as failure:
        with suppress(OSError):  # the failure itself is what is to be seen
            backups.note_failure(instance, failure.message)
        raise
    with suppress(OSError):
        backups.note_failure(instance, None)


@contextmanager
def bars() -> Iterator[backups.Progress]:
    """Show a bar for each step on a terminal; elsewhere nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = shown.add_task(_SAYS.get(step, step), total=None)
            shown.update(tasks[step], completed=done, total=total or None)

        yield show


def _settings() -> Settings:
    return service().settings
