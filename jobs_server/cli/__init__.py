"""The command line: Click commands that call the same operations as the routes."""

from __future__ import annotations

from click import Command, Context
from flask import Flask
from flask.cli import AppGroup


class Commands(AppGroup):
    """Load the commands when somebody asks for one: a server does without them, and without what they import."""

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Give a command."""
        self._load()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Context) -> list[str]:
        """List the commands."""
        self._load()
        return super().list_commands(ctx)

    def _load(self) -> None:
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
            *(admin, alerts, backup, doctor, import_history, jobs, lockout, migrate_database, prune, reservations),
            *(restore, serve, settings, simulate, tokens, version),
        ):
            self.add_command(command)


def register(app: Flask) -> None:
    """Give an app its commands."""
    app.cli = Commands(app.name)
