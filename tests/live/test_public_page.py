"""The public clients' ways, played from their wire against a real server: boots in their order, and a page's load."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..support import servers
from ..support.commands import run_apart
from ..support.public_clients import DEVICE, OBS_SETTINGS, ROOF, SITE, WEATHER, WEMA
from ..support.web_sockets import Client

ENDS_THE_SITE_SOFTWARE = "Missing Authentication Token"


class PublicClient:
    """A program that speaks as the public ones do: no Content-Type, no token, no redirect followed."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30, headers=dict(headers or {}))

    def __enter__(self) -> PublicClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def asks(self, method: str, path: str, body: object = None) -> Any:
        """Send a request as Python's requests does with `data=json.dumps(...)`, and return the JSON of the answer."""
        content = None if body is None else json.dumps(body).encode()
        reply = self._http.request(method, path, content=content)
        assert reply.status_code in (200, 204), (path, reply.status_code, reply.text)
        assert not reply.is_redirect
        return reply.json() if reply.content else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    instance = tmp_path_factory.mktemp("observatory")
    profile = '[[sites]]\ncode = "hill1"\nname = "Hill one"\nlatitude_deg = -41.05\nlongitude_deg = 145.9\n'
    (instance / "site.toml").write_text(profile + 'timezone = "Australia/Hobart"\n')
    settings = {"JOBS_COMPANION": "on", "JOBS_ALLOWED_ORIGINS": "http://ui.example.org", "JOBS_OPEN_ROLES": "admin"}
    with servers.running("serve", instance, settings) as server:
        yield server


@pytest.fixture
def site(server: servers.Server) -> Iterator[PublicClient]:
    with PublicClient(server.url) as client:
        yield client


@pytest.fixture
def page(server: servers.Server) -> Iterator[PublicClient]:
    with PublicClient(server.url, {"Origin": "http://ui.example.org", "Sec-Fetch-Site": "cross-site"}) as client:
        yield client


def seed(instance: Path) -> None:
    done = run_apart(instance, "companion", "seed", "--site", "hill1", "--wema", "hill")
    assert done.returncode == 0, done.stderr


def boots_the_wema(wema: PublicClient) -> None:
    """Speak as wema.py does until its constructor is done, and in its first rounds."""
    for name in ("hill1",):
        configuration = wema.asks("GET", f"/api/{name}/config/")["configuration"]
        assert configuration["camera"]["camera_1_1"]["settings"]["dark_exposure"] > 0
        assert configuration["eve_sky_flat_sunset_offset"] < 0
    assert "message" not in wema.asks("PUT", "/api/hill/config/", WEMA)
    assert wema.asks("POST", "/jobs/getnewjobs", {"site": "hill"}) == []
    for kind, status in (("enclosure", ROOF), ("weather", WEATHER), ("wema_settings", {"wema_settings": {"x": True}})):
        wema.asks("POST", "/status/hill/status", {"statusType": kind, "status": status})


