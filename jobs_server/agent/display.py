"""Where the agent shows what it does."""

from __future__ import annotations

import logging
from typing import Protocol

from ..client import Job

log = logging.getLogger(__name__)


class Display(Protocol):
    """Where the agent shows what it does; called from several threads."""

    def say(self, text: str) -> None:
        """Show a line that belongs to no job."""

    def begin(self, job: Job, seconds: float) -> None:
        """Show that a job begins, and how long it will take, 0 when nobody knows."""

    def go_on(self, job: Job, status: str, seconds_left: float) -> None:
        """Show the status of a job."""

    def end(self, job: Job, status: str, message: str | None) -> None:
        """Show the end of a job."""


class LogDisplay:
    """Shows in the log what the agent does."""

    def say(self, text: str) -> None:
        """Log a line that belongs to no job."""
        log.info("%s", text)

    def begin(self, job: Job, seconds: float) -> None:
        """Log that a job begins."""
        log.info("%s begins%s", job, f", for about {seconds:.0f} s" if seconds else "")

    def go_on(self, job: Job, status: str, seconds_left: float) -> None:
        """Log the status of a job, for whoever wants to know it all."""
        log.debug("%s: %s, %.0f s left", job, status, seconds_left)

    def end(self, job: Job, status: str, message: str | None) -> None:
        """Log the end of a job."""
        log.info("%s: %s%s", job, status, f": {message}" if message else "")
