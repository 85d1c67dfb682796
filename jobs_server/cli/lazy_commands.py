"""Commands that are known by name and help alone, and imported when somebody calls them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from importlib import import_module
from typing import Any, NamedTuple, cast

import click

from .. import program
from ..upkeep.loading import loading

_OWN = f"{__package__}."


class Place(NamedTuple):
    """Where a command is, and what a list of commands says of it."""

    command: str
    """Module and name, such as `jobs_server.cli.doctor:doctor`."""
    help: str
    """The first paragraph of the command's own help."""


class NamedCommand(click.Command):
    """Stand for a command until it is called.

    Click makes a context before all else that it does with a command (run, explain or complete it), and goes on with
    the command of that context.
    """

    def __init__(self, name: str, place: Place) -> None:
        super().__init__(name, help=place.help)
        self.place = place

    def command(self) -> click.Command:
        """Import the command."""
        module, _, name = self.place.command.partition(":")
        with loading():
            return cast(click.Command, getattr(import_module(module), name))

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Make the context of the command that this one stands for."""
        command = self.command()
        if self.place.command.startswith(_OWN) and program.name() != program.FLASK:
            command = _renamed(command)
        return command.make_context(info_name, args, parent, **extra)


def _renamed(command: click.Command) -> click.Command:
    """Return a command whose help, and that of the commands within, names commands as this program was called."""
    found = copy(command)
    found.help = program.as_called(command.help) if command.help else command.help
    if isinstance(found, click.Group):
        found.commands = {name: _renamed(each) for name, each in found.commands.items()}
    return found


def add(group: click.Group, places: Mapping[str, Place]) -> None:
    """Add commands to a group by name."""
    for name, place in places.items():
        group.add_command(NamedCommand(name, place))
