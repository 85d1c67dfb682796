"""Exposures: what is asked of the camera, what is on disk, and what is refused before the shutter opens."""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from astropy.io import fits

from jobs_server.agent import actions
from jobs_server.agent.devices.interfaces import Chip, Direction, Exposure, Picture
from jobs_server.agent.errors import DeviceError, DeviceGone, Refused, Stopped
from jobs_server.agent.fits_files import write
from jobs_server.agent.fits_header import Entry
from jobs_server.agent.orders import Order

from .pretend import TOML, Site


class Disk(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def header(path: Path) -> Any:
    with warnings.catch_warnings(), fits.open(path) as parts:
        parts.verify("exception")
        return parts[0].header.copy()


@pytest.mark.parametrize(
    ("params", "asked"),
    [
        ({"time": "0.5"}, Exposure(0.5)),
        ({"time": " '2' ", "bin": '"optimal"'}, Exposure(2.0)),
        ({"bin": '"eng"'}, Exposure(1.0, binning=(2, 2))),
        ({"bin": "coarse"}, Exposure(1.0, binning=(2, 2))),
        ({"bin": "2,1"}, Exposure(1.0, binning=(2, 1))),
        ({"bin": "1x2"}, Exposure(1.0, binning=(1, 2))),
        ({"bin": 2}, Exposure(1.0, binning=(2, 2))),
        ({"bin": 2.0}, Exposure(1.0, binning=(2, 2))),
        ({"bin": [2, 2]}, Exposure(1.0, binning=(2, 2))),
        ({"area": "Full", "zoom": "Full", "size": 1}, Exposure(1.0)),
        ({"area": "50%"}, Exposure(1.0, area=(16, 12, 32, 24))),
        ({"zoom": "Big sq."}, Exposure(1.0, area=(8, 0, 48, 48))),
        ({"zoom": "Small sq."}, Exposure(1.0, area=(20, 12, 24, 24))),
        ({"zoom": "2X", "bin": 2}, Exposure(1.0, binning=(2, 2), area=(16, 12, 32, 24))),
        ({"size": "0.5"}, Exposure(1.0, area=(16, 12, 32, 24))),
        ({"gain": "7"}, Exposure(1.0, gain=7.0)),
        ({"image_type": "screen flat"}, Exposure(1.0, "flat")),
        ({"image_type": "SkyFlat"}, Exposure(1.0, "flat")),
        ({"image_type": "solar flat"}, Exposure(1.0, "flat")),
        ({"image_type": "NeAr flat"}, Exposure(1.0, "flat")),
        ({"image_type": "lamp_flat"}, Exposure(1.0, "flat")),
        ({"image_type": "dark"}, Exposure(1.0, "dark")),
        ({"image_type": "bias", "time": ""}, Exposure(0.0, "bias")),
        ({"image_type": "focus"}, Exposure(1.0)),
        ({"image_type": "dark", "dither": "on", "count": 2}, Exposure(1.0, "dark")),
    ],
)
def test_what_people_send_is_asked_of_the_camera(site: Site, params: dict[str, Any], asked: Exposure) -> None:
    site.expose(**params)
    assert site.camera.asked[0] == asked


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"time": "empty"}, "time must be a number"),
        ({"time": "-1"}, "time must be from 0"),
        ({"time": "NaN"}, "time must be a number"),
        ({"time": "1e9"}, "time must be from 0 to 86400"),
        ({"count": "0"}, "count must be from 1"),
        ({"count": "2.5"}, "count must be a whole number"),
        ({"image_type": "simulation"}, "image_type 'simulation' is not taken here"),
        ({"bin": "4"}, "bins up to 2 x 2, and 4 x 4"),
        ({"bin": "0"}, "bins up to 2 x 2, and 0 x 0"),
        ({"bin": "huge"}, "bin 'huge' is none: optimal, fine, coarse, eng"),
        ({"area": "600%"}, "area '600%' cannot be taken"),
        ({"zoom": "30'x30'"}, "cannot be taken"),
        ({"size": "-1"}, "size '-1' cannot be taken"),
        ({"filter": "O3"}, "no filter 'O3': there are Red"),
        ({"modes": ["fast-readout"]}, "readout modes cannot be chosen"),
        ({"subframe": {"x0": "0.1"}}, "a part drawn on an older picture"),
    ],
)
def test_what_cannot_be_taken_is_refused_before_anything_moves(
    site: Site, params: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence.replace("(", r"\(")):
        site.expose(**params)
    assert (site.camera.asked, site.wheel.asked, site.files()) == ([], [], [])


