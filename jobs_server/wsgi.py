"""Where WSGI servers find the app: `gunicorn "jobs_server.wsgi:application()"`."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import FlaskGroup

from . import cli, create_app


def application() -> Flask:
    """Make the app for a WSGI server: prepared, or the process ended with one sentence.

    Under `flask`, which shows refusals itself, nothing is prepared.
    """
    context = click.get_current_context(silent=True)
    if context is not None:
        return _commands_alone() if isinstance(context.command, FlaskGroup) else create_app()
    from .upkeep.startup import announce, begin, refusals_end_the_process

    with refusals_end_the_process():
        app = create_app()
        begin(app)
    announce(app)
    return app


def _commands_alone() -> Flask:
    """Make an app that has the commands and nothing else.

    `flask` wants one to find a command by its name, before that command says what it needs; a whole app takes a second.
    """
    app = Flask(__package__)
    cli.register(app)
    return app
