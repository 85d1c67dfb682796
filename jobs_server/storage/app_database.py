"""The database of a Flask app; all else does without Flask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from ..config import Settings
from . import postgresql
from .database import Database, database_with, engines, missing_driver_refused, open_database


def database_of(app: Flask, settings: Settings, keys: Mapping[str, object]) -> Database:
    """Make the database of an app; no connection is made yet. Raises ConfigError when the URL's driver is not there.

    Flask-SQLAlchemy is loaded, which takes a tenth of a start, only where it reads what this service does not: keys of
    its own among those that the app was given, SQLite in memory, and a URL that names more than a file.
    """
    if any(key.startswith("SQLALCHEMY_") for key in keys) or not _is_plain(settings):
        made = _by_flask(app, settings)
    else:
        made = open_database(settings.url, settings)
    engines[app] = made.engine
    app.shell_context_processor(_names_in_shell)
    return made


def _is_plain(settings: Settings) -> bool:
    return settings.sqlite_file is not None or settings.url.get_backend_name() == postgresql.NAME


def _by_flask(app: Flask, settings: Settings) -> Database:
    from .flask_extension import engine_of

    with missing_driver_refused():
        engine = engine_of(app)
    return database_with(engine, settings.database_timeout_seconds)


def _names_in_shell() -> dict[str, Any]:
    from .flask_extension import names_in_shell

    return names_in_shell()
