"""The profile of a site is optional, checked, and refused by name when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs_server import create_app, profiles
from jobs_server.errors import ConfigError

from .support.nights import PROFILE


def load(folder: Path, text: str) -> dict[str, profiles.Profile]:
    (folder / profiles.FILE).write_text(text, encoding="utf-8")
    return dict(profiles.load(folder))


def test_no_file_is_no_profile(tmp_path: Path) -> None:
    assert profiles.load(tmp_path) == {}
    assert profiles.load(tmp_path / "nowhere") == {}


def test_one_site(tmp_path: Path) -> None:
    profile = load(tmp_path, PROFILE)["wmd"]
    assert (profile.title, profile.place) == ("Wendelstein Dome", (47.7036, 12.0123))
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


def test_the_service_does_not_start_on_a_wrong_profile(tmp_path: Path) -> None:
    (tmp_path / profiles.FILE).write_text('code = "wmd"\ntimezone = "Mars"', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"site\.toml: timezone: 'Mars' is no time zone"):
        create_app({"INSTANCE": str(tmp_path)})
