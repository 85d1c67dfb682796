"""`flask prune` and `flask import`: history that is let go, and history that comes back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .. import clock
from ..errors import JobsError, TaskFailed
from ..upkeep import archive as archives
from ..upkeep import retention, timekeeping
from .installation import database
from .installation import settings as in_force

_SHOWN_FAULTS = 10


@click.command
@click.option("--days", type=click.IntRange(min=1), help="Keep this many days.  [default: JOBS_KEEP_DAYS]")
@click.option(
    "--archive",
    type=click.Path(file_okay=False, path_type=Path),
    help="First write what is deleted to a new file in this folder, which `import` reads back.",
)
@click.option("--dry-run", is_flag=True, help="Only tell how many jobs would be deleted.")
@click.option(
    "--clock-is-right",
    is_flag=True,
    help="Confirm what this machine's clock says, which the service doubts: for this once, and for the server too.",
)
def prune(days: int | None, archive: Path | None, dry_run: bool, clock_is_right: bool) -> None:
    """Delete old jobs and their history, while the server runs.

    What still waits, or was heard of since, stays. The database's file does not become smaller; the room is used again.
    Nothing is deleted while the clock is days past the last moment that the service knows of.
    """
    settings = in_force()
    days = days or settings.keep_days
    if clock_is_right:
        _confirm_the_clock()
        if not days:
            return
    if not days:
        raise click.UsageError("say how many days to keep, with --days or JOBS_KEEP_DAYS; so far all is kept for ever")
    before_ms = clock.now_ms() - days * retention.DAY_MS
    folder = archive or (Path(settings.archive_folder).expanduser() if settings.archive_folder else None)
    try:
        with database().reading() as connection:
            old = retention.count(connection, before_ms)
        if dry_run:
            click.echo(f"{old:,} jobs are older than {days} days.")
            return
        if doubt := timekeeping.look(database(), settings, clock.read()):
            raise TaskFailed(f"nothing was deleted, since this machine's clock is in doubt: {doubt.sentence}")
        with click.progressbar(length=old, label="Deleting", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
            pruned = retention.prune(database(), before_ms, folder, lambda done: bar.update(done - bar.pos))
    except JobsError as error:
        raise TaskFailed(error.sentence.removeprefix("Error: ")) from None
    click.echo(f"Deleted {pruned.jobs:,} jobs older than {days} days, with {pruned.events:,} events.")
    if pruned.file:
        click.echo(f"They are in {pruned.file}.")


def _confirm_the_clock() -> None:
    try:
        timekeeping.confirm(database(), now := clock.read())
    except JobsError as error:
        raise TaskFailed(error.sentence.removeprefix("Error: ")) from None
    click.echo(f"Noted: it is {clock.in_utc(now.wall_ms)}.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_history(file: Path) -> None:
    """Put the jobs of FILE, written by `prune --archive`, back into the history.

    Jobs that are there already are left alone, so that it may be run again. What is unfinished in FILE comes in as
    ended: nothing old comes alive. Ends with 1 when a line is no good; all whole lines are in nevertheless.
    """
    with click.progressbar(length=100, label="Reading", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int) -> None:
            bar.update(done * 100 // max(total, 1) - bar.pos)

        try:
            told = archives.read_back(database(), file, clock.now_ms(), show)
        except JobsError as error:
            raise TaskFailed(error.sentence.removeprefix("Error: ")) from None
    click.echo(
        f"{told.added:,} jobs added, {told.known:,} were there already;"
        f" {told.ended:,} came in unfinished and are ended."
    )
    if told.faults:
        more = len(told.faults) - _SHOWN_FAULTS
        shown = "; ".join(told.faults[:_SHOWN_FAULTS]) + (f"; and {more} more" if more > 0 else "")
        raise TaskFailed(f"not all of {file.name} is in: {shown}")
