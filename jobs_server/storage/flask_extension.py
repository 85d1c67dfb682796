"""Flask-SQLAlchemy's way to the tables, for `flask shell` and whoever wants a session: the service opens none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, Table

from . import models
from .base import Base
from .database import engines


class Extension(SQLAlchemy):
    """Know the engine of an app that made its own."""

    @property
    def engines(self) -> Mapping[str | None, Engine]:
        """Return the engine of the running app, the only one that the app has."""
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # the app, not the way to it
        return {None: engines[app]}


db = Extension(metadata=Base.metadata)


def engine_of(app: Flask) -> Engine:
    """Return the engine that Flask-SQLAlchemy makes of an app's keys `SQLALCHEMY_...`."""
    reader = SQLAlchemy(metadata=Base.metadata)
    reader.init_app(app)
    app.teardown_appcontext_funcs.clear()  # After each request it would end a session that none opens.
    with app.app_context():
        return reader.engine


def mapped(table: type[Base]) -> Any:
    """Return the class by which the ORM knows a table."""
    return _mapped(table.__name__, table.__table__)


@cache
def _mapped(name: str, table: Table) -> Any:
    return type(name, (db.Model,), {"__table__": table})


def names_in_shell() -> dict[str, Any]:
    """Return what `flask shell` knows by name: the tables' classes, and `db`."""
    tables = [each for each in vars(models).values() if isinstance(each, type) and issubclass(each, Base)]
    return {table.__name__: mapped(table) for table in tables if table is not Base} | {"db": db}
