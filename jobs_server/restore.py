"""The way back from a backup, in which nothing old comes alive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from sqlalchemy.engine import URL

from . import backups, changes, clock, create_app, db, labels, serving
from .backups import Counts, Progress
from .config import Settings
from .errors import StartRefused, TaskFailed


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore."""

    counts: Counts
    ended: int  # jobs that were unfinished in the backup
    aside: Path | None  # where the database that was there is now


def restore(archive: Path, settings: Settings, progress: Progress = lambda *_: None) -> Restored:
    """Put a backup in the place of the database, which is kept aside; the server must not be running.

    Raises TaskFailed with one sentence; then the database is the one that was there.
    """
    live = backups.database_file(settings.url)
    if live.exists():
        backups.check_unused(live)
    serving.make_folder(settings)
    new = live.with_name(f"{live.name}.restoring")
    try:
        backups.unpack(archive, new, progress)
        counts = backups.verify(new, progress, archive.name)
        ended = _let_nothing_old_come_alive(new, archive, settings)
        backups.check_unused(new)  # and so one file, with no log beside it
        return Restored(counts, ended, backups.put_in_place(new, live))
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            new.with_name(new.name + suffix).unlink(missing_ok=True)


def _let_nothing_old_come_alive(new: Path, archive: Path, settings: Settings) -> int:
    """Bring a database up to this version, end what is unfinished in it, and void the positions in its feed."""
    url = URL.create("sqlite", database=str(new))
    app = create_app({"INSTANCE": settings.instance, "DATABASE_URL": url.render_as_string()})
    database = cast(db.Database, app.extensions[db.EXTENSION])
    reason = f"restored from the backup {archive.name[:100]}: what was unfinished in it is not run"
    ended = 0
    try:
        serving.prepare(app)
        with database.transaction() as connection:
            changes.begin_epoch(connection)
        while True:
            with database.transaction() as connection:
                count = labels.give_up(connection, clock.read(), reason)
            ended += count
            if not count:
                return ended
    except StartRefused as refusal:
        raise TaskFailed(f"{archive.name} was not restored: {refusal.message}") from None
    finally:
        database.close()
