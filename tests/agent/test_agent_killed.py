"""An agent that is killed again and again on a busy evening: no job twice, none lost in silence, every file whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from astropy.io import fits

from jobs_server.client import Job, SiteClient

from ..support.servers import ROOT
from ..support.waiting import until
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .running import ABORT, GOTO, asked, slews_for_ever, stops_at_once, table
from .site import Site

SLEW_SECONDS, FRAME_SECONDS = 0.6, 0.3


class Evening:
    """A mount and a camera that take their time, and note what must not be."""

    def __init__(self, mount: FakeIndi, camera: FakeAlpaca) -> None:
        self._mount, self._camera = mount, camera
        self.slews: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self.smeared = 0
        self._number = 0
        self._moves = 0
        mount.on(GOTO, self._slew)
        mount.on(ABORT, self._stop)
        camera.puts["startexposure"] = self._expose
        camera.puts["abortexposure"] = lambda _: camera.values.update(camerastate=0)

    def _slew(self, values: dict[str, str]) -> None:
        self.slews[f"{float(values['RA']):.3f}"] += 1  # of date, which changes by less than that
        self._moves += 1
        self._mount.set(GOTO, "Busy")
        threading.Timer(SLEW_SECONDS, self._arrive, (self._moves, values)).start()

    def _arrive(self, number: int, values: dict[str, str]) -> None:
        if number == self._moves:
            self._moves += 1
            self._mount.take(GOTO, values)

    def _stop(self, values: dict[str, str]) -> None:
        self._moves += 1
        self._mount.take(ABORT, values)
        self._mount.set(GOTO, "Idle")

    def _expose(self, values: dict[str, str]) -> None:
        self.frames[values["Duration"]] += 1
        self.smeared += self._mount.state(GOTO) == "Busy"
        self._number += 1
        started = f"2026-11-29T20:{self._number // 60:02d}:{self._number % 60:02d}"
        self._camera.values |= {"camerastate": 2, "imageready": False, "lastexposurestarttime": started}
        threading.Timer(float(values["Duration"]), self._take, (self._number,)).start()

    def _take(self, number: int) -> None:
        if number == self._number and self._camera.values["camerastate"] == 2:
            self._camera.values |= {"camerastate": 0, "imageready": True}


@contextmanager
def running(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable,
        "-m",
        "tests.agent.agent_program",
        str(site.folder / "agent.toml"),
        str(site.folder / "a"),
    ]
    with (site.folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def sends_some(site: Site, number: int) -> list[Job]:
    """A slew and an exposure, unlike all others."""
    slew = site.sends("mount", "go", {"ra": 3 + number / 100, "dec": 80.0})
    wanted = {"time": round(FRAME_SECONDS + number / 1000, 3), "image_type": "light"}
    return [slew, site.sends("camera", "expose", wanted, {"count": 1})]


def test_an_agent_that_is_killed_does_no_job_twice_and_loses_none_in_silence(
    client: SiteClient, mount: FakeIndi, camera: FakeAlpaca, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Nor does a camera expose while the mount of the run before still moves, and every frame on disk is whole."""
    evening, chance = Evening(mount, camera), random.Random(17)
    site = Site(client, tmp_path, table("mount", mount) + table("camera", camera, "abort_seconds = 3"))
    jobs: list[Job] = []
    for number in range(pytestconfig.getoption("--kills")):
        jobs += sends_some(site, number)
        with running(site):
            before = evening.slews.total() + evening.frames.total()
            until(lambda: evening.slews.total() + evening.frames.total() > before)  # noqa: B023
            time.sleep(chance.uniform(0, SLEW_SECONDS + FRAME_SECONDS))
    with running(site):
        ends = Counter(site.ends(job)[0] for job in jobs)
    print(f"{pytestconfig.getoption('--kills')} kills, {len(jobs)} jobs: {dict(ends)}")
    assert evening.smeared == 0
    assert max(evening.slews.values()) == max(evening.frames.values()) == 1
    for job in jobs:
        begins = [each.after for each in client.get(job).history if not each.alternate_queue].count("STARTED")
        assert begins <= 1
    for path in tmp_path.glob("images/*/*.fits"):
        with fits.open(path) as parts:
            assert parts[0].data.shape == (2, 3)
    complete = [job for job in jobs if job.device == "camera" and client.get(job).status == "COMPLETE"]
    assert len(list(tmp_path.glob("images/*/*.fits"))) >= len(complete) >= 1


def test_the_program_ends_when_it_is_asked_to_and_the_second_time_at_once(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    site = Site(client, tmp_path, table("mount", mount))
    slew = site.sends("mount", "go", {"ra": 3.0, "dec": 80.0})
    with running(site) as process:
        until(lambda: asked(mount, GOTO))
        process.send_signal(signal.SIGTERM)
        until(lambda: asked(mount, ABORT))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    stops_at_once(mount)
    with running(site) as process:  # which halts first what was left to move
        assert site.ends(slew)[0] in {"LOST", "FAILED"}
        until(lambda: mount.state(GOTO) == "Idle")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
