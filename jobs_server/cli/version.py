"""`flask version`: which version runs. `flask --version` is Flask's own, and no app can add to it."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of

import click

from ..storage.sqlite_driver import driver


@click.command
def version() -> None:
    """Tell the version of this service, and of what it stands on."""
    click.echo(f"jobs-server {version_of('jobs-server')}")
    click.echo(f"Flask {version_of('flask')}, Python {platform.python_version()}, SQLite {driver.sqlite_version}")
