"""Where the apps and servers of the tests keep their jobs: in SQLite, or in PostgreSQL when the run is to use it."""

from __future__ import annotations

import math
from pathlib import Path

from flask import Flask

from jobs_server.service import service_of

from . import postgres

CORE = (
    *("domain/test_lifecycle", "jobs/test_claims", "jobs/test_cancel", "jobs/test_cancel_races", "jobs/test_events"),
    *("jobs/test_double_sends", "jobs/test_history", "jobs/test_lockouts", "jobs/test_order", "live/test_feed"),
    *("jobs/test_plans", "jobs/test_plan_releases", "jobs/test_plan_stops"),
    *("live/test_presence_store", "storage/test_storage", "upkeep/test_retention"),
)
"""The files whose behaviour hangs on the database, few enough to be run beside the whole suite."""

_everywhere = False
_urls: dict[Path, str] = {}


def use_postgresql() -> None:
    """Have all apps and servers of this run keep their jobs in PostgreSQL from now on."""
    global _everywhere  # noqa: PLW0603  pytest's hooks have nowhere else
    postgres.shared()
    _everywhere = True


def scheme() -> str:
    """Return what the URLs of this run's databases begin with."""
    return "postgresql+psycopg:" if _everywhere else "sqlite:"


def fresh() -> str:
    """Return the URL of a database that nobody else has: in memory, where it is SQLite."""
    return postgres.shared().database() if _everywhere else "sqlite://"


def of(instance: Path) -> str:
    """Return the URL of the database that belongs to an instance folder; empty, as the setting's default, on SQLite."""
    if _everywhere and instance not in _urls:
        _urls[instance] = postgres.shared().database()
    return _urls.get(instance, "")


def put_on_duty(app: Flask) -> None:
    """Have an app do what only one server of a database is to do, as the only one does."""
    if heard := service_of(app).listener:
        heard.duty_until = math.inf


def at(instance: Path) -> dict[str, object]:
    """Return the settings of an app on an instance folder."""
    return {"INSTANCE": str(instance), "DATABASE_URL": of(instance)}
