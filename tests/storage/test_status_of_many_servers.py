"""Several servers on one PostgreSQL know the same status, and tell their own open pages of what the others hear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..support import postgres, servers
from ..support.public_clients import DEVICE, OBS_SETTINGS, ROOF, WEMA, SiteSoftware
from ..support.web_sockets import Client


@pytest.fixture
def url() -> str:
    return postgres.shared().database()


def made(url: str, instance: Path) -> Flask:
    return create_app({"TESTING": True, "DATABASE_URL": url, "INSTANCE": str(instance), "COMPANION": "on"})


@pytest.fixture
def apps(url: str, tmp_path: Path) -> Iterator[list[Flask]]:
    apps = [made(url, tmp_path) for _ in range(2)]
    startup.prepare(apps[0])
    yield apps
    for app in apps:
        service_of(app).database.close()


def share(*apps: Flask) -> None:
    for app in apps:
        service_of(app).storing.sync()


def test_what_one_hears_the_other_gives_merged_with_what_it_heard_itself(apps: list[Flask]) -> None:
    one, other = (SiteSoftware(app) for app in apps)
    share(*apps)
    one.posts_status("hill1", "device", DEVICE)
    one.posts_status("hill1", "enclosure", ROOF)
    other.posts_status("hill1", "device", {"mount": {"SimMount": {"right_ascension": 9.5}}})
    share(*apps, *apps, *apps)
    found = one.gets("/status/hill1/device")["status"]
    assert found == other.gets("/status/hill1/device")["status"]
    assert found["mount"]["SimMount"]["right_ascension"]["val"] == 9.5
    assert found["camera"].keys() == {"camera_1_1"}
    roof = other.gets("/status/hill1/enclosure")["status"]["enclosure"]["enclosure1"]
    assert roof["shutter_status"]["val"] == "Open"


def test_a_server_that_starts_believes_no_roof(apps: list[Flask], url: str, tmp_path: Path) -> None:
    software = SiteSoftware(apps[0])
    software.posts_status("hill1", "enclosure", ROOF)
    software.posts_status("hill1", "obs_settings", OBS_SETTINGS)
    share(apps[0])
    third = made(url, tmp_path)
    started = SiteSoftware(third)
    assert started.gets("/status/hill1/enclosure") == {}
    assert started.gets("/status/hill1/obs_settings")["status"] == OBS_SETTINGS
    service_of(third).database.close()


def test_lines_and_configs_are_the_same_everywhere_and_no_line_is_told_twice(apps: list[Flask]) -> None:
    one, other = (SiteSoftware(app) for app in apps)
    told: list[list[str]] = [[], []]
    for app, heard in zip(apps, told, strict=True):
        companion = service_of(app).companion
        assert companion
        companion.log.on_line.append(lambda line, heard=heard: heard.append(line.message))  # type: ignore[misc]
    share(*apps)
    one.asks("POST", "/logs/newlog", {"site": "hill1", "log_message": "Slewing"})
    one.puts_config("hill", WEMA)
    share(*apps, *apps)
    assert told == [["Slewing"], ["Slewing"]]
    for each in (one, other):
        assert [line["message"] for line in each.gets("/logs/recent-logs?site=hill1")] == ["Slewing"]
        assert each.gets("/api/all/config") == {"hill": WEMA}


def test_a_page_open_at_one_server_is_told_of_what_another_hears(url: str, tmp_path: Path) -> None:
    settings = {"JOBS_DATABASE_URL": url, "JOBS_COMPANION": "on", "JOBS_WORKERS": "1"}
    with (
        servers.running("serve", tmp_path / "one", settings) as one,
        servers.running("serve", tmp_path / "other", settings) as other,
        Client(one.port, "hill1") as page,
    ):
        body = {"statusType": "device", "status": DEVICE}
        httpx.post(f"{other.url}/status/hill1/status/", json=body, trust_env=False).raise_for_status()
        found = page.next()
        assert (found["topic"], found["data"]["statusType"]) == ("sitestatus", "device")
        assert found["data"]["status"]["camera"].keys() == {"camera_1_1"}
