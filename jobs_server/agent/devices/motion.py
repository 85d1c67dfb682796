"""What all devices share: one move at a time, the wait for its end, and stops that pass it by."""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

from ..errors import DeviceBusy, DeviceError, DeviceGone, NotStopped, Refused, Stopped, TimedOut
from .interfaces import Device
from .settings import Settings

log = logging.getLogger(__name__)
Found = TypeVar("Found")
_TICK_SECONDS = 0.1
_RECENTLY_SECONDS = 2.0
_AGAIN_SECONDS = 0.5
_permission: ContextVar[Callable[[], None]] = ContextVar("permission")
"""Raises Stopped when the job that this thread carries out is to end."""


@contextmanager
def permitted_by(check: Callable[[], None]) -> Iterator[None]:
    """Have a function, which raises Stopped when nothing more may begin, called before each move of this thread."""
    token = _permission.set(check)
    try:
        yield
    finally:
        _permission.reset(token)


def _always() -> None:
    """Permit each move: it is no job's."""


class Motion(Device):
    """A device with a lock for its moves, which stops neither take nor wait for."""

    def __init__(self, name: str, driver: str, settings: Settings) -> None:
        """Take the name that jobs carry, the address, and the settings."""
        self.name, self.driver, self.settings = name, driver, settings
        self._lock = threading.Lock()
        self._doing = ""
        self._news = threading.Condition()
        self._stops = self._ended_stops = 0
        self._stop_error: DeviceError | None = None
        self._began_at_stop = 0
        self._is_asking = False
        self._asked_at = -math.inf
        self._ready = threading.Event()
        self._times_ready = 0
        self._attempts = 0
        self._attempt: int | None = None
        self._reason = "it was not connected yet"
        self._changes, self._closed = threading.Event(), threading.Event()

    @property
    def is_ready(self) -> bool:
        """Whether the device is connected and was prepared."""
        return self._ready.is_set()

    @property
    def attempt(self) -> int | None:
        """Return which attempt to connect the device lasts, since its server answers; None when none does."""
        return self._attempt

    @property
    def times_ready(self) -> int:
        """Return how often the device became ready."""
        return self._times_ready

    def wait_ready(self, seconds: float) -> None:
        """Return when the device is ready; raise DeviceGone with the reason when it is not in time."""
        if not self._ready.wait(seconds):
            raise DeviceGone(f"{self.name} is not there: {self._reason}")

    def stop(self) -> None:
        """Abort what the device does, and return when it was seen at rest; raise NotStopped when it was not."""
        with self._news:
            self._stops += 1
            number = self._stops
            self._news.notify_all()
        error: NotStopped | None = None
        try:
            self._stop_in_time(time.monotonic() + self.settings.abort_seconds)
        except NotStopped as failed:
            error = failed
            raise
        except DeviceError as failed:
            error = NotStopped(f"{self.name} could not be stopped: {failed}")
            raise error from failed
        finally:
            with self._news:
                self._ended_stops, self._stop_error = max(number, self._ended_stops), error
                self._news.notify_all()

    @abstractmethod
    def _abort(self) -> None:
        """Send the abort on the stops' own connection; raise NotStopped where there is no means to."""

    @abstractmethod
    def _pause(self, seconds: float) -> None:
        """Return when there may be news of the move, at the latest after so long."""

    @abstractmethod
    def _look(self) -> object:
        """Return a fresh reading of what moves, to be compared with the next; None when no fresh one came yet."""

    @abstractmethod
    def _check_there(self) -> None:
        """Raise DeviceGone when the device was lost since the present move began."""

    def _stop_in_time(self, deadline: float) -> None:
        while True:
            try:
                self._abort()
                break
            except DeviceGone:  # it may be back in time, and a stop is worth another try
                if time.monotonic() + _TICK_SECONDS > deadline:
                    raise
                time.sleep(_TICK_SECONDS)
        self._see_rest(deadline)

    def _see_rest(self, deadline: float) -> None:
        """Return when nothing moved for `rest_seconds`, by the driver's word and by what it reads.

        The abort is sent again while a move of this program lasts: the driver may have read the abort first.
        """
        since, last, again = math.inf, None, time.monotonic() + _AGAIN_SECONDS
        while True:
            now, reading, moves = time.monotonic(), self._look(), self._is_moving_still()
            if reading is None or self._is_asking or moves or (last is not None and reading != last):
                since = math.inf
            else:
                since = min(since, now)
            last = reading
            if now - since >= self.settings.rest_seconds:
                return
            if now > deadline:
                seconds = self.settings.abort_seconds
                raise NotStopped(f"{self.name} could not be stopped: it was not seen at rest within {seconds:g} s")
            if moves and self._is_under_way and now >= again:
                again = now + _AGAIN_SECONDS
                self._abort()
            time.sleep(min(_TICK_SECONDS, self.settings.rest_seconds))

    def _is_moving_still(self) -> bool:
        """Whether it moves, as the stops' own connection has it."""
        return self.is_moving()

    @contextmanager
    def _move(self, what: str, *, at_rest: bool = True) -> Iterator[None]:
        """Hold the device for one move; raise DeviceBusy when it is held, or moves though nobody here asked it to."""
        if not self._lock.acquire(blocking=False):
            raise DeviceBusy(f"{self.name} is busy: {self._doing}")
        try:
            if not self._ready.is_set():
                raise DeviceGone(f"{self.name} is not there: {self._reason}")
            self._doing, self._began_at_stop = what, self._stops
            # Asked after the stops were counted: a stop that is counted already ended this job before.
            _permission.get(_always)()
            self._begin_move()
            if at_rest and self.is_moving():
                raise DeviceBusy(f"{self.name} moves already, and not for this program")
            yield
        finally:
            self._doing = ""
            self._lock.release()

    def _begin_move(self) -> None:
        """Note what `_check_there` compares with."""

    @property
    def _is_under_way(self) -> bool:
        """Whether a move of this program lasts."""
        return bool(self._doing)

    def _ask(self, send: Callable[[], Found]) -> Found:
        """Send what begins a move; a stop that came meanwhile is sent once more, behind it.

        A stop either comes before and the move does not begin, or sees no rest until the abort behind it was sent.
        """
        with self._news:
            self._is_asking = self._stops == self._began_at_stop
        if not self._is_asking:
            self._heed_stop()
        try:
            self._asked_at = time.monotonic()
            return send()
        finally:
            try:
                if self._stops != self._began_at_stop:
                    self._abort()
            finally:
                self._is_asking = False

    def _heed_stop(self) -> None:
        """Raise Stopped when a stop came since the move began, after rest was seen; NotStopped when it was not."""
        if self._stops == self._began_at_stop:
            return
        if time.monotonic() - self._asked_at < _RECENTLY_SECONDS:  # the two connections may be read in any order
            self._abort()
        patience = self.settings.abort_seconds + _RECENTLY_SECONDS
        with self._news:
            seen = self._news.wait_for(lambda: self._ended_stops >= self._stops, patience)
            error = self._stop_error
        if not seen or error is not None:
            raise NotStopped(str(error) if error else f"{self.name} could not be stopped")
        raise Stopped(f"{self.name} was stopped: {self._doing}")

    def _until(self, look: Callable[[], Found | None], seconds: float, what: str) -> Found:
        """Look until there is something, and return it; raise TimedOut with `what`, or what a stop or a loss raises."""
        deadline = time.monotonic() + seconds
        while True:
            self._heed_stop()
            self._check_there()
            if (found := look()) is not None and found is not False:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimedOut(f"{self.name}: {what} did not come within {seconds:g} s")
            self._pause(min(left, 0.5))

    @contextmanager
    def _connecting(self) -> Iterator[None]:
        """Note that the device is being connected, and the reason when that fails before it is no more so."""
        self._attempts += 1
        self._attempt = self._attempts
        try:
            yield
        except DeviceError as error:
            self._reason = str(error)
            raise
        finally:
            self._attempt = None

    def _note_unforeseen(self, error: Exception) -> None:
        """Note what nobody thought of in the thread that keeps the device, which must not die of that."""
        log.error("%s cannot be kept", self.name, exc_info=error)
        self._set_ready(ready=False, reason=f"what {self.name} says is not understood: {error!r}")

    def _set_ready(self, ready: bool, reason: str = "") -> None:
        if reason:
            self._reason = reason
        if ready == self._ready.is_set():
            return
        if ready:
            self._times_ready += 1
            self._ready.set()
        else:
            self._ready.clear()
        self._tell()

    def _tell(self) -> None:
        self._changes.set()

    def _start_telling(self, on_change: Callable[[Device], None] | None) -> None:
        """Have changes told in a thread of its own, since nobody knows how long the listener takes."""
        if on_change is not None:
            tell = partial(self._tell_changes, on_change)
            threading.Thread(target=tell, name=f"changes of {self.name}", daemon=True).start()

    def _tell_changes(self, on_change: Callable[[Device], None]) -> None:
        while not self._closed.is_set():
            self._changes.wait()
            self._changes.clear()
            on_change(self)


class Agreement:
    """Compares what was asked with what is read, and gives a lagging reading some time."""

    def __init__(self, settle_seconds: float) -> None:
        """Take how long a reading may lag behind the driver's word."""
        self._settle_seconds, self._since = settle_seconds, math.inf

    def moves(self) -> None:
        """Note that the driver says it moves."""
        self._since = math.inf

    def lags(self) -> bool:
        """Whether a reading that differs may still be late."""
        self._since = min(self._since, time.monotonic())
        return time.monotonic() - self._since < self._settle_seconds


def finite(value: float, what: str) -> float:
    """Return a value that is asked for; raise Refused when it is NaN or infinite."""
    if not math.isfinite(value):
        raise Refused(f"{what} {value} is no number")
    return float(value)


def apart(one: float, other: float) -> float:
    """Return how far two angles in degrees are apart, 0 to 180."""
    difference = abs(one - other) % 360.0
    return min(difference, 360.0 - difference)
