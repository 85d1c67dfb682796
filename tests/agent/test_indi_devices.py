"""Devices behind INDI that lie, coast, hang and go away: what is said of them is what was seen."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from jobs_server.agent.devices.interfaces import Direction, Exposure, Place
from jobs_server.agent.errors import DeviceBusy, DeviceGone, NotStopped, Refused, Stopped, TimedOut, WrongEnd

from ..support.waiting import until
from . import fake_indi
from .asking import Asked
from .conftest import Opens
from .fake_indi import FakeIndi

GOTO, PARK, ABORT = "EQUATORIAL_EOD_COORD", "TELESCOPE_PARK", "TELESCOPE_ABORT_MOTION"
EXPOSURE, SHUTTER = "CCD_EXPOSURE", "CCD_EXPOSURE_VALUE"
TARGET = Direction(3.0, 40.0)


@pytest.fixture
def mount() -> Iterator[FakeIndi]:
    with closing(fake_indi.mount()) as server:
        yield server


@pytest.fixture
def camera() -> Iterator[FakeIndi]:
    with closing(fake_indi.camera()) as server:
        yield server


@pytest.fixture
def focuser() -> Iterator[FakeIndi]:
    with closing(fake_indi.focuser()) as server:
        yield server


def slews(server: FakeIndi) -> None:
    server.on(GOTO, lambda _: server.set(GOTO, "Busy"))


def test_a_slew_ends_where_the_mount_reads_the_target(mount: FakeIndi, opens: Opens) -> None:
    reached = opens("mount", mount.address).go(TARGET, 30)
    assert (reached.ra_hours, reached.dec_degrees) == pytest.approx((3.0, 40.0), abs=1e-6)


def test_a_slew_that_ended_elsewhere_fails_with_both_places(mount: FakeIndi, opens: Opens) -> None:
    """Aborted by anybody, or another program's goto: the driver calls both Ok."""
    mount.on(GOTO, lambda _: mount.set(GOTO, "Ok", RA=2.0, DEC=10.0))
    with pytest.raises(WrongEnd, match=r"asked for RA 3\.0.*points to RA 2\.0"):
        opens("mount", mount.address).go(TARGET, 30)


def test_a_position_that_lags_behind_the_drivers_word_is_waited_for(mount: FakeIndi, opens: Opens) -> None:
    device = opens("mount", mount.address, settle_seconds=30)

    def late(values: dict[str, str]) -> None:
        mount.set(GOTO, "Ok")
        threading.Timer(0.2, lambda: mount.take(GOTO, values)).start()

    mount.on(GOTO, late)
    device.go(TARGET, 30)


def test_a_right_ascension_of_24_hours_is_wrapped_and_a_declination_of_91_refused(
    mount: FakeIndi, opens: Opens
) -> None:
    device = opens("mount", mount.address)
    device.go(Direction(27.0, 40.0), 30)
    assert 0 <= float(mount.came[-1][1]["RA"]) < 24
    for bad in (Direction(1, 91), Direction(math.nan, 0), Direction(1, math.inf)):
        with pytest.raises(Refused):
            device.go(bad, 30)


def test_a_driver_that_does_not_answer_is_a_time_out(mount: FakeIndi, opens: Opens) -> None:
    mount.ignores.add(GOTO)
    with pytest.raises(TimedOut, match="answer"):
        opens("mount", mount.address, answer_seconds=0.3).go(TARGET, 30)


def test_a_parked_mount_refuses_to_slew_in_words(mount: FakeIndi, opens: Opens) -> None:
    mount.set(PARK, "Ok", PARK=True, UNPARK=False)
    with pytest.raises(Refused, match="parked; unpark it first"):
        opens("mount", mount.address).go(TARGET, 30)
    assert GOTO not in [name for name, _ in mount.came]


def test_an_alert_fails_with_what_the_driver_said(mount: FakeIndi, opens: Opens) -> None:
    mount.on(GOTO, lambda _: mount.set(GOTO, "Alert", "[ERROR] Below the horizon."))
    with pytest.raises(Refused, match="Below the horizon"):
        opens("mount", mount.address).go(TARGET, 30)


