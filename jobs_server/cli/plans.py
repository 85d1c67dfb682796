"""`flask plan`: a night's work as one thing, from the terminal of the observatory's PC."""

from __future__ import annotations

from .common import CommandGroup
from .lazy_commands import Place, add

COMMANDS = {
    "cancel": Place("jobs_server.cli.plan_acts:cancel", "End a plan, and cancel what of it has not ended."),
    "import": Place(
        "jobs_server.cli.plan_import:import_plan", "Send lists or sequences of planning programs as a plan."
    ),
    "list": Place("jobs_server.cli.plan_acts:list_plans", "List a site's plans."),
    "pause": Place("jobs_server.cli.plan_acts:pause", "Release no more steps of a plan; what was released goes on."),
    "resume": Place("jobs_server.cli.plan_acts:resume", "Let a paused plan go on."),
    "send": Place("jobs_server.cli.plan_send:send", "Send the plan in FILE, TOML or CSV."),
    "show": Place("jobs_server.cli.plan_acts:show", "Show a plan with its steps, and what it waits for."),
}

plan = CommandGroup("plan", help="Send a night's work as one thing, and follow, pause or cancel it.")
add(plan, COMMANDS)
