"""The way back from a backup, in which nothing old comes alive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import URL

from .. import clock
from ..auth import site_tokens
from ..auth.site_tokens import SiteTokenRow
from ..clock import Now
from ..config import Settings
from ..domain.actors import Actor, Known
from ..errors import StartRefused, TaskFailed
from ..jobs import events, expiry, lockouts, pauses, plan_pauses
from ..jobs.lockouts import LockoutRow
from ..jobs.pauses import PauseRow
from ..storage import migrations, sqlite
from ..storage.database import Database, open_database
from ..storage.sqlite_driver import driver, open_file
from ..storage.statement import Connection
from ..upkeep import backups, preview_backups
from ..upkeep.backups import Counts, Progress


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore."""

    counts: Counts
    ended: int
    """How many jobs were unfinished in the backup."""
    locked_out: tuple[str, ...]
    """The sites whose lock-out was put on after the backup, and stays."""
    lost_tokens: tuple[str, ...]
    """The site tokens that were made after the backup, and are none any more."""
    aside: Path | None
    """Where the database that was there is now."""


def restore(archive: Path, settings: Settings, progress: Progress = lambda *_: None) -> Restored:
    """Put a backup in the place of the database, which is kept aside; the server must not be running.

    Raises TaskFailed with one sentence; then the database is the one that was there.
    """
    live = backups.database_file(settings.url)
    live = live.resolve() if live.is_symlink() else live  # what is beside it is beside the file itself
    if live.exists():
        backups.check_unused(live)
        sqlite.forget_second_names(live)
    migrations.make_folder(settings.instance)
    new = sqlite.unfinished(live)
    _delete_unfinished(new, archive)
    try:
        backups.unpack(archive, new, progress)
        counts = backups.verify(new, progress, archive.name)
        ended, carried_over = _let_nothing_old_come_alive(new, archive, settings, _read_in_force(live))
        backups.check_unused(new)  # what it left in its log is in the one file now
        pictures = _pictures_of(new)
        restored = Restored(counts, ended, *carried_over, _put_in_place(new, live))
        preview_backups.bring_back(settings, archive.absolute().parent, pictures)
        return restored
    finally:
        for path in (*sqlite.beside(new), new):
            path.unlink(missing_ok=True)


def _delete_unfinished(new: Path, archive: Path) -> None:
    """Delete what a restore that was cut off has left: its log would be taken for one of the file that is made now."""
    if os.path.lexists(new) and new.samefile(archive):
        raise TaskFailed(f"{archive} is what another restore left unfinished: name a backup")
    with backups.translated(f"what an earlier restore left at {new} cannot be deleted"):
        for path in (*sqlite.beside(new), new):
            path.unlink(missing_ok=True)


def _put_in_place(new: Path, live: Path) -> Path | None:
    """Replace a database that nobody serves by another, in one rename; return where the old one is kept.

    Whenever this is cut off, the database is the old one or the new one. Raises TaskFailed when a program has it open.
    """
    kept = None
    with backups.translated(f"{live} was not replaced"):
        _sync(new)
        if live.exists():
            backups.check_unused(live)
            kept = sqlite.aside(live, datetime.now(UTC))
            _keep(live, kept)
        _move_logs_away(live, kept)
        new.replace(live)
        backups.keep_names(live.parent)
    return kept


def _keep(live: Path, kept: Path) -> None:
    """Give a database a second name; where the disk has no such thing, make a copy, which has its name when whole."""
    try:
        kept.hardlink_to(live)
    except OSError:
        part = sqlite.unfinished(kept)
        shutil.copy2(live, part)
        _sync(part)
        part.replace(kept)
    backups.keep_names(live.parent)


def _move_logs_away(live: Path, kept: Path | None) -> None:
    """Move away what could not be written back of the old database's log: it would ruin the new one."""
    for path in sqlite.beside(live):
        if path.exists():
            if kept is None:
                path.unlink()
            else:
                path.replace(kept.with_name(kept.name + path.name.removeprefix(live.name)))
    backups.keep_names(live.parent)


