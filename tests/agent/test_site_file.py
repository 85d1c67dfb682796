"""What agent.toml may say, and how each mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs_server.agent import site_file
from jobs_server.agent.devices.interfaces import Place
from jobs_server.agent.devices.settings import Settings
from jobs_server.agent.errors import DeviceBusy, Refused
from jobs_server.agent.observatory import Observatory
from jobs_server.agent.site_file import CameraLines, SiteFile, SiteFileError

WHOLE = """
url = "http://127.0.0.1:5000"
site = "wmd"
latitude_degrees = 47.7
longitude_degrees = 348
elevation_m = 1838
on_exit = "leave"
images = "pictures"
[mount.mount1]
driver = "indi://127.0.0.1:7624/Telescope Simulator"
min_altitude_degrees = 20
set_place = true
found_moving = "wait"
[camera.camera_1_1]
driver = "alpaca://127.0.0.1:11111/camera/0"
filter_wheel = "wheel2"
binnings = { optimal = 1, coarse = 2 }
[filter_wheel.wheel1]
driver = "alpaca://127.0.0.1:11111/filterwheel/0"
aliases = { w = "Luminance" }
[filter_wheel.wheel2]
driver = "alpaca://127.0.0.1:11111/filterwheel/1"
[focuser.focuser1]
driver = "indi://127.0.0.1/Focuser Simulator"
um_per_step = 2
[enclosure.enclosure1]
driver = "indi://127.0.0.1:7624/Dome Simulator"
close_when_unsafe = true
[safety.weather]
driver = "indi://127.0.0.1:7624/Weather Simulator"
hold_minutes_after = 0.5
limits = { humidity_percent = [0, 85] }
"""
MOUNT = '[mount.mount1]\ndriver = "indi://h/Telescope"\n'


def read(folder: Path, text: str) -> SiteFile:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return site_file.read(path)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    assert found.place == Place(47.7, -12.0, 1838.0)
    assert found.images == tmp_path / "pictures"
    assert list(found.devices)[:2] == ["mount/mount1", "camera/camera_1_1"]
    camera = found.devices["camera/camera_1_1"]
    assert isinstance(camera, CameraLines)
    assert camera.binnings == {"optimal": 1, "coarse": 2}
    assert found.devices["safety/weather"].settings(Settings()).limits == {"humidity_percent": (0.0, 85.0)}
    assert found.devices["focuser/focuser1"].settings(Settings()).um_per_step == 2.0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("syte = 'wmd'", r"unknown key 'syte'; did you mean 'site'\?"),
        ("site = 'wmd'\nmonut.mount1.driver = 'indi://h/T'", r"unknown key 'monut'; did you mean 'mount'\?"),
        (
            f"site = 'wmd'\n{MOUNT}min_alt_degrees = 3",
            r"\[mount.mount1\] unknown key 'min_alt_degrees'; .*min_altitude",
        ),
        (f"site = 'wmd'\n{MOUNT}um_per_step = 3", r"\[mount.mount1\] unknown key 'um_per_step'"),
        (MOUNT, "the key site is missing"),
        ("site = 'wmd'\n[mount.mount1]", r"\[mount.mount1\] the key driver is missing"),
        ("site = 7", "site must be a text, not 7"),
        (f"site = 'wmd'\n{MOUNT}abort_seconds = '10'", r"abort_seconds must be a number, not '10'"),
        (f"site = 'wmd'\n{MOUNT}abort_seconds = nan", r"abort_seconds must be a number, not nan"),
        (f"site = 'wmd'\n{MOUNT}abort_seconds = true", r"abort_seconds must be a number, not True"),
        (f"site = 'wmd'\n{MOUNT}set_place = 'yes'", r"set_place must be true or false, not 'yes'"),
        (f"site = 'wmd'\n{MOUNT}found_moving = 'ignore'", r"found_moving must be 'halt' or 'wait', not 'ignore'"),
        ("site = 'wmd'\non_exit = 'park'", "on_exit must be 'halt' or 'leave', not 'park'"),
        (
            "site = 'wmd'\nlatitude_degrees = 91\nlongitude_degrees = 0",
            "latitude_degrees must be from -90 to 90",
        ),
        ("site = 'wmd'\nlatitude_degrees = 47", "latitude_degrees and longitude_degrees belong together"),
        ("site = 'wmd'\nurl = 'desk:5000'", "url must be the service's address"),
        ("site = 'wmd'\n[mount]\nmount1 = 'indi://h/T'", r"\[mount\] must hold a table for each device"),
        ("site = 'wmd'\nmount = 3", r"\[mount\] must hold a table for each device"),
        ("site = 'wmd'\n[mount.mount1]\ndriver = 'http://h/T'", r"driver: 'http://h/T' is no address of a device"),
        ("site = 'wmd'\n[mount.mount1]\ndriver = 'indi://h'", "is no address of an INDI device"),
        ("site = 'wmd'\n[mount.mount1]\ndriver = 'indi://h:70000/T'", "is no address of an INDI device"),
        ("site = 'wmd'\n[mount.mount1]\ndriver = 'alpaca://h/camera/0'", "is no mount: telescope is expected"),
        ("site = 'wmd'\n[camera.c]\ndriver = 'indi://h/C'\nmount = 'm1'\n" + MOUNT, "there is no .mount.m1.; .*mount1"),
        ("site = 'wmd'\n[camera.c]\ndriver = 'indi://h/C'\nbinnings = {fine = 1.5}", "binnings.fine must be a whole"),
        ("site = 'wmd'\n[safety.s]\ndriver = 'indi://h/S'\nlimits = {wind = 3}", "limits.wind must be the least and"),
        ("site = ", "is no TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_the_key_that_was_meant(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SiteFileError, match=sentence):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("indi://h:7624/Telescope Simulator", "indi://h/Telescope%20Simulator"),
        ("alpaca://h:11111/telescope/0", "alpaca://H/Telescope/0"),
    ],
)
def test_two_names_for_one_device_are_refused(tmp_path: Path, one: str, other: str) -> None:
    text = f"site = 'wmd'\n[mount.a]\ndriver = '{one}'\n[mount.b]\ndriver = '{other}'"
    with pytest.raises(SiteFileError, match=r"\[mount.a\] and \[mount.b\] are one device"):
        read(tmp_path, text)


def test_one_driver_may_be_a_camera_and_a_filter_wheel(tmp_path: Path) -> None:
    text = "site = 'wmd'\n[camera.a]\ndriver = 'indi://h/CCD'\n[filter_wheel.b]\ndriver = 'indi://h/CCD'"
    assert len(read(tmp_path, text).devices) == 2


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match="agent find"):
        site_file.read(tmp_path / "agent.toml")
    (tmp_path / "agent.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SiteFileError, match="cannot be read"):
        site_file.read(tmp_path / "agent.toml")


def test_a_token_is_not_shown(tmp_path: Path) -> None:
    assert "s3cret" not in repr(read(tmp_path, "site = 'wmd'\ntoken = 's3cret'"))


def test_what_stands_before_a_camera_is_known_by_the_file_or_since_there_is_one_alone(tmp_path: Path) -> None:
    site = Observatory(read(tmp_path, WHOLE))
    wheel, mount = site.wheel_of("camera_1_1"), site.mount_of("camera_1_1")
    assert wheel is not None
    assert wheel.name == "wheel2"
    assert mount is not None
    assert site.rotator_of("camera_1_1") is None
    assert [each.name for each in site.cameras_on(mount)] == ["camera_1_1"]
    assert site.cameras_on(site.device("filter_wheel", "wheel1")) == []


def test_a_device_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    site = Observatory(read(tmp_path, WHOLE))
    with pytest.raises(Refused, match="no filter wheel 'w9': its filter wheels are: wheel1, wheel2"):
        site.device("filter_wheel", "w9")
    with pytest.raises(Refused, match="it has no rotator"):
        site.device("rotator", "rotator1")


def test_devices_are_held_all_or_none(tmp_path: Path) -> None:
    site = Observatory(read(tmp_path, WHOLE))
    with site.holding("mount/mount1"):
        with pytest.raises(DeviceBusy, match="mount1"), site.holding("camera/camera_1_1", "mount/mount1"):
            pass
        with site.holding("camera/camera_1_1", "camera/camera_1_1"):
            pass
    with site.holding("mount/mount1", "camera/camera_1_1"):
        pass
