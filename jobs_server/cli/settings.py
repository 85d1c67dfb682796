"""`flask settings`: what is in force, and where each value came from."""

from __future__ import annotations

import json
from dataclasses import fields

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from .. import program
from ..config import Loaded, Settings, shown, variable
from . import installation


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def settings(as_json: bool) -> None:
    """Print the settings in force and where each came from.

    A setting is taken from the environment (JOBS_...), else from config.toml in the instance folder, else it has its
    default. Secrets are masked.
    """
    loaded = installation.loaded()
    if as_json:
        click.echo(json.dumps({name: _row(loaded, name) for name in loaded.origins}, indent=2))
        return
    console = Console(highlight=False)
    for field in fields(Settings):
        row = _row(loaded, field.name)
        value = f"{row['value'] or '(empty)'} {field.metadata['unit']}".strip()
        console.print(Text.assemble((variable(field.name), "bold"), " = ", (value, "cyan"), f"  from {row['from']}"))
        console.print(Padding(Text(program.as_called(field.metadata["help"])), (0, 0, 1, 4)))


def _row(loaded: Loaded, name: str) -> dict[str, str]:
    return {"value": shown(loaded.settings, name), "from": loaded.origins[name]}
