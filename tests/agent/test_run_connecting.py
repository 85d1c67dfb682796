"""Jobs that come while a device is being connected, which with real hardware takes longer than the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from jobs_server.agent import sight
from jobs_server.client import SiteClient

from ..support.waiting import until
from . import fake_alpaca
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .running import GOTO, STAR, Paused, asked, table
from .site import TIMES, Site

AT_ONCE = replace(TIMES, start_seconds=0.0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No job waits for a device of which there is no sign."""
    monkeypatch.setattr(sight, "_READY_SECONDS", 0.0)


@pytest.fixture
def other() -> Iterator[FakeAlpaca]:
    with closing(FakeAlpaca()) as server:
        fake_alpaca.be_mount(server)
        server.values |= {"sitelatitude": 47.7, "sitelongitude": 12.0, "siteelevation": 0.0}
        yield server


def test_a_job_waits_for_a_device_that_is_being_connected(client: SiteClient, mount: FakeIndi, tmp_path: Path) -> None:
    connection = Paused(mount, "CONNECTION")
    with Site(client, tmp_path, table("mount", mount), times=AT_ONCE) as site:
        until(lambda: asked(mount, "CONNECTION"))
        slew = site.sends("mount", "go", STAR)
        until(lambda: client.get(slew).status == "STARTED")
        until(lambda: any(line.startswith("begin go") for line in site.shown.lines))
        assert not site.is_ready("mount/mount1")
        connection.go_on()
        assert site.ends(slew) == ("COMPLETE", "")


def test_a_job_fails_with_the_drivers_words_when_its_device_cannot_be_connected(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    connection = Paused(mount, "CONNECTION")
    with Site(client, tmp_path, table("mount", mount), times=AT_ONCE) as site:
        until(lambda: asked(mount, "CONNECTION"))
        slew = site.sends("mount", "go", STAR)
        until(lambda: any(line.startswith("begin go") for line in site.shown.lines))
        mount.set("CONNECTION", "Alert", message="no such port", CONNECT=False, DISCONNECT=True)
        status, message = site.ends(slew)
        assert status == "FAILED"
        assert "no such port" in message
        connection.go_on()


def test_a_job_that_waits_for_a_device_ends_when_it_is_stopped(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    connection = Paused(mount, "CONNECTION")
    with Site(client, tmp_path, table("mount", mount), times=AT_ONCE) as site:
        until(lambda: asked(mount, "CONNECTION"))
        slew = site.sends("mount", "go", STAR)
        until(lambda: any(line.startswith("begin go") for line in site.shown.lines))
        client.cancel(slew, user_name="Vera", user_id="vera")
        assert site.ends(slew)[0] == "CANCELED"
        assert asked(mount, GOTO) == 0
        connection.go_on()


def test_a_job_waits_for_an_alpaca_device_whose_driver_connects(
    client: SiteClient, other: FakeAlpaca, tmp_path: Path
) -> None:
    other.values["connected"] = False
    connects: list[dict[str, str]] = []

    def connect(values: dict[str, str]) -> None:
        connects.append(values)
        other.released.wait(60)
        other.values["connected"] = True

    other.puts["connected"] = connect
    with Site(client, tmp_path, table("mount", other, alpaca_kind="telescope"), times=AT_ONCE) as site:
        until(lambda: connects)
        slew = site.sends("mount", "go", STAR)
        until(lambda: any(line.startswith("begin go") for line in site.shown.lines))
        other.released.set()
        assert site.ends(slew) == ("COMPLETE", "")
