"""Stops: sent to each device in a thread of its own, before anything else; none waits for another device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from ..client import COMPLETE, FAILED, ClaimedJob, Job
from .carrying import Actions
from .devices.interfaces import Device, Enclosure
from .devices.opening import KINDS, stop_all
from .errors import DeviceError, NotStopped
from .observatory import Observatory
from .orders import from_job

_EVERYTHING = "all"
Left = dict[str, str]


class Stopping:
    """Carries out the stops that people send, and the halt at the agent's end."""

    def __init__(
        self,
        observatory: Observatory,
        actions: Actions,
        note_stop: Callable[[Job], None],
        say_end: Callable[[Job, str, str | None], None],
    ) -> None:
        """Take the devices, what says of a stop for something else what became of it, and who hears of a stop.

        `note_stop` is called before the stop goes out, `say_end` at its end.
        """
        self._observatory, self._actions = observatory, actions
        self._note_stop, self._say_end = note_stop, say_end

    def obey(self, run: ClaimedJob) -> None:
        """Stop what a stop command is for, and end it: COMPLETE when all was seen at rest."""
        status, message = COMPLETE, None
        self._note_stop(run.job)
        try:
            self._stop(run.job)
        except DeviceError as error:
            status, message = FAILED, str(error)
        run.end(status, message)
        self._say_end(run.job, status, message)

    def _stop(self, job: Job) -> None:
        kind, name = job.device.strip(), job.instance.strip()
        if is_for_all(job):
            failed = [str(error) for error in stop_all(self._movers()).values() if error is not None]
            if failed:
                raise NotStopped("; ".join(failed))
        elif kind in KINDS:
            self._observatory.device(kind, name).stop()
        else:
            self._actions.carry_out(from_job(job), self._observatory, lambda *_, **__: None, lambda *_: None)

    def halt(self, seconds: float) -> list[str]:
        """Stop everything but a roof that is closing; return a line for each device that was not seen at rest in time.

        The aborts go out at once.
        """
        lines = dict.fromkeys((each.key for each in self._movers()), "")
        for device in self._movers():
            lines[device.key] = f"{device.name} was not seen at rest within {seconds:g} s"
        in_parallel(self._movers(), lambda device: self._halt(device, lines), seconds)
        return [line for line in dict(lines).values() if line]

    def _halt(self, device: Device, lines: Left) -> None:
        try:
            if isinstance(device, Enclosure) and device.is_ready and device.shutter() == "closing":
                lines[device.key] = f"{device.name} is closing, and is left to close"
                return
            device.stop()
            lines[device.key] = ""
        except DeviceError as error:
            lines[device.key] = str(error)

    def _movers(self) -> list[Device]:
        return [each for each in self._observatory.devices.values() if each.kind != "safety"]


def is_for_all(job: Job) -> bool:
    """Whether a stop command is for every device."""
    words = {job.device.strip().casefold(), job.instance.strip().casefold()}
    return _EVERYTHING in words or job.action.strip().casefold() == "cancel_all_commands"


def in_parallel(devices: Iterable[Device], deed: Callable[[Device], object], seconds: float) -> None:
    """Do something with each device in a thread of its own; return when all is done, or after so long."""
    threads = [threading.Thread(target=deed, args=(each,), name=each.name, daemon=True) for each in devices]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
