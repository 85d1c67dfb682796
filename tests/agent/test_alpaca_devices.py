"""Devices behind Alpaca that lie, clamp, hang and go away: what is said of them is what was seen."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator

import pytest

from jobs_server.agent.devices.interfaces import Direction, Exposure
from jobs_server.agent.devices.opening import open_device, stop_all
from jobs_server.agent.errors import DeviceBusy, DeviceError, DeviceGone, NotStopped, Refused, Stopped, WrongEnd

from ..support.waiting import until
from . import fake_alpaca
from .asking import Asked
from .conftest import Opens
from .fake_alpaca import FakeAlpaca, Fault

TARGET = Direction(3.0, 40.0)


@pytest.fixture
def server() -> Iterator[FakeAlpaca]:
    with fake_alpaca.serving() as server:
        yield server


@pytest.fixture
def mount(server: FakeAlpaca) -> FakeAlpaca:
    fake_alpaca.be_mount(server)
    return server


@pytest.fixture
def camera(server: FakeAlpaca) -> FakeAlpaca:
    fake_alpaca.be_camera(server)
    return server


def slews(server: FakeAlpaca) -> None:
    server.puts["slewtocoordinatesasync"] = lambda _: server.values.update(slewing=True)


@pytest.mark.parametrize("frame", [0, 1, 2, 3, 4])
def test_a_slew_ends_at_the_target_whatever_frame_the_mount_speaks(mount: FakeAlpaca, opens: Opens, frame: int) -> None:
    mount.values["equatorialsystem"] = frame
    reached = opens("mount", mount.address("telescope")).go(TARGET, 30)
    assert (reached.ra_hours, reached.dec_degrees) == pytest.approx((3.0, 40.0), abs=1e-5)
    sent = float(mount.asked("slewtocoordinatesasync")[0]["RightAscension"])
    assert (abs(sent - 3.0) < 1e-3) == (frame == 2)


def test_a_slew_that_ended_elsewhere_fails_with_both_places(mount: FakeAlpaca, opens: Opens) -> None:
    mount.puts["slewtocoordinatesasync"] = lambda _: None
    with pytest.raises(WrongEnd, match=r"asked for RA 3\.0.*points to RA 1\.0"):
        opens("mount", mount.address("telescope")).go(TARGET, 30)


def test_a_parked_mount_refuses_in_words_and_its_stop_is_rest(mount: FakeAlpaca, opens: Opens) -> None:
    def parked(_: object) -> None:
        raise Fault(0x408, "parked")

    mount.values["atpark"], mount.puts["abortslew"] = True, parked
    device = opens("mount", mount.address("telescope"))
    with pytest.raises(Refused, match="unpark it first"):
        device.go(TARGET, 30)
    device.stop()


def test_a_stop_is_complete_when_the_mount_was_seen_at_rest(mount: FakeAlpaca, opens: Opens) -> None:
    device = opens("mount", mount.address("telescope"))
    slews(mount)
    mount.puts["abortslew"] = lambda _: None  # taken, and it coasts on
    slew = Asked(lambda: device.go(TARGET, 60))
    until(device.is_moving)
    stop = Asked(device.stop)
    until(lambda: mount.asked("abortslew"))
    assert not threading.Event().wait(0.5)
    assert not stop.is_over
    assert not slew.is_over
    mount.values["slewing"] = False
    assert stop.ends() is None
    assert isinstance(slew.ends(), Stopped)


def test_a_mount_that_says_it_stands_and_turns_on_is_not_at_rest(mount: FakeAlpaca, opens: Opens) -> None:
    turn = itertools.count()
    mount.values["declination"] = lambda: 10 + next(turn) / 100
    with pytest.raises(NotStopped, match="not seen at rest"):
        opens("mount", mount.address("telescope"), abort_seconds=1.0).stop()


def test_a_stop_passes_while_that_cameras_frame_is_being_fetched(camera: FakeAlpaca, opens: Opens) -> None:
    device = opens("camera", camera.address("camera"))
    camera.hangs.add("imagearray")
    reading = threading.Event()
    exposure = Asked(lambda: device.expose(Exposure(0.1, "dark"), 60, lambda *_: reading.set()))
    assert reading.wait(60)
    device.stop()
    assert camera.asked("abortexposure")
    camera.released.set()
    assert isinstance(exposure.ends(), Stopped)


def test_a_stop_does_not_wait_for_another_devices_hanging_server(mount: FakeAlpaca, opens: Opens) -> None:
    device = opens("mount", mount.address("telescope"))
    with fake_alpaca.serving() as other:
        other.values |= {"ismoving": False, "position": 5, "absolute": True, "maxstep": 100}
        focuser = opens("focuser", other.address("focuser"), abort_seconds=5.0, answer_seconds=3.0)
        other.hangs |= {"halt", "ismoving", "move"}
        hanging = Asked(focuser.stop)
        device.stop()
        assert not hanging.is_over
        assert isinstance(hanging.ends(), NotStopped)
        other.released.set()


def test_all_stops_go_out_at_once_and_say_which_did_not_stop(mount: FakeAlpaca, opens: Opens) -> None:
    device = opens("mount", mount.address("telescope"))
    with fake_alpaca.serving() as other:
        other.values |= {"ismoving": True, "position": 5, "absolute": True}
        focuser = opens("focuser", other.address("focuser"))
        ends = stop_all([device, focuser])
        mount.hangs.add("abortslew")
        late = stop_all([device], 0.2)["mount/mount1"]
        mount.released.set()
    assert ends["mount/mount1"] is None
    assert "not seen at rest within 0.2 s" in str(late)
    assert "cannot be stopped" in str(ends["focuser/focuser1"])


def test_what_moves_for_somebody_else_is_known_and_not_moved(mount: FakeAlpaca, opens: Opens) -> None:
    mount.values["slewing"] = True
    device = opens("mount", mount.address("telescope"))
    assert device.is_moving()
    with pytest.raises(DeviceBusy):
        device.go(TARGET, 30)


def test_a_server_that_goes_away_fails_the_slew_at_once_and_is_found_again(mount: FakeAlpaca, opens: Opens) -> None:
    device = opens("mount", mount.address("telescope"))
    slews(mount)
    slew = Asked(lambda: device.go(TARGET, 3600))
    until(device.is_moving)
    mount.close()
    assert isinstance(slew.ends(), DeviceGone)
    until(lambda: not device.is_ready)
    assert device.state() == {"connected": False, "message": device.state()["message"]}


def test_a_device_that_was_disconnected_is_connected_again(mount: FakeAlpaca, opens: Opens) -> None:
    device = opens("mount", mount.address("telescope"))
    mount.values["connected"] = False
    until(lambda: mount.asked("connected"))
    until(lambda: device.is_ready)
    assert mount.values["connected"] is True


def test_a_focuser_that_clamps_without_a_word_fails_with_both_values(server: FakeAlpaca, opens: Opens) -> None:
    server.values |= {"ismoving": False, "position": 50, "absolute": True, "maxstep": 1000, "stepsize": 2.5}
    server.puts["move"] = lambda values: server.values.update(position=min(600, int(values["Position"])))
    device = opens("focuser", server.address("focuser"))
    with pytest.raises(WrongEnd, match="asked for position 900, and it stands at 600"):
        device.go_to(900, 30)
    for bad in (1001, -1, math.nan):
        with pytest.raises(Refused):
            device.go_to(bad, 30)
    assert device.um_per_step == 2.5


def test_a_long_way_of_the_focuser_goes_in_pieces(server: FakeAlpaca, opens: Opens) -> None:
    server.values |= {"ismoving": False, "position": 50, "absolute": True, "maxstep": 1000, "maxincrement": 100}
    server.puts["move"] = lambda values: server.values.update(position=int(values["Position"]))
    assert opens("focuser", server.address("focuser")).go_to(300, 30) == 300
    assert [int(values["Position"]) for values in server.asked("move")] == [150, 250, 300]


def test_a_frame_is_the_exposures_own(camera: FakeAlpaca, opens: Opens) -> None:
    """Image ready may be true with an aborted exposure's frame: the camera must tell of another start."""
    device = opens("camera", camera.address("camera"))
    assert device.expose(Exposure(0.1, "dark"), 30).pixels.tolist() == [[1, 3, 5], [2, 4, 6]]
    camera.puts["startexposure"] = lambda _: camera.values.update(imageready=True)
    with pytest.raises(WrongEnd, match="another exposure's"):
        device.expose(Exposure(0.1, "dark"), 30)
    camera.puts["startexposure"] = lambda _: fake_alpaca.expose(camera)
    camera.values["lastexposureduration"] = 60.0
    with pytest.raises(WrongEnd, match=r"a frame of 60 s, and 0\.1 s"):
        device.expose(Exposure(0.1, "dark"), 30)


