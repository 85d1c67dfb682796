"""The database of a Flask app, and of the commands of Flask's that ask for it; all else does without Flask."""

from __future__ import annotations

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from .base import Base
from .database import Database, database_with, missing_driver_refused

db = SQLAlchemy(model_class=Base)
"""Flask's way to the tables: it makes each app's engine, and `flask db` asks it."""


def database_of(app: Flask, timeout_seconds: float) -> Database:
    """Make the database of an app; no connection is made yet. Raises ConfigError when the URL's driver is not there."""
    with missing_driver_refused():
        db.init_app(app)
    app.teardown_appcontext_funcs.clear()  # Flask-SQLAlchemy's: after each request it ends a session that none opens
    with app.app_context():
        return database_with(db.engine, timeout_seconds)