def test_a_stop_is_complete_when_the_mount_was_seen_at_rest(mount: FakeIndi, opens: Opens) -> None:
    """The driver takes the abort at once and coasts on; neither the stop nor the stopped slew ends before."""
    device, is_at_rest = opens("mount", mount.address), threading.Event()
    slews(mount)
    mount.on(ABORT, lambda values: mount.take(ABORT, values))
    slew = Asked(lambda: device.go(TARGET, 60))
    until(device.is_moving)
    stop = Asked(device.stop)
    until(lambda: any(name == ABORT for name, _ in mount.came))
    assert not is_at_rest.wait(0.6)
    assert not stop.is_over
    assert not slew.is_over
    mount.set(GOTO, "Idle")
    assert stop.ends() is None
    assert isinstance(slew.ends(), Stopped)


def test_a_mount_that_is_called_idle_and_turns_on_is_not_at_rest(mount: FakeIndi, opens: Opens) -> None:
    device, ended = opens("mount", mount.address, abort_seconds=1.0), threading.Event()

    def coast() -> None:
        for step in range(10_000):
            if ended.wait(0.02):
                return
            mount.set(GOTO, "Idle", DEC=10 + step / 100)

    coasting = threading.Thread(target=coast)
    coasting.start()
    try:
        with pytest.raises(NotStopped, match="not seen at rest"):
            device.stop()
    finally:
        ended.set()
        coasting.join()


def test_a_device_that_its_driver_lost_is_not_called_at_rest(mount: FakeIndi, opens: Opens) -> None:
    """Its hardware may go on: a driver that was started anew knows nothing of it."""
    device = opens("mount", mount.address, abort_seconds=0.5)
    mount.ignores.add("CONNECTION")
    mount.set("CONNECTION", "Ok", CONNECT=False, DISCONNECT=True)
    until(lambda: not device.is_ready)
    with pytest.raises(NotStopped, match="not connected by its driver"):
        device.stop()
    with pytest.raises(DeviceGone):
        device.is_moving()


def test_a_slew_whose_stop_failed_is_not_called_stopped(mount: FakeIndi, opens: Opens) -> None:
    device = opens("mount", mount.address, abort_seconds=0.5)
    slews(mount)
    slew = Asked(lambda: device.go(TARGET, 60))
    until(device.is_moving)
    with pytest.raises(NotStopped, match="could not be stopped"):
        device.stop()
    assert isinstance(slew.ends(), NotStopped)


def test_a_stop_does_not_wait_for_another_devices_hanging_server(
    mount: FakeIndi, focuser: FakeIndi, opens: Opens
) -> None:
    other, device = opens("focuser", focuser.address, abort_seconds=60.0), opens("mount", mount.address)
    focuser.hangs = True
    Asked(other.stop)
    hanging = Asked(lambda: other.go_to(100, 60))
    device.stop()
    assert not hanging.is_over


def test_a_stop_passes_while_that_cameras_frame_is_being_fetched(camera: FakeIndi, opens: Opens) -> None:
    device = opens("camera", camera.address)

    def half(values: dict[str, str]) -> None:
        camera.take(EXPOSURE, values, "Busy")
        camera.blob("CCD1", bytes(50_000), break_off=True)

    camera.on(EXPOSURE, half)

    def stopped(values: dict[str, str]) -> None:
        # The connection of the frame is stopped up by the half frame; the stops' own is not.
        camera.set(EXPOSURE, "Idle")

    camera.on("CCD_ABORT_EXPOSURE", stopped)
    exposure = Asked(lambda: device.expose(Exposure(0.05, "dark"), 60))
    until(device.is_moving)
    device.stop()
    assert isinstance(exposure.ends(), Stopped)


def test_a_second_move_is_refused_at_once_while_one_lasts(mount: FakeIndi, opens: Opens) -> None:
    device = opens("mount", mount.address)
    slews(mount)
    slew = Asked(lambda: device.go(TARGET, 60))
    until(device.is_moving)
    with pytest.raises(DeviceBusy, match="busy: slew"):
        device.park(30)
    mount.set(GOTO, "Idle")
    slew.ends()


def test_what_moves_for_somebody_else_is_known_and_not_moved(mount: FakeIndi, opens: Opens) -> None:
    mount.set(GOTO, "Busy")
    device = opens("mount", mount.address)
    assert device.is_moving()
    with pytest.raises(DeviceBusy, match="not for this program"):
        device.go(TARGET, 30)


def test_a_server_that_ends_the_stream_fails_the_slew_at_once(mount: FakeIndi, opens: Opens) -> None:
    device = opens("mount", mount.address, answer_seconds=3600)
    slews(mount)
    slew = Asked(lambda: device.go(TARGET, 3600))
    until(device.is_moving)
    mount.cut()
    assert isinstance(slew.ends(), DeviceGone)
    until(lambda: not device.is_ready)
    assert device.state()["connected"] is False


