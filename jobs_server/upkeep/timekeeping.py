"""Whether the wall clock can be right: history is deleted by it, and a PC without a battery starts in any year.

A server on duty keeps, every few minutes, at what time it took its clock to be right (`models.ClockMark`). A clock that
is days ahead of that is doubted, and the mark stays as it is, until a person confirms the time or the clock is set
back. Before there is a mark, the newest job and the newest backup stand in its place. What is dated in the future
vouches for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, bindparam, func, insert, literal_column, select, update

from .. import clock, program
from ..clock import FEW_DAYS_MS, Now
from ..config import Settings
from ..jobs import queries
from ..jobs.sql import THIS_SITE, at_most
from ..storage.base import aliased
from ..storage.database import Database
from ..storage.models import ClockMark, Job
from ..storage.statement import Connection, Statement
from . import backups

CONFIRM = program.command("prune --clock-is-right")
MARK_MS = 10 * 60 * 1000
"""How old a mark becomes before the next takes its place."""
SLACK_MS = 60_000
"""A clock that was set back by less is no news."""

_MARK = Statement(
    select(ClockMark.id, ClockMark.wall_ms, ClockMark.boot_ms)
    .where(ClockMark.wall_ms <= bindparam("until_ms"))
    .order_by(ClockMark.wall_ms.desc())
    .limit(at_most(1))
)
_BEGIN = Statement(insert(ClockMark).values({name: bindparam(name) for name in ("wall_ms", "boot_ms", "known_job_id")}))
_MOVE = Statement(
    update(ClockMark)
    .where(ClockMark.id == bindparam("mark_id"))
    .values(wall_ms=bindparam("new_wall_ms"), boot_ms=bindparam("new_boot_ms"))
)
_NEWEST_JOB = Statement(
    select(Job.accepted_ms, Job.accepted_boot_ms)
    .where(THIS_SITE, Job.timestamp_ms <= bindparam("until_ms"))
    .order_by(Job.timestamp_ms.desc())
    .limit(at_most(1))
)
_NEWEST_ID = Statement(select(func.coalesce(func.max(Job.id), literal_column("0"))))


_sites = select(func.min(Job.site).label("site")).cte("sites", recursive=True, nesting=True)
_further = aliased(Job)
_next_site = select(func.min(_further.site)).where(_further.site > _sites.c.site).correlate(_sites).scalar_subquery()
_sites = _sites.union_all(select(_next_site).where(_sites.c.site.is_not(None)))
_AFTER = bindparam("after_ms", type_=BigInteger)
_known = select(func.coalesce(func.max(ClockMark.known_job_id), literal_column("0"))).scalar_subquery()
_ahead = (
    select(Job.accepted_ms)
    .where(Job.site == _sites.c.site, Job.timestamp_ms > _AFTER, Job.accepted_ms > _AFTER, Job.id > _known)
    .order_by(Job.timestamp_ms.desc())
    .limit(at_most(1))
    .correlate(_sites)
    .scalar_subquery()
)
_at_each_site = select(_ahead.label("at_ms")).where(_sites.c.site.is_not(None)).subquery()
_FARTHEST_AHEAD = Statement(select(func.max(_at_each_site.c.at_ms)))
"""Written site by site, so that an index finds what is dated in the future however long the history is."""


class Doubt(NamedTuple):
    """Why a clock cannot be trusted."""

    leapt_ms: int
    """By how much the clock is ahead of what vouches for it."""
    wall_ms: int
    """What the clock says."""

    @property
    def sentence(self) -> str:
        """Return what is wrong, and what a person is to do."""
        says = datetime.fromtimestamp(min(self.wall_ms, clock.END_MS) / 1000, UTC)
        return (
            f"it says {says:%Y-%m-%d %H:%M} UTC, {self.leapt_ms // clock.DAY_MS:,} days past the last moment that this"
            " service knows of. No history is deleted until a person has looked at it: set it right, or confirm it"
            f" with {CONFIRM}"
        )


class _Mark(NamedTuple):
    id: int
    at: Now


def doubt(connection: Connection, settings: Settings, now: Now) -> Doubt | None:
    """Return why the clock is doubted; None when it can be right. Nothing is written."""
    mark = _mark(connection, now)
    return _doubt([mark.at] if mark else _vouching(connection, settings, now), now)


def look(database: Database, settings: Settings, now: Now) -> Doubt | None:
    """Return why the clock is doubted; when it is not, keep the time as one at which it was right."""
    with database.reading() as connection:
        mark = _mark(connection, now)
        vouching = [mark.at] if mark else _vouching(connection, settings, now)
    found = _doubt(vouching, now)
    if found and not mark:
        _keep(database, max(vouching), None)  # what comes while the clock is in doubt must not vouch for it
    elif not found and (mark is None or now.wall_ms - mark.at.wall_ms >= MARK_MS):
        _keep(database, now, mark)
    return found


def confirm(database: Database, now: Now) -> None:
    """Keep the time as right by a person's word, and the dates in the future that there are now as known.

    This holds once: a clock that leaps afterwards is doubted again.
    """
    with database.transaction() as connection:
        known = connection.rows(_NEWEST_ID)[0][0]
        connection.run(_BEGIN, wall_ms=now.wall_ms, boot_ms=now.boot_ms, known_job_id=known)


def job_ahead_ms(connection: Connection, now: Now) -> int:
    """Return how far in the future the farthest job is dated, of those that nobody has confirmed; 0 when none is."""
    at_ms = connection.rows(_FARTHEST_AHEAD, after_ms=now.wall_ms + SLACK_MS)[0][0]
    return 0 if at_ms is None else int(at_ms) - now.wall_ms


def _mark(connection: Connection, now: Now) -> _Mark | None:
    """Return the newest mark that is not from the future: a clock set back by less than days is no news."""
    row = connection.row(_MARK, until_ms=now.wall_ms + FEW_DAYS_MS)
    return _Mark(row[0], Now(*row[1:])) if row else None


def _doubt(vouching: Sequence[Now], now: Now) -> Doubt | None:
    leapt_ms = min((clock.leapt_ms(now, each) for each in vouching), default=0)
    return Doubt(leapt_ms, now.wall_ms) if leapt_ms > FEW_DAYS_MS else None


def _vouching(connection: Connection, settings: Settings, now: Now) -> list[Now]:
    """Return the readings of the newest job of each site, and of the newest backup, none of them from the future."""
    rows = [connection.row(_NEWEST_JOB, site=site, until_ms=now.wall_ms) for site in queries.sites(connection)]
    found = [Now(*row) for row in rows if row]
    if backups.are_made_daily(settings):
        with suppress(OSError):
            then = datetime.fromtimestamp(now.wall_ms / 1000, UTC)
            if backup := backups.newest(backups.listed(settings.backups), then):
                found.append(Now(round(backup.made.timestamp() * 1000), now.boot_ms + 1))  # of a boot that nobody knows
    return found


def _keep(database: Database, at: Now, mark: _Mark | None) -> None:
    with database.transaction() as connection:
        if mark is None:
            connection.run(_BEGIN, wall_ms=at.wall_ms, boot_ms=at.boot_ms, known_job_id=0)
        else:
            connection.run(_MOVE, mark_id=mark.id, new_wall_ms=at.wall_ms, new_boot_ms=at.boot_ms)