def test_a_gain_may_be_one_of_the_names_that_the_camera_has(site: Site) -> None:
    site.camera.kind_of_chip = Chip(64, 48, gains=("Low", "High"))
    site.expose(gain="high")
    assert site.camera.asked[0].gain == 1.0
    with pytest.raises(Refused, match="no gain 'medium': Low, High"):
        site.expose(gain="medium")


def test_a_stack_is_taken_filter_by_filter_with_its_count_of_each(site: Site) -> None:
    result = site.expose(filter="RGB irg", count="2", object_name="NGC 6960")
    assert site.wheel.asked == ["Green", "Blue"]  # it stood at Red
    assert [header(path)["FILTER"] for path in site.files()] == ["Blue"] * 2 + ["Green"] * 2 + ["Red"] * 2
    assert result["frames"] == 6
    assert sorted(result["files"]) == [path.name for path in site.files()]
    exposing = [status for status, _ in site.reports if status.startswith("EXPOSING")]
    assert exposing == [f"EXPOSING {number}/6" for number in range(1, 7)]


def test_what_is_taken_in_the_dark_leaves_the_wheel_and_asks_no_mount(site: Site) -> None:
    site.mount.moves = True
    site.expose(image_type="dark", filter="not there")
    assert site.wheel.asked == []
    with pytest.raises(Refused, match="mount1 moves"):
        site.expose()


def test_a_wheel_that_is_away_hinders_no_dark_and_its_filter_is_called_unknown(site: Site) -> None:
    def gone() -> int:
        raise DeviceGone("wheel1 is not there")

    site.wheel.slot = gone  # type: ignore[method-assign]
    site.expose(image_type="dark", filter="Red")
    assert header(site.files()[0])["FILTER"] == "unknown"
    with pytest.raises(DeviceGone):
        site.expose(filter="Red")
    assert len(site.camera.asked) == 1


def test_a_camera_without_a_wheel_takes_no_filter(tmp_path: Path) -> None:
    toml = "\n".join(
        line for line in TOML.splitlines() if "wheel" not in line.lower() and not line.startswith("aliases")
    )
    site = Site(tmp_path, toml)
    assert site.expose(filter="empty")["frames"] == 1
    with pytest.raises(Refused, match="camera1 has no filter wheel"):
        site.expose(filter="w")


