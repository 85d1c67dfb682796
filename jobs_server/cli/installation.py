"""What a command works on: the settings, the database, and an app only for what needs one.

Under `flask` that is the app which Flask has found. `jobs-server` makes none: an app takes half a second, and most
commands need nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from .. import config
from ..config import Loaded, Settings

if TYPE_CHECKING:
    from flask import Flask

    from ..jobs.desk import Desk
    from ..jobs.plan_desk import PlanDesk
    from ..service import Service
    from ..storage.database import Database

Kept = TypeVar("Kept")

_SERVICE = "jobs_server"  # `service.EXTENSION`, whose import loads all that an app is made of


def loaded() -> Loaded:
    """Return the settings in force, with where each came from. Raises ConfigError."""
    return _once("loaded", _load)


def settings() -> Settings:
    """Return the settings in force. Raises ConfigError."""
    return loaded().settings


def database() -> Database:
    """Return the database, opened for as long as the command runs. Raises ConfigError when its driver is not there."""
    return _once("database", _open)


def desk() -> Desk:
    """Return the desk, on this database. Raises ConfigError when its driver is not there."""
    return _once("desk", _make_desk)


def plan_desk() -> PlanDesk:
    """Return the desk of plans, on this database. Raises ConfigError when its driver is not there."""
    return _once("plan desk", _make_plan_desk)


def app() -> Flask:
    """Return the app, made where there is none, with its context pushed for as long as the command runs."""
    return _once("app", _make_app)


def sqlite_file() -> Path | None:
    """Return the file that a command may read by SQLite's driver alone; none where there is an app or a PostgreSQL."""
    return None if _found_app() else settings().sqlite_file


def _load() -> Loaded:
    if app := _found_app():
        made = _service_of(app)
        return Loaded(made.settings, made.origins)
    return config.load(config.instance_folder())


def _open() -> Database:
    if _found_app() or _is_made_by_the_app(settings()):
        return _service_of(app()).database
    from ..storage.database import open_database

    opened = open_database(settings().url, settings())
    click.get_current_context().find_root().call_on_close(opened.close)
    return opened


def _is_made_by_the_app(settings: Settings) -> bool:
    """Whether SQLite is in memory, which the app prepares, or named by more than a path, which Flask reads its way."""
    return settings.sqlite_file is None and settings.url.get_backend_name() == "sqlite"


def _make_desk() -> Desk:
    from ..jobs.desk import Desk
    from ..jobs.remote_calendar import RemoteCalendar

    url = settings().calendar_url
    calendar = RemoteCalendar(url) if url else None
    return Desk(settings=settings(), database=database(), limits=None, calendar=calendar)


def _make_plan_desk() -> PlanDesk:
    from ..jobs.plan_desk import PlanDesk
    from ..jobs.plan_hindrances import Releasing
    from ..jobs.remote_calendar import RemoteCalendar
    from ..observatory.profiles import ProfilesFile

    url = settings().calendar_url
    releasing = Releasing(settings=settings(), is_at_once=ProfilesFile(Path(settings().instance)).is_at_once)
    calendar = RemoteCalendar(url) if url else None
    return PlanDesk(releasing=releasing, database=database(), limits=None, calendar=calendar)


def _make_app() -> Flask:
    from .. import create_app

    app = _found_app() or create_app()
    click.get_current_context().find_root().with_resource(app.app_context())
    return app


def _found_app() -> Flask | None:
    """Return the app that Flask has found for its command line; none where there is none, or it has commands alone."""
    script = click.get_current_context().find_root().obj
    if script is None:
        return None
    app: Flask = script.load_app()
    return app if _SERVICE in app.extensions else None


def _service_of(app: Flask) -> Service:
    from ..service import service_of

    return service_of(app)


def _once(name: str, make: Callable[[], Kept]) -> Kept:
    """Make a thing at the first call within one command line, and keep it."""
    kept = click.get_current_context().find_root().meta
    key = f"{__name__}.{name}"
    if key not in kept:
        kept[key] = make()
    return kept[key]  # type: ignore[no-any-return]
