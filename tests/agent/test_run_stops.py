"""A stop at the very moment in which a move begins: the move never begins, or the stop's rest comes after its abort."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from jobs_server.agent.devices.interfaces import Direction
from jobs_server.agent.devices.motion import permitted_by
from jobs_server.agent.errors import Stopped
from jobs_server.client import SiteClient

from ..support.waiting import until
from .asking import Asked
from .conftest import Opens
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .running import ABORT, GOTO, STAR, Frames, asked, later, stops_at_once, table
from .site import Site


def coasts(mount: FakeIndi) -> None:
    """After its abort a mount moves on for a while."""

    def coast(values: dict[str, str]) -> None:
        mount.take(ABORT, values)
        mount.set(GOTO, "Busy")
        later(0.5, lambda: mount.set(GOTO, "Idle"))

    mount.on(ABORT, coast)


def test_a_slew_whose_stop_has_ended_before_it_begins_never_begins(
    client: SiteClient, mount: FakeIndi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last look whether it is to end was just before that stop came."""
    stops_at_once(mount)
    with Site(client, tmp_path, table("mount", mount)) as site:
        device: Any = site.agent.observatory.devices["mount/mount1"]
        looked, stopped, go = threading.Event(), threading.Event(), device.go

        def go_late(*asked: Any) -> Any:
            looked.set()
            stopped.wait()
            return go(*asked)

        monkeypatch.setattr(device, "go", go_late)
        slew = site.sends("mount", "go", STAR)
        until(looked.is_set)
        stop = site.sends("mount", "stop")
        assert site.ends(stop) == ("COMPLETE", "")
        stopped.set()
        assert site.ends(slew)[0] == "CANCELED"
        assert asked(mount, GOTO) == 0


def test_a_stop_of_an_idle_mount_ends_before_the_slew_that_is_sent_behind_it_begins(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    """Else the stop would see no rest, and fail."""
    seen: list[str] = []

    def slew(values: dict[str, str]) -> None:
        seen.append(client.get(stop).status)
        mount.take(GOTO, values)

    with Site(client, tmp_path, table("mount", mount)) as site:
        until(lambda: site.is_free)
        coasts(mount)
        mount.on(GOTO, slew)
        stop = site.sends("mount", "stop")
        go = site.sends("mount", "go", STAR)
        assert site.ends(stop) == ("COMPLETE", "")
        assert site.ends(go)[0] == "COMPLETE"
        assert seen == ["COMPLETE"]


def test_an_exposure_waits_for_the_stop_of_its_mount(
    client: SiteClient, mount: FakeIndi, camera: FakeAlpaca, frames: Frames, tmp_path: Path
) -> None:
    """What coasts would smear it."""
    seen: list[str] = []

    def begin(values: dict[str, str]) -> None:
        seen.append(client.get(stop).status)
        frames.begin(values)

    camera.puts["startexposure"] = begin
    with Site(client, tmp_path, table("mount", mount) + table("camera", camera)) as site:
        until(lambda: site.is_free)
        coasts(mount)
        stop = site.sends("mount", "stop")
        frame = site.sends("camera", "expose", {"time": 0.01, "image_type": "dark"}, {"count": 1})
        until(lambda: frames.begun)
        frames.end()
        assert site.ends(frame)[0] == "COMPLETE"
        assert seen == ["COMPLETE"]


def test_a_move_that_its_job_may_not_make_any_more_is_not_asked_for(opens: Opens, mount: FakeIndi) -> None:
    device = opens("mount", mount.address)

    def check() -> None:
        raise Stopped("it was canceled")

    with permitted_by(check), pytest.raises(Stopped, match="it was canceled"):
        device.home(5.0)
    assert mount.came == [("CONNECTION", {"CONNECT": "On"})]


def test_a_stop_sees_no_rest_while_a_move_is_being_asked_for(
    opens: Opens, mount: FakeIndi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The abort behind the move comes first, and the stop's end after that."""
    stops_at_once(mount)
    mount.on(GOTO, lambda _: mount.set(GOTO, "Busy"))
    device = opens("mount", mount.address)
    asking, go_on, send = threading.Event(), threading.Event(), device._main.send

    def send_late(name: str, values: Any) -> Any:
        if name == GOTO:
            asking.set()
            go_on.wait()
        return send(name, values)

    monkeypatch.setattr(device._main, "send", send_late)
    slew = Asked(lambda: device.go(Direction(3.0, 80.0), 30.0))
    until(asking.is_set)
    stop = Asked(device.stop)
    until(lambda: asked(mount, ABORT))
    assert not stop.is_over
    go_on.set()
    assert stop.ends() is None
    assert isinstance(slew.ends(), Stopped)
    order = [name for name, _ in mount.came if name in (GOTO, ABORT)]
    assert order.index(GOTO) < len(order) - 1, "no abort came behind the slew"
    assert mount.state(GOTO) == "Idle"


def test_an_abort_that_the_driver_read_before_the_slew_is_sent_again(opens: Opens, mount: FakeIndi) -> None:
    """Moves and stops go over two connections, which an INDI server reads in any order."""
    read_first = 3
    mount.on(GOTO, lambda _: mount.set(GOTO, "Busy"))

    def stop(values: dict[str, str]) -> None:
        mount.take(ABORT, values)
        if asked(mount, ABORT) > read_first:
            mount.set(GOTO, "Idle")

    mount.on(ABORT, stop)
    device = opens("mount", mount.address)
    slew = Asked(lambda: device.go(Direction(3.0, 80.0), 30.0))
    until(lambda: asked(mount, GOTO))
    device.stop()
    assert isinstance(slew.ends(), Stopped)
    assert mount.state(GOTO) == "Idle"
