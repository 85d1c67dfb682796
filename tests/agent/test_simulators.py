"""The devices against parts that others made: Debian's INDI drivers, and the Alpaca simulators of PyPI."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs_server.agent.devices.interfaces import Direction, Exposure, Horizontal, Place
from jobs_server.agent.discovery import indi_devices
from jobs_server.agent.errors import DeviceError, DeviceGone, NotPossible, NotStopped, Refused, Stopped

from ..support.waiting import until
from . import drivers
from .asking import Asked
from .conftest import Opens

SITE = Place(47.7, 12.0, 1838.0)
NEAR, FAR = Direction(3.0, 60.0), Direction(15.0, -20.0)


@pytest.fixture
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[drivers.Driver]:
    with drivers.running(request.param, tmp_path) as driver:
        yield driver


REAL = {"settle_seconds": 5.0, "rest_seconds": 1.1, "poll_seconds": 0.1}


@pytest.mark.parametrize("driver", ["telescope"], indirect=True)
def test_a_mount_behind_indi_slews_stops_parks_and_is_lost(driver: drivers.Driver, opens: Opens) -> None:
    mount = opens("mount", driver.address, **REAL)
    mount.set_place(SITE, datetime.now(UTC))
    assert mount.place() == SITE
    assert abs((mount.clock() - datetime.now(UTC)).total_seconds()) < 60
    mount.unpark(60)
    reached = mount.go(NEAR, 120)
    assert (reached.ra_hours, reached.dec_degrees) == pytest.approx((3.0, 60.0), abs=0.05)
    assert mount.is_tracking()
    slew = Asked(lambda: mount.go(FAR, 120))
    until(mount.is_moving)
    mount.stop()
    assert isinstance(slew.ends(), Stopped)
    assert not mount.is_moving()
    mount.set_tracking(False)
    assert mount.state()["status"] == "idle"
    mount.park(120)
    with pytest.raises(Refused, match="unpark it first"):
        mount.go(NEAR, 60)
    mount.unpark(60)
    slew = Asked(lambda: mount.go(FAR, 120))
    until(mount.is_moving)
    driver.restart()
    assert isinstance(slew.ends(), DeviceGone)
    until(lambda: not mount.is_ready)
    until(lambda: mount.is_ready)
    assert mount.place() == SITE


@pytest.mark.parametrize("driver", ["ccd"], indirect=True)
def test_a_camera_behind_indi_takes_frame_after_frame(driver: drivers.Driver, opens: Opens) -> None:
    """A driver sends no second frame before its ping after the first one was answered."""
    camera = opens("camera", driver.address, **REAL)
    chip = camera.chip()
    told: list[str] = []
    for exposure in (Exposure(0.2, "dark"), Exposure(0, "bias"), Exposure(0.2, "dark", (2, 2), (0, 0, 200, 100))):
        picture = camera.expose(exposure, 60, lambda word, _: told.append(word))
        assert bytes(picture.fits[:6]) == b"SIMPLE"
        assert len(picture.fits) > camera.frame_bytes(exposure)
    assert told == ["EXPOSING", "READING"] * 3
    assert camera.frame_bytes(Exposure(1)) == chip.width * chip.height * 2
    long = Asked(lambda: camera.expose(Exposure(600, "dark"), 60))
    until(lambda: camera.state()["status"] == "exposing")
    camera.stop()
    assert isinstance(long.ends(), Stopped)
    camera.expose(Exposure(0.2, "dark"), 60)


@pytest.mark.parametrize("driver", ["focus"], indirect=True)
def test_a_focuser_behind_indi_moves_and_cannot_be_stopped(driver: drivers.Driver, opens: Opens) -> None:
    focuser = opens("focuser", driver.address, um_per_step=2.0, **REAL)
    assert focuser.go_to(50_100, 60) == 50_100
    assert focuser.go_by(-100, 60) == 50_000
    assert focuser.state()["position_um"] == 100_000
    with pytest.raises(Refused):
        focuser.go_to(1e7, 60)
    move = Asked(lambda: focuser.go_to(20_000, 60))
    until(lambda: move.is_over or focuser._is_under_way)
    with pytest.raises(NotStopped, match="cannot be stopped"):
        focuser.stop()
    assert isinstance(move.ends(), NotStopped)


@pytest.mark.parametrize("driver", ["wheel"], indirect=True)
def test_a_filter_wheel_behind_indi_turns(driver: drivers.Driver, opens: Opens) -> None:
    wheel = opens("filter_wheel", driver.address, **REAL)
    assert wheel.filters()[:3] == ("Red", "Green", "Blue")
    wheel.go_to_slot(2, 60)
    assert (wheel.slot(), wheel.state()["filter"]) == (2, "Blue")
    with pytest.raises(Refused, match="8 slots"):
        wheel.go_to_slot(8, 60)


@pytest.mark.parametrize("driver", ["rotator"], indirect=True)
def test_a_rotator_behind_indi_turns_modulo_360(driver: drivers.Driver, opens: Opens) -> None:
    rotator = opens("rotator", driver.address, **REAL)
    assert [round(rotator.go_to(angle, 60)) for angle in (370, 350, -5)] == [10, 350, 355]


@pytest.mark.parametrize("driver", ["dome"], indirect=True)
def test_a_dome_behind_indi_opens_turns_stops_and_closes(driver: drivers.Driver, opens: Opens) -> None:
    dome = opens("enclosure", driver.address, **REAL)
    dome.open(60)
    assert dome.state()["status"] == "open"
    assert dome.go_to_azimuth(380, 60) == pytest.approx(20, abs=1)
    closing = Asked(lambda: dome.close_shutter(60))
    until(lambda: dome.shutter() == "closing")
    dome.stop()
    assert isinstance(closing.ends(), Stopped)
    assert dome.shutter() == "partly"
    dome.close_shutter(60)
    assert dome.shutter() == "closed"
    with pytest.raises(NotPossible, match="DOME_HOME"):
        dome.home(60)


@pytest.mark.parametrize("driver", ["weather"], indirect=True)
def test_a_weather_station_behind_indi_is_read(driver: drivers.Driver, opens: Opens) -> None:
    reading = opens("safety", driver.address, **REAL).reading()
    assert reading.safe, reading.reason
    assert reading.values["temperature_c"] == 15


@pytest.mark.parametrize("driver", ["lightpanel"], indirect=True)
def test_a_screen_behind_indi_is_lit(driver: drivers.Driver, opens: Opens) -> None:
    screen = opens("screen", driver.address, **REAL)
    screen.turn_on(50, 60)
    assert screen.state()["light"] is True
    screen.turn_off(60)
    assert screen.state()["light"] is False
    with pytest.raises(NotPossible, match="cover"):
        screen.open_cover(60)


@pytest.mark.parametrize("driver", ["dome"], indirect=True)
def test_the_devices_of_a_real_driver_are_found(driver: drivers.Driver) -> None:
    (found,) = indi_devices("127.0.0.1", driver.port, 3.0)
    assert (found.driver, found.kinds) == (driver.address, ("enclosure",))


def test_a_mount_behind_alpaca_slews_stops_and_parks(alpaca: str, opens: Opens) -> None:
    mount = opens("mount", f"{alpaca}/telescope/0", **REAL)
    mount.set_place(SITE, datetime.now(UTC))
    assert mount.place() == SITE
    mount.unpark(60)
    reached = mount.go(NEAR, 120)
    assert (reached.ra_hours, reached.dec_degrees) == pytest.approx((3.0, 60.0), abs=0.05)
    assert mount.go_horizontal(Horizontal(50, 100), 120).az_degrees == pytest.approx(100, abs=0.1)
    slew = Asked(lambda: mount.go(FAR, 120))
    until(mount.is_moving)
    mount.stop()
    assert isinstance(slew.ends(), Stopped)
    mount.park(120)
    mount.stop()
    with pytest.raises(Refused, match="unpark it first"):
        mount.go(NEAR, 60)
    assert mount.state()["status"] == "parked"


def test_a_camera_behind_alpaca_takes_darks_and_its_light_ends_in_the_error_state(alpaca: str, opens: Opens) -> None:
    """The simulators ask a catalogue of stars on the internet for light frames; without one they fail."""
    camera = opens("camera", f"{alpaca}/camera/0", **REAL)
    chip = camera.chip()
    picture = camera.expose(Exposure(0.2, "dark"), 60)
    assert picture.pixels.shape == (chip.height, chip.width)
    assert camera.expose(Exposure(0.2, "dark", (2, 2), (0, 0, 200, 100)), 60).pixels.shape == (50, 100)
    long = Asked(lambda: camera.expose(Exposure(600, "dark"), 60))
    until(lambda: camera.state()["status"] == "exposing")
    camera.stop()
    assert isinstance(long.ends(), Stopped)
    light = Asked(lambda: camera.expose(Exposure(0.2), 120))
    error = light.ends()
    if error is not None:  # with a network the picture comes
        assert isinstance(error, DeviceError)
        assert "error state" in str(error)
    camera.expose(Exposure(0.2, "dark"), 60)


def test_the_smaller_devices_behind_alpaca(alpaca: str, opens: Opens) -> None:
    wheel = opens("filter_wheel", f"{alpaca}/filterwheel/0", **REAL)
    wheel.go_to_slot(2, 60)
    assert wheel.state()["filter"] == wheel.filters()[2]
    focuser = opens("focuser", f"{alpaca}/focuser/0", **REAL)
    assert focuser.go_to(1234, 60) == 1234
    rotator = opens("rotator", f"{alpaca}/rotator/0", **REAL)
    assert rotator.go_to(370, 60) == pytest.approx(10, abs=0.1)
    switch = opens("switch", f"{alpaca}/switch/0", **REAL)
    switch.set_channel("0", 1, 60)
    assert switch.channels()[0].value == 1
    assert opens("safety", f"{alpaca}/safetymonitor/0", **REAL).reading().safe
    assert opens("safety", f"{alpaca}/observingconditions/0", **REAL).reading().values["humidity_percent"] >= 0


def test_a_dome_behind_alpaca_opens_turns_and_closes(alpaca: str, opens: Opens) -> None:
    dome = opens("enclosure", f"{alpaca}/dome/0", **REAL)
    dome.open(60)
    assert dome.go_to_azimuth(30, 60) == pytest.approx(30, abs=1)
    dome.close_shutter(60)
    assert dome.state()["status"] == "closed"
