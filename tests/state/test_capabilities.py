"""What a site has and can do, as it says: kept at once, replaced as a whole, and written only when it changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.state import capabilities
from jobs_server.upkeep import startup

from ..support import databases

CAMERA = {"actions": ["expose"], "filters": ["Red", "HA"], "binnings": ["1,1", 2, [2, 2]], "limits": {"time": [0, 9]}}


def says(app: Flask, devices: Any, status: int = 200) -> str:
    reply = app.test_client().post("/jobs/capabilities", json={"site": "wmd", "devices": devices})
    assert reply.status_code == status, reply.text
    return reply.text


def shown(app: Flask, site: str = "wmd") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(app.test_client().get(f"/capabilities?site={site}").text)
    return found


def test_it_is_on_disk_at_once_and_replaces_what_was(tmp_path: Path) -> None:
    settings = {"TESTING": True} | databases.at(tmp_path / "instance")
    first, second = create_app(settings), create_app(settings)
    startup.prepare(first)
    says(first, {"camera/c1": CAMERA, "mount/m": {}})
    assert shown(second)["devices"] == {"camera/c1": CAMERA, "mount/m": {}}
    says(second, {"camera/c1": {}})
    assert shown(first)["devices"] == {"camera/c1": {}}
    with service_of(first).database.reading() as connection:
        known = capabilities.of_site(connection, "wmd")
    assert known is not None
    assert known.devices == {"camera/c1": {}}
    for app in (first, second):
        service_of(app).database.close()


def test_a_site_that_has_not_said_has_none(app: Flask) -> None:
    assert shown(app, "saf") == {"site": "saf", "at_ms": None, "devices": {}}


def test_the_same_again_writes_nothing(app: Flask) -> None:
    first = says(app, {"camera/c1": CAMERA})
    committed: list[str | None] = []
    service_of(app).database.on_commit.append(committed.append)
    assert says(app, {"camera/c1": CAMERA}) == first
    assert committed == []


@pytest.mark.parametrize(
    ("devices", "named"),
    [
        ([], "devices must be"),
        ({"camera": {}}, "camera must be type/instance"),
        ({"camera/c": None}, "camera/c must be an object"),
        ({"camera/c": {"filters": "Red"}}, "filters of camera/c must be a list of texts"),
        ({"camera/c": {"actions": [1]}}, "actions of camera/c must be a list of texts"),
        ({"camera/c": {"binnings": {}}}, "binnings of camera/c must be a list"),
        ({"camera/c": {"binnings": [True]}}, "binnings of camera/c must be a list"),
        ({"camera/c": {"limits": []}}, "limits of camera/c must be an object"),
        ({f"a/{number}": {} for number in range(101)}, "at most 100"),
    ],
)
def test_what_forms_could_not_offer_is_refused_and_nothing_is_lost(app: Flask, devices: Any, named: str) -> None:
    says(app, {"camera/c1": CAMERA})
    assert named in says(app, devices, 400)
    assert shown(app)["devices"] == {"camera/c1": CAMERA}
