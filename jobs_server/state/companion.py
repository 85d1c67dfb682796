"""What this service keeps for the public site software and UI in the place of the small services beside the jobs."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from .. import clock
from ..clock import Now
from ..errors import Conflict, shown
from ..storage.database import Database
from .devices import DeviceStates
from .site_configs import AllConfigs
from .site_log import SiteLog
from .status_reading import devices_of
from .status_storing import StatusStoring
from .statuses import STALE_MS, Entry, Statuses
from .storing import Storing

log = logging.getLogger(__name__)

PHASES_SHOWN = 3
_MOST_PHASES = 500


class Companion:
    """Hold the configs, statuses and logs of sites, as the public clients know them."""

    def __init__(self, database: Database, devices: DeviceStates, storing: Storing) -> None:
        self.all_configs = AllConfigs()
        self.statuses = Statuses()
        self.log = SiteLog(database)
        self.on_phase: list[Callable[[dict[str, Any]], None]] = []
        """Called with each phase that a site says it is in."""
        self._devices = devices
        self._phases: deque[dict[str, Any]] = deque(maxlen=_MOST_PHASES)
        self._lock = threading.Lock()
        self._crowded: set[str] = set()
        self._kept = StatusStoring(database, self.statuses)
        storing.beside += [self._kept, self.log]
        storing.also += [self._kept.look, self.log.look]

    def post_status(self, site: str, status_type: str, status: Mapping[str, Any], now: Now) -> Entry:
        """Take a status of a site's software, for its own readers and into the picture of the site's devices.

        Raises BadRequest, Conflict and Unavailable; then nothing is changed.
        """
        entry = self.statuses.post(site, status_type, status, now)
        devices = devices_of(status)
        if not devices:
            return entry
        try:
            self._devices.report(site, devices, now, STALE_MS)
        except Conflict as refusal:
            if site not in self._crowded:
                self._crowded = {*list(self._crowded)[-100:], site}
                log.warning("the status of %s is kept, but not all of it shown: %s", shown(site), refusal.sentence)
        return entry

    def post_phase(self, site: str, message: str, now_ms: int) -> None:
        """Take what a site says of the phase it is in."""
        phase = {"site": site, "timestamp": now_ms / 1000, "message": message}
        with self._lock:
            self._phases.append(phase)
        for announce in self.on_phase:
            announce(phase)

    def phases(self, site: str, most_seconds: float) -> list[dict[str, Any]]:
        """Return the newest phases of a site that are no older, the newest first."""
        since = clock.now_ms() / 1000 - min(most_seconds, clock.DAY_MS / 1000)
        with self._lock:
            found = [each for each in self._phases if each["site"] == site and each["timestamp"] >= since]
        return found[: -PHASES_SHOWN - 1 : -1]

    def prune(self, now_ms: int) -> None:
        """Delete what is too old."""
        self._kept.prune(now_ms)
        self.log.prune(now_ms)
