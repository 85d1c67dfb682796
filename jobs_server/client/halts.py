"""What halts a job that somebody asked to end, and whether it did."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Halt:
    """A function that halts what moves, called once."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
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

    def _call_and_log(self) -> None:
        try:
            self.call()
        except BaseException:  # also SystemExit: whatever it is, this thread ends here, and the job is told of it
            log.exception("an abort failed")


class Halts:
    """All that halts one job. Whoever adds holds the job's lock; only what has been started is waited for."""

    def __init__(self, seconds: float) -> None:
        """Take how long they may take in all, counted from the job's end."""
        self._seconds = seconds
        self._started: list[Halt] = []
        self._deadline: float | None = None

    def add(self, halt: Halt) -> None:
        """Add what is started at once."""
        self._started.append(halt)

    def wait(self) -> None:
        """Wait until all have returned, or their time is over."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds
        for halt in list(self._started):
            halt.wait(self._deadline - time.monotonic())
