"""`flask backup`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import click

from ..errors import TaskFailed
from ..upkeep import backups, preview_backups
from .installation import settings as in_force
from .progress_bars import bars


@click.command
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--alert", is_flag=True, help="If it fails have the server tell so, as of its own, until one succeeds.")
def backup(folder: Path | None, alert: bool) -> None:
    """Back up the database into FOLDER, while it is served.

    FOLDER is JOBS_BACKUP_FOLDER unless named. The copy is one moment of the database, read through and compressed. In
    FOLDER the newest backup of each of the last 7 days, 4 weeks and 12 months is kept, and older ones are deleted.
    Pictures are copied once, to the folder previews in FOLDER.
    Ends with 0 when the backup is good, and with 1 and one sentence when there is none.
    """
    settings = in_force()
    with _told(Path(settings.instance)) if alert else nullcontext(), bars() as progress:
        made = backups.make(backups.database_file(settings.url), folder or settings.backups, progress)
        pictures = preview_backups.copy_new(settings, folder or settings.backups)
    click.echo(
        f"{made.path}: {made.counts.jobs:,} jobs with {made.counts.events:,} events, verified,"
        f" {made.size_bytes / 1e6:,.1f} MB."
    )
    if pictures:
        click.echo(f"{pictures:,} pictures that were not copied yet are in {preview_backups.FOLDER} beside it.")
    if made.dropped:
        click.echo(f"Deleted as too old: {', '.join(path.name for path in made.dropped)}.")


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
