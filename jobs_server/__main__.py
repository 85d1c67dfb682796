"""The command `jobs-server`, which is `flask` for this app from any folder; also `python -m jobs_server`."""

from __future__ import annotations

import click
from flask.cli import FlaskGroup

from . import create_app

main = FlaskGroup(
    name="jobs-server",
    create_app=create_app,
    add_version_option=False,
    load_dotenv=False,
    help="Serve the observatory's jobs, send and watch them, and look after the installation.",
)
click.version_option(package_name="jobs-server", prog_name="jobs-server", message="%(prog)s %(version)s")(main)

if __name__ == "__main__":
    main(prog_name="jobs-server")
