"""The command `jobs-server`, which is `flask` for this app from any folder; also `python -m jobs_server`.

Flask itself is loaded for its own commands alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .cli import add_to
from .cli.lazy_commands import NamedCommand, Place

if TYPE_CHECKING:
    from flask import Flask

FLASKS: Mapping[str, Place] = {
    "routes": Place("flask.cli:routes_command", "Show the routes for the app."),
    "run": Place("flask.cli:run_command", "Run a development server."),
    "shell": Place("flask.cli:shell_command", "Run a shell in the app context."),
}
"""The commands of Flask itself."""


class FlasksCommand(NamedCommand):
    """Stand for a command of Flask's, which asks the group's context for the app."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Make the context of Flask's command, below one that knows how the app is made."""
        from flask.cli import ScriptInfo

        from . import create_app
        from .upkeep.loading import loading

        @loading()
        def make() -> Flask:
            return create_app()

        os.environ["FLASK_RUN_FROM_CLI"] = "true"  # as `flask` does
        if parent is not None:
            parent.obj = ScriptInfo(create_app=make, load_dotenv_defaults=False)
        return super().make_context(info_name, args, parent, **extra)


def _load_env_file(context: click.Context, parameter: click.Parameter, path: str | None) -> None:
    if path is None:
        return
    if find_spec("dotenv") is None:
        raise click.BadParameter("python-dotenv must be installed to load an env file.", ctx=context, param=parameter)
    from flask.cli import load_dotenv

    load_dotenv(path, load_defaults=False)


def _set_debug(context: click.Context, _parameter: click.Parameter, debug: bool) -> None:
    if context.get_parameter_source("debug") not in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
        os.environ["FLASK_DEBUG"] = "1" if debug else "0"


@click.group(name="jobs-server", context_settings={"auto_envvar_prefix": "FLASK"})
@click.option(
    "-e",
    "--env-file",
    type=click.Path(exists=True, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_load_env_file,
    help="Load environment variables from this file, which go before those that are set. It takes python-dotenv.",
)
@click.option(
    "-A", "--app", metavar="IMPORT", is_eager=True, expose_value=False, help="Of no effect here: the app is this one."
)
@click.option("--debug/--no-debug", expose_value=False, callback=_set_debug, help="Set debug mode.")
@click.version_option(package_name="jobs-server", prog_name="jobs-server", message="%(prog)s %(version)s")
def main() -> None:
    """Serve the observatory's jobs, send and watch them, and look after the installation."""


add_to(main)
for _name, _place in FLASKS.items():
    main.add_command(FlasksCommand(_name, _place))

if __name__ == "__main__":
    main(prog_name="jobs-server")
