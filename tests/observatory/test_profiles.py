"""The profile of a site is optional, checked, and refused by name when it is wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs_server import create_app
from jobs_server.errors import ConfigError
from jobs_server.observatory import profiles
from jobs_server.observatory.sky import Place

from ..support.nights import PROFILE


def load(folder: Path, text: str) -> dict[str, profiles.Profile]:
    (folder / profiles.FILE).write_text(text, encoding="utf-8")
    return dict(profiles.load(folder))


def test_no_file_is_no_profile(tmp_path: Path) -> None:
    assert profiles.load(tmp_path) == {}
    assert profiles.load(tmp_path / "nowhere") == {}


def test_one_site(tmp_path: Path) -> None:
    profile = load(tmp_path, PROFILE)["wmd"]
    assert (profile.title, profile.place) == ("Wendelstein Dome", Place(47.7036, 12.0123, 1838))
    assert profile.device("camera").filters[1] == "R"
    assert profile.device("dome") == profiles.Device()


def test_a_code_is_enough(tmp_path: Path) -> None:
    profile = load(tmp_path, 'code = "wmd"')["wmd"]
    assert (profile.title, profile.place, str(profile.zone)) == ("wmd", None, "UTC")


def test_several_sites(tmp_path: Path) -> None:
    text = '[[sites]]\ncode = "wmd"\n[[sites]]\ncode = "mrc"\ntimezone = "America/Los_Angeles"\n'
    assert set(load(tmp_path, text)) == {"wmd", "mrc"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('code = "wmd"\nlatitude = 4', "latitude"),
        ('code = "wmd"\nlatitude_deg = 91\nlongitude_deg = 0', "latitude_deg"),
        ('code = "wmd"\nlatitude_deg = 9', "give both latitude_deg and longitude_deg"),
        ('code = "wmd"\ntimezone = "Mars/Olympus"', "Mars/Olympus"),
        ('name = "no code"', "code"),
        ('code = "wmd"\n[devices.camera]\nfilter = ["R"]', r"devices\.camera\.filter"),
        ("code = ", "cannot be read"),
        ('name = "x"\n[[sites]]\ncode = "wmd"', "name must stand in one of the"),
    ],
)
def test_a_wrong_profile_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(tmp_path, text)


def saved(folder: Path, text: str, profile: dict[str, Any]) -> str:
    (folder / profiles.FILE).write_text(text, encoding="utf-8")
    profiles.save(folder, profiles.Profile.model_validate(profile))
    return (folder / profiles.FILE).read_text(encoding="utf-8")


def test_what_people_wrote_beside_a_profile_stays(tmp_path: Path) -> None:
    text = '# ours\ncode = "wmd"  # do not change\n\n[devices.camera]\n# from the slot\nfilters = ["R", "V"]\n'
    camera = {"filters": ["R", "V"], "binnings": [1, 2]}
    after = saved(tmp_path, text, {"code": "wmd", "name": "Dome", "devices": {"camera": camera, "mount": {}}})
    for kept in ("# ours", "# do not change", "# from the slot"):
        assert kept in after
    assert load(tmp_path, after)["wmd"].device("camera").binnings == (1, 2)
    assert load(tmp_path, after)["wmd"].title == "Dome"


def test_a_second_site_stands_beside_the_first(tmp_path: Path) -> None:
    after = saved(tmp_path, PROFILE, {"code": "mrc", "timezone": "America/Los_Angeles"})
    both = load(tmp_path, after)
    assert set(both) == {"wmd", "mrc"}
    assert both["wmd"].device("camera").filters[0] == "L"
    third = load(tmp_path, saved(tmp_path, after, {"code": "mrc", "name": "Two"}))
    assert (set(third), third["mrc"].title, third["mrc"].timezone) == ({"wmd", "mrc"}, "Two", "UTC")


def _profiles() -> st.SearchStrategy[dict[str, Any]]:
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
    words = st.lists(text, max_size=3)
    device = st.fixed_dictionaries({}, optional={"instances": words, "filters": words, "binnings": words})
    place = st.fixed_dictionaries({"latitude_deg": st.floats(-90, 90), "longitude_deg": st.floats(-180, 360)})
    more = {
        "name": text,
        "elevation_m": st.floats(-500, 9000),
        "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
        "devices": st.dictionaries(text, device, max_size=3),
    }
    whole = st.fixed_dictionaries({"code": st.sampled_from(["wmd", "mrc", "öst"])}, optional=more)
    return st.builds(lambda one, two: {**one, **two}, whole, st.one_of(st.just({}), place))


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_profiles(), min_size=1, max_size=3))
def test_every_profile_that_is_saved_is_read_as_it_was(written: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for each in written:
            profiles.save(Path(folder), profiles.Profile.model_validate(each))
        last = {each["code"]: profiles.Profile.model_validate(each) for each in written}
        assert profiles.load(Path(folder)) == last


def test_a_change_by_hand_is_taken_up_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    load(tmp_path, 'code = "wmd"')
    kept = profiles.ProfilesFile(tmp_path)
    load(tmp_path, 'code = "wmd"\nname = "Dome"')
    assert kept.all()["wmd"].title == "Dome"
    (tmp_path / profiles.FILE).write_text('code = "wmd"\nname =', encoding="utf-8")
    assert kept.all()["wmd"].title == "Dome"


def test_the_service_does_not_start_on_a_wrong_profile(tmp_path: Path) -> None:
    (tmp_path / profiles.FILE).write_text('code = "wmd"\ntimezone = "Mars"', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"site\.toml: timezone: 'Mars' is no time zone"):
        create_app({"INSTANCE": str(tmp_path)})
