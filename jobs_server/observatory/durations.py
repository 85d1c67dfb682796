"""How long each action of the catalogue takes at a telescope of ordinary speed, step by step.

Parameters come as people's programs send them: numbers as texts, in quotes, `empty`. What cannot be read is refused
with BadParameter, as a telescope would refuse it; nothing else is ever raised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from . import catalogue
from .poses import BadParameter, Params, Pose, Request, number, pose_after, separation, short

__all__ = ["BadParameter", "Plan", "Pose", "Step", "plan", "separation"]

READOUT_SECONDS = 3.0
DITHER_SECONDS = 2.0
SETTLE_SECONDS = 4.0
SLEW_DEGREES_PER_SECOND = 3.0
DOME_DEGREES_PER_SECOND = 4.0
ROTATOR_DEGREES_PER_SECOND = 6.0
FOCUSER_UM_PER_SECOND = 250.0
SETTING_SECONDS = 0.5

_LONGEST_SECONDS = 7 * 24 * 3600.0  # no one thing takes longer
_MOST_FRAMES = 100_000
MOST_STEPS = 100  # of one kind: longer rows are reported in groups


class Step(NamedTuple):
    """One thing that a device does, under the status that reports it."""

    status: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a device will do, and how it will stand then."""

    steps: tuple[Step, ...]
    pose: Pose

    @property
    def seconds(self) -> float:
        """Return how long all steps take together."""
        return sum(step.seconds for step in self.steps)


def plan(device: str, action: str, required: Params, optional: Params, pose: Pose, now: float) -> Plan:
    """Plan an action. Raises BadParameter when it or what it needs is unknown to this telescope."""
    if not catalogue.action(device, action):
        raise BadParameter(f"this observatory knows no {action} of {device}")
    request = Request(required, optional, pose, now)
    moved = pose_after(device, action, request)
    steps = _STEPS.get((device, action), _SIMPLE.get(action, _setting))(request, moved)
    return Plan(tuple(steps), moved)


def _exposes(request: Request, _moved: Pose) -> Iterator[Step]:
    seconds = min(_LONGEST_SECONDS, max(0.0, number(request.required, "time", 1.0)))
    frames = _count(request.optional, "count", 1)
    dithers = str(request.optional.get("dither", "off")).strip().lower() == "on"
    group = math.ceil(frames / MOST_STEPS)
    for first in range(1, frames + 1, group):
        size = min(group, frames - first + 1)
        which = "" if frames == 1 else f" {first}/{frames}"
        yield Step(f"EXPOSING{which}", seconds * size)
        yield Step(f"READING OUT{which}", READOUT_SECONDS * size)
        if dithers and first + size <= frames:
            yield Step("DITHERING", DITHER_SECONDS * size)


def _slews(request: Request, moved: Pose) -> Iterator[Step]:
    yield Step("SLEWING", separation(request.pose, moved) / SLEW_DEGREES_PER_SECOND)
    yield Step("SETTLING", SETTLE_SECONDS)
    if request.optional.get("do_centering_routine") is True:
        yield Step("CENTERING", 20.0)


def _moves_focus(request: Request, moved: Pose) -> Iterator[Step]:
    way = min(abs(moved.focus - request.pose.focus), 1e6)
    yield Step("MOVING", SETTING_SECONDS + way / FOCUSER_UM_PER_SECOND)


def _rotates(request: Request, moved: Pose) -> Iterator[Step]:
    yield Step("ROTATING", SETTING_SECONDS + _turn(request.pose.rotator, moved.rotator) / ROTATOR_DEGREES_PER_SECOND)


def _turns_dome(request: Request, moved: Pose) -> Iterator[Step]:
    yield Step("ROTATING", SETTING_SECONDS + _turn(request.pose.dome, moved.dome) / DOME_DEGREES_PER_SECOND)


def _pulses(request: Request, _moved: Pose) -> Iterator[Step]:
    yield Step("PULSING", min(_LONGEST_SECONDS, max(0.0, number(request.required, "period", 1.0))))


def _runs_script(request: Request, _moved: Pose) -> Iterator[Step]:
    name = str(request.required.get("script"))
    if name not in _SCRIPTS:
        raise BadParameter(f"this observatory knows no script {short(request.required.get('script'))}")
    for status, count, seconds in _SCRIPTS[name]:
        frames = count if isinstance(count, int) else _count(request.required, *count)
        each = seconds if isinstance(seconds, float) else number(request.required, *seconds) + READOUT_SECONDS
        yield from _row(status, frames, min(_LONGEST_SECONDS, max(0.0, each)))


def _row(status: str, count: int, seconds: float) -> Iterator[Step]:
    """Return a long row of the same in at most 20 steps."""
    group = math.ceil(count / 20)
    for first in range(1, count + 1, group or 1):
        yield Step(f"{status} {first}/{count}", seconds * min(group, count - first + 1))


