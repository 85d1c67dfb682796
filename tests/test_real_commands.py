"""Real commands, through a real server, to an observatory that carries them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs_server.client import Job, SiteClient

from .support import servers
from .support.simulation import simulated
from .support.waiting import until

COMMANDS = [
    json.loads(line) for line in (servers.ROOT / "tests/data/commands.jsonl").read_text(encoding="utf-8").splitlines()
]
SITE = "wmd"
ENDS = {"COMPLETE", "FAILED", "CANCELED"}


def test_every_real_command_goes_there_and_comes_back(server: servers.Server, tmp_path: Path) -> None:
    with SiteClient(server.url, SITE) as client:
        sent = [sends(client, command) for command in COMMANDS]
        with simulated(server.url, SITE, tmp_path, "--speed", "1000000"):
            until(lambda: {job.status for job in client.recent()} <= ENDS, patience_seconds=300, every=0.5)
        jobs = client.recent()
        assert [job.ulid for job in jobs] == [job.ulid for job in sent]
        for job, command in zip(jobs, COMMANDS, strict=True):
            assert said(job) == command_said(command)
            check_its_life(client.get(job))
        assert any(job.status == "COMPLETE" for job in jobs)


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
    assert life[0] == "UNREAD"
    assert life[-1] == job.status
    if job.status == "CANCELED" and "RECEIVED" not in life:
        assert life == ["UNREAD", "CANCELED"]
        assert "canceled by" in (job.history[1].message or "")
    elif job.status != "CANCELED":
        assert life[1:3] == ["RECEIVED", "STARTED"]
    assert sum(status in ENDS for status in life) == 1
