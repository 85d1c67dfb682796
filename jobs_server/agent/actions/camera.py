"""Exposures: filter by filter and frame by frame, each on disk and shown before the next begins."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

from .. import fits_files, pictures
from ..devices.interfaces import Camera, FilterWheel, Picture
from ..errors import BadReply, DeviceError, Refused
from ..site_file import CameraLines, FilterWheelLines
from . import asking, filters, headers
from .asking import Asked
from .work import Result, Work

READ_SECONDS = 180.0
_FIRST_OVERHEAD_SECONDS = 3.0
_SHOWN_EVERY_SECONDS = 7.0  # the desk takes ten previews a minute
_UNKNOWN = "unknown"  # of a filter; nothing at all would leave a driver's own word, which is another wheel's
_MOST_NAMED = 100  # of the files, since a result has 16 KiB


@dataclass
class _Run:
    """The frames of one order."""

    work: Work
    camera: Camera
    asked: Asked
    total: int
    taken: list[Path] = field(default_factory=list)
    stood: headers.Telescope = field(default_factory=headers.Telescope)
    overhead_seconds: float = _FIRST_OVERHEAD_SECONDS
    shown_at: float = -_SHOWN_EVERY_SECONDS
    notes: list[str] = field(default_factory=list)

    @property
    def which(self) -> str:
        return "" if self.total == 1 else f" {len(self.taken) + 1}/{self.total}"

    @property
    def seconds_left(self) -> float:
        return (self.total - len(self.taken)) * (self.asked.exposure.seconds + self.overhead_seconds)

    def result(self) -> Result:
        """Return what came of the order so far."""
        result: Result = {"frames": len(self.taken), "files": [path.name for path in self.taken[:_MOST_NAMED]]}
        if self.taken:
            result["folder"] = self.taken[0].parent.name
        if self.stood.direction is not None:
            result |= {"ra": round(self.stood.direction.ra_hours, 6), "dec": round(self.stood.direction.dec_degrees, 5)}
        notes = [*self.asked.notes, *dict.fromkeys(self.notes)]
        return result | ({"notes": notes} if notes else {})


def expose(work: Work) -> Result:
    """Take the frames that an order asks for; what was taken before a failure goes with the error as `so_far`."""
    camera = work.device(Camera)
    asked = asking.read(work.order, camera, work.lines(CameraLines).binnings)
    wheel = _wheel(work, camera, asked)
    slots = _slots(work, wheel, asked)
    run = _Run(work, camera, asked, len(slots) * asked.count)
    try:
        for slot in slots:
            filter_name = _turned(run, wheel, slot)
            for _ in range(asked.count):
                _take(run, filter_name)
    except DeviceError as error:
        error.so_far = run.result()
        raise
    return run.result()


def _wheel(work: Work, camera: Camera, asked: Asked) -> FilterWheel | None:
    wheel = work.observatory.wheel_of(camera.name)
    if wheel is None and asked.needs_filter and work.order.has("filter"):
        raise Refused(f"{camera.name} has no filter wheel, and filter {work.order.text('filter')[:40]!r} was asked for")
    return wheel


def _slots(work: Work, wheel: FilterWheel | None, asked: Asked) -> tuple[int | None, ...]:
    """Return the slots to turn to, one after the other; None for leaving the wheel as it is."""
    if wheel is None or not asked.needs_filter or not work.order.has("filter"):
        return (None,)
    aliases = work.lines(FilterWheelLines, wheel).aliases
    return filters.slots(work.order.text("filter"), wheel.filters(), aliases)


def _turned(run: _Run, wheel: FilterWheel | None, slot: int | None) -> str | None:
    """Turn the wheel to a slot, unless it is None, and return the name of the filter in the beam.

    It is None without a wheel, and `unknown` where a wheel that need not turn cannot be read.
    """
    if wheel is None:
        return None
    if slot is None:
        return _present(wheel)
    name = wheel.filters()[slot]
    if wheel.slot() != slot:
        run.work.report("CHANGING FILTER", run.seconds_left, name)
        filters.turn(wheel, slot)
    return name


def _present(wheel: FilterWheel) -> str:
    with suppress(DeviceError):
        present, names = wheel.slot(), wheel.filters()
        if present is not None and present < len(names):
            return names[present]
    return _UNKNOWN


def _take(run: _Run, filter_name: str | None) -> None:
    """Take one frame, write it and show it."""
    began = time.monotonic()
    _check_still(run)
    images = run.work.observatory.site_file.images
    fits_files.check_room(images, run.camera.frame_bytes(run.asked.exposure))
    run.stood = headers.telescope(run.work, run.camera)
    run.work.report(f"EXPOSING{run.which}", run.seconds_left, filter_name)
    picture = run.camera.expose(run.asked.exposure, READ_SECONDS, lambda word, _: _report(run, word))
    path = _write(run, images, picture, filter_name)
    run.taken.append(path)
    run.overhead_seconds = max(0.0, time.monotonic() - began - picture.seconds)
    _show(run, picture, path)


def _report(run: _Run, word: str) -> None:
    if word == "READING":
        left = max(0.0, run.seconds_left - run.asked.exposure.seconds)
        run.work.report(f"READING OUT{run.which}", left)


def _check_still(run: _Run) -> None:
    """Raise Refused when the mount moves under a frame that it would smear."""
    mount = run.work.observatory.mount_of(run.camera.name)
    if mount is not None and run.asked.needs_filter and mount.is_moving():
        raise Refused(f"{run.camera.name} cannot expose: {mount.name} moves")


def _write(run: _Run, images: Path, picture: Picture, filter_name: str | None) -> Path:
    work, place = run.work, run.stood.place
    folder = images / fits_files.night(picture.began, None if place is None else place.longitude_degrees).isoformat()
    lines = headers.entries(work, run.camera, run.asked, run.stood, picture, filter_name)
    what = headers.object_name(work) if run.asked.exposure.kind == "light" else run.asked.exposure.kind
    began = picture.began.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    name = fits_files.plain_name(run.camera.name, what or "light", filter_name or "", began)
    return fits_files.write(folder, name, picture, lines)


def _show(run: _Run, picture: Picture, path: Path) -> None:
    """Show a frame, not oftener than the desk takes pictures, and the last one always."""
    now = time.monotonic()
    if now - run.shown_at < _SHOWN_EVERY_SECONDS and len(run.taken) < run.total:
        return
    run.shown_at = now
    frame = picture.fits if picture.fits is not None else picture.pixels
    if frame is None:
        return
    try:
        shown = pictures.preview(frame)
    except BadReply as error:
        run.notes.append(f"no preview: {error}")
        return
    run.work.show(shown, f"{path.name.partition('.fits')[0]}.jpg")
