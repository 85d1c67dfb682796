"""`flask db`: the migrations, by the commands of Flask-Migrate."""

from __future__ import annotations

from typing import Any

import click

from .lazy_commands import NamedCommand


class MigrationCommands(NamedCommand):
    """Stand for the commands of Flask-Migrate, which ask the app at hand for its database."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Make their context, and the app first."""
        if parent is not None:
            from ..upkeep.startup import set_up_migrations
            from .installation import app

            with parent.scope(cleanup=False):
                set_up_migrations(app())
        return super().make_context(info_name, args, parent, **extra)
