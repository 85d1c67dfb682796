"""By which name this program was called: a text that names a command names it as its reader can call it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import click

FLASK, OWN = "flask", "jobs-server"

_HANDED_ON = "_JOBS_SERVER_PROGRAM"
"""The variable by which a server that goes on under another program's name knows how it was called."""
_CHECKOUT = "wsgi.py"
"""The file by which `flask` finds this app in the folder that it is called in."""
_NAMED = re.compile(r"\bflask (?=[a-z])")


def name() -> str:
    """Return `flask` or `jobs-server`, whichever was called; of another program, the one that works here."""
    context = click.get_current_context(silent=True)
    root = context.find_root().info_name if context is not None else None
    return _known(root or "") or os.environ.get(_HANDED_ON) or _known_file(Path(sys.argv[0])) or _that_works()


def command(words: str) -> str:
    """Return a command by the name of the program, such as `jobs-server tokens list`."""
    return f"{name()} {words}"


def as_called(text: str) -> str:
    """Return a text that names commands of `flask` with the name of the program instead."""
    return _NAMED.sub(f"{name()} ", text)


def hand_on() -> None:
    """Have what this process becomes, and what it starts, know how it was called."""
    os.environ[_HANDED_ON] = name()


def _known(called: str) -> str | None:
    return next((each for each in (FLASK, OWN) if called in (each, f"{each}.exe")), None)


def _known_file(file: Path) -> str | None:
    """Return the program that a file is: its own script, or what `python -m` runs."""
    called = file.parent.name.replace("_", "-") if file.name == "__main__.py" else file.name
    return _known(called)


def _that_works() -> str:
    return FLASK if Path(_CHECKOUT).exists() else OWN
