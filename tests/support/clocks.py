"""Both clocks of the service in a test's hands."""

from __future__ import annotations

import pytest

from jobs_server import clock

HOUR = 3600.0
START_MS = 1_800_000_000_000
_TAG = 1 << clock.BOOT_BITS


class Clocks:
    """The wall clock, which people set, and the boot clock, which nobody can set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = clock.Now(START_MS, _TAG + 1_000_000)
        monkeypatch.setattr(clock, "read", lambda: self.now)
        monkeypatch.setattr(clock, "now_ms", lambda: self.now.wall_ms)
        monkeypatch.setattr(clock, "steady_seconds", lambda: self.now.boot_ms / 1000)

    def pass_by(self, seconds: float) -> None:
        """Let time go by, as both clocks see it."""
        passed_ms = round(seconds * 1000)
        self.now = clock.Now(self.now.wall_ms + passed_ms, self.now.boot_ms + passed_ms)

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back when negative; no time goes by."""
        self.now = self.now._replace(wall_ms=self.now.wall_ms + round(seconds * 1000))

    def reboot(self, wall_seconds: float = 60) -> None:
        """Restart the machine: the boot clock begins anew under another tag."""
        self.now = clock.Now(self.now.wall_ms + round(wall_seconds * 1000), 7 * _TAG + 5_000)