def boots_the_site(obs: PublicClient) -> None:
    """Speak as obs.py does, in the order in which it was seen to."""
    wema = obs.asks("GET", "/api/hill/config/")["configuration"]
    for key in ("latitude", "longitude", "elevation", "reference_ambient", "reference_pressure", "time_offset"):
        float(wema[key])
    assert wema["events"]["day_directory"]
    assert wema["TZ_database_name"]
    span = {"site": "hill1", "start": "2026-11-29T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
    assert obs.asks("POST", "/calendar/siteevents", span | {"full_project_details": False}) == []
    assert obs.asks("POST", "/jobs/getnewjobs", {"site": "hill1"}) == []
    answer = obs.asks("PUT", "/api/hill1/config/", SITE)
    assert answer.get("message") != ENDS_THE_SITE_SOFTWARE
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    roof = obs.asks("GET", "/status/hill/enclosure/")["status"]["enclosure"]["enclosure1"]
    assert roof["shutter_status"]["val"] == "Open"
    line = {"site": "hill1", "log_message": "Booted", "log_level": "INFO", "timestamp": time.time()}
    obs.asks("POST", "/logs/newlog", line)
    sky = obs.asks("GET", "/status/hill/weather/")["status"]["observing_conditions"]["observing_conditions1"]
    assert sky["temperature_C"]["val"] == 11.5
    posted = {"obs_settings": OBS_SETTINGS, "enclosure": ROOF, "weather": WEATHER, "device": DEVICE}
    for kind, status in posted.items():
        obs.asks("POST", "/status/hill1/status/", {"statusType": kind, "status": status})


def loads_the_page(ui: PublicClient) -> dict[str, Any]:
    """Ask what a load of the observe page asks, signed in, and return the complete status."""
    configs = ui.asks("GET", "/api/all/config")
    kept = {name: config for name, config in configs.items() if config["wema_name"] in configs}
    assert {"hill", "hill1"} <= kept.keys()
    assert {"latitude", "longitude", "TZ_database_name"} <= kept[kept["hill1"]["wema_name"]].keys()
    status: dict[str, Any] = ui.asks("GET", "/status/hill1/complete_status")
    for key in ("observing_conditions", "enclosure", "obs_settings"):
        assert isinstance(status["status"][key], dict)
    ages = ui.asks("GET", "/status/allopenstatus")
    assert ages["hill1"]["device"]["status_age_s"] < 300
    assert ages["hill"]["wx_ok"] is True
    assert ui.asks("GET", "/status/phase_status/hill1?max_age_seconds=3600") == []
    assert ui.asks("GET", "/status/hill/wema_settings")["status"]["wema_settings"] == {"x": True}
    for _ in range(2):
        assert ui.asks("GET", "/status/hill/forecast") == {}
        assert ui.asks("GET", "/status/hill/owm_report") == {}
    after = int(time.time()) - 3600
    lines = ui.asks("GET", f"/logs/recent-logs?after_time={after}&site=hill1")
    assert [line["message"] for line in lines] == ["Booted"]
    assert ui.asks("GET", "/api/hill1/latest_images/1") == []
    assert [ui.asks("GET", f"/api/infoimage/hill1/{number}") for number in (1, 2, 3)] == [None] * 3
    assert ui.asks("GET", "/api/nightlog/hill1") is None
    assert ui.asks("POST", "/calendar/get-event-at-time", {"site": "hill1", "time": "2026-11-29T20:00:00Z"}) == []
    mine = {"user_id": "auth0|vera", "time": "2026-11-29T20:00:00Z"}
    assert ui.asks("POST", "/calendar/user-events-ending-after-time", mine) == []
    assert ui.asks("POST", "/projects/get-user-projects", {"user_id": "auth0|vera"}) == []
    return status


def test_on_an_empty_server_both_boot_after_first_configs_a_page_loads_and_stays_true(
    server: servers.Server, site: PublicClient, page: PublicClient
) -> None:
    assert page.asks("GET", "/api/all/config") == {}
    seed(server.log.parent)
    boots_the_wema(site)
    boots_the_site(site)
    status = loads_the_page(page)
    before = status["status"]["mount"]["SimMount"]["right_ascension"]
    origin = {"Origin": "http://ui.example.org", "Sec-Fetch-Site": "cross-site"}
    with (
        Client(server.port, "hill1", headers=origin) as of_site,
        Client(server.port, "hill", headers=origin) as of_wema,
        Client(server.port, "hill1", headers=origin) as of_phases,
    ):
        slewing = {"mount": {"SimMount": DEVICE["mount"]["SimMount"] | {"right_ascension": 7.25, "is_slewing": True}}}
        site.asks("POST", "/status/hill1/status/", {"statusType": "device", "status": slewing})
        for each in (of_site, of_phases):
            told = each.next()
            assert (told["topic"], told["site"]) == ("sitestatus", "hill1")
            leaf = told["data"]["status"]["mount"]["SimMount"]["right_ascension"]
            assert leaf["val"] == 7.25
            assert leaf["timestamp"] >= before["timestamp"]
            assert told["data"]["status"]["camera"] == status["status"]["camera"], "the camera is not lost in a slew"
        site.asks("POST", "/status/hill/status", {"statusType": "enclosure", "status": ROOF})
        assert of_wema.next()["data"]["statusType"] == "enclosure"
        click = {
            **{"site": "hill1", "device": "focuser", "instance": "f1", "action": "move_relative"},
            **{"user_name": "Vera", "user_id": "auth0|vera", "user_roles": ["admin"], "timestamp": 1},
            **{"required_params": {"position": "100"}, "optional_params": {}},
        }
        job = page.asks("POST", "/jobs/newjob", click)
        (taken,) = site.asks("POST", "/jobs/getnewjobs", {"site": "hill1"})
        assert taken["ulid"] == job["ulid"]


def test_the_calendar_page_and_the_start_page_get_their_answers(site: PublicClient, page: PublicClient) -> None:
    span = {"site": "hill1", "start": "2026-11-29T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
    for _ in range(7):
        assert page.asks("POST", "/calendar/siteevents", span) == []
        assert page.asks("POST", "/calendar/scheduler-observations", span) == []
    assert page.asks("GET", "/api/events/moon/rise-set-illum?lat=1&lng=2&start=x&end=y") == []
    assert page.asks("POST", "/projects/get-all-projects", {}) == []
    assert page.asks("GET", "/api/latest_image_all_sites") == {}
    assert isinstance(page.asks("GET", "/status/allopenstatus"), dict)
