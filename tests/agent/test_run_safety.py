"""Unsafe weather: what runs is broken off, mounts park, roofs close, and nothing begins until it was safe for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobs_server.client import SiteClient

from ..support.waiting import until
from . import fake_alpaca, running
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .running import GOTO, PARK, ROOF_ABORT, SHUTTER, STAR, arrives, asked, slews_for_ever, stops_at_once, table
from .site import Site

LONG = "hold_minutes_after = 60"
SHORT = "hold_minutes_after = 0.002"


@pytest.fixture
def weather() -> Iterator[FakeAlpaca]:
    with fake_alpaca.serving() as server:
        server.values["issafe"] = True
        yield server


@pytest.fixture
def roof() -> Iterator[FakeIndi]:
    with closing(running.roof()) as server:
        yield server


def safety(weather: FakeAlpaca, more: str = LONG) -> str:
    return table("safety", weather, more, "safetymonitor")


def unsafe(weather: FakeAlpaca) -> None:
    weather.values["issafe"] = False


def test_unsafe_weather_breaks_off_what_runs_parks_then_closes_and_holds(
    client: SiteClient, mount: FakeIndi, roof: FakeIndi, weather: FakeAlpaca, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    stops_at_once(mount)
    parks = running.Paused(mount, PARK)
    tables = table("mount", mount) + table("enclosure", roof) + safety(weather, SHORT)
    with Site(client, tmp_path, tables) as site:
        slew = site.sends("mount", "go", STAR)
        until(lambda: asked(mount, GOTO))
        unsafe(weather)
        assert site.ends(slew) == ("FAILED", "unsafe: safety1 says that it is not safe")
        until(lambda: asked(mount, PARK))
        assert asked(roof, SHUTTER) == 0  # not over a mount that is not parked
        parks.go_on()
        until(lambda: asked(roof, SHUTTER))
        unpark = site.sends("mount", "unpark")
        until(lambda: "unsafe: safety1" in str(site.state("enclosure/enclosure1").get("unsafe_reason")))
        arrives(roof)
        until(lambda: site.state("enclosure/enclosure1").get("status") == "closed")
        until(lambda: not site.state("enclosure/enclosure1").get("unsafe_reason"))
        assert client.get(unpark).status in {"UNREAD", "RECEIVED"}  # a poll was open when the hold began
        assert mount.value(PARK, "PARK")
        mount.on(PARK, lambda values: mount.take(PARK, values))
        weather.values["issafe"] = True
        assert site.ends(unpark)[0] == "COMPLETE"
        assert not (tmp_path / "agent" / "hold.json").exists()


def test_a_hold_outlasts_a_restart_and_good_weather_that_did_not_last(
    client: SiteClient, mount: FakeIndi, weather: FakeAlpaca, tmp_path: Path
) -> None:
    unsafe(weather)
    site = Site(client, tmp_path, table("mount", mount) + safety(weather))
    with site:
        until(lambda: mount.value(PARK, "PARK"))
    weather.values["issafe"] = True
    with site.again():
        until(lambda: "held until it was safe for 60 minutes" in str(site.agent.holds.of("weather")))
        unpark = site.sends("mount", "unpark")
        until(lambda: "nothing begins" in str(site.state("safety/safety1").get("message")))
        assert client.get(unpark).status == "UNREAD"


def test_nothing_begins_before_the_safety_device_was_read(
    client: SiteClient, mount: FakeIndi, weather: FakeAlpaca, tmp_path: Path
) -> None:
    weather.hangs.add("issafe")
    with Site(client, tmp_path, table("mount", mount) + safety(weather)) as site:
        until(lambda: site.agent.sight.is_settled("mount/mount1"))
        slew = site.sends("mount", "go", STAR)
        until(lambda: weather.came or site.is_ready("safety/safety1"))
        assert not site.is_free
        assert client.get(slew).status == "UNREAD"
        weather.hangs.clear()
        weather.released.set()
        assert site.ends(slew)[0] == "COMPLETE"


def test_a_safety_device_that_cannot_be_read_is_unsafe(
    client: SiteClient, mount: FakeIndi, weather: FakeAlpaca, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    stops_at_once(mount)
    with Site(client, tmp_path, table("mount", mount) + safety(weather)) as site:
        slew = site.sends("mount", "go", STAR)
        until(lambda: asked(mount, GOTO))
        weather.close()
        status, message = site.ends(slew)
        assert (status, message.startswith("unsafe: safety1 could not be read")) == ("FAILED", True)
        until(lambda: mount.value(PARK, "PARK"))


def test_a_roof_stays_open_over_a_mount_that_does_not_park_and_the_state_says_so(
    client: SiteClient, mount: FakeIndi, roof: FakeIndi, weather: FakeAlpaca, tmp_path: Path
) -> None:
    mount.on(PARK, lambda _: mount.set(PARK, "Alert", "[ERROR] motor stalled"))
    tables = table("mount", mount) + table("enclosure", roof) + safety(weather)
    with Site(client, tmp_path, tables) as site:
        until(lambda: site.is_free)
        unsafe(weather)
        until(lambda: "motor stalled" in str(site.state("enclosure/enclosure1").get("unsafe_reason")))
        assert asked(roof, SHUTTER) == 0
        mount.on(PARK, lambda values: mount.take(PARK, values))
        until(lambda: asked(roof, SHUTTER))


def test_a_roof_that_may_close_over_an_unparked_mount_does(
    client: SiteClient, mount: FakeIndi, roof: FakeIndi, weather: FakeAlpaca, tmp_path: Path
) -> None:
    mount.on(PARK, lambda _: mount.set(PARK, "Alert", "[ERROR] motor stalled"))
    may = "close_over_unparked_mount = true"
    with Site(client, tmp_path, table("mount", mount) + table("enclosure", roof, may) + safety(weather)) as site:
        until(lambda: site.is_free)
        unsafe(weather)
        until(lambda: asked(roof, SHUTTER))


def test_a_person_stops_a_closing_roof_and_it_is_not_closed_again_by_itself(
    client: SiteClient, mount: FakeIndi, roof: FakeIndi, weather: FakeAlpaca, tmp_path: Path
) -> None:
    site = Site(client, tmp_path, table("mount", mount) + table("enclosure", roof) + safety(weather))
    with site:
        until(lambda: site.is_free)
        unsafe(weather)
        until(lambda: asked(roof, SHUTTER))
        assert site.ends(site.sends("enclosure", "stop"))[0] == "COMPLETE"
        assert asked(roof, ROOF_ABORT) >= 1
        until(lambda: "a person stopped it" in str(site.state("enclosure/enclosure1").get("unsafe_reason")))
    with site.again():
        until(lambda: "a person stopped it" in str(site.agent.making.why_open("enclosure/enclosure1")))
    assert asked(roof, SHUTTER) == 1


def test_a_roof_that_a_person_closes_is_not_broken_off(
    client: SiteClient, mount: FakeIndi, roof: FakeIndi, weather: FakeAlpaca, tmp_path: Path
) -> None:
    may = "close_over_unparked_mount = true"
    with Site(client, tmp_path, table("mount", mount) + table("enclosure", roof, may) + safety(weather)) as site:
        closes = site.sends("enclosure", "close")
        until(lambda: asked(roof, SHUTTER))
        unsafe(weather)
        until(lambda: mount.value(PARK, "PARK"))
        arrives(roof)
        assert site.ends(closes)[0] == "COMPLETE"
        assert asked(roof, ROOF_ABORT) == 0
