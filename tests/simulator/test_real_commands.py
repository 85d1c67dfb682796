"""Real commands, through a real server, to an observatory that carries them out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jobs_server.client import Job, SiteClient
from jobs_server.domain.lifecycle import is_stop

from ..support import servers
from ..support.simulation import simulated
from ..support.waiting import until

COMMANDS = [
    json.loads(line) for line in (servers.ROOT / "tests/data/commands.jsonl").read_text(encoding="utf-8").splitlines()
]
SITE = "wmd"
ENDS = {"COMPLETE", "FAILED", "CANCELED"}
REFUSED = "must be a number|has no filter|below the horizon|is parked"


def test_every_real_command_goes_there_and_is_carried_out(server: servers.Server, tmp_path: Path) -> None:
    with SiteClient(server.url, SITE) as client, simulated(server.url, SITE, tmp_path, "--speed", "1000000"):
        sent: list[Job] = []
        for command in COMMANDS:
            if is_stop(command["action"], command["required_params"]):
                all_end(client)  # else it would cancel what is to be seen carried out
            sent.append(sends(client, command))
        all_end(client)
        jobs = client.recent()
        assert [job.ulid for job in jobs] == [job.ulid for job in sent]
        for job, command in zip(jobs, COMMANDS, strict=True):
            assert said(job) == command_said(command)
            check_its_life(client.get(job))


def all_end(client: SiteClient) -> None:
    until(lambda: {job.status for job in client.recent()} <= ENDS, patience_seconds=300, every=0.1)


def sends(client: SiteClient, command: dict[str, Any]) -> Job:
    """Send a command as it was recorded, to one site; a user interface's own keys are left out by the client."""
    return client.submit(
        *(command[name] for name in ("device", "instance", "action", "required_params", "optional_params")),
        user_name=command["user_name"],
        user_id=command["user_id"],
    )


def said(job: Job) -> tuple[object, ...]:
    return (job.device, job.instance, job.action, job.required_params, job.optional_params, job.user_name, job.user_id)


def command_said(command: dict[str, Any]) -> tuple[object, ...]:
    keys = ("device", "instance", "action", "required_params", "optional_params", "user_name", "user_id")
    return tuple(command[key] for key in keys)


def check_its_life(job: Job) -> None:
    """Check that the history tells one whole life, and each step from where the one before led."""
    events = [event for event in job.history if not event.alternate_queue]
    life = [event.after for event in events]
    assert [event.before for event in events] == [None, *life[:-1]]
    assert life[:3] == ["UNREAD", "RECEIVED", "STARTED"]
    assert life[-1] == job.status
    assert sum(status in ENDS for status in life) == 1
    # Some were recorded with fields that nobody had filled in, or elsewhere; what cannot be done fails with the reason.
    assert job.status == "COMPLETE" or re.search(REFUSED, events[-1].message or "")