def test_a_server_that_says_nothing_is_gone_after_a_while(mount: FakeIndi, opens: Opens) -> None:
    device = opens("mount", mount.address, silence_seconds=0.5)
    slews(mount)
    slew = Asked(lambda: device.go(TARGET, 3600))
    until(device.is_moving)
    mount.hangs = True
    error = slew.ends()
    assert isinstance(error, DeviceGone)
    assert "said nothing" in str(error)


def test_a_device_that_comes_back_is_connected_again_and_set_again(mount: FakeIndi, opens: Opens) -> None:
    """A restarted driver comes back disconnected and bare."""
    device = opens("mount", mount.address)
    device.set_place(Place(47.7, -12.0, 1838.0), datetime.now(UTC))
    mount.cut()
    until(lambda: not device.is_ready)
    mount.set("CONNECTION", "Idle", CONNECT=False, DISCONNECT=True)
    mount.set("GEOGRAPHIC_COORD", "Idle", LAT=0.0, LONG=0.0, ELEV=0.0)
    mount.mend()
    until(lambda: device.is_ready)
    assert mount.value("CONNECTION", "CONNECT") is True
    assert device.place() == Place(47.7, -12.0, 1838.0)


def test_a_device_that_somebody_disconnects_fails_its_slew(mount: FakeIndi, opens: Opens) -> None:
    device = opens("mount", mount.address)
    slews(mount)
    slew = Asked(lambda: device.go(TARGET, 3600))
    until(device.is_moving)
    mount.set("CONNECTION", "Ok", CONNECT=False, DISCONNECT=True)
    error = slew.ends()
    assert isinstance(error, DeviceGone)
    assert "disconnected" in str(error)


def test_a_focuser_that_clamps_without_a_word_fails_with_both_values(focuser: FakeIndi, opens: Opens) -> None:
    device = opens("focuser", focuser.address)
    focuser.on("ABS_FOCUS_POSITION", lambda _: focuser.set("ABS_FOCUS_POSITION", "Ok", FOCUS_ABSOLUTE_POSITION=600.0))
    with pytest.raises(WrongEnd, match=r"asked for position 900, and it stands at 600"):
        device.go_to(900, 30)


def test_a_position_beyond_the_limits_is_refused_before_anything_moves(focuser: FakeIndi, opens: Opens) -> None:
    device = opens("focuser", focuser.address)
    for bad in (1001, -1, math.nan, math.inf):
        with pytest.raises(Refused):
            device.go_to(bad, 30)
    assert [name for name, _ in focuser.came] == ["CONNECTION"]


def test_a_focuser_without_an_abort_cannot_be_stopped_while_it_moves(opens: Opens) -> None:
    with closing(fake_indi.focuser(with_abort=False)) as server:
        device = opens("focuser", server.address)
        device.stop()  # it stands: that is rest
        server.on("ABS_FOCUS_POSITION", lambda _: server.set("ABS_FOCUS_POSITION", "Busy"))
        move = Asked(lambda: device.go_to(100, 60))
        until(device.is_moving)
        with pytest.raises(NotStopped, match="cannot be stopped"):
            device.stop()
        assert isinstance(move.ends(), NotStopped)


def fits(seconds: float) -> bytes:
    return f"SIMPLE  =                    T{'':50}EXPTIME = {seconds:20}".encode().ljust(2880)


def test_a_frame_of_an_aborted_exposure_is_never_taken_for_the_next_ones(camera: FakeIndi, opens: Opens) -> None:
    """It comes before the time of the next one is over, and is dropped; or tells another time, and fails."""
    device = opens("camera", camera.address)

    def early_then_own(values: dict[str, str]) -> None:
        camera.take(EXPOSURE, values, "Busy")
        camera.blob("CCD1", fits(1.0) + b"early")
        threading.Timer(1.0, lambda: camera.blob("CCD1", fits(1.0) + b"own")).start()

    camera.on(EXPOSURE, early_then_own)
    assert device.expose(Exposure(1.0, "dark"), 30).fits.endswith(b"own")
    camera.set(EXPOSURE, "Ok")
    until(lambda: not device.is_moving())

    def others(values: dict[str, str]) -> None:
        camera.take(EXPOSURE, values, "Busy")
        camera.blob("CCD1", fits(60.0))

    camera.on(EXPOSURE, others)
    with pytest.raises(WrongEnd, match=r"a frame of 60 s, and 0\.05 s"):
        device.expose(Exposure(0.05, "dark"), 30)