def test_a_camera_in_its_error_state_has_ended_and_is_freed_for_the_next(camera: FakeAlpaca, opens: Opens) -> None:
    device = opens("camera", camera.address("camera"))
    camera.puts["startexposure"] = lambda _: camera.values.update(camerastate=5)
    with pytest.raises(DeviceError, match="error state"):
        device.expose(Exposure(0.1, "dark"), 30)
    camera.puts["startexposure"] = lambda _: fake_alpaca.expose(camera)
    device.expose(Exposure(0.1, "dark"), 30)
    assert camera.asked("abortexposure")


def test_an_exposure_that_somebody_aborts_fails_in_words(camera: FakeAlpaca, opens: Opens) -> None:
    camera.puts["startexposure"] = lambda _: None
    with pytest.raises(WrongEnd, match="somebody else aborted it"):
        opens("camera", camera.address("camera")).expose(Exposure(60, "dark"), 30)


def test_the_area_is_sent_in_binned_pixels_after_the_binning(camera: FakeAlpaca, opens: Opens) -> None:
    opens("camera", camera.address("camera")).expose(Exposure(0, "bias", binning=(2, 2)), 30)
    names = [name for name, _ in camera.came]
    assert names.index("binx") < names.index("numx")
    assert (camera.values["numx"], camera.values["numy"]) == (1, 1)
    assert camera.asked("startexposure")[0]["Light"] == "False"


