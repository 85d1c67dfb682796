"""What keeps the jobs: at which revision, how large, and how a database is brought up to this version.

Which migrations there are is read off their files' names: Alembic takes a quarter of a second and ten megabytes, which
no start should pay that has nothing to migrate.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from .. import program
from ..errors import StartRefused, Unavailable
from . import disk_room, network_share, postgresql, sqlite, sqlite_driver
from .database import Database, reason_of
from .disk_room import DiskRoom
from .statement import Connection, Statement

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parents[1]
MIGRATIONS = next(
    (path for path in (_PACKAGE / "migrations", _PACKAGE.parent / "migrations") if path.is_dir()),
    _PACKAGE / "migrations",
)
"""The migrations: inside the package when installed, beside it in a checkout."""
DATABASE = "database"
"""Attribute of Alembic's configuration: the `Database` that is to be migrated."""
INSTANCE = "instance"
"""Attribute of Alembic's configuration: the instance folder, where it may have to be made first."""
PREPARE_SECONDS = 60
"""How long one process waits for another that prepares the same database."""

_REVISION = text("SELECT version_num FROM alembic_version")
_READ_REVISION = Statement(_REVISION)
_TOUCH = Statement(text("UPDATE alembic_version SET version_num = version_num"))
_STORAGE = Statement(
    text("SELECT 'SQLite ' || sqlite_version(), NULL"),
    on_postgresql=text(
        "SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1),"
        " pg_database_size(current_database())"
    ),
)


class Storage(NamedTuple):
    """What keeps the jobs."""

    software: str
    size_bytes: int | None  # none: SQLite, whose files tell


def storage(connection: Connection) -> Storage:
    """Return what keeps the jobs, and how large they have become."""
    return Storage(*connection.rows(_STORAGE)[0])


def revision(connection: Connection) -> str | None:
    """Return the revision that a database is at; None while it is at none."""
    row = connection.row(_READ_REVISION)
    return row[0] if row else None


@cache
def known() -> tuple[str, ...]:
    """List the revisions, oldest first; a file is named by its revision and what it does, as in `0003_lockouts.py`."""
    files = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))


def newest() -> str:
    """Return the revision that a database of this version has."""
    return known()[-1]


def make_folder(instance: str) -> None:
    """Make the instance folder; a database named elsewhere must be in a folder that is there already."""
    try:
        Path(instance).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartRefused(
            f"the instance folder {instance} cannot be made ({error.strerror}); name another with JOBS_INSTANCE"
        ) from None


def prepare(database: Database) -> None:
    """Create or migrate a database; two processes that start together do it once.

    Raises StartRefused when it is no database, not writable, newer than this code, or somebody else's.
    """
    where = database.engine.url.render_as_string(hide_password=True)
    on_sqlite = database.kind.name == sqlite.NAME
    if on_sqlite and not database.in_memory:
        file = Path(sqlite.path_of(database.engine.url))
        _look_for_leftovers(file)
        _bring_back_room(file)
    try:
        database.kind.repair()
        if on_sqlite and not database.in_memory:
            sqlite.use_write_ahead_log(database.engine, PREPARE_SECONDS)
        with database.engine.connect() as connection:
            if not on_sqlite:
                postgresql.check(connection)
            behind = _is_behind(connection, where)
        if behind:
            _migrate(database)
        with database.transaction(urgent=True) as transaction:  # a restart works also on a full disk
            transaction.run(_TOUCH)  # This shows that the database can be written.
    except (DBAPIError, Unavailable, database.kind.failure) as error:
        raise StartRefused(f"the database {where} cannot be used: {reason_of(error)}") from None
    if on_sqlite:
        _warn_of_old_sqlite()
        _warn_of_network_share(database)


def _look_for_leftovers(file: Path) -> None:
    """Refuse to make an empty database where a restore has taken one away, or was about to put one."""
    if file.exists():
        with suppress(OSError):
            sqlite.forget_second_names(file)
    elif left := sqlite.leftovers(file):
        raise StartRefused(
            f"{file} is missing, and a restore has left {left[-1].name} beside it: to go on, run"
            f" `{program.command('restore FILE')}` once more; to go back, rename {file.name}.before-... to {file.name}"
            " (and its -wal with it); to begin"
            " with an empty database, move these files away"
        )


def _bring_back_room(file: Path) -> None:
    """Give back, before a file is opened, what was kept beside it for a disk that is full."""
    if file.exists():
        disk_room.bring_back(file)
        if DiskRoom(file).is_short():
            disk_room.hold_index(file)


def _is_behind(connection: sqlalchemy.Connection, where: str) -> bool:
    """Whether migrations are to be run. Raises StartRefused when to run them would be wrong."""
    inspector = inspect(connection)
    found = connection.execute(_REVISION).scalar() if inspector.has_table("alembic_version") else None
    if found is None:
        foreign = [name for name in inspector.get_table_names() if name != "alembic_version"]
        if foreign:
            raise StartRefused(
                f"{where} holds tables that are not this service's ({', '.join(foreign[:3])});"
                " name another database with JOBS_DATABASE_URL"
            )
    elif found not in known():
        raise StartRefused(
            f"{where} was written by a newer version of jobs_server (migration {found});"
            " install that version, or name another database with JOBS_DATABASE_URL"
        )
    return found != newest()


def _migrate(database: Database) -> None:
    from alembic import command

    command.upgrade(alembic_config(database), "head")
    if not database.in_memory:
        # The driver keeps a hundred prepared statements, and gives up the newest where it has as many: a connection
        # that made tables would prepare each statement of the service anew, for as long as it is open.
        database.engine.dispose()


def alembic_config(database: Database) -> Config:
    """Return what Alembic's commands take."""
    from alembic.config import Config

    config = Config(str(MIGRATIONS / "alembic.ini"), attributes={DATABASE: database})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _warn_of_network_share(database: Database) -> None:
    if database.in_memory or not database.engine.url.database:
        return
    folder = Path(database.engine.url.database).parent
    if share := network_share.network_share(folder):
        log.warning(
            "%s is on a network share (%s): SQLite's locks do not hold there, and two servers would damage the"
            " database; name a folder on a disk of this machine with JOBS_INSTANCE",
            folder,
            share,
        )


def _warn_of_old_sqlite() -> None:
    if sqlite_driver.has_wal_bug(sqlite_driver.driver.sqlite_version_info):
        log.warning(
            "SQLite %s has a rare bug that can damage a database; there is no newer one for this machine among the"
            " packages, so keep backups, or use a Python built with SQLite 3.51.3 or newer",
            sqlite_driver.driver.sqlite_version,
        )
