"""What halts a job that somebody asked to end, and whether it did."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Halt:
    """A function that halts what moves, called once."""

    def __init__(self, function: Callable[[], object], failure: Callable[[], str | None] = lambda: None) -> None:
        """Take what to call, and what returns a failure that the function did not raise."""
        self._function, self._failure = function, failure
        self._over = threading.Event()
        self._by: threading.Thread | None = None
        self._raised: str | None = None

    def start(self) -> None:
        """Call the function in a thread of its own; what it raises goes to the log and into `failure`."""
        threading.Thread(target=self._call_and_log, name="cancel", daemon=True).start()

    def call(self) -> None:
        """Call the function here and now; what it raises goes on, and into `failure`."""
        self._by = threading.current_thread()
        try:
            self._function()
        except BaseException as error:
            self._raised = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._over.set()

    def wait(self, seconds: float) -> None:
        """Wait at most so long until the function has returned; a function need not wait for itself."""
        if self._by is not threading.current_thread():
            self._over.wait(max(0.0, seconds))

    @property
    def failure(self) -> str | None:
        """Return why it is not known to have halted; None when it has."""
        if not self._over.is_set() and self._by is not threading.current_thread():
            return "what is to halt it has not returned"
        return self._raised or self._failure()

    def _call_and_log(self) -> None:
        try:
            self.call()
        except BaseException:  # also SystemExit: whatever it is, this thread ends here, and the job is told of it
            log.exception("an abort failed")


class Halts:
    """All that halts one job. Whoever adds holds the job's lock; only what has been started is waited for.

    Where the job has aborts of its own they decide whether it stands still; else the stops that cover it do, of which
    one that succeeds is enough.
    """

    def __init__(self, seconds: float) -> None:
        """Take how long they may take in all, counted from the job's end."""
        self._seconds = seconds
        self._aborts: list[Halt] = []
        self._stops: list[Halt] = []
        self._deadline: float | None = None
        self._awaits_stop = False
        self._known = threading.Event()

    def add(self, abort: Halt) -> None:
        """Add an abort of the job's own, which is started at once."""
        self._aborts.append(abort)

    def add_stop(self, stop: Halt) -> None:
        """Add what carries out a stop that covers the job."""
        self._stops.append(stop)
        self._known.set()

    def await_stop(self) -> None:
        """Wait for a stop too: the service says that the job is to end, and maybe a stop that says so is on its way."""
        self._awaits_stop = True

    def await_no_stop(self) -> None:
        """Wait for no stop: nobody sent one."""
        self._awaits_stop = False
        self._known.set()

    @property
    def awaits_stop(self) -> bool:
        """Whether a stop may be on its way that is to halt the job."""
        return self._awaits_stop and not self._stops

    def wait(self) -> None:
        """Wait until all have returned, or their time is over."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds
        if self.awaits_stop and not self._aborts:
            self._known.wait(max(0.0, self._deadline - time.monotonic()))
        for halt in list(self._aborts or self._stops):
            halt.wait(self._deadline - time.monotonic())

    @property
    def failure(self) -> str | None:
        """Return why the job may not stand still; None when something halted it, or nothing was to."""
        if self._aborts:
            return next((halt.failure for halt in self._aborts if halt.failure is not None), None)
        if self.awaits_stop:
            return "the stop command has not come yet"
        failures = [halt.failure for halt in self._stops]
        return next(iter(failures), None) if None not in failures else None

    @property
    def succeeded(self) -> bool:
        """Whether something was to halt the job, and did."""
        return bool(self._aborts or self._stops) and self.failure is None
