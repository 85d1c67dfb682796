"""The installation that the doctor looks over, and what is found of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from flask import Flask
from sqlalchemy import column, inspect, select, table

from ..config import Settings
from ..errors import TaskFailed
from ..service import service_of
from ..storage import sqlite
from ..storage.database import Database
from ..storage.statement import Statement
from ..upkeep import backups

_REVISION = Statement(select(column("version_num")).select_from(table("alembic_version")))
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104


class Grade(StrEnum):
    """Say how bad a finding is."""

    GOOD = "good"
    NOTE = "note"  # worth knowing; the service works
    BAD = "bad"  # to be put right


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing, in a sentence that says what to do where something is to be done."""

    about: str
    grade: Grade
    sentence: str
    mend: Callable[[], str] | None = None
    """Puts it right and says what was done; none where only a person should."""


@dataclass(frozen=True, slots=True)
class Patient:
    """The installation that is looked over."""

    app: Flask

    @property
    def settings(self) -> Settings:
        """Give its settings."""
        return service_of(self.app).settings

    @property
    def database(self) -> Database:
        """Give its database."""
        return service_of(self.app).database

    @property
    def is_on_sqlite(self) -> bool:
        """Tell whether its database is a file of SQLite's."""
        return self.database.kind.name == sqlite.NAME

    @property
    def is_there(self) -> bool:
        """Tell whether its database was ever prepared. Raises DBAPIError when a server of databases cannot be asked."""
        if self.is_on_sqlite:
            return self.file is not None
        with self.database.engine.connect() as connection:
            return inspect(connection).has_table("alembic_version")

    @property
    def revision(self) -> str | None:
        """Give the migration that its database is at."""
        with self.database.reading() as connection:
            row = connection.row(_REVISION)
        return row[0] if row else None

    @property
    def file(self) -> Path | None:
        """Give the file of its database; none where it is no file, or not there yet."""
        try:
            path = backups.database_file(self.settings.url)
        except TaskFailed:
            return None
        return path if path.exists() else None

    @property
    def address(self) -> tuple[str, int]:
        """Give where its server is to be reached from this machine."""
        host = self.settings.host
        return "127.0.0.1" if host in _ANYWHERE else host, self.settings.port
