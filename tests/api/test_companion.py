"""The companion's routes with all the traps of the public clients: what goes in, and exactly what comes out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.state import site_configs
from jobs_server.upkeep import startup

from ..support import databases
from ..support.clocks import Clocks
from ..support.public_clients import DEVICE, OBS_SETTINGS, ROOF, SITE, WEATHER, WEMA, SiteSoftware, companion_app

ROUTES = [
    ("PUT", "/api/hill/config/"),
    ("GET", "/api/hill/config"),
    ("GET", "/api/all/config"),
    ("DELETE", "/api/hill/config"),
    ("GET", "/api/latest_image_all_sites"),
    ("POST", "/status/hill/status/"),
    ("GET", "/status/hill/enclosure"),
    ("GET", "/status/hill/complete_status"),
    ("GET", "/status/allopenstatus"),
    ("GET", "/status/phase_status/hill"),
    ("POST", "/logs/newlog"),
    ("GET", "/logs/recent-logs?site=hill"),
    ("POST", "/projects/get-user-projects"),
    ("POST", "/calendar/user-events-ending-after-time"),
    ("POST", "/calendar/scheduler-observations"),
    ("GET", "/datastream/dev"),
]
ENDS_THE_SITE_SOFTWARE = "Missing Authentication Token"


@pytest.fixture
def app() -> Iterator[Flask]:
    app = companion_app()
    yield app
    service_of(app).database.close()


@pytest.fixture
def software(app: Flask) -> SiteSoftware:
    return SiteSoftware(app)


@pytest.fixture(scope="module")
def _lasting_app() -> Iterator[Flask]:
    app = companion_app()
    yield app
    service_of(app).database.close()


@pytest.fixture
def anyone(_lasting_app: Flask) -> SiteSoftware:
    """Somebody who speaks to an app that many tests share, and changes nothing there."""
    return SiteSoftware(_lasting_app)


class TestOff:
    """Without the setting all is as before."""

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_the_paths_are_not_there(self, shared_app: Flask, method: str, path: str) -> None:
        reply = SiteSoftware(shared_app).asks(method, path, {} if method != "GET" else None)
        assert reply.status_code == 404
        assert reply.mimetype == "text/plain"

    def test_nothing_of_it_is_loaded(self, tmp_path: Path) -> None:
        code = (
            "import sys; from jobs_server import create_app; create_app();"
            "print([m for m in sys.modules if 'companion' in m or 'status' in m.split('.')[-1] and 'jobs_server' in m"
            " or m.startswith('wsproto') or m.endswith(('site_configs', 'site_log', 'lenient_json', 'datastream'))])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip() == "[]"

    def test_a_browser_may_not_put_from_elsewhere(self) -> None:
        app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "ALLOWED_ORIGINS": ("http://ui",)})
        ask = {"Origin": "http://ui", "Access-Control-Request-Method": "PUT"}
        allowed = app.test_client().options("/jobs/newjob", headers=ask).headers
        assert "PUT" not in allowed.get("Access-Control-Allow-Methods", "")


class TestEveryRoute:
    """What holds for all of them."""

    @pytest.mark.parametrize("slash", ["", "/"])
    @pytest.mark.parametrize(("method", "path"), [each for each in ROUTES if "datastream" not in each[1]])
    def test_both_slashes_are_answered_without_a_redirect(
        self, anyone: SiteSoftware, method: str, path: str, slash: str
    ) -> None:
        path, mark, query = path.replace("/hill/", "/slashes/").rstrip("/").partition("?")
        reply = anyone.asks(method, path.rstrip("/") + slash + mark + query, {} if method != "GET" else None)
        assert reply.status_code < 300 or reply.status_code in (400, 404)
        assert b"there is nothing at" not in reply.get_data()

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PUT", "/api/hill/config/", b"<html>"),
            ("PUT", "/api/hill/config/", b""),
            ("PUT", "/api/hill/config/", b"[1]"),
            ("PUT", "/api/hill/config/", b"[" * 300 + b"]" * 300),
            ("PUT", "/api/hill/config/", b'{"name": "' + b"x" * (5 * 1024 * 1024) + b'"}'),
            ("PUT", "/api/all/config/", b"{}"),
            ("PUT", "/api/..%2f../config/", b"{}"),
            ("PUT", "/api/../../config/", b"{}"),
            ("PUT", "/api/%00/config/", b"{}"),
            ("PUT", "/api/" + "x" * 65 + "/config/", b"{}"),
            ("PUT", "/api/ /config/", b"{}"),
            ("POST", "/api/hill/config/", b"{}"),
            ("POST", "/api//upload/", b'{"object_name": "x", "s3_directory": "data"}'),
            ("POST", "/api/nightlog/hill", b"{}"),
            ("GET", "/api/hill/config/", None),
            ("GET", "/api/fitsheader/x/", None),
            ("GET", "/api/", None),
        ],
    )
    def test_each_refusal_under_api_is_json_and_never_the_text_that_ends_the_site_software(
        self, anyone: SiteSoftware, method: str, path: str, body: bytes | None
    ) -> None:
        reply = anyone.asks(method, path, body)
        assert 400 <= reply.status_code < 500, reply.get_data()
        message = json.loads(reply.get_data())["message"]
        assert message.startswith("Error: ")
        assert message != ENDS_THE_SITE_SOFTWARE
        assert "hill" not in anyone.gets("/api/all/config")

    @pytest.mark.parametrize("origin", ["http://ui.example.org"])
    @pytest.mark.parametrize("path", ["/api/none/config", "/status/hill/complete_status", "/api/all/config/"])
    def test_a_ui_elsewhere_may_read_answers_and_refusals(self, origin: str, path: str) -> None:
        software = SiteSoftware(companion_app(ALLOWED_ORIGINS=(origin,)))
        reply = software.asks("GET", path, headers={"Origin": origin})
        assert reply.headers["Access-Control-Allow-Origin"] == origin
        preflight = software.asks("OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": "PUT"})
        assert {"PUT", "DELETE"} <= set(preflight.headers["Access-Control-Allow-Methods"].split(", "))

    def test_a_config_that_comes_while_the_disk_is_away_gets_json(
        self, app: Flask, software: SiteSoftware, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from jobs_server.errors import DatabaseUnavailable

        def gone(*_: object) -> None:
            raise DatabaseUnavailable("Error: the disk is full")

        monkeypatch.setattr(site_configs, "put", gone)
        reply = software.asks("PUT", "/api/hill/config/", WEMA)
        assert (reply.status_code, reply.get_json()) == (503, {"message": "Error: the disk is full"})


class TestDescription:
    """`/openapi.json` while the companion is on."""

    WITHOUT = ("/datastream/dev", "/projects/{what}", "/api/upload", "/api//upload")
    """What opens a WebSocket, and what refuses all that comes."""

    def test_each_route_is_described_but_what_refuses_everything(self, app: Flask, anyone: SiteSoftware) -> None:
        """It had those of the calendar alone."""
        document = anyone.gets("/openapi.json")
        validate(document)
        told = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
        routes = {
            (re.sub(r"<([^>]+)>", r"{\1}", rule.rule), method)
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith("companion_")
            for method in rule.methods or ()
            if method in ("GET", "POST", "PUT", "DELETE")
        }
        assert {(path, method) for path, method in routes if path not in self.WITHOUT} <= told
        assert not told & {(path, method) for path, method in routes if path in self.WITHOUT}
        names = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
        assert len(names) == len(set(names))

    def test_answers_are_as_described(self, app: Flask, software: SiteSoftware) -> None:
        software.puts_config("hill", WEMA)
        document = software.gets("/openapi.json")
        asked = [
            ("PUT", "/api/{site}/config", WEMA),
            ("GET", "/api/{site}/config", None),
            ("GET", "/api/all/config", None),
            ("POST", "/status/{site}/status", {"statusType": "device", "status": DEVICE}),
            ("GET", "/status/{site}/complete_status", None),
            ("GET", "/status/allopenstatus", None),
            ("POST", "/status/phase_status", {"site": "hill", "message": "Taking sky flats"}),
            ("GET", "/status/phase_status/{site}", None),
            ("POST", "/logs/newlog", {"site": "hill", "log_message": "Autofocus began"}),
            ("GET", "/logs/recent-logs", None),
            ("GET", "/api/{site}/latest_images/{count}", None),
            ("POST", "/projects/get-user-projects", {}),
            ("DELETE", "/api/{site}/config", None),
        ]
        for method, path, body in asked:
            query = "?site=hill" if path.endswith("recent-logs") else ""
            reply = software.asks(method, path.replace("{site}", "hill").replace("{count}", "3") + query, body)
            schema = document["paths"][path][method.lower()]["responses"]["200"]["content"]["application/json"][
                "schema"
            ]
            assert reply.status_code == 200, (path, reply.text)
            Draft202012Validator(schema | {"components": document["components"]}).validate(reply.get_json())

    def test_a_refusal_under_api_is_described_as_the_json_that_it_is(self, software: SiteSoftware) -> None:
        document = software.gets("/openapi.json")
        refusals = document["paths"]["/api/{site}/config"]["get"]["responses"]["404"]["content"]
        assert list(refusals) == ["application/json"]
        refused = software.asks("GET", "/api/none/config").get_json()
        Draft202012Validator(refusals["application/json"]["schema"]).validate(refused)

    def test_people_read_it_too(self, software: SiteSoftware) -> None:
        page = software.asks("GET", "/docs").text
        assert "PUT /api/{site}/config" in page
        assert "curl -X PUT" in page


class TestConfig:
    """`/api/{site}/config`."""

    def test_a_config_comes_back_as_it_was_put(self, software: SiteSoftware) -> None:
        answer = software.puts_config("hill", WEMA)
        assert answer == {"ResponseMetadata": {"HTTPStatusCode": 200}}
        assert "message" not in answer
        assert software.gets("/api/hill/config/") == {"site": "hill", "configuration": WEMA}
        software.puts_config("hill1", SITE)
        assert software.gets("/api/all/config") == {"hill": WEMA, "hill1": SITE}

    def test_nan_and_infinities_become_null(self, software: SiteSoftware) -> None:
        software.puts_config("hill", {"a": float("nan"), "b": [float("inf"), {"c": -float("inf")}], "d": 2**70})
        assert software.gets("/api/all/config")["hill"] == {"a": None, "b": [None, {"c": None}], "d": float(2**70)}

    def test_a_config_put_from_another_process_is_seen(self, app: Flask, software: SiteSoftware) -> None:
        assert software.gets("/api/all/config") == {}
        site_configs.put(service_of(app).database, "hill", '{"name": "Hill"}', "somebody", 1)
        assert software.gets("/api/all/config") == {"hill": {"name": "Hill"}}
        site_configs.put(service_of(app).database, "hill", None, "somebody", 1)
        assert software.gets("/api/all/config") == {}

    def test_the_last_ten_are_kept_and_the_same_again_is_none(self, app: Flask, software: SiteSoftware) -> None:
        for number in range(15):
            software.puts_config("hill", {"number": number})
            software.puts_config("hill", {"number": number})
            software.puts_config("other", {"number": 1})
        with service_of(app).database.reading() as connection:
            kept = site_configs.kept(connection, "hill")
            assert len(site_configs.kept(connection, "other")) == 1
        assert len(kept) == site_configs.KEPT
        site_configs.restore(service_of(app).database, "hill", kept[-1].id, "vera", 5)
        assert software.gets("/api/hill/config")["configuration"] == {"number": 5}

    def test_one_that_is_deleted_is_gone_and_can_be_restored(self, app: Flask, software: SiteSoftware) -> None:
        software.puts_config("hill", WEMA)
        assert software.asks("DELETE", "/api/hill/config").status_code == 200
        assert software.asks("GET", "/api/hill/config").status_code == 404
        with service_of(app).database.reading() as connection:
            deleted, before = site_configs.kept(connection, "hill")
        assert deleted.characters is None
        site_configs.restore(service_of(app).database, "hill", before.id, "vera", 5)
        assert software.gets("/api/all/config") == {"hill": WEMA}

    def test_of_sites_that_come_and_go_only_the_last_are_kept(self, app: Flask, software: SiteSoftware) -> None:
        """Each name that was put and deleted stayed on the disk, with all its configs, for ever."""
        software.puts_config("hill", WEMA)
        for number in range(site_configs.MOST_DELETED + 3):
            software.puts_config(f"s{number}", SITE)
            software.asks("DELETE", f"/api/s{number}/config")
        with service_of(app).database.reading() as connection:
            left = [bool(site_configs.kept(connection, f"s{each}")) for each in range(site_configs.MOST_DELETED + 3)]
        assert left == [False] * 3 + [True] * site_configs.MOST_DELETED
        assert software.gets("/api/all/config") == {"hill": WEMA}
        software.puts_config("s0", SITE)
        assert software.gets("/api/s0/config")["configuration"] == SITE

    def test_a_restart_loses_none(self, tmp_path: Path) -> None:
        settings = {"TESTING": True, "COMPANION": "on"} | databases.at(tmp_path / "instance")
        for written in (True, False):
            app = create_app(settings)
            startup.prepare(app)
            software = SiteSoftware(app)
            if written:
                software.puts_config("hill", WEMA)
            assert software.gets("/api/all/config") == {"hill": WEMA}
            service_of(app).database.close()

    def test_configs_of_all_sites_together_are_bounded(self, software: SiteSoftware) -> None:
        large = {"name": "x" * 500_000}
        statuses = [software.asks("PUT", f"/api/s{number}/config/", large).status_code for number in range(18)]
        assert statuses == [200] * 16 + [409] * 2


class TestStatus:
    """`/status`: the form of each leaf, merging, and what is given where nothing is."""

    def test_each_value_at_depth_three_has_its_time_and_others_stay(
        self, software: SiteSoftware, clocks: Clocks
    ) -> None:
        software.posts_status("hill1", "device", {"mount": {"m1": {"ra": 5.5, "empty": "", "list": ["", 1]}}, "x": ""})
        at_ms = clocks.now.wall_ms
        assert software.gets("/status/hill1/device/") == {
            "site": "hill1",
            "statusType": "device",
            "status": {
                "mount": {
                    "m1": {
                        "ra": {"val": 5.5, "timestamp": at_ms},
                        "empty": {"val": "-", "timestamp": at_ms},
                        "list": {"val": ["-", 1], "timestamp": at_ms},
                    }
                },
                "x": "-",
            },
            "server_timestamp_ms": at_ms,
        }

    def test_settings_stay_plain(self, software: SiteSoftware) -> None:
        software.posts_status("hill1", "obs_settings", OBS_SETTINGS)
        assert software.gets("/status/hill1/obs_settings/")["status"] == OBS_SETTINGS

    def test_a_post_of_the_mount_alone_leaves_the_camera_as_it_was(
        self, software: SiteSoftware, clocks: Clocks
    ) -> None:
        software.posts_status("hill1", "device", DEVICE)
        before = software.gets("/status/hill1/device")
        clocks.pass_by(7)
        software.posts_status("hill1", "device", {"mount": {"SimMount": {"right_ascension": 6.0}}})
        after = software.gets("/status/hill1/device")
        assert after["status"]["camera"] == before["status"]["camera"]
        mount, was = after["status"]["mount"]["SimMount"], before["status"]["mount"]["SimMount"]
        assert mount["declination"] == was["declination"]
        assert mount["right_ascension"] == {"val": 6.0, "timestamp": was["right_ascension"]["timestamp"] + 7000}
        assert after["server_timestamp_ms"] == before["server_timestamp_ms"] + 7000

    def test_nan_is_null_and_never_answered(self, software: SiteSoftware) -> None:
        software.posts_status(
            "hill1", "device", {"mount": {"m1": {"ra": float("nan")}}, "current_fwhm_seeing": float("nan")}
        )
        status = software.gets("/status/hill1/complete_status")["status"]
        assert status["mount"]["m1"]["ra"]["val"] is None
        assert status["current_fwhm_seeing"] is None

    @pytest.mark.parametrize("posted", [{}, {"observing_conditions": None, "enclosure": "x", "obs_settings": [1]}])
    def test_the_complete_status_always_has_the_three_objects_without_which_no_footer_is_drawn(
        self, software: SiteSoftware, posted: dict[str, Any]
    ) -> None:
        if posted:
            software.posts_status("hill1", "odd", posted)
        found = software.gets("/status/hill1/complete_status/")
        assert found["status"] == {"observing_conditions": {}, "enclosure": {}, "obs_settings": {}}
        assert (found["site"], found["statusType"]) == ("hill1", "combined")

    def test_the_complete_status_is_the_union_of_all_types(self, software: SiteSoftware, clocks: Clocks) -> None:
        for kind, status in (
            ("device", DEVICE),
            ("enclosure", ROOF),
            ("weather", WEATHER),
            ("obs_settings", OBS_SETTINGS),
        ):
            software.posts_status("hill1", kind, status)
            clocks.pass_by(1)
        found = software.gets("/status/hill1/complete_status")
        assert set(DEVICE) | {"enclosure", "observing_conditions", "obs_settings"} == set(found["status"])
        assert found["status_age_timestamps_ms"].keys() == {"device", "enclosure", "weather", "obs_settings"}
        assert found["latest_status_timestamp_ms"] == max(found["status_age_timestamps_ms"].values())

    def test_what_was_never_posted_is_an_empty_object_but_for_settings_that_would_end_the_wema(
        self, software: SiteSoftware
    ) -> None:
        assert software.gets("/status/never/enclosure/") == {}
        assert software.asks("GET", "/status/never/obs_settings/").status_code == 404

    def test_all_open_status_has_ages_and_the_weather_of_the_first_station(
        self, software: SiteSoftware, clocks: Clocks
    ) -> None:
        software.posts_status("hill", "weather", WEATHER)
        software.posts_status("hill", "enclosure", ROOF)
        software.posts_status("cliff", "weather", {"observing_conditions": {"a": {"wx_ok": "Unknown"}}})
        software.posts_status("dune", "weather", {"observing_conditions": {"a": {}}})
        clocks.pass_by(12)
        assert software.gets("/status/allopenstatus") == {
            "hill": {"enclosure": {"status_age_s": 12}, "weather": {"status_age_s": 12}, "wx_ok": True},
            "cliff": {"weather": {"status_age_s": 12}, "wx_ok": False},
            "dune": {"weather": {"status_age_s": 12}},
        }

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            (b"{}", "statusType"),
            (b'{"statusType": "device"}', "status"),
            (b'{"status": {}}', "statusType"),
            (b'{"statusType": 5, "status": {}}', "statusType"),
            (b'{"statusType": "device", "status": []}', "status"),
            (b'{"statusType": "device", "status": null}', "status"),
            (b"not json", "JSON"),
        ],
    )
    def test_what_is_no_status_is_refused_in_a_sentence(self, anyone: SiteSoftware, body: bytes, named: str) -> None:
        reply = anyone.asks("POST", "/status/refused/status/", body)
        assert (reply.status_code, reply.mimetype) == (400, "text/plain")
        assert named in reply.get_data(as_text=True)
        assert "refused" not in anyone.gets("/status/allopenstatus")

    @pytest.mark.parametrize("site", ["all", "phase_status", "allopenstatus", "nightlog"])
    def test_no_site_is_called_as_a_word_of_the_addresses(self, anyone: SiteSoftware, site: str) -> None:
        body = {"statusType": "device", "status": DEVICE}
        assert anyone.asks("POST", f"/status/{site}/status/", body).status_code == 409

    def test_phases_are_shown_newest_first_three_of_them_and_not_for_ever(
        self, software: SiteSoftware, clocks: Clocks
    ) -> None:
        for number in range(5):
            sent = {"site": "hill1", "message": f"phase {number}"}
            assert software.asks("POST", "/status/phase_status", sent).status_code == 200
        found = software.gets("/status/phase_status/hill1?max_age_seconds=3600")
        assert [each["message"] for each in found] == ["phase 4", "phase 3", "phase 2"]
        assert software.gets("/status/phase_status/hill") == []
        clocks.pass_by(3601)
        assert software.gets("/status/phase_status/hill1?max_age_seconds=3600") == []
        assert software.asks("POST", "/status/phase_status", {"site": "hill1"}).status_code == 400


class TestLogs:
    """`/logs`."""

    def test_what_goes_in_as_log_message_comes_out_as_message_newest_first(self, software: SiteSoftware) -> None:
        for message, at in (("Slewing", 1795985787.09), ("Parked", 1795985789.9), ("Also", 1795985787.5)):
            line = {"site": "hill1", "log_message": message, "log_level": "INFO", "timestamp": at}
            assert software.asks("POST", "/logs/newlog", line).status_code == 200
        found = software.gets("/logs/recent-logs?after_time=1795982187&site=hill1")
        assert found[0] == {"message": "Parked", "log_level": "INFO", "timestamp": 1795985789}
        assert {each["message"] for each in found[1:]} == {"Slewing", "Also"}, "two lines of one second are both kept"
        assert software.gets("/logs/recent-logs?after_time=1795985788&site=hill1") == found[:1]
        assert software.gets("/logs/recent-logs?after_time=0&site=hill") == []

    @pytest.mark.parametrize(
        "odd", [{"timestamp": "soon"}, {"timestamp": 1e300}, {"log_level": 5}, {"log_level": None}, {}]
    )
    def test_odd_times_and_levels_are_no_reason_to_lose_a_line(
        self, software: SiteSoftware, clocks: Clocks, odd: dict[str, Any]
    ) -> None:
        line = {"site": "hill1", "log_message": "x\0y" * 2000} | odd
        assert software.asks("POST", "/logs/newlog", line).status_code == 200
        (found,) = software.gets("/logs/recent-logs?site=hill1")
        assert (found["log_level"], found["timestamp"]) == ("info", clocks.now.wall_ms // 1000)
        assert found["message"].startswith("x y")
        assert len(found["message"]) == 2000

    def test_lines_come_to_the_disk_and_go_after_a_week(
        self, app: Flask, software: SiteSoftware, clocks: Clocks
    ) -> None:
        service = service_of(app)
        software.asks("POST", "/logs/newlog", {"site": "hill1", "log_message": "Slewing"})
        for _ in range(2):
            assert len(software.gets("/logs/recent-logs?site=hill1&after_time=0")) == 1
            service.storing.sync()
        assert service.companion
        service.companion.prune(clocks.now.wall_ms + 8 * 24 * 3600 * 1000)
        assert software.gets("/logs/recent-logs?site=hill1&after_time=0") == []


class TestRest:
    """Empty answers, projects and the calendar's missing routes."""

    def test_the_uis_other_questions_get_their_empty_answers(self, software: SiteSoftware) -> None:
        for path in (
            "/api/hill1/latest_images/1",
            "/api/filtered_images?site=x",
            "/api/events/moon/rise-set-illum?lat=1",
        ):
            assert software.gets(path) == []
        assert software.gets("/api/latest_image_all_sites") == {}
        for path in ("/api/infoimage/hill1/2", "/api/nightlog/hill1"):
            assert software.asks("GET", path).status_code == 204
        for route in ("get-user-projects", "get-all-projects"):
            assert software.asks("POST", f"/projects/{route}", {"user_id": "x"}).get_json() == []
        assert software.asks("POST", "/projects/get-project", {}).status_code == 404
        assert software.asks("POST", "/projects/new-project", {}).status_code == 404
        assert software.asks("POST", "/calendar/scheduler-observations", {"site": "hill1"}).get_json() == []

    def test_a_reservation_keeps_its_projects_priority_and_its_project_can_be_set(self, software: SiteSoftware) -> None:
        event = {"site": "hill1", "start": "2026-11-29T20:00:00Z", "end": "2026-11-29T21:00:00Z", "creator_id": "vera"}
        sent = event | {"project_priority": "time_critical"}
        made = software.asks("POST", "/calendar/newevent", sent).get_json()["new_calendar_event"]
        plain = event | {"start": "2026-11-29T22:00:00Z", "end": "2026-11-29T23:00:00Z"}
        without = software.asks("POST", "/calendar/newevent", plain).get_json()["new_calendar_event"]
        assert made["project_priority"] == "time_critical"
        assert "project_priority" not in without
        mine = {"user_id": "vera", "time": "2026-11-29T20:30:00Z"}
        listed = software.asks("POST", "/calendar/user-events-ending-after-time", mine).get_json()
        assert [each["event_id"] for each in listed] == [made["event_id"], without["event_id"]]
        late = software.asks("POST", "/calendar/user-events-ending-after-time", mine | {"time": "2026-11-29T21:00:01Z"})
        assert [each["event_id"] for each in late.get_json()] == [without["event_id"]]
        project = {"project_id": "M 31#2026", "events": [{"event_id": made["event_id"], "start": made["start"]}]}
        (changed,) = software.asks("POST", "/calendar/add-projects-to-events", project).get_json()
        assert (changed["project_id"], changed["project_priority"]) == ("M 31#2026", "time_critical")
        removed = software.asks("POST", "/calendar/remove-project-from-events", {"events": [made["event_id"]]})
        assert removed.get_json() == "Success"
        span = {"site": "hill1", "start": event["start"], "end": event["end"]}
        (found,) = software.asks("POST", "/calendar/siteevents", span).get_json()
        assert found["project_id"] == "none"


