"""`flask db`: the migrations, by the commands of Flask-Migrate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .lazy_commands import NamedCommand

if TYPE_CHECKING:
    from flask import Flask


class MigrationCommands(NamedCommand):
    """Stand for the commands of Flask-Migrate, which ask the app at hand for Alembic's configuration."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Make their context, and the app first."""
        if parent is not None:
            with parent.scope(cleanup=False):
                parent.find_root().with_resource(_app().app_context())
        return super().make_context(info_name, args, parent, **extra)


def _app() -> Flask:
    """Return an app that knows where the migrations and their database are, and nothing else."""
    from flask import Flask
    from flask_migrate import Migrate

    from ..storage import migrations
    from .installation import database, settings

    app = Flask("jobs_server")
    migrate = Migrate(directory=str(migrations.MIGRATIONS))
    migrate.init_app(app)  # By itself, since Flask-Migrate would wait for a database of Flask-SQLAlchemy.

    @migrate.configure
    def configure(config: Any) -> Any:
        config.attributes |= {migrations.DATABASE: database(), migrations.INSTANCE: settings().instance}
        return config

    return app
