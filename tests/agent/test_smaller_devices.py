"""Focusers, rotators, domes, screens and switches; stops; and what the desk hears that a site can do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs_server.agent import abilities
from jobs_server.agent.devices.interfaces import Channel, Chip, Limits
from jobs_server.agent.errors import DeviceError, DeviceGone, NotPossible, NotStopped, Refused, Stopped

from .pretend import TOML, Site

ON = ("set_tracking", True)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize(
    ("key", "action", "params", "asked", "result"),
    [
        ("focuser/focuser1", "move_absolute", {"position": "4200"}, ("go_to", 2100.0), {"position_um": 4200.0}),
        ("focuser/focuser1", "move_absolute", {"position": 4321.5}, ("go_to", 2160.75), {"position_um": 4321.5}),
        ("focuser/focuser1", "move_relative", {"position": "-50"}, ("go_by", -25.0), {"position_um": 1950.0}),
        ("rotator/rotator1", "move_absolute", {"position": "359.99"}, 359.99, {"angle_degrees": 359.99}),
        ("rotator/rotator1", "move_absolute", {"position": "370"}, 10.0, {"angle_degrees": 10.0}),
        ("rotator/rotator1", "move_relative", {"position": "20"}, 10.0, {"angle_degrees": 10.0}),
        ("enclosure/enclosure1", "open", {}, "open", {"shutter": "open"}),
        ("enclosure/enclosure1", "close", {}, "close", {"shutter": "closed"}),
        ("enclosure/enclosure1", "slew_az", {"azimuth": "-90"}, ("turn", 270.0), {"azimuth_degrees": 270.0}),
        ("enclosure/enclosure1", "sync_az", {"azimuth": 90.5}, ("sync", 90.5), {"azimuth_degrees": 90.5}),
        ("enclosure/enclosure1", "park", {}, "park", {}),
        ("enclosure/enclosure1", "home_dome", {}, "home", {}),
        ("enclosure/enclosure1", "track_telescope", {}, ("follow", True), {"follows": True}),
        ("enclosure/enclosure1", "stop_tracking_telescope", {}, ("follow", False), {"follows": False}),
        ("screen/screen1", "turn_on", {"brightness": "45"}, ("turn_on", 45.0), {"brightness_percent": 45.0}),
        ("screen/screen1", "turn_on", {"brightness": "empty"}, ("turn_on", 100.0), {"brightness_percent": 100.0}),
        ("screen/screen1", "turn_off", {}, "turn_off", {}),
        ("switch/switch1", "on", {"values": [1]}, ("Lamp"), {"switches": ["Lamp"], "on": True}),
        ("mount/mount1", "park", {}, "park", {}),
        ("mount/mount1", "unpark", {}, "unpark", {}),
        ("mount/mount1", "home", {}, "home", {}),
        (
            "mount/mount1",
            "tracking",
            {"tracking": "on", "ra_rate": "sidereal"},
            ("set_tracking", True),
            {"tracking": True},
        ),
        ("mount/mount1", "set_tracking_off", {}, ("set_tracking", False), {"tracking": False}),
    ],
)
def test_commands_of_the_smaller_devices(
    site: Site, key: str, action: str, params: dict[str, Any], asked: Any, result: dict[str, Any]
) -> None:
    assert site.carry_out(key, action, **params) == result
    if key.startswith("switch"):
        asked = ("1", 1)
    assert site[key].asked == [asked]


@pytest.mark.parametrize(
    ("key", "action", "params", "sentence"),
    [
        (
            "focuser/focuser1",
            "move_absolute",
            {"position": "20000"},
            "goes from 0 to 10000 um, and 20000 um was asked for",
        ),
        ("focuser/focuser1", "move_relative", {"position": "-3000"}, "goes from 0 to 10000 um, and -1000 um"),
        ("focuser/focuser1", "move_absolute", {"position": "empty"}, "position must be a number"),
        ("rotator/rotator1", "move_absolute", {"position": "NaN"}, "position must be a number"),
        ("rotator/rotator1", "move_absolute", {"position": "1e9"}, "position must be from -360 to 720"),
        ("screen/screen1", "turn_on", {"brightness": 255}, "brightness must be from 0 to 100, not 255"),
        ("switch/switch1", "off", {}, "has the switches Fan, Lamp, Heater: name those"),
        ("switch/switch1", "on", {"values": [1, 7]}, "no switch 7: there are Fan"),
        ("switch/switch1", "on", {"values": [True]}, "no switch True"),
        ("enclosure/enclosure1", "slew_az", {"azimuth": "north"}, "azimuth must be a number"),
        ("mount/mount1", "tracking", {"tracking": "fast"}, "tracking must be on or off"),
        ("mount/mount1", "tracking", {"tracking": "on", "ra_rate": "0.5"}, "sidereal rate alone"),
    ],
)
def test_what_a_smaller_device_cannot_do_moves_nothing(
    site: Site, key: str, action: str, params: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        site.carry_out(key, action, **params)
    assert site[key].asked == []


def test_a_focuser_of_unknown_steps_is_not_moved_by_micrometres(site: Site) -> None:
    site["focuser/focuser1"].size = None
    with pytest.raises(Refused, match="write um_per_step in"):
        site.carry_out("focuser/focuser1", "move_absolute", position=5)


def test_a_device_without_an_ability_says_which(site: Site) -> None:
    for device in site.observatory.devices.values():
        device.unable = frozenset(device.abilities())  # type: ignore[attr-defined]
    for key, action, params in (
        ("mount/mount1", "park", {}),
        ("mount/mount1", "home", {}),
        ("enclosure/enclosure1", "slew_az", {"azimuth": 1}),
        ("screen/screen1", "close_and_turn_on", {}),
        ("rotator/rotator1", "move_absolute", {"position": 1}),
    ):
        with pytest.raises(NotPossible, match="cannot"):
            site.carry_out(key, action, **params)
        assert site[key].asked == []


def test_a_roof_without_a_slit_closes_over_a_parked_mount_alone(tmp_path: Path, site: Site) -> None:
    site["enclosure/enclosure1"].slit = None
    site.mount.parked = False
    for action in ("close", "park"):
        with pytest.raises(Refused, match="mount1 is not parked, and the roof could hit it"):
            site.carry_out("enclosure/enclosure1", action)
    site.mount.parked = True
    site.carry_out("enclosure/enclosure1", "close")
    allowed = Site(
        tmp_path, TOML.replace("[enclosure.enclosure1]", "[enclosure.enclosure1]\nclose_over_unparked_mount = true")
    )
    allowed["enclosure/enclosure1"].slit = None
    allowed.mount.parked = False
    allowed.carry_out("enclosure/enclosure1", "close")


def test_a_screen_is_dark_before_its_cover_moves(site: Site) -> None:
    screen = site["screen/screen1"]
    site.carry_out("screen/screen1", "close_and_turn_on", brightness=10)
    site.carry_out("screen/screen1", "turn_off_and_close")
    site.carry_out("screen/screen1", "open_and_turn_off")
    assert screen.asked == ["close_cover", ("turn_on", 10.0), "turn_off", "close_cover", "turn_off", "open_cover"]


def test_switches_are_named_or_numbered_and_a_single_one_needs_no_name(site: Site) -> None:
    switch = site["switch/switch1"]
    site.carry_out("switch/switch1", "on", values=["lamp", 2, "0"])
    assert switch.asked == [("Lamp", 1), ("2", 1), ("0", 1)]
    switch.asked.clear()
    switch.every = (Channel("Dew", 0.0, Limits(0, 255)),)
    site.carry_out("switch/switch1", "on")
    site.carry_out("switch/switch1", "off", values=[])
    assert switch.asked == [("0", 255), ("0", 0)]


def test_a_pulse_ends_as_it_should_even_when_the_job_is_stopped(site: Site) -> None:
    switch = site["switch/switch1"]
    site.carry_out("switch/switch1", "pulse", values=["Fan"], period=0, init_state="OFF")
    assert switch.asked == [("Fan", 0), ("Fan", 1)]
    switch.asked.clear()

    def stopped(*_: object) -> None:
        raise Stopped("the job was stopped")

    site.report = stopped  # type: ignore[assignment,method-assign]
    with pytest.raises(Stopped):
        site.carry_out("switch/switch1", "pulse", values=["Fan"], period=600)
    assert switch.asked == [("Fan", 1), ("Fan", 0)]


def test_a_stop_reaches_its_device_and_one_for_all_reaches_each(site: Site) -> None:
    site.carry_out("camera/camera1", "stop")
    assert site.camera.asked == ["stop"]
    assert "no scripts" in site.carry_out("sequencer/sequencer", "stop")["note"]
    assert "no scripts" in site.carry_out("sequencer/sequencer", "run", script=" stopScript ")["note"]
    stopped = site.carry_out("all/all", "cancel_all_commands")["stopped"]
    assert set(stopped) == set(site.observatory.devices)
    assert site.mount.asked == ["stop"]
    site.mount.error = NotStopped("mount1 could not be stopped: it coasts")
    site["focuser/focuser1"].error = NotStopped("focuser1 cannot be stopped")
    with pytest.raises(NotStopped, match="mount1 could not be stopped: it coasts; focuser1 cannot be stopped"):
        site.carry_out("all/all", "cancel_all_commands")
    with pytest.raises(NotStopped, match="it coasts"):
        site.carry_out("mount/mount1", "stop")


def test_what_a_device_says_when_it_fails_is_the_sentence_of_the_job(site: Site) -> None:
    site.mount.error = DeviceGone("mount1 is not there: its server closed the connection")
    with pytest.raises(DeviceError, match="its server closed the connection"):
        site.carry_out("mount/mount1", "park")


def test_the_desk_hears_what_each_device_can_do(site: Site) -> None:
    site.camera.kind_of_chip = Chip(
        64, 48, largest_binning=(2, 2), longest_seconds=900.0, gains=("Low", "High"), gain_limits=Limits(0, 1)
    )
    site["screen/screen1"].unable = frozenset({"open_cover", "close_cover"})
    site.mount.unable = frozenset({"home"})
    said = abilities.of(site.observatory)
    assert said["camera/camera1"] == {
        "actions": ["expose", "stop"],
        "filters": ["Red", "Green", "Blue", "H_Alpha", "Luminance", "w", "HA", "RGB irg"],
        "binnings": ["optimal", "fine", "coarse", "eng", "1", "2"],
        "limits": {"exposure_seconds": [0.0, 900.0], "gain": [0, 1]},
        "gains": ["Low", "High"],
        "pixels": [64, 48],
    }
    tracking = ["tracking", "set_tracking_on", "set_tracking_off"]
    assert said["mount/mount1"]["actions"] == ["go", "park", "unpark", *tracking, "stop"]
    assert said["screen/screen1"]["actions"] == ["turn_on", "turn_off", "stop"]
    assert said["focuser/focuser1"]["limits"] == {"position_um": [0.0, 10000.0]}
    assert said["switch/switch1"]["switches"] == ["Fan", "Lamp", "Heater"]
    assert said["safety/weather"] == {"actions": []}
    json.dumps(said, allow_nan=False)


def test_a_device_that_is_away_is_named_without_abilities(site: Site) -> None:
    def gone() -> frozenset[str]:
        raise DeviceGone("mount1 is not there")

    site.mount.abilities = gone  # type: ignore[method-assign]
    said = abilities.of(site.observatory)
    assert said["mount/mount1"] == {}
    assert set(said) == set(site.observatory.devices)


def test_each_action_that_is_offered_can_be_carried_out(site: Site) -> None:
    needed = dict.fromkeys(("position", "azimuth", "ra", "dec"), 5) | {"time": 0, "period": 0}
    for key, can in abilities.of(site.observatory).items():
        for action in (each for each in can["actions"] if key != "safety/weather"):
            words = {"tracking": "on", "filter_name": "Red", "values": ["Fan"]}
            assert isinstance(site.carry_out(key, action, **needed, **words), dict)
