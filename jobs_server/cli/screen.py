"""What a program that carries jobs out shows on a terminal: a line for each thing, and a bar for each job that runs."""

from __future__ import annotations

import logging
import threading

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from ..client import Job
from ..errors import on_one_line


class Screen:
    """Print what an observatory does: a line for each thing, and on a terminal a bar for each job that runs."""

    def __init__(self, console: Console, *loggers: str) -> None:
        """Take where to print, and whose warnings to print too; none named: the client's."""
        self._console = console
        self._loggers = [logging.getLogger(name) for name in loggers or ("jobs_server.client",)]
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),  # names come from outside
            BarColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            TextColumn("{task.fields[left]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, str] = {}
        self._lock = threading.Lock()
        self._warnings = _Warnings(self)

    def __enter__(self) -> Screen:
        for logger in self._loggers:
            logger.addHandler(self._warnings)
        self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bars.stop()
        for logger in self._loggers:
            logger.removeHandler(self._warnings)

    def say(self, text: str) -> None:
        """Print something that belongs to no job."""
        self._console.print(Text(on_one_line(text), "dim"), soft_wrap=True)

    def begin(self, job: Job, seconds: float) -> None:
        """Print that a job begins, and how long it will take."""
        self._line(job, f"begins, about {seconds:.0f} s", "cyan")
        with self._lock:
            name = on_one_line(f"{job.device} {job.instance} {job.action}")
            self._tasks[job.ulid] = self._bars.add_task(name, total=seconds or 1.0, status="", left="")

    def go_on(self, job: Job, status: str, seconds_left: float) -> None:
        """Print how far a job is."""
        with self._lock:
            news = self._said.get(job.ulid) != status
            self._said[job.ulid] = status
            if (task := self._tasks.get(job.ulid)) is not None:
                total = next(each.total or 1.0 for each in self._bars.tasks if each.id == task)
                self._bars.update(
                    task, completed=total - seconds_left, status=on_one_line(status), left=f"{seconds_left:.0f} s"
                )
        if news:
            self._line(job, f"{status}, {seconds_left:.0f} s left")

    def end(self, job: Job, status: str, message: str | None) -> None:
        """Print how a job ended."""
        with self._lock:
            self._said.pop(job.ulid, None)
            if (task := self._tasks.pop(job.ulid, None)) is not None:
                self._bars.remove_task(task)
        style = {"COMPLETE": "green", "CANCELED": "yellow"}.get(status, "red")
        self._line(job, f"{status}: {message}" if message else status, style)

    def _line(self, job: Job, text: str, style: str = "") -> None:
        what = on_one_line(f"{job.ulid}  {job.device} {job.instance} {job.action}: ")
        self._console.print(Text(what) + Text(on_one_line(text), style), soft_wrap=True)


class _Warnings(logging.Handler):
    """Show what a library has to say between the lines of the jobs."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning."""
        self._screen.say(record.getMessage())
