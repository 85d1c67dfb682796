"""The installation that the doctor looks over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import inspect

from ..config import Loaded, Settings
from ..storage import migrations, sqlite
from ..storage.database import Database
from ..upkeep import checks

_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation, whether it is served or not."""

    loaded: Loaded
    database: Database

    @property
    def settings(self) -> Settings:
        """Return its settings."""
        return self.loaded.settings

    @property
    def is_on_sqlite(self) -> bool:
        """Whether its database is a file of SQLite's."""
        return self.database.kind.name == sqlite.NAME

    @property
    def is_there(self) -> bool:
        """Whether its database was ever prepared. Raises DBAPIError when a server of databases cannot be asked."""
        if self.is_on_sqlite:
            return self.file is not None
        with self.database.engine.connect() as connection:
            return inspect(connection).has_table("alembic_version")

    @property
    def revision(self) -> str | None:
        """Return the migration that its database is at."""
        with self.database.reading() as connection:
            return migrations.revision(connection)

    @property
    def file(self) -> Path | None:
        """Return the file of its database; none where it is no file, or not there yet."""
        path = checks.file_of(self.settings.url)
        return path if path and path.exists() else None

    @property
    def address(self) -> tuple[str, int]:
        """Return the host and port by which its server is reached from this machine."""
        host = self.settings.host
        return "127.0.0.1" if host in _ANYWHERE else host, self.settings.port
