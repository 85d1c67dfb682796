"""`flask targets`: names to places at a terminal, and each site's own list."""

from __future__ import annotations

import json
from pathlib import Path

from jobs_server import create_app
from jobs_server.observatory.profiles import Profile, save
from jobs_server.upkeep import startup

from ..support import databases
from ..support.commands import run

HERE = Profile(code="wmd", latitude_deg=34.4, longitude_deg=-119.7, lowest_altitude_deg=15)


def test_a_name_is_found_with_its_altitude_where_the_sites_place_is_known(tmp_path: Path) -> None:
    assert "no altitude" in run(tmp_path, "targets", "m31").stdout
    save(tmp_path, HERE)
    found = run(tmp_path, "targets", "north", "america").stdout.splitlines()
    assert found[0] == "NGC 7000, C 20, North America Nebula (nebula mag 4)"
    assert found[1] == "  20h 59m 17.1s +44° 31′ 44″"
    assert found[2].startswith("  altitude ")
    assert "up in the dark, moon" in found[2]
    assert json.loads(run(tmp_path, "targets", "jupiter", "--json").stdout)[0]["moves"] is True


def test_a_name_that_nothing_has_is_refused_in_words(tmp_path: Path) -> None:
    ended = run(tmp_path, "targets", "no", "such", "thing")
    assert (ended.returncode, ended.stderr) == (1, "Error: no target here is called 'no such thing'\n")


def test_a_sites_own_list_is_kept_at_a_terminal(tmp_path: Path) -> None:
    startup.prepare(create_app(databases.at(tmp_path)))
    site = ("--site", "wmd")
    assert run(tmp_path, "targets", "add", *site, "--note", "ours", "--", "Field 7", "12h30m", "-0:30").returncode == 0
    assert run(tmp_path, "targets", "add", *site, "jupiter").returncode == 0
    assert run(tmp_path, "targets", "list", *site).stdout.splitlines() == [
        "Field 7  12h 30m 00.0s -00° 30′ 00″  ours",
        "jupiter",
    ]
    assert run(tmp_path, "targets", *site, "field7").returncode != 0
    assert run(tmp_path, "targets", "field7", *site).stdout.startswith("Field 7")
    assert "95" in run(tmp_path, "targets", "add", *site, "Odd", "1", "95").stderr
    assert "no catalogue" in run(tmp_path, "targets", "add", *site, "Odd").stderr
    assert run(tmp_path, "targets", "remove", *site, "FIELD 7").stdout == "Field 7 is off the list of wmd.\n"
    assert run(tmp_path, "targets", "remove", *site, "Field 7").returncode == 1
