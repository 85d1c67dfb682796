"""The guide for whoever changes the code names places that are there."""

from __future__ import annotations

import re

from ..support import servers

TEXT = (servers.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| .+ \| `([\w/.]+)` \|$", TEXT, re.MULTILINE)


def test_forty_usual_changes_have_their_place() -> None:
    assert len(ROWS) == 40


def test_each_place_is_there() -> None:
    assert [place for place in ROWS if not (servers.ROOT / "jobs_server" / place).is_file()] == []


def test_no_place_is_named_twice() -> None:
    assert len(set(ROWS)) == len(ROWS)


def test_each_room_of_the_picture_is_there() -> None:
    picture = (servers.ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| `(\w+)/` \|", picture, re.MULTILINE)
    packages = {path.parent.name for path in (servers.ROOT / "jobs_server").glob("*/__init__.py")}
    assert set(rooms) == packages


def test_each_file_on_the_way_of_a_job_is_there() -> None:
    way = (servers.ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    files = set(re.findall(r"\b([a-z_]+/[a-z_]+\.py)\b", way))
    assert len(files) > 10
    assert sorted(name for name in files if not (servers.ROOT / "jobs_server" / name).is_file()) == []