def _pictures_of(new: Path) -> list[str]:
    """Return the files of the pictures that a restored database names."""
    with closing(open_file(new, "rw")) as raw:
        return [str(file) for (file,) in raw.execute("SELECT file FROM preview").fetchall()]


def _sync(path: Path) -> None:
    """Have the disk keep the content of a file that nobody has open."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


class InForce(NamedTuple):
    """What holds by the database that is replaced, and must go on to hold."""

    lockouts: Sequence[LockoutRow] = ()
    pauses: Sequence[PauseRow] = ()
    tokens: Sequence[SiteTokenRow] = ()


class CarriedOver(NamedTuple):
    """What became of that in the restored database."""

    locked_out: tuple[str, ...]
    lost_tokens: tuple[str, ...]


def _read_in_force(live: Path) -> InForce:
    """Read what is in force, as far as there is a database that can be read and has such tables."""
    if not live.exists():
        return InForce()
    try:
        with closing(open_file(live, "rw")) as raw:
            connection = Connection(raw, "sqlite")
            return InForce(lockouts.everywhere(connection), _read_pauses(connection), site_tokens.list_all(connection))
    except driver.Error:
        return InForce()  # it is damaged, which may be why it is replaced, or older than these tables


def _read_pauses(connection: Connection) -> Sequence[PauseRow]:
    try:
        return pauses.everywhere(connection)
    except driver.Error:
        return ()  # it is older than this table


def _let_nothing_old_come_alive(
    new: Path, archive: Path, settings: Settings, in_force: InForce
) -> tuple[int, CarriedOver]:
    """Bring a database up to this version, end what is unfinished in it, and void the positions in its feed.

    Who has been locked out since stays so, and so does a queue that was paused; site tokens that were revoked since
    stay revoked.
    """
    database = open_database(URL.create("sqlite", database=str(new)), settings)
    reason = f"restored from the backup {archive.name[:100]}: what was unfinished in it is not run"
    try:
        migrations.prepare(database)
        with database.transaction() as connection:
            events.begin_epoch(connection)
            _keep_paused(connection, in_force.pauses)
            plan_pauses.pause_all(connection, reason)
            carried_over = CarriedOver(
                tuple(_keep_locked_out(connection, in_force.lockouts)),
                tuple(_keep_revoked(connection, in_force.tokens)),
            )
        return _give_all_up(database, reason), carried_over
    except StartRefused as refusal:
        raise TaskFailed(f"{archive.name} was not restored: {refusal.message}") from None
    finally:
        database.close()


def _give_all_up(database: Database, reason: str) -> int:
    ended = 0
    while True:
        with database.transaction() as connection:
            count = expiry.give_up(connection, clock.read(), reason)
        ended += count
        if not count:
            return ended


def _keep_locked_out(connection: Connection, rows: Sequence[LockoutRow]) -> Iterator[str]:
    for row in rows:
        if lockouts.in_force(connection, row.site) is None:
            by = Actor(row.by_id, row.by_name, Known(row.by_known))
            lockouts.put_on(connection, row.site, row.note, by, Now(row.since_ms, 0))
            yield row.site


def _keep_paused(connection: Connection, rows: Sequence[PauseRow]) -> None:
    for row in rows:
        if pauses.in_force(connection, row.site) is None:
            pauses.put_back(connection, row)


def _keep_revoked(connection: Connection, tokens: Sequence[SiteTokenRow]) -> Iterator[str]:
    """Revoke what was revoked since, and name the good ones that the backup does not know."""
    known = {token.token_hash: token for token in site_tokens.list_all(connection)}
    for token in tokens:
        found = known.get(token.token_hash)
        if found is None and not token.revoked_ms:
            yield f"{token.name} ({token.site})"
        elif found is not None and token.revoked_ms and not found.revoked_ms:
            site_tokens.revoke(connection, found.id, clock.read())
