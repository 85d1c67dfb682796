"""What the header of a frame tells of the telescope, the site and the order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from .. import fits_header, sky
from ..devices.interfaces import Camera, Chip, Direction, Focuser, Picture, Place
from ..errors import DeviceError
from ..fits_header import Entry
from ..orders import word
from .asking import Asked
from .work import Work

_DETAILS: Mapping[str, tuple[str, str]] = {
    "temperature_c": ("CCD-TEMP", "[deg C] of the chip"),
    "gain": ("GAIN", ""),
    "offset": ("OFFSET", ""),
}


@dataclass(frozen=True)
class Telescope:
    """How the telescope stood when an exposure began; None where that is not known."""

    place: Place | None = None
    mount: str | None = None
    direction: Direction | None = None
    focus_steps: float | None = None
    focus_um: float | None = None
    focus_temperature_c: float | None = None
    rotator_degrees: float | None = None


def telescope(work: Work, camera: Camera) -> Telescope:
    """Return how the telescope of a camera stands; what cannot be read is left out, since the frame counts more."""
    site, mount = work.observatory, work.observatory.mount_of(camera.name)
    focuser, rotator = site.focuser_of(camera.name), site.rotator_of(camera.name)
    known: dict[str, Any] = {"place": site.site_file.place}
    with suppress(DeviceError):
        if mount is not None:
            known |= {"mount": mount.name, "place": known["place"] or mount.place()}
            known["direction"] = mount.position()
    with suppress(DeviceError):
        if focuser is not None:
            known |= _focus(focuser)
    with suppress(DeviceError):
        if rotator is not None:
            known["rotator_degrees"] = rotator.angle()
    return Telescope(**known)


def _focus(focuser: Focuser) -> dict[str, float | None]:
    steps, size = focuser.position(), focuser.um_per_step
    micrometres = None if steps is None or size is None else steps * size
    temperature = focuser.state().get("temperature_c")
    return {"focus_steps": steps, "focus_um": micrometres, "focus_temperature_c": temperature}


def entries(
    work: Work, camera: Camera, asked: Asked, stood: Telescope, picture: Picture, filter_name: str | None
) -> list[Entry]:
    """Return the header of one frame; the order's own keywords come first, so that none replaces the agent's."""
    order = work.order
    middle = picture.began + timedelta(seconds=picture.seconds / 2)
    return [
        *fits_header.entries_of_keywords(order.value("keywords")),
        *_of_order(work, asked),
        *_of_exposure(camera.chip(), asked, picture),
        *_of_camera(camera, picture, filter_name),
        *_of_telescope(stood, asked, middle),
    ]


def _of_order(work: Work, asked: Asked) -> Iterator[Entry]:
    order = work.order
    yield Entry("ULID", order.ulid, "the job that asked for this frame")
    yield Entry("OBJECT", object_name(work) or "Unspecified")
    yield Entry("IMAGETYP", asked.type_name)
    yield Entry("IMAGEREQ", asked.image_type[:60], "the image type as asked for")
    yield Entry("OBSERVER", order.user_name or "unknown")
    yield Entry("OBSERVAT", work.observatory.site_file.site)
    yield Entry("SWCREATE", "jobs_server agent")
    if note := word(order.value("cam_note")):
        yield Entry("NOTE", note)


def object_name(work: Work) -> str:
    """Return the object that an order names; empty when it names none."""
    for name in ("object_name", "object"):
        if work.order.has(name) and (given := word(work.order.value(name))):
            return given[:68]
    return ""


def _of_exposure(chip: Chip, asked: Asked, picture: Picture) -> Iterator[Entry]:
    exposure = picture.exposure
    end = picture.began + timedelta(seconds=picture.seconds)
    yield Entry("DATE-OBS", _utc(picture.began), "UTC, begin of the exposure")
    yield Entry("DATE-END", _utc(end), "UTC, end of the exposure")
    yield Entry("TIMESYS", "UTC")
    yield Entry("EXPTIME", float(picture.seconds), "[s]")
    yield Entry("XBINNING", exposure.binning[0])
    yield Entry("YBINNING", exposure.binning[1])
    if exposure.area is not None:
        yield Entry("XORGSUBF", exposure.area[0] // exposure.binning[0], "[binned pixel]")
        yield Entry("YORGSUBF", exposure.area[1] // exposure.binning[1], "[binned pixel]")
    if chip.pixel_um is not None:
        yield Entry("XPIXSZ", chip.pixel_um[0] * exposure.binning[0], "[um] binned")
        yield Entry("YPIXSZ", chip.pixel_um[1] * exposure.binning[1], "[um] binned")
    if any("shutter" in note for note in asked.notes):
        yield Entry("SHUTTER", value=False, comment="no shutter: dark only when covered")


def _utc(when: datetime) -> str:
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _of_camera(camera: Camera, picture: Picture, filter_name: str | None) -> Iterator[Entry]:
    yield Entry("INSTRUME", camera.name)
    if filter_name is not None:
        yield Entry("FILTER", filter_name)
    asked = {"gain": picture.exposure.gain, "offset": picture.exposure.offset}
    known = {name: value for name, value in asked.items() if value is not None} | dict(picture.details)
    for name, (key, comment) in _DETAILS.items():
        if isinstance(known.get(name), int | float):
            yield Entry(key, float(known[name]), comment)


def _of_telescope(stood: Telescope, asked: Asked, middle: datetime) -> Iterator[Entry]:
    if stood.mount is not None:
        yield Entry("TELESCOP", stood.mount)
    if stood.place is not None:
        yield Entry("SITELAT", stood.place.latitude_degrees, "[deg]")
        yield Entry("SITELONG", stood.place.longitude_degrees, "[deg] east")
        yield Entry("SITEELEV", stood.place.elevation_m, "[m]")
    numbers = (
        ("FOCUSPOS", stood.focus_steps, "[step]"),
        ("FOCUSUM", stood.focus_um, "[um]"),
        ("FOCTEMP", stood.focus_temperature_c, "[deg C]"),
        ("ROTANGLE", stood.rotator_degrees, "[deg]"),
    )
    yield from (Entry(key, float(value), comment) for key, value, comment in numbers if value is not None)
    if stood.direction is not None:
        yield from _of_direction(stood.direction, stood.place, middle, lit=asked.needs_filter)


def _of_direction(there: Direction, place: Place | None, middle: datetime, *, lit: bool) -> Iterator[Entry]:
    yield Entry("RA", round(there.ra_hours * 15, 6), "[deg] ICRS, where the mount pointed")
    yield Entry("DEC", round(there.dec_degrees, 6), "[deg] ICRS, where the mount pointed")
    yield Entry("OBJCTRA", _sexagesimal(there.ra_hours, ""), "[h] ICRS")
    yield Entry("OBJCTDEC", _sexagesimal(there.dec_degrees, "+"), "[deg] ICRS")
    yield Entry("RADESYS", "ICRS")
    yield Entry("EQUINOX", 2000.0)
    if place is None:
        return
    horizontal = sky.horizontal(there, place, middle)
    yield Entry("CENTALT", round(horizontal.alt_degrees, 4), "[deg] at the middle of the exposure")
    yield Entry("CENTAZ", round(horizontal.az_degrees, 4), "[deg] at the middle of the exposure")
    airmass = sky.airmass(horizontal.alt_degrees)
    if airmass is not None and lit:
        yield Entry("AIRMASS", round(airmass, 4), "at the middle of the exposure")


def _sexagesimal(value: float, plus: str) -> str:
    hundredths = round(abs(value) * 360_000)
    whole, rest = divmod(hundredths, 360_000)
    minutes, seconds = divmod(rest, 6_000)
    return f"{'-' if value < 0 else plus}{whole:02} {minutes:02} {seconds / 100:05.2f}"