def test_a_gain_of_names_is_an_index(camera: FakeAlpaca, opens: Opens) -> None:
    camera.values |= {"gains": ["low", "high"], "gain": 0}
    device = opens("camera", camera.address("camera"))
    device.expose(Exposure(0, "bias", gain=1), 30)
    assert camera.values["gain"] == 1
    with pytest.raises(Refused, match="0 to 1"):
        device.expose(Exposure(0, "bias", gain=2), 30)


def test_positions_that_are_no_numbers_are_never_shown(mount: FakeAlpaca, opens: Opens) -> None:
    device = opens("mount", mount.address("telescope"))
    mount.raw["rightascension"] = ("application/json", b'{"Value": NaN, "ErrorNumber": 0}')
    with pytest.raises(DeviceError, match="does not say where it points"):
        device.position()
    assert "ra_hours" not in device.state()


def test_a_safety_device_that_cannot_be_read_is_unsafe(server: FakeAlpaca, opens: Opens) -> None:
    server.values["issafe"] = True
    device = opens("safety", server.address("safetymonitor"))
    assert device.reading().safe
    for broken in ("yes", None, 1):
        server.values["issafe"] = broken
        assert not device.reading().safe
    server.close()
    assert "cannot be read" in str(device.reading().reason)


def test_weather_without_a_value_or_beyond_its_limits_is_unsafe(server: FakeAlpaca, opens: Opens) -> None:
    server.values |= {"humidity": 50.0, "windspeed": 3.0}
    limits = {"humidity_percent": (0.0, 90.0), "wind_m_per_s": (0.0, 10.0)}
    device = opens("safety", server.address("observingconditions"), limits=limits)
    assert device.reading().safe
    server.values["humidity"] = 95.0
    assert "humidity_percent is 95" in str(device.reading().reason)
    del server.values["humidity"]
    assert "no value for humidity_percent" in str(device.reading().reason)


@pytest.mark.parametrize(
    ("kind", "driver"),
    [
        ("mount", "alpaca://127.0.0.1:11111/camera/0"),
        ("mount", "alpaca://127.0.0.1:99999/telescope/0"),
        ("mount", "alpaca://127.0.0.1/telescope"),
        ("mount", "http://127.0.0.1/telescope/0"),
        ("mount", "indi://127.0.0.1:7624"),
        ("mount", "indi:///Telescope"),
        ("mount", ""),
        ("kettle", "indi://127.0.0.1/Kettle"),
    ],
)
def test_an_address_that_is_none_is_refused_in_words(kind: str, driver: str) -> None:
    with pytest.raises(ValueError, match=r"is no (address|mount|kind)"):
        open_device(kind, "mount1", driver)