class TestWhoMayWrite:
    """The site software sends no token: it is known by its address."""

    WRITES: tuple[tuple[str, str, object], ...] = (
        ("PUT", "/api/hill/config/", WEMA),
        ("POST", "/status/hill/status/", {"statusType": "enclosure", "status": ROOF}),
        ("POST", "/logs/newlog", {"site": "hill", "log_message": "x"}),
        ("POST", "/status/phase_status", {"site": "hill", "message": "x"}),
        ("DELETE", "/api/hill/config", None),
    )

    @pytest.mark.parametrize(
        ("address", "settings", "status"),
        [
            ("127.0.0.1", {}, 200),
            ("10.1.2.3", {}, 200),
            ("fe80::1%eth0", {}, 200),
            ("::ffff:192.168.1.5", {}, 200),
            ("203.0.113.5", {}, 401),
            ("203.0.113.5", {"COMPANION_FROM": ("203.0.113.0/24",)}, 200),
            ("10.1.2.3", {"COMPANION_FROM": ("203.0.113.0/24",)}, 401),
            ("127.0.0.1", {"SITE_TOKENS": "required"}, 401),
            ("10.1.2.3", {"SITE_TOKENS": "required", "COMPANION_FROM": ("10.1.2.3",)}, 200),
            ("10.1.2.4", {"SITE_TOKENS": "required", "COMPANION_FROM": ("10.1.2.3",)}, 401),
        ],
    )
    def test_writes_are_taken_from_private_networks_or_named_addresses(
        self, address: str, settings: dict[str, Any], status: int
    ) -> None:
        app = companion_app(**settings)
        software = SiteSoftware(app, address)
        for method, path, body in self.WRITES:
            assert software.asks(method, path, body).status_code == status, path
        assert software.asks("GET", "/api/all/config").status_code == 200, "anybody may read"
        service_of(app).database.close()

    def test_a_token_of_the_site_passes_from_anywhere_and_another_sites_does_not(self) -> None:
        from jobs_server import clock
        from jobs_server.auth import site_tokens

        app = companion_app(SITE_TOKENS="required")
        with service_of(app).database.transaction() as connection:
            _, token = site_tokens.create(connection, "hill", "dome pc", "vera", clock.read())
        software = SiteSoftware(app, "203.0.113.5")
        shows = {"Authorization": f"Bearer {token}"}
        assert software.asks("PUT", "/api/hill/config", WEMA, shows).status_code == 200
        assert software.asks("PUT", "/api/cliff/config", WEMA, shows).status_code == 401

    def test_a_web_page_from_elsewhere_is_no_site_software(self) -> None:
        software = SiteSoftware(companion_app(ALLOWED_ORIGINS=("http://ui.example.org",)), "127.0.0.1")
        reply = software.asks("PUT", "/api/hill/config", WEMA, {"Origin": "http://ui.example.org"})
        assert reply.status_code == 403
        assert reply.get_json()["message"].startswith("Error: ")

    def test_a_site_that_is_none_of_this_server_is_refused_in_json(self) -> None:
        software = SiteSoftware(companion_app(SITES=("hill1",)))
        reply = software.asks("PUT", "/api/hill/config", WEMA)
        assert "a wema is to be named there too" in reply.get_json()["message"]


def test_the_description_of_the_api_is_one_with_the_calendars_further_routes(app: Flask) -> None:
    described = app.test_client().get("/openapi.json").get_json()
    validate(described)
    assert "/calendar/user-events-ending-after-time" in described["paths"]