def test_an_exposure_that_somebody_replaces_or_aborts_fails_in_words(camera: FakeIndi, opens: Opens) -> None:
    device = opens("camera", camera.address)

    def replaced(values: dict[str, str]) -> None:
        camera.take(EXPOSURE, values, "Busy")
        threading.Timer(0.2, lambda: camera.set(EXPOSURE, "Busy", CCD_EXPOSURE_VALUE=900.0)).start()

    camera.on(EXPOSURE, replaced)
    with pytest.raises(WrongEnd, match="somebody else began another exposure"):
        device.expose(Exposure(60, "dark"), 30)

    camera.set(EXPOSURE, "Idle")
    until(lambda: not device.is_moving())
    camera.on(EXPOSURE, lambda values: camera.take(EXPOSURE, values, "Idle"))
    with pytest.raises(Exception, match="somebody else aborted it"):
        device.expose(Exposure(60, "dark"), 30)


def test_a_bias_has_the_shortest_time_and_a_frame_that_is_cut_short_is_refused(camera: FakeIndi, opens: Opens) -> None:
    device = opens("camera", camera.address)

    def answer(values: dict[str, str]) -> None:
        camera.take(EXPOSURE, values, "Busy")
        camera.blob("CCD1", fits(0.01), size=99)

    camera.on(EXPOSURE, answer)
    with pytest.raises(Exception, match="2880 bytes of a frame of 99"):
        device.expose(Exposure(0, "bias"), 30)
    assert float(camera.came[-1][1][SHUTTER]) == 0.01


def test_a_binning_that_is_not_taken_fails_before_the_shutter_opens(camera: FakeIndi, opens: Opens) -> None:
    device = opens("camera", camera.address)
    camera.on("CCD_BINNING", lambda _: camera.set("CCD_BINNING", "Ok", HOR_BIN=1.0, VER_BIN=1.0))
    with pytest.raises(WrongEnd, match="HOR_BIN was to be 2"):
        device.expose(Exposure(1, "dark", binning=(2, 2)), 30)
    with pytest.raises(Refused, match="100 x 50 pixels"):
        device.expose(Exposure(1, "dark", area=(50, 0, 100, 10)), 30)
    assert EXPOSURE not in [name for name, _ in camera.came]


def test_a_roof_that_was_aborted_is_neither_open_nor_closed(opens: Opens) -> None:
    """An aborted shutter is Alert while SHUTTER_CLOSE stays on."""
    with fake_indi.serving("Dome") as server:
        server.define("Switch", "DOME_SHUTTER", {"SHUTTER_OPEN": False, "SHUTTER_CLOSE": True}, state="Alert")
        server.define("Switch", "DOME_ABORT_MOTION", {"ABORT": False})
        device = opens("enclosure", server.address)
        assert device.shutter() == "partly"
        device.close_shutter(30)
        assert device.shutter() == "closed"


def test_weather_is_unsafe_by_the_limits_of_each_value_whatever_the_whole_state_says(opens: Opens) -> None:
    with fake_indi.serving("Weather") as server:
        server.define("Number", "WEATHER_PARAMETERS", {"WEATHER_WIND_GUST": 36.0}, state="Ok", perm="ro")
        server.define("Number", "WEATHER_WIND_GUST", {"MIN_OK": 0.0, "MAX_OK": 20.0})
        device = opens("safety", server.address)
        reading = device.reading()
        assert not reading.safe
        assert "wind gust is 36" in reading.reason
        assert reading.values == {"wind_gust_m_per_s": pytest.approx(10.0)}
        server.set("WEATHER_PARAMETERS", "Ok", WEATHER_WIND_GUST=10.0)
        until(lambda: device.reading().safe)
        server.set("WEATHER_PARAMETERS", "Ok", WEATHER_WIND_GUST=math.nan)
        until(lambda: not device.reading().safe)
        server.cut()
        until(lambda: "cannot be read" in str(device.reading().reason))


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x01", b"<a><b><c>", b"<a name='" + b"x" * (4 << 20)]
)
def test_a_server_that_sends_garbage_is_gone_with_a_clear_word_and_may_come_back(
    mount: FakeIndi, opens: Opens, garbage: bytes
) -> None:
    device = opens("mount", mount.address)
    mount.raw(garbage)
    until(lambda: not device.is_ready)
    assert any(word in device.state()["message"] for word in ("INDI", "tag", "longer"))
    until(lambda: device.is_ready)
