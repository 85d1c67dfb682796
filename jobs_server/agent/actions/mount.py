"""What mounts do: go, track, park and home."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from .. import frames, sky
from ..devices.interfaces import Direction, Horizontal, Mount, Place
from ..errors import NotPossible, Refused
from ..orders import Order, word
from ..site_file import MountLines
from .work import Result, Work

SLEW_SECONDS = 600.0
TRACK_SECONDS = 20.0

_FRAMES: Mapping[str, frames.Frame] = {
    "icrs": "icrs",
    "j2000": "j2000",
    "fk5": "j2000",
    "jnow": "of_date",
    "b1950": "b1950",
    "b1900": "b1900",
}
_WAYS = (("ra", "dec"), ("ha", "dec"), ("az", "alt"))


def go(work: Work) -> Result:
    """Slew to a direction, an hour angle or a place over the horizon, after all that can be checked before."""
    order, mount, now = work.order, work.device(Mount), datetime.now(UTC)
    _refuse_unable(order)
    way = _way(order)
    asked = _horizontal(order) if way[0] == "az" else None
    equatorial = None if asked else _equatorial(order, way[0])
    place = sky.place_for_slews(mount, work.observatory.site_file.place, work.lines(MountLines), now)
    target = sky.direction(asked, place, now) if asked else _direction(order, equatorial or (0.0, 0.0), way, place, now)
    sky.check_target(target, place, now, work.lines(MountLines))
    work.refuse_under_exposure(mount)
    work.report("SLEWING")
    if asked and "go_horizontal" in mount.abilities():
        reached = mount.go_horizontal(asked, SLEW_SECONDS)
        return _result(sky.direction(reached, place, datetime.now(UTC)), place)
    there = mount.go(target, SLEW_SECONDS)
    return _result(there, place) | (_stand_still(mount) if asked else {})


def _refuse_unable(order: Order) -> None:
    if order.has("do_centering_routine") and order.switch("do_centering_routine"):
        raise Refused("centering by pictures is not possible with this agent; send the command without it")
    for name in ("tracking_rate_ra", "tracking_rate_dec", "ra_rate", "dec_rate"):
        if not order.has(name) or word(order.value(name)).casefold() == "sidereal":
            continue
        if order.number(name) != 0:
            raise Refused(
                f"this agent tracks at the sidereal rate alone, and {name} {order.number(name):g} was asked for"
            )


def _way(order: Order) -> tuple[str, str]:
    """Return the two parameters that say where to go; raise Refused when they say it twice."""
    filled = [way for way in _WAYS if order.has(way[0])]
    if len(filled) > 1:
        raise Refused(f"{filled[0][0]} and {filled[1][0]} were given: which of the two is meant is not known")
    given = [way for way in _WAYS if way[0] in order.required or (way[0] == "az" and "alt" in order.required)]
    return (filled or given or [_WAYS[0]])[0]


def _horizontal(order: Order) -> Horizontal:
    azimuth = order.angle("az", "deg", -360, 360) % 360
    return Horizontal(order.angle("alt", "deg", -90, 90), azimuth)


def _equatorial(order: Order, name: str) -> tuple[float, float]:
    """Return hours and degrees; 24 hours are 0, and more are refused, since degrees may have been meant."""
    hours = order.angle(name, "h", *((0, 24) if name == "ra" else (-24, 24)))
    return hours % 24 if name == "ra" else hours, order.angle("dec", "deg", -90, 90)


def _direction(
    order: Order, asked: tuple[float, float], way: tuple[str, str], place: Place, now: datetime
) -> Direction:
    if way[0] == "ha":
        return sky.from_hour_angle(*asked, place, now)
    given = order.text("frame", "ICRS")
    frame = _FRAMES.get(given.casefold())
    if frame is None:
        known = ", ".join(_FRAMES).upper()
        raise Refused(f"ra and dec in the frame {given[:20]!r} are not understood: {known} are")
    return Direction(*(asked if frame == "icrs" else frames.to_icrs(*asked, frame, now)))


def _result(there: Direction, place: Place) -> Result:
    horizontal = sky.horizontal(there, place, datetime.now(UTC))
    return {
        "ra": round(there.ra_hours, 6),
        "dec": round(there.dec_degrees, 5),
        "alt_degrees": round(horizontal.alt_degrees, 3),
        "az_degrees": round(horizontal.az_degrees, 3),
    }


def _stand_still(mount: Mount) -> Result:
    """End tracking at a place over the horizon; return what there is to say when the mount cannot."""
    try:
        mount.set_tracking(on=False)
    except NotPossible:
        return {"note": f"{mount.name} cannot stand still: it tracks"}
    return {}


def park(work: Work) -> Result:
    """Park the mount."""
    mount = work.device(Mount)
    work.needs(mount, "park", "park")
    work.refuse_under_exposure(mount)
    work.report("PARKING")
    mount.park(SLEW_SECONDS)
    return {}


def unpark(work: Work) -> Result:
    """Unpark the mount."""
    mount = work.device(Mount)
    work.needs(mount, "unpark", "unpark")
    work.report("UNPARKING")
    mount.unpark(SLEW_SECONDS)
    return {}


def home(work: Work) -> Result:
    """Send the mount to its home position."""
    mount = work.device(Mount)
    work.needs(mount, "home", "go to a home position")
    work.refuse_under_exposure(mount)
    work.report("HOMING")
    mount.home(SLEW_SECONDS)
    return {}


def track(work: Work) -> Result:
    """Switch tracking on or off, as the parameter says."""
    _refuse_unable(work.order)
    return _switch_tracking(work, on=work.order.switch("tracking"))


def track_on(work: Work) -> Result:
    """Switch tracking on."""
    return _switch_tracking(work, on=True)


def track_off(work: Work) -> Result:
    """Switch tracking off."""
    return _switch_tracking(work, on=False)


def _switch_tracking(work: Work, *, on: bool) -> Result:
    mount = work.device(Mount)
    work.needs(mount, "set_tracking", "switch its tracking")
    work.report("SETTING")
    mount.set_tracking(on, TRACK_SECONDS)
    return {"tracking": mount.is_tracking()}