def test_a_frame_tells_of_order_time_place_telescope_and_camera(site: Site) -> None:
    site.mount.points = Direction(5.5, -22.25)
    result = site.expose(
        time="2",
        filter="ha",
        bin=2,
        gain=5,
        object_name="Ω Cen",
        cam_note='note with "quotes" & ünïcode',
        keywords=[{"project_code": "M40", "RA": "mine", "SIMPLE": "F", "NAXIS": 7, "seeing": 1.5}],
    )
    (path,) = site.files()
    assert path.parent.name == "2026-11-29"  # two hours after midnight is the night before
    assert [path.name] == result["files"]
    assert (result["ra"], result["dec"], result["folder"]) == (5.5, -22.25, "2026-11-29")
    found = header(path)
    expected = {
        "ULID": "01K0000000000000000000TEST",
        "OBJECT": "Omega Cen",
        "DATE-OBS": "2026-11-30T01:02:03.000",
        "DATE-END": "2026-11-30T01:02:05.000",
        "TIMESYS": "UTC",
        "EXPTIME": 2.0,
        "IMAGETYP": "Light Frame",
        "FILTER": "H_Alpha",
        "RA": 82.5,
        "DEC": -22.25,
        "OBJCTRA": "05 30 00.00",
        "OBJCTDEC": "-22 15 00.00",
        "FOCUSPOS": 1000.0,
        "FOCUSUM": 2000.0,
        "ROTANGLE": 350.0,
        "OBSERVAT": "wmd",
        "SITELAT": 47.7,
        "SITELONG": 12.0,
        "SITEELEV": 1838.0,
        "OBSERVER": "Ada",
        "INSTRUME": "camera1",
        "TELESCOP": "mount1",
        "GAIN": 5.0,
        "CCD-TEMP": -10.0,
        "XBINNING": 2,
        "YBINNING": 2,
        "XPIXSZ": 7.6,
        "NOTE": 'note with "quotes" & unicode',
        "PROJECT_CODE": "M40",
        "SEEING": 1.5,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["AIRMASS"] > 1
    assert (found["SIMPLE"], found["NAXIS"], found["NAXIS1"], found["NAXIS2"]) == (True, 2, 32, 24)


def test_what_cannot_be_read_of_the_telescope_is_left_out_and_the_frame_kept(site: Site) -> None:
    def lost() -> Direction:
        raise DeviceGone("mount1 is not there")

    site.mount.position = lost  # type: ignore[method-assign]
    site.expose(image_type="dark")
    (path,) = site.files()
    assert "RA" not in header(path)
    assert header(path)["IMAGETYP"] == "Dark Frame"


def test_a_dark_of_a_camera_without_a_shutter_is_said_to_need_a_cover(site: Site) -> None:
    site.camera.kind_of_chip = Chip(64, 48, has_shutter=False)
    result = site.expose(image_type="dark")
    assert "has no shutter" in result["notes"][0]
    assert header(site.files()[0])["SHUTTER"] is False
    assert "notes" not in site.expose()


def test_the_header_of_a_driver_stays_but_where_the_agent_knows_better(site: Site) -> None:
    """An INDI driver writes the filter of a wheel of its own."""
    hdu = fits.PrimaryHDU(np.full((24, 32), 7, np.uint16))
    hdu.header["FILTER"] = ("Red", "of another wheel")
    hdu.header["OBSERVER"] = "x" * 100  # goes on in a second card
    hdu.header["PRESSURE"] = 850.5
    hdu.header["COMMENT"] = "made by the driver"
    site.camera.fits = hdu_bytes(hdu)
    site.expose(filter="Green")
    (path,) = site.files()
    found = header(path)
    assert (found["FILTER"], found["OBSERVER"], found["PRESSURE"]) == ("Green", "Ada", 850.5)
    assert str(found["COMMENT"]) == "made by the driver"
    assert [card.keyword for card in found.cards].count("FILTER") == 1
    assert (fits.getdata(path) == 7).all()
    assert path.stat().st_size % 2880 == 0
    assert len(site.shown) == 1


def test_a_compressed_file_of_a_driver_is_kept_with_the_header_of_its_picture(site: Site) -> None:
    pixels = np.arange(48 * 64, dtype=np.int16).reshape(48, 64)
    parts = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels)])
    data = hdu_bytes(parts)
    picture = Picture(Exposure(1), datetime.now(UTC), 1.0, fits=data, format=".fits.fz")
    path = write(site.file.images, "x", picture, [Entry("FILTER", "Green")])
    assert path.name == "x-0001.fits.fz"
    with fits.open(path) as found:
        assert found[1].header["FILTER"] == "Green"
        assert (found[1].data == pixels).all()


