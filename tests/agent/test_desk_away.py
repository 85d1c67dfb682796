"""The desk away for an hour: what runs goes on, nothing old is started, and all ends are told afterwards."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobs_server.client import SiteClient
from jobs_server.client.api import SiteApi

from ..support import servers
from ..support.relay import Relay
from ..support.waiting import until
from . import running
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .running import ABORT, GOTO, ROOF_ABORT, SHUTTER, STAR, Frames, Paused, asked, table
from .site import ENDS, Site

HOUR_SECONDS = 3600.0


class Clock:
    """The clocks of the client's loop, which a test drives: those of the devices go their own way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_seconds = 0.0
        for name, module in list(sys.modules.items()):
            if name.startswith("jobs_server.client.") and getattr(module, "time", None) is time:
                monkeypatch.setattr(module, "time", self)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_seconds

    def time_ns(self) -> int:
        return time.time_ns() + round(self.ahead_seconds * 1e9)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class Network(Relay):
    """The way to the desk, which breaks as the site asks whether a job for a device may begin."""

    def __init__(self, to: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(to)
        self.broke = threading.Event()
        start = SiteApi.start

        def starts(api: SiteApi, job: Any, **options: Any) -> Any:
            if job.device == device and not self.broke.is_set():
                self.cut()
                self.broke.set()
            return start(api, job, **options)

        monkeypatch.setattr(SiteApi, "start", starts)


def test_a_desk_that_is_away_for_an_hour_stops_nothing_starts_nothing_old_and_is_told_all_ends(
    client: SiteClient,
    service: servers.Server,
    mount: FakeIndi,
    camera: FakeAlpaca,
    frames: Frames,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slewing = Paused(mount, GOTO)
    wire, clock = Network(service.port, "enclosure", monkeypatch), Clock(monkeypatch)
    # The camera has a mount that does not slew, so that both work at the same time.
    with closing(FakeAlpaca()) as other, closing(running.roof("closed")) as roof:
        tables = table("mount", mount) + table("enclosure", roof)
        tables += f'[mount.other]\ndriver = "{other.address("telescope")}"\n' + table(
            "camera", camera, 'mount = "other"'
        )
        site = Site(client, tmp_path, tables, url=f"http://127.0.0.1:{wire.port}")
        with closing(wire), site:
            until(lambda: site.is_free)
            slew = site.sends("mount", "go", STAR)
            frame = site.sends("camera", "expose", {"time": 0.01, "image_type": "dark"}, {"count": 1})
            until(lambda: frames.begun and asked(mount, GOTO))
            opens = site.sends("enclosure", "open")
            until(wire.broke.is_set)
            clock.ahead_seconds = HOUR_SECONDS / 2
            slewing.go_on()
            clock.ahead_seconds = HOUR_SECONDS
            frames.end()
            until(lambda: list(tmp_path.glob("images/*/*.fits")))
            assert {client.get(job).status for job in (slew, frame, opens)}.isdisjoint(ENDS)
            wire.mend()
            assert site.ends(slew)[0] == "COMPLETE"
            assert site.ends(frame) == ("COMPLETE", "")
            status, message = site.ends(opens)
            assert status in {"EXPIRED", "FAILED"}  # by its age, or by how long all was held: whichever is seen first
            assert message.startswith("not begun: ")
            assert asked(mount, ABORT) == asked(roof, SHUTTER) == asked(roof, ROOF_ABORT) == 0
            assert camera.asked("abortexposure") == []