def _setting(_request: Request, _moved: Pose) -> Iterator[Step]:
    yield Step("SETTING", SETTING_SECONDS)


def _takes(status: str, seconds: float) -> Callable[[Request, Pose], Iterator[Step]]:
    def steps(_request: Request, _moved: Pose) -> Iterator[Step]:
        yield Step(status, seconds)

    return steps


def _count(params: Params, name: str, default: int) -> int:
    return int(max(1.0, min(_MOST_FRAMES, number(params, name, default))))


def _turn(one: float, other: float) -> float:
    return abs((other - one + 180) % 360 - 180)


_STEPS: Mapping[tuple[str, str], Callable[[Request, Pose], Iterator[Step]]] = {
    ("camera", "expose"): _exposes,
    **{("mount", action): _slews for action in ("go", "park", "zero", "slew_to_near_tycho")},
    ("mount", "home"): _takes("HOMING", 20.0),
    ("mount", "sky_flat_position"): _takes("SLEWING", 20.0),
    ("mount", "screen_flat_position"): _takes("SLEWING", 20.0),
    ("mount", "center_on_pixels"): _takes("CENTERING", 8.0),
    ("focuser", "move_relative"): _moves_focus,
    ("focuser", "move_absolute"): _moves_focus,
    ("focuser", "go_to_reference"): _takes("MOVING", 5.0),
    ("focuser", "go_to_compensated"): _takes("MOVING", 3.0),
    ("focuser", "fine_focus"): _takes("FOCUSING", 90.0),
    ("focuser", "v_curve"): _takes("FOCUSING", 180.0),
    ("focuser", "auto"): _takes("FOCUSING", 120.0),
    ("filter_wheel", "set_name"): _takes("CHANGING FILTER", 3.0),
    ("filter_wheel", "set_position"): _takes("CHANGING FILTER", 3.0),
    ("rotator", "move_relative"): _rotates,
    ("rotator", "move_absolute"): _rotates,
    ("selector", "new_selection"): _takes("MOVING", 6.0),
    ("selector", "set_position"): _takes("MOVING", 6.0),
    ("switch", "pulse"): _pulses,
    ("sequencer", "run"): _runs_script,
    ("sequencer", "autofocus"): _takes("FOCUSING", 120.0),
    ("enclosure", "open"): _takes("OPENING", 40.0),
    ("enclosure", "close"): _takes("CLOSING", 40.0),
    ("enclosure", "slew_az"): _turns_dome,
    ("enclosure", "slew_alt"): _takes("MOVING", 10.0),
    ("enclosure", "home_dome"): _takes("HOMING", 45.0),
    ("enclosure", "park"): _takes("PARKING", 45.0),
    ("enclosure", "sync_mount"): _takes("ROTATING", 15.0),
    ("screen", "close_and_turn_on"): _takes("CLOSING", 12.0),
    ("screen", "turn_off_and_close"): _takes("CLOSING", 12.0),
    ("screen", "open_and_turn_off"): _takes("OPENING", 12.0),
    ("all", "observatory_restart"): _takes("RESTARTING", 60.0),
}

_SIMPLE: Mapping[str, Callable[[Request, Pose], Iterator[Step]]] = {
    "home": _takes("HOMING", 10.0),
    **{action: _takes("STOPPING", SETTING_SECONDS) for action in ("stop", "cancel", "cancel_all_commands")},
}
"""Actions that are alike for every device. Whatever is named nowhere is a setting."""

_Many = int | tuple[str, int]  # so many, or as many as a parameter says, with its default
_Long = float | tuple[str, float]
_SCRIPTS: Mapping[str, tuple[tuple[str, _Many, _Long], ...]] = {
    "focusAuto": (("FOCUSING", 9, 13.0),),
    "focusFine": (("FOCUSING", 5, 13.0),),
    "focusExtensive": (("FOCUSING", 15, 13.0),),
    "autofocus": (("FOCUSING", 9, 13.0),),
    "estimateFocusOffset": (("FOCUSING", 9, 13.0), ("MEASURING OFFSET", 3, 20.0)),
    "equatorialSweep": (("POINTING", ("points", 12), 25.0),),
    "pointingRun": (("POINTING", ("numPointingRuns", 25), 25.0),),
    "collectBiasesAndDarks": (("BIAS", ("numOfBias", 9), 3.0), ("DARK", ("numOfDark", 9), ("darkTime", 60.0))),
    "restackLocalCalibrations": (("STACKING", 20, 6.0),),
    "collectScreenFlats": (("FLAT", ("numFrames", 15), 8.0),),
    "collectSkyFlats": (("FLAT", ("numFrames", 15), 12.0),),
    "findFieldCenter": (("CENTERING", 2, 20.0),),
    "calibrateAtFieldCenter": (("CENTERING", 2, 20.0), ("CALIBRATING", 5, 30.0)),
    "stopScript": (("STOPPING", 1, 0.5),),
    "none": (),
}
