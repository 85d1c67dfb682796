"""Filters by the names that people give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs_server.agent.actions.filters import slots
from jobs_server.agent.errors import Refused

from .pretend import Site

WHEEL = ("Red", "Green", "Blue", "H_Alpha", "ip", "rp", "gp", "Luminance")
ALIASES = {"w": "Luminance", "HA": "H_Alpha", "RGB irg": "ip, rp, gp"}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("Red", ["Red"]),
        ("RED", ["Red"]),
        ("h-alpha", ["H_Alpha"]),
        ("ha", ["H_Alpha"]),
        ("W", ["Luminance"]),
        ("R", ["Red"]),
        ("RGB", ["Red", "Green", "Blue"]),
        ("red, ip", ["Red", "ip"]),
        ("RGB irg", ["ip", "rp", "gp"]),
        ("BGR irg", ["Blue", "Green", "Red", "ip", "rp", "gp"]),
    ],
)
def test_a_filter_is_found_without_case_by_alias_and_as_a_stack(asked: str, names: list[str]) -> None:
    assert [WHEEL[slot] for slot in slots(asked, WHEEL, ALIASES)] == names


@pytest.mark.parametrize("asked", ["O3", "Re", "RGBx", "RGB O3", "lum", "\0", "u", "1"])
def test_a_filter_that_is_not_there_is_refused_with_those_that_are(asked: str) -> None:
    with pytest.raises(Refused, match="there are Red, Green, Blue"):
        slots(asked, WHEEL, ALIASES)


def test_the_wheel_turns_to_a_filter_and_not_under_an_exposure(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.carry_out("filter_wheel/wheel1", "set_name", filter_name="HA") == {"filter": "H_Alpha"}
    assert site.carry_out("filter_wheel/wheel1", "set_name", filter="h_alpha") == {"filter": "H_Alpha"}
    assert site.wheel.asked == ["H_Alpha"]  # it stood there the second time
    with pytest.raises(Refused, match="are 3 filters"):
        site.carry_out("filter_wheel/wheel1", "set_name", filter_name="RGB irg")
    site.camera.said["status"] = "exposing"
    with pytest.raises(Refused, match="camera1 exposes"):
        site.carry_out("filter_wheel/wheel1", "set_name", filter_name="Red")
