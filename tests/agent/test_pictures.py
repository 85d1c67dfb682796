"""Frames on disk number for number, and previews that are small and show the sky."""

from __future__ import annotations

import io
import threading
import tracemalloc
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from jobs_server.agent import fits_files, pictures
from jobs_server.agent.devices.interfaces import Exposure, Picture
from jobs_server.agent.errors import BadReply
from jobs_server.agent.image_bytes import image

LIMITS = {kind: np.iinfo(kind) for kind in ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64")}


def written(folder: Path, pixels: Any) -> Path:
    picture = Picture(Exposure(1), datetime.now(UTC), 1.0, pixels=pixels)
    return fits_files.write(folder, "frame", picture, [])


@pytest.mark.parametrize("kind", [*LIMITS, "float32", "float64"])
def test_pixels_of_each_kind_come_back_from_disk_as_they_were(tmp_path: Path, kind: str) -> None:
    pixels = np.zeros((50, 40), kind)
    if kind in LIMITS:
        pixels[0, :2] = LIMITS[kind].min, LIMITS[kind].max
    else:
        pixels[0, :3] = -1.5, 1e30, np.nan
    pixels[49, 39] = 7
    found = fits.getdata(written(tmp_path, pixels))
    assert np.array_equal(found, pixels, equal_nan=kind.startswith("float"))


@pytest.mark.parametrize("kind", ["int32", "uint32", "int64", "uint64"])
def test_wide_pixels_of_a_narrow_camera_take_two_bytes_each(tmp_path: Path, kind: str) -> None:
    """Alpaca sends numbers of 32 bits for cameras of 16."""
    pixels = np.full((300, 400), 65535, kind)
    pixels[3, 4] = 0
    path = written(tmp_path, pixels)
    assert path.stat().st_size < 300 * 400 * 2 + 3 * 2880
    assert np.array_equal(fits.getdata(path), pixels)


def test_colour_frames_keep_their_planes(tmp_path: Path) -> None:
    pixels = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    path = written(tmp_path, pixels)
    assert np.array_equal(fits.getdata(path), pixels)
    assert fits.getheader(path)["NAXIS3"] == 3


def test_alpacas_columns_are_rows_on_disk(tmp_path: Path) -> None:
    """ImageBytes count x first: a star at x 5, y 2 stands in row 2, column 5."""
    sent = np.zeros((8, 4), "<u2")
    sent[5, 2] = 1000
    head = np.array([1, 0, 0, 0, 44, 8, 8, 2, 8, 4, 0], "<i4").tobytes()
    found = fits.getdata(written(tmp_path, image(head + sent.tobytes())))
    assert found.shape == (4, 8)
    assert np.argwhere(found == 1000).tolist() == [[2, 5]]


def test_a_frame_takes_at_most_its_own_size_again_in_memory(tmp_path: Path) -> None:
    sent = np.zeros((4000, 2500), np.int32)
    sent[::7] = 30_000
    frame = sent.transpose()
    tracemalloc.start()
    try:
        path = written(tmp_path, frame)
        jpeg = pictures.preview(frame)
        pictures.preview(path.read_bytes())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2 * sent.nbytes
    assert len(jpeg) <= pictures.MOST_BYTES


def test_threads_that_write_one_name_get_a_file_each(tmp_path: Path) -> None:
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda value=value: paths.append(written(tmp_path, np.full((9, 9), value, np.int16))))
        for value in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 12
    assert sorted(int(fits.getdata(path)[0, 0]) for path in paths) == list(range(12))
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("when", "longitude", "evening"),
    [
        (datetime(2026, 11, 30, 10, 59, tzinfo=UTC), 12.0, date(2026, 11, 29)),
        (datetime(2026, 11, 30, 11, 13, tzinfo=UTC), 12.0, date(2026, 11, 30)),
        (datetime(2026, 11, 30, 1, 0, tzinfo=UTC), 12.0, date(2026, 11, 29)),
        (datetime(2026, 11, 30, 8, 0, tzinfo=UTC), -110.0, date(2026, 11, 29)),
        (datetime(2026, 11, 30, 8, 0, tzinfo=UTC), 150.0, date(2026, 11, 30)),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), 180.0, date(2026, 12, 31)),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), -179.9, date(2026, 12, 30)),
    ],
)
def test_a_night_goes_from_noon_to_noon_by_the_sun_of_the_place(
    when: datetime, longitude: float, evening: date
) -> None:
    assert fits_files.night(when, longitude) == evening


def sky_of(shape: tuple[int, ...]) -> Any:
    random = np.random.default_rng(1)
    frame = random.normal(1000, 10, shape)
    frame[..., 100:110, 200:210] = 50_000
    return frame


def shown(frame: Any) -> Any:
    return Image.open(io.BytesIO(pictures.preview(frame)))


@pytest.mark.parametrize("shape", [(2000, 3000), (3, 1500, 2000), (4, 600, 800)])
@pytest.mark.parametrize("kind", ["uint16", "int32", "float32"])
def test_a_preview_is_small_and_shows_a_dark_grey_sky_with_its_stars(shape: tuple[int, ...], kind: str) -> None:
    frame = sky_of(shape).astype(kind)
    assert len(pictures.preview(frame)) <= 200_000
    picture = shown(frame)
    assert max(picture.size) <= 1280
    assert picture.mode == ("RGB" if len(shape) == 3 else "L")
    grey = np.asarray(picture.convert("L"))
    assert 30 < np.median(grey) < 90
    scale = shape[-1] / picture.width
    assert grey[round(105 / scale), round(205 / scale)] > 220


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3), (1281, 1281), (1, 10, 10)])
def test_frames_of_odd_shapes_are_shown(shape: tuple[int, ...]) -> None:
    assert max(shown(np.ones(shape, np.uint16)).size) <= 1280


@pytest.mark.parametrize("value", [0, 65535, np.nan, np.inf, -np.inf])
def test_frames_of_one_value_or_none_are_shown(value: float) -> None:
    assert shown(np.full((30, 40), value, np.float32)).size == (40, 30)


def test_a_frame_of_noise_is_kept_below_the_size_too() -> None:
    noise = np.random.default_rng(2).integers(0, 65535, (3, 1280, 1280), dtype=np.uint16)
    assert len(pictures.preview(noise)) <= 200_000


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("zero", [0, 32768])
def test_a_drivers_file_is_shown_as_its_pixels_are(zero: int, compressed: bool) -> None:
    pixels = sky_of((400, 600)).astype(np.uint16 if zero else np.int32)
    primary = fits.PrimaryHDU() if compressed else fits.PrimaryHDU(pixels)
    parts = fits.HDUList([primary, fits.CompImageHDU(pixels)] if compressed else [primary])
    stream = io.BytesIO()
    parts.writeto(stream)
    grey = np.asarray(shown(stream.getvalue()), np.int16)
    assert np.abs(grey - np.asarray(shown(pixels), np.int16)).mean() < 3


@pytest.mark.parametrize("data", [b"", b"SIMPLE", b"\x1f\x8b123", b"\xff" * 5000])
def test_what_is_no_picture_is_said(data: bytes) -> None:
    with pytest.raises(BadReply):
        pictures.preview(data)
    with pytest.raises(BadReply):
        pictures.preview(np.zeros((0, 5), np.uint16))
