"""What roofs and domes do."""

from __future__ import annotations

from ..devices.interfaces import Enclosure, Mount
from ..errors import DeviceError, Refused
from ..site_file import EnclosureLines
from .work import Result, Work

SHUTTER_SECONDS = 600.0
TURN_SECONDS = 600.0


def open_roof(work: Work) -> Result:
    """Open the roof."""
    enclosure = work.device(Enclosure)
    work.needs(enclosure, "open", "open")
    work.report("OPENING")
    enclosure.open(SHUTTER_SECONDS)
    return {"shutter": enclosure.shutter()}


def close_roof(work: Work) -> Result:
    """Close the roof; a roof without a slit that turns is not closed over a telescope that may stand in its way."""
    enclosure = work.device(Enclosure)
    work.needs(enclosure, "close_shutter", "close")
    if enclosure.azimuth() is None and not work.lines(EnclosureLines).close_over_unparked_mount:
        _refuse_unparked(work)
    work.report("CLOSING")
    enclosure.close_shutter(SHUTTER_SECONDS)
    return {"shutter": enclosure.shutter()}


def _refuse_unparked(work: Work) -> None:
    advice = "park it first, or write close_over_unparked_mount = true in agent.toml"
    for mount in work.observatory.all_of("mount"):
        try:
            parked = isinstance(mount, Mount) and mount.is_parked()
        except DeviceError as error:
            raise Refused(f"{mount.name} cannot be seen parked under the roof ({error}): {advice}") from error
        if not parked or not mount.is_ready:
            raise Refused(f"{mount.name} is not parked, and the roof could hit it: {advice}")


def turn(work: Work) -> Result:
    """Turn the dome to an azimuth."""
    enclosure = work.device(Enclosure)
    azimuth = work.order.number_within("azimuth", -360, 720) % 360
    work.needs(enclosure, "go_to_azimuth", "turn to an azimuth")
    work.report("ROTATING")
    return {"azimuth_degrees": round(enclosure.go_to_azimuth(azimuth, TURN_SECONDS), 2)}


def sync(work: Work) -> Result:
    """Tell the dome which azimuth its present one is."""
    enclosure = work.device(Enclosure)
    azimuth = work.order.number_within("azimuth", -360, 720) % 360
    work.needs(enclosure, "sync_azimuth", "take an azimuth for its own")
    work.report("SETTING")
    enclosure.sync_azimuth(azimuth)
    return {"azimuth_degrees": azimuth}


def park(work: Work) -> Result:
    """Turn the dome to its parking position; a roof that parks by closing is guarded as a roof that closes."""
    enclosure = work.device(Enclosure)
    work.needs(enclosure, "park", "park")
    if enclosure.azimuth() is None and not work.lines(EnclosureLines).close_over_unparked_mount:
        _refuse_unparked(work)
    work.report("PARKING")
    enclosure.park(TURN_SECONDS)
    return {}


def home(work: Work) -> Result:
    """Turn the dome to its home position."""
    enclosure = work.device(Enclosure)
    work.needs(enclosure, "home", "go to a home position")
    work.report("HOMING")
    enclosure.home(TURN_SECONDS)
    return {}


def follow(work: Work) -> Result:
    """Let the dome follow the mount."""
    return _follow(work, on=True)


def stand(work: Work) -> Result:
    """End that the dome follows the mount."""
    return _follow(work, on=False)


def _follow(work: Work, *, on: bool) -> Result:
    enclosure = work.device(Enclosure)
    work.needs(enclosure, "follow", "follow the mount")
    work.report("SETTING")
    enclosure.follow(on)
    return {"follows": on}
