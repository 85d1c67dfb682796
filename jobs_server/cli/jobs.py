"""`flask jobs`: send, list, show, watch, move, edit and cancel from the terminal of the observatory's PC."""

from __future__ import annotations

from .common import CommandGroup
from .lazy_commands import Place, add

COMMANDS = {
    "again": Place("jobs_server.cli.queue:again", "Send a job once more, as a new one with the same parameters."),
    "cancel": Place(
        "jobs_server.cli.send:cancel", "Cancel one job: it will not begin, or the site is asked to end it."
    ),
    "cancel-all": Place(
        "jobs_server.cli.send:cancel_all", "Cancel what waits at a site, and tell the site to stop what it does."
    ),
    "edit": Place("jobs_server.cli.queue:edit", "Change what a job asks for that waits; its history keeps both."),
    "list": Place("jobs_server.cli.show:list_jobs", "List a site's jobs, oldest first."),
    "move": Place(
        "jobs_server.cli.queue:move",
        "Move a job that waits: to the front (behind stop commands), to the end, or before another one.",
    ),
    "send": Place("jobs_server.cli.send:send", "Send one job."),
    "show": Place("jobs_server.cli.show:show", "Show one job, all that happened to it, and what came of it."),
    "watch": Place("jobs_server.cli.watch:watch", "Print what happens at a site as it happens, until Ctrl-C."),
}

jobs = CommandGroup("jobs", help="Send jobs, list them, and watch them being carried out.")
add(jobs, COMMANDS)
