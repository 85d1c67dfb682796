"""Where WSGI servers find the app: `gunicorn "jobs_server.wsgi:application()"`."""

from __future__ import annotations

import click
from flask import Flask

from . import create_app
from .upkeep.startup import announce, begin, refusals_end_the_process


def application() -> Flask:
    """Make the app for a WSGI server: prepared, or the process ended with one sentence."""
    if click.get_current_context(silent=True) is not None:
        return create_app()  # loaded by a `flask` command, which shows refusals itself
    with refusals_end_the_process():
        app = create_app()
        begin(app)
    announce(app)
    return app
