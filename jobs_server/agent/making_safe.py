"""From an open dome to a closed one: what runs is broken off, mounts park, then roofs close.

A person's stop is obeyed for as long as the hold lasts: what it halted is not moved again. What a device refuses is
tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .devices.interfaces import Device, Enclosure, Mount
from .errors import DeviceBusy, DeviceError, Stopped
from .observatory import Observatory
from .orders import Order
from .sight import Sight
from .site_file import EnclosureLines
from .stopping import in_parallel
from .under_way import JobsUnderWay

log = logging.getLogger(__name__)

_SPARED = frozenset({("enclosure", "close"), ("mount", "park")})  # orders that are on the way to safety
_TICK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class MakingTimes:
    """How long the steps may take."""

    park_seconds: float = 300.0
    close_seconds: float = 300.0
    retry_seconds: float = 30.0


class Stops:
    """What a person stopped during the hold; kept by whoever keeps the hold."""

    def __init__(self, note: Callable[[str], None], known: Callable[[], frozenset[str]]) -> None:
        """Take what keeps a stopped device, and what returns those that are kept."""
        self.note, self._known = note, known

    def __contains__(self, key: str) -> bool:
        return key in self._known()


class MakingSafe:
    """Brings the site to safety, in a thread of its own, once for each hold."""

    def __init__(
        self, observatory: Observatory, jobs: JobsUnderWay, sight: Sight, stops: Stops, times: MakingTimes
    ) -> None:
        """Take the devices, the jobs that run, what saw the devices at rest, and what people stopped."""
        self._sight = sight
        self._observatory, self._jobs, self._stops, self._times = observatory, jobs, stops, times
        self._mounts = [each for each in observatory.devices.values() if isinstance(each, Mount)]
        self._roofs = [each for each in observatory.devices.values() if isinstance(each, Enclosure)]
        self._why = ""
        self._open_since: dict[str, str] = {}
        """Why a roof stays open, by its key."""
        self._hurry = threading.Event()
        self._works = self._is_done = False
        self._holds_so_far = 0
        self._is_closed = False
        self._lock = threading.Lock()

    def begin(self, why: str) -> None:
        """Begin to bring the site to safety, if that has not begun in this hold. Does not wait."""
        with self._lock:
            self._why = why
            if not self._is_done and not self._works:
                self._works = True
                threading.Thread(target=self._work, name="making safe", daemon=True).start()

    def forget(self) -> None:
        """Forget the hold, which was lifted."""
        with self._lock:
            self._why, self._is_done = "", False
            self._holds_so_far += 1
            self._open_since.clear()
        self._hurry.set()

    def close(self) -> None:
        """Begin nothing more: the program ends, and its stops are no person's."""
        self._is_closed = True
        self.forget()

    def why_open(self, key: str) -> str | None:
        """Return why a roof stays open during the hold; None when it does not, or nobody knows."""
        return self._open_since.get(key)

    def _work(self) -> None:
        while self._goes_on():
            number = self._holds_so_far
            self._hurry.clear()
            self._break_off()
            is_done = self._make_safe()
            with self._lock:
                self._is_done = is_done and number == self._holds_so_far
                if number != self._holds_so_far:
                    self._open_since.clear()
            if not self._is_done:
                self._hurry.wait(self._times.retry_seconds)

    def _goes_on(self) -> bool:
        with self._lock:
            self._works = bool(self._why) and not self._is_done and not self._is_closed
            return self._works

    def _break_off(self) -> None:
        """End what runs, but for what closes and parks already."""
        broken = self._jobs.break_off(self._why, _is_spared)
        longest = max((each.abort_seconds for each in self._observatory.site_file.devices.values()), default=0.0)
        self._jobs.await_end(broken, longest + 5.0)
        for job in broken:
            job.halted.wait(longest + 5.0)

    def _make_safe(self) -> bool:
        """Park and close; return whether nothing is left to do that would be tried again."""
        parked = self._park_all()
        open_still = [roof for roof in self._roofs if not self._close(roof, parked)]
        return not open_still and all(why is None or key in self._stops for key, why in parked.items())

    def _park_all(self) -> dict[str, str | None]:
        """Park all mounts; return by key why one is not parked."""
        found: dict[str, str | None] = {each.key: f"{each.name} was not parked in time" for each in self._mounts}

        def park(device: Device) -> None:
            try:
                self._park(device)  # type: ignore[arg-type]
                found[device.key] = None
            except DeviceError as error:
                found[device.key] = f"{device.name} is not parked: {error}"
                log.warning("%s; %s", self._why, found[device.key])

        in_parallel(self._mounts, park, 2 * self._times.park_seconds)
        return dict(found)

    def _park(self, mount: Mount) -> None:
        self._sight.require([mount.key])
        with self._holding(mount, self._times.park_seconds):
            if mount.is_parked() and not mount.is_moving():
                return
            if mount.key in self._stops:
                raise DeviceError("a person stopped it")
            with self._heeding_stops(mount):
                log.warning("%s: %s parks", self._why, mount.name)
                mount.park(self._times.park_seconds)

    def _close(self, roof: Enclosure, parked: dict[str, str | None]) -> bool:
        """Close a roof; return whether it is closed, or is not to be closed by this program any more."""
        lines = self._observatory.lines(roof.kind, roof.name)
        assert isinstance(lines, EnclosureLines)
        unparked = next((why for why in parked.values() if why is not None), None)
        try:
            if roof.is_ready and roof.shutter() == "closed":
                self._open_since.pop(roof.key, None)
                return True
            if not lines.close_when_unsafe:
                return self._stays_open(roof, "agent.toml does not let the agent close it", is_final=True)
            if roof.key in self._stops:
                return self._stays_open(roof, "a person stopped it", is_final=True)
            if unparked is not None and not lines.close_over_unparked_mount:
                return self._stays_open(roof, unparked)
            self._close_now(roof)
        except Stopped:
            return self._stays_open(roof, "a person stopped it", is_final=True)
        except DeviceError as error:
            return self._stays_open(roof, str(error))
        self._open_since.pop(roof.key, None)
        log.warning("%s: %s is closed", self._why, roof.name)
        return True

    def _close_now(self, roof: Enclosure) -> None:
        self._sight.require([roof.key])
        with self._holding(roof, self._times.close_seconds), self._heeding_stops(roof):
            log.warning("%s: %s closes", self._why, roof.name)
            roof.close_shutter(self._times.close_seconds)

    def _stays_open(self, roof: Enclosure, why: str, *, is_final: bool = False) -> bool:
        self._open_since[roof.key] = f"{self._why}; {roof.name} is not closed: {why}"
        log.warning("%s", self._open_since[roof.key])
        return is_final

    @contextmanager
    def _heeding_stops(self, device: Device) -> Iterator[None]:
        """Keep that a person stopped a device in the middle of this."""
        try:
            yield
        except Stopped:
            if not self._is_closed:
                self._stops.note(device.key)
            raise

    @contextmanager
    def _holding(self, device: Device, seconds: float) -> Iterator[None]:
        """Hold a device, after the end of a job that was spared."""
        deadline = time.monotonic() + seconds
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(self._observatory.holding(device.key))
                    break
                except DeviceBusy:
                    if time.monotonic() > deadline or not device.is_ready:
                        raise
                    time.sleep(_TICK_SECONDS)
            yield


def _is_spared(order: Order) -> bool:
    return (order.kind, order.action) in _SPARED
