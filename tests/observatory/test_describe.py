"""A job in words says what an observer wants to know, whatever parameters came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.observatory import describe

CORPUS = Path(__file__).parents[1] / "data" / "commands.jsonl"


@pytest.mark.parametrize(
    ("device", "action", "required", "optional", "line"),
    [
        (
            "camera",
            "expose",
            {"time": "60", "image_type": "light"},
            {"count": "5", "filter": "R", "object_name": "M 31"},
            "Expose 5 × 60 s, filter R, light, M 31",
        ),
        ("camera", "expose", {"time": 1.5, "image_type": "bias"}, {"count": 1}, "Expose 1.5 s, bias"),
        ("camera", "expose", {}, {}, "Expose ? s"),
        (
            "mount",
            "go",
            {"ra": "0.7123", "dec": "41.269"},
            {"object": "M 31"},
            "Slew to M 31 (00h 42m 44.3s +41° 16′ 08″)",
        ),
        ("mount", "go", {"az": "0", "alt": "45"}, {"object": "empty"}, "Slew to az 0°, alt 45°"),
        ("mount", "go", {"az": "359.9999999", "alt": "45"}, {}, "Slew to az 0°, alt 45°"),
        ("mount", "go", {"ra": "23.9999999", "dec": "45"}, {}, "Slew to 00h 00m 00.0s +45° 00′ 00″"),
        ("mount", "go", {"ra": "NaN", "dec": "0"}, {}, "Go (mount): ra NaN, dec 0"),
        ("mount", "go", {"ra": 1e308, "dec": 0}, {}, "Go (mount): ra 1e+308, dec 0"),
        ("mount", "go", {"ha": "inf", "dec": 0}, {}, "Go (mount): ha inf, dec 0"),
        ("mount", "go", {"az": "NaN", "alt": 0}, {}, "Go (mount): az NaN, alt 0"),
        ("focuser", "move_relative", {"position": "NaN"}, {}, "Move relative (focuser): position NaN"),
        ("mount", "go", {"ra": "empty", "dec": "empty"}, {}, "Go (mount): ra empty, dec empty"),
        ("focuser", "move_relative", {"position": "-50"}, {}, "Move focus by -50 µm"),
        ("sequencer", "run", {"script": "focusAuto"}, {}, "Run script focusAuto"),
        ("sequencer", "run", {"script": "stopScript"}, {}, "Stop the sequencer"),
        ("camera", "stop", {}, {}, "Stop the camera"),
        ("all", "cancel_all_commands", {}, {}, "Stop everything"),
        ("enclosure", "open", {}, {}, "Open the roof"),
        ("laser", "fire_at_will", {"power": 3, "deep": {}}, {}, "Fire at will (laser): power 3"),
    ],
)
def test_in_words(device: str, action: str, required: dict[str, Any], optional: dict[str, Any], line: str) -> None:
    assert describe.describe(device, "x1", action, required, optional) == line


@pytest.mark.parametrize(
    ("device", "action", "required", "optional", "line"),
    [
        ("camera", "expose", {"time": 2}, {"count": None}, "Expose 2 s"),
        ("camera", "expose", {"time": None}, {"count": ""}, "Expose ? s"),
        ("camera", "expose", {"time": 2, "image_type": True}, {"filter": ["R", "V"]}, "Expose 2 s, filter R, V, yes"),
        ("camera", "expose", {"time": [1, 2]}, {"object_name": {"name": "M 31"}}, "Expose 1, 2 s, name M 31"),
        ("filter_wheel", "set_name", {"filter_name": None}, {}, "Filter ?"),
        ("sequencer", "run", {"script": None}, {}, "Run script ?"),
        ("sequencer", "run", {"script": ["focusAuto"]}, {}, "Run script focusAuto"),
        ("mount", "go", {"dec": 0}, {"object": ["M 31", None]}, "Slew to M 31, ?"),
        ("laser", "fire", {"armed": False, "power": 3}, {}, "Fire (laser): armed no, power 3"),
    ],
)
def test_values_of_any_kind_are_in_words_and_not_in_python(
    device: str, action: str, required: dict[str, Any], optional: dict[str, Any], line: str
) -> None:
    assert describe.describe(device, "x1", action, required, optional) == line


@pytest.mark.parametrize(
    ("device", "instance", "line"),
    [
        ("camera", "all", "Stop everything"),
        ("camera", "ALL", "Stop everything"),
        ("all", "c1", "Stop everything"),
        ("camera", "c1", "Stop the camera"),
    ],
)
def test_a_stop_for_every_instance_reads_as_what_it_covers(device: str, instance: str, line: str) -> None:
    assert describe.describe(device, instance, "stop", {}, {}) == line


def test_every_real_command_has_a_line_of_its_own() -> None:
    for text in CORPUS.read_text(encoding="utf-8").splitlines():
        command = json.loads(text)
        params = (command["required_params"], command["optional_params"])
        line = describe.describe(command["device"], command["instance"], command["action"], *params)
        assert 3 < len(line) <= describe.LONGEST


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.sampled_from(["NaN", "1e308", "-inf"]),
    lambda each: st.lists(each, max_size=3),
)


@given(
    st.sampled_from(
        [("camera", "expose"), ("mount", "go"), ("focuser", "move_absolute"), ("filter_wheel", "set_name"), ("x", "y")]
    ),
    st.dictionaries(st.sampled_from(["time", "ra", "dec", "az", "alt", "ha", "position", "filter", "script"]), _JSON),
    st.dictionaries(st.sampled_from(["count", "filter", "object", "object_name"]), _JSON),
)
def test_any_parameters_have_a_line(which: tuple[str, str], required: dict[str, Any], optional: dict[str, Any]) -> None:
    device, action = which
    assert 0 < len(describe.describe(device, "x1", action, required, optional)) <= describe.LONGEST
