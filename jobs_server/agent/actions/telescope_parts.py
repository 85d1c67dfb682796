"""What focusers and rotators do; micrometres and degrees on the wire."""

from __future__ import annotations

from ..devices.interfaces import Focuser, Rotator
from ..errors import Refused
from .work import Result, Work

FOCUS_SECONDS = 600.0
ROTATE_SECONDS = 300.0
_FARTHEST_UM = 1e7


def focus_to(work: Work) -> Result:
    """Move the focuser to a position in micrometres."""
    focuser = work.device(Focuser)
    asked = work.order.number_within("position", -_FARTHEST_UM, _FARTHEST_UM)
    size = _step_um(focuser)
    work.needs(focuser, "go_to", "go to a position: it does not know where it is; move it relative")
    _check_limits(focuser, asked, size)
    work.refuse_under_exposure(focuser)
    work.report("MOVING")
    return _result(focuser.go_to(asked / size, FOCUS_SECONDS), size)


def focus_by(work: Work) -> Result:
    """Move the focuser by micrometres, outward positive."""
    focuser = work.device(Focuser)
    asked = work.order.number_within("position", -_FARTHEST_UM, _FARTHEST_UM)
    size, present = _step_um(focuser), focuser.position()
    if present is not None:
        _check_limits(focuser, present * size + asked, size)
    work.refuse_under_exposure(focuser)
    work.report("MOVING")
    return _result(focuser.go_by(asked / size, FOCUS_SECONDS), size)


def _step_um(focuser: Focuser) -> float:
    size = focuser.um_per_step
    if size is None or not size > 0:
        raise Refused(f"{focuser.name} does not say how long its steps are: write um_per_step in agent.toml")
    return size


def _check_limits(focuser: Focuser, asked_um: float, size: float) -> None:
    """Raise Refused in micrometres, which are what people asked for."""
    limits = focuser.limits()
    if limits is not None and not limits.least * size <= asked_um <= limits.largest * size:
        least, most = limits.least * size, limits.largest * size
        raise Refused(f"{focuser.name} goes from {least:g} to {most:g} um, and {asked_um:g} um was asked for")


def _result(steps: float | None, size: float) -> Result:
    return {} if steps is None else {"position_um": round(steps * size, 3)}


def rotate_to(work: Work) -> Result:
    """Turn the rotator to an angle, taken modulo 360."""
    rotator = work.device(Rotator)
    return _rotate(work, rotator, work.order.number_within("position", -360, 720))


def rotate_by(work: Work) -> Result:
    """Turn the rotator by degrees."""
    rotator = work.device(Rotator)
    by = work.order.number_within("position", -360, 360)
    return _rotate(work, rotator, rotator.angle() + by)


def _rotate(work: Work, rotator: Rotator, degrees: float) -> Result:
    work.needs(rotator, "go_to", "turn to an angle")
    work.refuse_under_exposure(rotator)
    work.report("ROTATING")
    return {"angle_degrees": round(rotator.go_to(degrees % 360, ROTATE_SECONDS), 4)}
