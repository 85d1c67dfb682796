"""A move in a thread of its own, so that a test can look at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jobs_server.agent.errors import DeviceError

from ..support.waiting import PATIENCE_SECONDS


class Asked:
    """What was asked of a device, and how it ended."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self.error: DeviceError | None = None
        self.result: object = None
        self._thread = threading.Thread(target=self._do, args=(deed,), daemon=True)
        self._thread.start()

    def _do(self, deed: Callable[[], object]) -> None:
        try:
            self.result = deed()
        except DeviceError as error:
            self.error = error

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def ends(self) -> DeviceError | None:
        """Wait for the end and return the error, if there was one."""
        self._thread.join(PATIENCE_SECONDS)
        assert self.is_over
        return self.error
