"""A site in a test: scripted devices, a real desk, and the agent between them, in this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from jobs_server.agent import site_file
from jobs_server.agent.devices.settings import Settings
from jobs_server.agent.making_safe import MakingTimes
from jobs_server.agent.run import Agent, AgentTimes
from jobs_server.agent.safety_hold import SafetyTimes
from jobs_server.client import Job, SiteClient

from ..support.claiming import WHO
from ..support.waiting import PATIENCE_SECONDS, until

QUICK = Settings(settle_seconds=0.3, rest_seconds=0.2, poll_seconds=0.02, check_seconds=0.1, answer_seconds=5.0)
TIMES = AgentTimes(
    patience=QUICK,
    safety=SafetyTimes(look_seconds=0.05, unread_seconds=5.0),
    making=MakingTimes(park_seconds=30, close_seconds=30, retry_seconds=0.2),
    wait_seconds=5.0,
)
ENDS = {"COMPLETE", "FAILED", "CANCELED", "EXPIRED", "LOST"}


class Shown:
    """What the agent showed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def begin(self, job: Job, seconds: float) -> None:
        self.lines.append(f"begin {job.action} {seconds}")

    def go_on(self, job: Job, status: str, seconds_left: float) -> None:
        self.lines.append(f"{job.action} {status} {seconds_left}")

    def end(self, job: Job, status: str, message: str | None) -> None:
        self.lines.append(f"end {job.action} {status} {message}")


class Site:
    """An agent that runs for the length of a block, and the people who send it jobs."""

    def __init__(
        self, client: SiteClient, folder: Path, devices: str, top: str = "", times: AgentTimes = TIMES, url: str = ""
    ) -> None:
        """Take the tables of agent.toml, more keys for its head, and another way to the desk."""
        self.client, self.folder, self.times, self._url = client, folder, times, url or client.url
        path = folder / "agent.toml"
        place = "latitude_degrees = 47.7\nlongitude_degrees = 12.0\n"
        path.write_text(f'url = "{client.url}"\nsite = "{client.site}"\n{place}{top}\n{devices}', encoding="utf-8")
        self.file = site_file.read(path)
        self.shown = Shown()
        self.lines: list[str] | None = None
        self.error: BaseException | None = None
        self._begin()

    def _begin(self) -> None:
        client = SiteClient(self._url, self.client.site, patience_seconds=1)
        self.agent = Agent(self.file, self.folder / "agent", client=client, display=self.shown, times=self.times)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.lines = self.agent.run()
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> list[str]:
        """Ask the agent to end, and return what was not at rest."""
        self.agent.end()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        return self.lines or []

    def again(self) -> Self:
        """The agent, started anew after it has ended."""
        self._begin()
        return self

    def sends(
        self,
        kind: str,
        action: str,
        required: Mapping[str, Any] | None = None,
        optional: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> Job:
        return self.client.submit(kind, name or f"{kind}1", action, required, optional, **WHO)

    def end_of(self, job: Job) -> Job:
        """Wait for a job's end, and return the job as it then is."""
        until(lambda: self.client.get(job).status in ENDS)
        return self.client.get(job)

    def ends(self, job: Job) -> tuple[str, str]:
        """Wait for a job's end, and return its status and message."""
        known = self.end_of(job)
        return known.status, known.history[-1].message or ""

    def state(self, key: str) -> dict[str, Any]:
        """What the desk knows of a device."""
        answer = httpx.get(f"{self.client.url}/jobs/devicestate", params={"site": self.client.site}, trust_env=False)
        found: dict[str, Any] = answer.json()["devices"].get(key) or {}
        return found

    def abilities(self, key: str) -> list[str]:
        """What the desk knows that a device can do."""
        answer = httpx.get(f"{self.client.url}/jobs/capabilities", params={"site": self.client.site}, trust_env=False)
        return list((answer.json().get("devices", {}).get(key) or {}).get("actions", ()))

    @property
    def is_free(self) -> bool:
        """Whether all devices were seen at rest, and anything may begin."""
        return all(map(self.agent.sight.is_settled, self.file.devices)) and self.agent.holds.why is None

    def is_ready(self, key: str) -> bool:
        """Whether a device is there."""
        return self.agent.observatory.devices[key].is_ready
