"""What is wrong with the clock: it is in doubt, behind what is dated already, or another than the database's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from .. import clock
from ..config import Settings
from ..storage import postgresql
from ..storage.statement import Connection, Statement
from . import backups, timekeeping
from .findings import Finding, Grade

if TYPE_CHECKING:
    from ..service import Service

_NEWS_MS = 10 * 60 * 1000
_ITS_CLOCK = Statement(text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"))
_APART_MS = 10_000


def clock_of(service: Service) -> Iterator[Finding]:
    """Look at a server's clock and dates; see `dates`. Raises Unavailable."""
    with service.database.reading() as connection:
        yield from dates(connection, service.settings)


def dates(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Look whether the clock may be days ahead, and whether anything is dated in the future, which counts for nothing.

    `/readyz` and alerts do not speak of a few minutes: a clock that NTP sets back catches up with them.
    """
    now = clock.read()
    if doubt := timekeeping.doubt(connection, settings, now):
        yield Finding("clock", Grade.BAD, f"{doubt.sentence}.", alert=f"This machine's clock: {doubt.sentence}.")
    if ahead_ms := timekeeping.job_ahead_ms(connection, now):
        ahead, since = timedelta(seconds=ahead_ms // 1000), "this clock was set back, or was ahead when the job came"
        what = f"the newest job is {ahead} in the future: {since}"
        loud = ahead_ms > _NEWS_MS
        yield Finding(
            "dates",
            Grade.BAD,
            f"{what}. Set it right, and keep it so by NTP; if it is right now, confirm it with {timekeeping.CONFIRM}",
            public=what if loud else "",
            alert=f"The n{what[5:]}." if loud else "",
        )
    if backups.are_made_daily(settings):
        yield from _backup_ahead(settings.backups)


def _backup_ahead(folder: Path) -> Iterator[Finding]:
    """Look whether a backup is dated in the future, so that it does not count as one of today."""
    with suppress(OSError):  # `newest_backup` tells of a folder that cannot be read
        found = backups.farthest_ahead(backups.listed(folder), clock.utc_now())
        if found is None:
            return
        what = f"the backup {found.path.name} is dated in the future and counts for nothing"
        sentence = f"{what}: the clock was ahead when it was made. Delete it in {folder}, or rename it."
        yield Finding("backups", Grade.BAD, sentence, public=what, alert=f"T{sentence[1:]}")


def clock_of_the_database(service: Service) -> Iterator[Finding]:
    """Look whether this machine and the database's agree about the time; `/readyz` speaks of more than some seconds.

    Several servers share a database: what one of them accepts, another finds too old or too young.
    """
    if service.database.kind.name != postgresql.NAME:
        return
    with service.database.reading() as connection:
        apart_ms = clocks_apart_ms(connection)
    if abs(apart_ms) > _APART_MS:
        how = "ahead of" if apart_ms > 0 else "behind"
        what = (
            f"this machine's clock is {abs(apart_ms) / 1000:,.0f} s {how} PostgreSQL's, so that jobs sent by way of"
            " another server may expire at once, or too late; set both right by NTP"
        )
        yield Finding("clock", Grade.BAD, f"{what}.", public=what)


def clocks_apart_ms(connection: Connection) -> int:
    """Return how far this machine's clock is ahead of PostgreSQL's, negative when behind; what the way took is none."""
    before_ms = clock.now_ms()
    there_ms = int(connection.rows(_ITS_CLOCK)[0][0])
    after_ms = clock.now_ms()
    return max(0, before_ms - there_ms) or min(0, after_ms - there_ms)