def hdu_bytes(hdu: Any) -> bytes:
    stream = io.BytesIO()
    hdu.writeto(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "cut", [lambda data: b"", lambda data: data[:1000], lambda data: data[:-4000], lambda data: b"\xff\xd8" + data]
)
def test_what_is_no_fits_file_is_said_and_leaves_no_file(site: Site, cut: Callable[[bytes], bytes]) -> None:
    site.camera.fits = cut(hdu_bytes(fits.PrimaryHDU(np.zeros((24, 32), np.uint16))))
    with pytest.raises(DeviceError, match="FITS"):
        site.expose()
    assert site.files() == []


def test_a_full_disk_is_told_before_the_shutter_opens(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(1 << 40, 1 << 40, 17 << 20))
    assert site.expose()["frames"] == 1  # 6 kB and some spare room
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(1 << 40, 1 << 40, 16 << 20))
    with pytest.raises(Refused, match="is full: 16 MB are free"):
        site.expose()
    assert len(site.camera.asked) == 1


def test_a_disk_that_fills_under_a_row_of_frames_leaves_the_first_ones_and_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([1 << 30, 1 << 30, 0])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(1 << 40, 0, next(free)))
    with pytest.raises(Refused, match="is full") as failed:
        site.expose(count=5)
    assert failed.value.so_far["frames"] == 2
    assert len(failed.value.so_far["files"]) == len(site.files()) == 2


def test_a_disk_that_refuses_to_write_leaves_no_part(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(DeviceError, match="No space left on device"):
        site.expose()
    assert site.files() == []


def test_frames_of_one_name_never_take_each_others_place(site: Site) -> None:
    first = site.expose()["files"]
    (path,) = site.files()
    path.write_bytes(b"precious")
    path.with_name(path.name.replace("-0001", "-0002") + ".part").write_bytes(b"of a run that was killed")
    second = site.expose()["files"]
    assert path.read_bytes() == b"precious"
    assert first + second == [
        "camera1-light-Red-20261130T010203-0001.fits",
        "camera1-light-Red-20261130T010203-0003.fits",
    ]


def test_names_of_files_are_plain_for_each_system(site: Site) -> None:
    site.expose(object_name='../..\\C:con "Ω*?<>|' + "x" * 300)
    (path,) = site.files()
    assert path.parent.parent == site.file.images
    assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-_.")
    assert len(path.name) < 140


def test_a_stop_between_two_frames_ends_the_row_and_keeps_what_was_taken(site: Site) -> None:
    class Cut(Site):
        def report(self, status: str, seconds_left: float | None = None, message: str | None = None) -> None:
            if status == "EXPOSING 3/5":
                raise Stopped("the job was stopped")

    order = Order("01K", "camera", "camera1", "expose", {"time": 0, "image_type": "dark"}, {"count": 5})
    with pytest.raises(Stopped) as stopped:
        actions.carry_out(order, site.observatory, Cut.report.__get__(site), lambda *_: None)
    assert stopped.value.so_far["frames"] == 2
    assert len(site.files()) == 2


def test_a_row_of_quick_frames_shows_the_first_and_the_last(site: Site) -> None:
    """The desk takes ten pictures a minute."""
    site.expose(count=20, time=0)
    assert [name.rpartition("-")[2] for _, name in site.shown] == ["0001.jpg", "0020.jpg"]
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg, _ in site.shown)


def test_an_exposure_needs_its_camera_and_the_wheel_that_it_turns(site: Site) -> None:
    def needs(**params: Any) -> set[str]:
        return set(actions.devices_of(Order("", "camera", "camera1", "expose", params), site.observatory))

    assert needs() == {"camera/camera1"}
    assert needs(filter="Red") == {"camera/camera1", "filter_wheel/wheel1"}
    assert needs(filter="Red", image_type="dark") == {"camera/camera1"}
    stop = Order("", "camera", "camera1", "stop")
    assert actions.devices_of(stop, site.observatory) == frozenset()
