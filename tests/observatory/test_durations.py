"""How long the pretend telescope takes: believable for what is known, and never a crash."""

from __future__ import annotations

import json
import math
from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs_server.observatory import catalogue, durations
from jobs_server.observatory.durations import BadParameter, Plan, Pose

from ..support import servers

NOW = 1_800_000_000.0
EVERY_ACTION = [(device, action) for device, known in catalogue.devices().items() for action in known["actions"]]
SCRIPTS = catalogue.action("sequencer", "run")["scripts"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    ["time", "count", "dither", "ra", "dec", "ha", "az", "alt", "position", "azimuth", "period", "script", "numFrames"]
)
params = st.dictionaries(
    names, json_values | st.sampled_from(["empty", '"fine"', "1e400", "1e308", "NaN", "12", sorted(SCRIPTS)])
)


def plans(device: str, action: str, required: Any = None, optional: Any = None, pose: Pose | None = None) -> Plan:
    return durations.plan(device, action, required or {}, optional or {}, pose or Pose(), NOW)


def statuses(plan: Plan) -> list[str]:
    return [step.status for step in plan.steps]


def test_exposures_take_their_time_and_a_readout() -> None:
    plan = plans("camera", "expose", {"time": "10"}, {"count": "2"})
    assert plan.steps == (
        *(("EXPOSING 1/2", 10.0), ("READING OUT 1/2", durations.READOUT_SECONDS)),
        *(("EXPOSING 2/2", 10.0), ("READING OUT 2/2", durations.READOUT_SECONDS)),
    )
    assert statuses(plans("camera", "expose", {"time": 1})) == ["EXPOSING", "READING OUT"]


def test_a_slew_goes_by_its_angle() -> None:
    there = plans("mount", "go", {"ha": 6, "dec": 0})
    assert there.seconds == pytest.approx(90 / durations.SLEW_DEGREES_PER_SECOND + durations.SETTLE_SECONDS)
    again = plans("mount", "go", {"ha": 6, "dec": 0}, pose=there.pose)
    assert again.seconds == pytest.approx(durations.SETTLE_SECONDS)


def test_the_zenith_is_where_both_ways_of_saying_it_lead() -> None:
    by_horizon = plans("mount", "go", {"az": 0, "alt": 90}).pose
    by_equator = plans("mount", "go", {"ha": 0, "dec": 34}).pose
    assert durations.separation(by_horizon, by_equator) == pytest.approx(0, abs=1e-6)


def test_a_rotator_takes_the_short_way() -> None:
    plan = plans("rotator", "move_absolute", {"position": "359"}, pose=Pose(rotator=1))
    assert plan.seconds == pytest.approx(durations.SETTING_SECONDS + 2 / durations.ROTATOR_DEGREES_PER_SECOND)
    assert plan.pose.rotator == 359


def test_scripts_go_by_their_frames() -> None:
    plan = plans(
        "sequencer", "run", {"script": "collectBiasesAndDarks", "numOfBias": 40, "numOfDark": 1, "darkTime": 60}
    )
    assert plan.seconds == pytest.approx(40 * 3 + 60 + durations.READOUT_SECONDS)
    assert len(plan.steps) == 21


@pytest.mark.parametrize(
    ("device", "action", "required", "sentence"),
    [
        ("mount", "go", {"ra": "empty", "dec": "10"}, "ra must be a number, not 'empty'"),
        ("mount", "go", {"ra": 1, "dec": 100}, "dec must be from -90 to 90, not 100"),
        ("focuser", "move_relative", {"position": "NaN"}, "position must be a number, not 'NaN'"),
        ("focuser", "move_relative", {}, "position must be a number, not None"),
        ("camera", "expose", {"time": True}, "time must be a number, not True"),
        ("mount", "go", {"ra": 1e308, "dec": 0}, r"ra must be from 0 to 24, not 1e\+308"),
        ("mount", "go", {"ra": "-1", "dec": 0}, "ra must be from 0 to 24, not -1"),
        ("mount", "go", {"ra": "NaN", "dec": 0}, "ra must be a number, not 'NaN'"),
        ("mount", "go", {"ha": 1e308, "dec": 0}, r"ha must be from -24 to 24, not 1e\+308"),
        ("mount", "go", {"az": -1e308, "alt": 0}, r"az must be from -360 to 360, not -1e\+308"),
        ("focuser", "move_relative", {"position": "1e308"}, r"position must be from -1e\+09 to 1e\+09, not 1e\+308"),
        ("focuser", "move_absolute", {"position": 1e308}, r"position must be from -1e\+09 to 1e\+09, not 1e\+308"),
        ("rotator", "move_relative", {"position": 1e308}, r"position must be from -1e\+09 to 1e\+09, not 1e\+308"),
        ("enclosure", "slew_az", {"azimuth": 1e308}, r"azimuth must be from -1e\+09 to 1e\+09, not 1e\+308"),
        ("camera", "expose", {"time": 10**400}, "time must be a number, not 1000"),
        ("camera", "dance", {}, "this observatory knows no dance of camera"),
        ("toaster", "on", {}, "this observatory knows no on of toaster"),
        ("sequencer", "run", {"script": ["x"]}, "this observatory knows no script"),
    ],
)
def test_what_a_telescope_cannot_do_is_refused_in_words(device: str, action: str, required: Any, sentence: str) -> None:
    """RA `1e308`: `durations.plan` ends in ValueError, a relative focus in nan."""
    with pytest.raises(BadParameter, match=sentence):
        plans(device, action, required)


@pytest.mark.parametrize(("device", "action"), EVERY_ACTION)
def test_every_action_of_the_catalogue_is_known(device: str, action: str) -> None:
    required = {"script": "focusAuto", "ra": 1, "dec": 1, "position": 1, "azimuth": 1}
    assert 0 < plans(device, action, required).seconds < 1000


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(EVERY_ACTION), params, params)
def test_no_parameters_crash_it(which: tuple[str, str], required: Any, optional: Any) -> None:
    try:
        plan = plans(*which, required, optional)
    except BadParameter:
        return
    assert plan.seconds >= 0
    assert all(map(math.isfinite, astuple(plan.pose)))
    assert len(plan.steps) <= 3 * durations.MOST_STEPS
    assert all(0 < len(step.status) <= 64 for step in plan.steps)


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_every_script_of_the_catalogue_is_known(script: str) -> None:
    assert plans("sequencer", "run", {"script": script}).seconds >= 0


def test_most_real_commands_can_be_done() -> None:
    lines = (servers.ROOT / "tests/data/commands.jsonl").read_text(encoding="utf-8").splitlines()
    done = 0
    for command in map(json.loads, lines):
        try:
            plans(command["device"], command["action"], command["required_params"], command["optional_params"])
            done += 1
        except BadParameter:
            assert "empty" in str(command) or "NaN" in str(command)
    assert done > 0.9 * len(lines)
