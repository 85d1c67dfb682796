"""What a job asks for that its site is not known to have is said before it goes out, and hinders nobody."""

from __future__ import annotations

from typing import Any

import pytest

from jobs_server.observatory.abilities import Abilities, cautions
from jobs_server.observatory.profiles import Profile

SAID: dict[str, dict[str, Any]] = {
    "camera/cam1": {
        "actions": ["expose", "stop"],
        "filters": ["Red", "HA"],
        "binnings": [1, "2,2", [4, 4]],
        "limits": {"time": [0, 3600], "count": [1, None], "words": "many", "gain": [None, 30]},
    },
    "focuser/foc1": {"limits": {"position": [0, 12000]}},
    "filter_wheel/w1": {"filters": ["Red"]},
}


def said_of(
    device: str,
    instance: str,
    action: str,
    required: dict[str, Any],
    optional: dict[str, Any] | None = None,
    profile: dict[str, Any] | None = None,
    said: dict[str, dict[str, Any]] | None = None,
) -> list[str]:
    abilities = Abilities(Profile(code="wmd", devices=profile or {}), SAID if said is None else said)
    return cautions(abilities, device, instance, action, required, optional or {})


@pytest.mark.parametrize(
    ("job", "sentences"),
    [
        (("camera", "cam1", "expose", {"time": 5}, {"filter": "Zz"}), ["wmd has no filter 'Zz'; it has Red, HA"]),
        (("camera", "cam1", "expose", {"time": "5"}, {"filter": "ha", "bin": '"optimal"', "count": "1"}), []),
        (("camera", "cam1", "expose", {}, {"filter": "Unspecified"}), []),
        (("camera", "cam #9", "expose", {}, {"filter": "Zz"}), ["wmd has no camera 'cam #9'; it has cam1"]),
        (("rotator", "r1", "home", {}), ["wmd names no rotator among its devices"]),
        (("camera", "cam1", "warm", {}), ["cam1 does not say that it can 'warm'; it can expose, stop"]),
        (("camera", "cam1", "expose", {"time": 3601}), ["cam1 takes a time from 0 to 3600, not 3601"]),
        (("camera", "cam1", "expose", {}, {"count": 0}), ["cam1 takes a count at least 1, not 0"]),
        (("camera", "cam1", "expose", {}, {"gain": "31"}), ["cam1 takes a gain at most 30, not 31"]),
        (("camera", "cam1", "expose", {}, {"bin": "3x3"}), ["cam1 does not bin 3×3; it bins 1, 2,2, 4×4"]),
        (("camera", "cam1", "expose", {}, {"bin": 2}), []),
        (("camera", "cam1", "expose", {}, {"bin": "4,4"}), []),
        (("camera", "cam1", "expose", {"time": [1], "words": 5}, {"filter": {}, "bin": [], "gain": True}), []),
        (("focuser", "foc1", "move_absolute", {"position": -1}), ["foc1 takes a position from 0 to 12000, not -1"]),
        (("focuser", "foc1", "move_relative", {"position": -1}), []),
        (("filter_wheel", "w1", "set_name", {"filter_name": "HA"}), ["wmd has no filter 'HA'; it has Red"]),
        (("all", "all", "observatory_restart", {}), []),
        (("obs", "obs", "configure_sun_safety", {"mode": "on"}), []),
    ],
)
def test_a_filter_zz_and_a_camera_that_is_not_there_are_cautioned_of(
    job: tuple[Any, ...], sentences: list[str]
) -> None:
    """A profile lists its filters; filter `Zz` or camera `cam #9` goes out without a caution."""
    assert said_of(*job) == sentences


@pytest.mark.parametrize("action", ["stop", "cancel", "cancel_all_commands"])
def test_a_stop_is_never_cautioned_of(action: str) -> None:
    assert said_of("camera", "cam #9", action, {"filter": "Zz"}) == []


def test_the_profile_wins_where_it_lists_something() -> None:
    profile = {"camera": {"instances": ["cam #9"], "filters": ["Zz"], "binnings": [3]}}
    optional = {"filter": "Zz", "bin": 3}
    assert said_of("camera", "cam #9", "expose", {}, optional, profile) == []
    assert said_of("camera", "cam1", "expose", {}, optional, profile) == ["wmd has no camera 'cam1'; it has cam #9"]
    assert said_of("camera", "cam #9", "expose", {}, {"filter": "Red"}, profile) == [
        "wmd has no filter 'Red'; it has Zz"
    ]


def test_of_a_site_that_lists_nothing_nothing_is_said() -> None:
    assert said_of("camera", "cam #9", "expose", {"time": 1e9}, {"filter": "Zz", "bin": 9}, said={}) == []
    profile = {"camera": {"filters": ["Red"]}}
    assert said_of("rotator", "r", "home", {}, {}, profile, {}) == []
    assert said_of("camera", "any", "expose", {}, {"filter": "Zz"}, profile, {}) == [
        "wmd has no filter 'Zz'; it has Red"
    ]


def test_a_camera_without_filters_of_its_own_has_those_of_the_wheels() -> None:
    said: dict[str, dict[str, Any]] = {"camera/c": {}, "filter_wheel/1": {"filters": ["B", "V"]}}
    said["filter_wheel/2"] = {"filters": ["V", "R"]}
    assert said_of("camera", "c", "expose", {}, {"filter": "I"}, said=said) == ["wmd has no filter 'I'; it has B, V, R"]
    assert said_of("camera", "c", "expose", {}, {"filter": "r"}, said=said) == []


def test_names_from_outside_stay_short_and_on_one_line() -> None:
    many: dict[str, dict[str, Any]] = {f"camera/c{number}": {} for number in range(90)}
    (sentence,) = said_of("camera", "x\x1b\n" * 9000, "expose", {}, said=many)
    assert sentence.isprintable()
    assert len(sentence) < 250
    assert sentence.endswith("c11 and 78 more")
