"""The command line: Click commands that call the same operations as the routes."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Give an app its commands."""
    from .admin import admin
    from .alerts import alerts
    from .backup import backup, restore
    from .doctor import doctor
    from .history import import_history, prune
    from .jobs import jobs
    from .lockouts import lockout
    from .migrate_database import migrate_database
    from .reservations import reservations
    from .serve import serve
    from .settings import settings
    from .simulate import simulate
    from .tokens import tokens
    from .version import version

    for command in (
        *(admin, alerts, backup, doctor, import_history, jobs, lockout, migrate_database, prune, reservations, restore),
        *(serve, settings, simulate, tokens, version),
    ):
        app.cli.add_command(command)
