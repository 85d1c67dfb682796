"""The site agent: takes a site's jobs and carries them out on its devices, until it is asked to end."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from ..client import FAILED, Job, SiteClient
from ..client.job_loop import Claims
from . import abilities
from . import actions as own_actions
from .carrying import Actions
from .devices.interfaces import Device, Enclosure, State
from .devices.settings import Settings
from .display import Display, LogDisplay
from .hold_file import HoldFile
from .holds import Holds
from .making_safe import MakingSafe, MakingTimes, Stops
from .observatory import Observatory
from .reports import SiteReports
from .safety_hold import SafetyHold, SafetyTimes
from .sight import START_SECONDS, Sight
from .site_file import SiteFile
from .stopping import Stopping
from .under_way import JobsUnderWay
from .uses import Uses

log = logging.getLogger(__name__)

ENDED = "the agent was ended while this ran"
_HALT_SECONDS = 4.0
_REPORT_SECONDS = 0.7  # for the ends of jobs whose devices did not come to rest
_END_SECONDS = 4.5  # for everything, counted from the request to end
_HALT_MARGIN_SECONDS = 5.0  # how much longer than a device's stop may last the end of its job waits


@dataclass(frozen=True, kw_only=True)
class AgentTimes:
    """How patient the agent is; tests are less so."""

    patience: Settings = field(default_factory=Settings)
    safety: SafetyTimes = field(default_factory=SafetyTimes)
    making: MakingTimes = field(default_factory=MakingTimes)
    start_seconds: float = START_SECONDS
    wait_seconds: float = 20.0


class Agent:
    """One site's agent. What it has in its hands is kept in a folder, which no second agent may use."""

    def __init__(
        self,
        site_file: SiteFile,
        folder: Path,
        *,
        client: SiteClient | None = None,
        display: Display | None = None,
        times: AgentTimes | None = None,
        actions: Actions = own_actions,
    ) -> None:
        """Take what the file says, where to keep what is in hand, and where to show what is done.

        `client` is closed with the agent; `actions` is what carries orders out.
        """
        self._times = times or AgentTimes()
        self._site_file, self._folder = site_file, folder
        self._client = client or SiteClient(site_file.url, site_file.site, token=site_file.token, name="agent")
        self._display: Display = display or LogDisplay()
        self.observatory = Observatory(site_file, self._times.patience)
        self.holds = Holds()
        self.sight = Sight(self.observatory, self.holds, start_seconds=self._times.start_seconds)
        self._reports = SiteReports(self._client, self.observatory, abilities.of, self._add_to_state)
        self.jobs = JobsUnderWay(self.observatory, actions, self.sight, self.holds, self._display, self._reports.show)
        self._stopping = Stopping(self.observatory, actions, self.jobs.note_stop, self._display.end)
        self.making = MakingSafe(
            self.observatory,
            self.jobs,
            self.sight,
            Stops(self._note_stopped, lambda: self._safety.stopped),
            self._times.making,
        )
        self._safety = SafetyHold(
            self.observatory,
            self.holds,
            HoldFile(folder / "hold.json"),
            self.making.begin,
            self.making.forget,
            self._times.safety,
        )
        self._uses = Uses(self.observatory, actions.devices_of)
        self._ending = threading.Event()
        self._failure: BaseException | None = None

    @property
    def is_ending(self) -> bool:
        """Whether somebody asked the agent to end."""
        return self._ending.is_set()

    def end(self) -> None:
        """Ask the agent to end; may be called from a signal's handler."""
        self._ending.set()

    def run(self) -> list[str]:
        """Take jobs until `end` is called; return what was not seen at rest then, a line for each device.

        Raise SiteClientError when another program takes this site's jobs, or the desk refuses this site.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        claims = self._claims()
        try:
            self._start()
            self.holds.attach(claims)
            claims.__enter__()
            threading.Thread(target=self._take, args=(claims,), name="take", daemon=True).start()
            while not self._ending.wait(0.5):  # not for ever: on Windows, Ctrl-C is not heard in a wait without end
                pass
        finally:
            lines = self._halt(claims)
        if self._failure is not None:
            raise self._failure
        return lines

    def _claims(self) -> Claims:
        longest = max((each.abort_seconds for each in self._site_file.devices.values()), default=0.0)
        return self._client.claims(
            self._folder / "claims.json",
            on_stop=self._stopping.obey,
            on_lost=self._see_to_lost,
            beside=self._uses.may_run_beside,
            abort_seconds=longest + _HALT_MARGIN_SECONDS,
            wait_seconds=self._times.wait_seconds,
            stops_apart=True,
        )

    def _start(self) -> None:
        self.sight.start()
        self._safety.start()
        self.observatory.start(self._changed)
        self._reports.start()

    def _take(self, claims: Claims) -> None:
        try:
            while (run := claims.next()) is not None:
                self.jobs.begin(run)
        except BaseException as error:  # without this thread nothing is taken: the agent ends, and says why
            self._failure = error
        finally:
            self._ending.set()

    def _changed(self, device: Device) -> None:
        self.sight.changed()
        self._reports.changed(device)

    def _see_to_lost(self, jobs: list[Job]) -> None:
        """Return when what an earlier run left moving stands, or cannot be read."""
        names = ", ".join(map(str, jobs))
        self._display.say(f"an earlier run ended while it carried out: {names}; what moves is looked for first")
        self.sight.await_first_look()

    def _add_to_state(self, device: Device, state: State) -> Mapping[str, Any]:
        """Return what the agent knows of a device beyond what the device says."""
        added: dict[str, Any] = {}
        if device.kind in ("safety", "enclosure") and (why := self.holds.why) is not None:
            added["message"] = f"nothing begins: {why}"
        if isinstance(device, Enclosure) and self._safety.unsafe and state.get("status") != "closed":
            added["unsafe_reason"] = self.making.why_open(device.key) or self._safety.unsafe
        return added

    def _note_stopped(self, key: str) -> None:
        self._safety.note_stopped(key)

    def _halt(self, claims: Claims) -> list[str]:
        """End: take nothing more, stop what moves if the file says so, and report what runs as FAILED."""
        deadline = time.monotonic() + _END_SECONDS
        closing = _aside(claims.close)
        self._safety.close()
        self.making.close()
        halts = self._site_file.on_exit == "halt"
        broken = self.jobs.mark(ENDED if halts else f"{ENDED}; what moved was left to move")
        lines = self._stopping.halt(_HALT_SECONDS) if halts else []
        if not self.jobs.await_end(broken, deadline - time.monotonic() - _REPORT_SECONDS):
            for job in broken:
                _aside(partial(job.run.end, FAILED, job.broken))
        self.jobs.await_end(broken, deadline - time.monotonic())
        closing.join(max(0.0, deadline - time.monotonic()))
        self.sight.close()
        self._reports.close()
        self.observatory.close()
        self._client.close()
        for line in lines:
            self._display.say(line)
        return lines


def _aside(deed: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=deed, name="close", daemon=True)
    thread.start()
    return thread


def run_until_signal(agent: Agent) -> list[str]:
    """Run an agent until Ctrl-C or the system's request to end; a second one ends the program at once.

    Return what was not seen at rest, a line for each device. Call this from the main thread.
    """

    def heard(_number: int, _frame: FrameType | None) -> None:
        if agent.is_ending:
            os._exit(130)
        agent.end()

    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):  # the last is Windows' alone
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, heard)
    try:
        return agent.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
