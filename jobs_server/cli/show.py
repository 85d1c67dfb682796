"""`flask jobs list` and `show`: what there is.

The commands that people type most. On SQLite they read the file by themselves, since SQLAlchemy takes a third of a
second to load.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from .. import clock
from . import terminal
from .common import Number, json_option, needed_site, site_option
from .installation import database, settings, sqlite_file

if TYPE_CHECKING:
    from ..jobs.rows import EventRow, JobRow, ListedJob

HOUR_MS = 60 * 60 * 1000


@click.command("list")
@site_option
@click.option("--hours", type=Number(min=0, max=1e6), default=24, show_default=True, help="How far back to look.")
@json_option
def list_jobs(site: str | None, hours: float, as_json: bool) -> None:
    """List a site's jobs, oldest first."""
    since_ms = max(0, clock.now_ms() - round(hours * HOUR_MS))
    pages = _recent(needed_site(site), since_ms)
    if as_json:
        from ..jobs import wire

        for piece in wire.joined(map(wire.jobs, pages)):
            click.echo(piece, nl=False)
        click.echo()
    elif first := next(pages, None):
        terminal.print_jobs(chain(first, chain.from_iterable(pages)), _reasons(needed_site(site), since_ms))
    else:
        click.echo(f"No jobs at {needed_site(site)} in the last {hours:g} hours.")


@click.command
@click.argument("ulid")
@json_option
def show(ulid: str, as_json: bool) -> None:
    """Show one job, all that happened to it, and what came of it."""
    found = _job_with_history(ulid)
    if found is None:
        raise click.ClickException(f"there is no job {ulid}")
    row, events, pictures = found
    if as_json:
        from ..jobs import wire

        click.echo(wire.job_with_history(row, events))
    else:
        terminal.print_job(row, events, pictures)


def _recent(site: str, since_ms: int) -> Iterator[list[ListedJob]]:
    if file := sqlite_file():
        from .sqlite_reads import SQLiteReads

        with SQLiteReads(file, settings().database_timeout_seconds) as reads:
            yield from reads.recent(site, since_ms)
        return
    from ..jobs import queries

    for page in queries.recent(database(), site, since_ms):
        yield page.jobs


def _reasons(site: str, since_ms: int) -> dict[int, str]:
    if file := sqlite_file():
        from .sqlite_reads import SQLiteReads

        with SQLiteReads(file, settings().database_timeout_seconds) as reads:
            return reads.reasons(site, since_ms)
    from ..jobs import queries

    return queries.reasons(database(), site, since_ms)


def _job_with_history(ulid: str) -> tuple[JobRow, list[EventRow], list[str]] | None:
    """Find one job, with what happened to it, oldest first, and the names of its pictures, newest first."""
    if file := sqlite_file():
        from .sqlite_reads import SQLiteReads

        with SQLiteReads(file, settings().database_timeout_seconds) as reads:
            found = reads.job_with_history(ulid)
            return (*found, reads.pictures(found[0].id)) if found else None
    from ..jobs import queries
    from ..state import previews

    with database().reading() as connection:
        row = queries.job_anywhere(connection, ulid)
        if row is None:
            return None
        pictures = [picture.name for picture in previews.of_job(connection, row.id)]
        return row, queries.history(connection, row.id), pictures
