"""How far a long task is, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..upkeep import backups

_SAYS = {
    "copy": "Copying",
    "verify": "Reading it through",
    "compress": "Compressing",
    "unpack": "Unpacking",
}


@contextmanager
def bars() -> Iterator[backups.Progress]:
    """Show a bar for each step on a terminal; elsewhere nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = shown.add_task(_SAYS.get(step, step), total=None)
            shown.update(tasks[step], completed=done, total=total or None)

        yield show
