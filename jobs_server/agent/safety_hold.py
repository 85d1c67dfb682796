"""Unsafe weather: nothing begins, what runs is broken off, mounts park, roofs close; safe again, the hold lasts on.

A safety device that was not read yet holds everything, and one that cannot be read for some seconds is unsafe.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .devices.interfaces import Reading, Safety
from .hold_file import HoldFile, KeptHold
from .holds import Holds
from .observatory import Observatory
from .site_file import SafetyLines

log = logging.getLogger(__name__)

HOLDER = "weather"


@dataclass(frozen=True, kw_only=True)
class SafetyTimes:
    """How often safety devices are read, and how long one may say nothing."""

    look_seconds: float = 1.0
    unread_seconds: float = 10.0  # a device that cannot be read for so long is unsafe
    start_seconds: float = 30.0  # the same at the start, when drivers begin too


class _Look:
    """What a safety device said last, and since when it has said nothing."""

    def __init__(self) -> None:
        self.reading: Reading | None = None
        self.at = time.monotonic()
        self.read_times = -1
        """How often the device had become ready when it was read."""


class SafetyHold:
    """Reads the safety devices, and holds everything while one is unsafe and for some time after."""

    def __init__(
        self,
        observatory: Observatory,
        holds: Holds,
        file: HoldFile,
        make_safe: Callable[[str], None],
        lifted: Callable[[], None],
        times: SafetyTimes,
    ) -> None:
        """Take the devices; `make_safe` begins to bring the site to safety, `lifted` forgets that. Neither waits."""
        self._devices = [each for each in observatory.devices.values() if isinstance(each, Safety)]
        lines = [each for each in observatory.site_file.devices.values() if isinstance(each, SafetyLines)]
        self._good_seconds = max((each.hold_minutes_after * 60 for each in lines), default=0.0)
        self._holds, self._file, self._times = holds, file, times
        self._make_safe, self._lifted = make_safe, lifted
        self._looks = {device.key: _Look() for device in self._devices}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._kept: KeptHold | None = None
        self._good_since: float | None = None
        self._started = 0.0
        self.unsafe: str | None = None
        """Why it is unsafe now, beginning with `unsafe:`."""

    def start(self) -> None:
        """Begin to read; nothing begins before all safety devices were read."""
        self._started = time.monotonic()
        if not self._devices:
            self._file.remove()
            return
        self._kept = self._file.read()
        self._evaluate()
        for device in self._devices:
            threading.Thread(target=self._read, args=(device,), name=f"reading {device.name}", daemon=True).start()
        threading.Thread(target=self._watch, name="safety", daemon=True).start()

    def close(self) -> None:
        """Read no more; a hold stays on disk."""
        self._closed.set()

    @property
    def stopped(self) -> frozenset[str]:
        """Return what a person stopped during this hold."""
        return frozenset(self._kept.stopped if self._kept else ())

    def note_stopped(self, key: str) -> None:
        """Keep that a person stopped a device during this hold."""
        with self._lock:
            if self._kept is not None:
                self._kept = KeptHold(self._kept.why, tuple(sorted({*self._kept.stopped, key})))
                self._file.write(self._kept)

    @property
    def is_held(self) -> bool:
        """Whether the hold lasts, be it that it is unsafe or has not been safe long enough."""
        return self._kept is not None

    def _read(self, device: Safety) -> None:
        look = self._looks[device.key]
        while not self._closed.wait(self._times.look_seconds):
            times, ready = device.times_ready, device.is_ready
            reading = device.reading()
            if reading.was_read and ready:
                look.reading, look.at, look.read_times = reading, time.monotonic(), times
            self._evaluate()

    def _watch(self) -> None:
        while not self._closed.wait(self._times.look_seconds):
            self._evaluate()

    def _evaluate(self) -> None:
        """Take what the devices said into account."""
        with self._lock:
            unsafe, unread = self._say_unsafe(), self._say_unread()
            self.unsafe = f"unsafe: {unsafe}" if unsafe else None
            if self.unsafe is not None:
                self._begin_hold(self.unsafe)
            elif unread is not None:
                self._good_since = None
                self._holds.put(HOLDER, f"unsafe: {unread}")
            else:
                self._count_good_time()

    def _say_unsafe(self) -> str | None:
        for device in self._devices:
            look = self._looks[device.key]
            silent = time.monotonic() - look.at
            limit = self._times.unread_seconds if look.reading else self._times.start_seconds
            if silent > limit:
                return f"{device.name} could not be read for {limit:g} s"
            if look.reading is not None and not look.reading.safe and self._is_new(device):
                return look.reading.reason or f"{device.name} says so"
        return None

    def _say_unread(self) -> str | None:
        for device in self._devices:
            if not self._is_new(device):
                return f"{device.name} has not been read since it came" if device.is_ready else f"{device.name} is away"
        return None

    def _is_new(self, device: Safety) -> bool:
        """Whether what is known was read since the device became ready the last time."""
        return device.is_ready and self._looks[device.key].read_times == device.times_ready

    def _begin_hold(self, why: str) -> None:
        self._good_since = None
        if self._kept is None or self._kept.why != why:
            log.warning("%s", why)
            self._kept = KeptHold(why, self._kept.stopped if self._kept else ())
            self._file.write(self._kept)
        self._holds.put(HOLDER, why)
        self._make_safe(why)

    def _count_good_time(self) -> None:
        if self._kept is None:
            self._holds.put(HOLDER, None)
            return
        if self._good_since is None:
            self._good_since = time.monotonic()
            self._make_safe(self._kept.why)  # a run that was killed may not have come to its end
        if time.monotonic() - self._good_since < self._good_seconds:
            minutes = self._good_seconds / 60
            self._holds.put(HOLDER, f"{self._kept.why}; safe again, held until it was safe for {minutes:g} minutes")
            return
        log.warning("safe again: jobs may begin")
        self._kept = self._good_since = None
        self._file.remove()
        self._lifted()
        self._holds.put(HOLDER, None)
