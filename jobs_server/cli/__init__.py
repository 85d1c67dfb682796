"""The command line: Click commands that call the same operations as the routes.

Each command is listed here by name and imported when it is called: to import them all takes a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from .lazy_commands import Place, add
from .migrations import MigrationCommands

if TYPE_CHECKING:
    from flask import Flask

COMMANDS: Mapping[str, Place] = {
    "admin": Place("jobs_server.cli.admin:admin", "For the person at this PC."),
    "agent": Place(
        "jobs_server.cli.agent:agent",
        "Find a site's devices behind INDI and Alpaca, try them out, and carry jobs out on them.",
    ),
    "alerts": Place("jobs_server.cli.alerts:alerts", "Try out the alerts that JOBS_ALERT_URL gets."),
    "backup": Place("jobs_server.cli.backup:backup", "Back up the database into FOLDER, while it is served."),
    "companion": Place("jobs_server.cli.companion:companion", "Configs for the public site software and UI."),
    "demo": Place(
        "jobs_server.cli.demo:demo", "Show it all at once: a server, a pretend observatory and a believable evening."
    ),
    "doctor": Place("jobs_server.cli.doctor:doctor", "Look this installation over and explain what is wrong."),
    "import": Place(
        "jobs_server.cli.history:import_history",
        "Put the jobs of FILE, written by `prune --archive`, back into the history.",
    ),
    "jobs": Place("jobs_server.cli.jobs:jobs", "Send jobs, list them, and watch them being carried out."),
    "lockout": Place(
        "jobs_server.cli.lockouts:lockout", "Lock a telescope out while somebody works on it, and lift that again."
    ),
    "migrate-database": Place(
        "jobs_server.cli.migrate_database:migrate_database",
        "Move the jobs from SQLite to PostgreSQL; stop the server first.",
    ),
    "plan": Place("jobs_server.cli.plans:plan", "Send a night's work as one thing, and follow, pause or cancel it."),
    "prune": Place("jobs_server.cli.history:prune", "Delete old jobs and their history, while the server runs."),
    "queue": Place(
        "jobs_server.cli.queue:queue", "Pause the queue of a site, let it go on, and show what will happen when."
    ),
    "reservations": Place(
        "jobs_server.cli.reservations:reservations", "List, make and delete reservations of the telescope."
    ),
    "restore": Place(
        "jobs_server.cli.restore:restore",
        "Put the backup FILE in the place of the database; stop the server first.",
    ),
    "serve": Place("jobs_server.cli.serve:serve", "Serve every day's work, and prepare the database first."),
    "settings": Place("jobs_server.cli.settings:settings", "Print the settings in force and where each came from."),
    "simulate": Place(
        "jobs_server.cli.simulate:simulate",
        "Play an observatory: take the jobs of a site and carry them out, until Ctrl-C.",
    ),
    "targets": Place(
        "jobs_server.cli.targets:targets",
        "Find targets by name, offline, and look after each site's own list of them.",
    ),
    "template": Place(
        "jobs_server.cli.templates:template", "Keep plans and commands to use again, by name, and send them."
    ),
    "tokens": Place("jobs_server.cli.tokens:tokens", "Make, list and revoke the tokens of sites' software."),
    "version": Place("jobs_server.cli.version:version", "Tell the version of this service, and of what it stands on."),
}


DB = Place("flask_migrate.cli:db", "Perform database migrations.")


def add_to(group: click.Group) -> None:
    """Add all commands to a group."""
    add(group, COMMANDS)
    group.add_command(MigrationCommands("db", DB))


def register(app: Flask) -> None:
    """Add all commands to an app's."""
    add_to(app.cli)
