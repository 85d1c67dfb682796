"""The status of the public site software: merged, never believed for too long, and in the one picture of all sites."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs_server.clock import Now
from jobs_server.service import Service, service_of
from jobs_server.state.status_merging import newest, stamped, with_forecast
from jobs_server.state.status_reading import devices_of
from jobs_server.state.statuses import MOST_BYTES, MOST_LEAVES, Statuses, StoredEntry

from ..support import databases
from ..support.clocks import Clocks
from ..support.public_clients import DEVICE, OBS_SETTINGS, ROOF, WEATHER, SiteSoftware, companion_app


@pytest.fixture
def app() -> Iterator[Flask]:
    app = companion_app()
    yield app
    service_of(app).database.close()


@pytest.fixture
def software(app: Flask) -> SiteSoftware:
    return SiteSoftware(app)


def shutter(software: SiteSoftware, site: str = "hill") -> Any:
    """What the three ways of asking say of a shutter, which is always the same."""
    one = software.gets(f"/status/{site}/enclosure/")["status"]["enclosure"]["enclosure1"]["shutter_status"]["val"]
    complete = software.gets(f"/status/{site}/complete_status")["status"]
    assert complete["enclosure"]["enclosure1"]["shutter_status"]["val"] == one
    return one


class TestBelief:
    """The site software acts on an "Open" of any age, so that none is given."""

    def test_an_open_shutter_of_which_nothing_was_heard_for_five_minutes_is_unknown(
        self, software: SiteSoftware, clocks: Clocks
    ) -> None:
        software.posts_status("hill", "enclosure", ROOF)
        clocks.pass_by(300)
        assert shutter(software) == "Open"
        clocks.pass_by(1)
        assert shutter(software) == "Unknown"
        software.posts_status("hill", "enclosure", {"enclosure": {"enclosure1": {"enclosure_mode": "Manual"}}})
        assert shutter(software) == "Unknown", "another value of the same roof makes its shutter no fresher"
        software.posts_status("hill", "enclosure", ROOF)
        assert shutter(software) == "Open"

    @pytest.mark.parametrize("later", ["closed", None, [], {"enclosure1": "closed"}, {"enclosure1": None}])
    def test_a_roof_that_is_said_in_another_form_later_is_read_at_any_age(
        self, software: SiteSoftware, clocks: Clocks, later: object
    ) -> None:
        software.posts_status("hill", "enclosure", ROOF)
        software.posts_status("hill", "enclosure", {"enclosure": later})
        clocks.pass_by(301)
        said = {"enclosure1": later["enclosure1"]} if isinstance(later, dict) else later
        assert software.gets("/status/hill/enclosure")["status"]["enclosure"] == said
        assert "Open" not in json.dumps(software.gets("/status/hill/complete_status"))
        software.posts_status("hill", "enclosure", ROOF)
        assert shutter(software) == "Open"

    def test_a_shutter_that_made_room_for_others_is_asked_for_by_nobody(
        self, software: SiteSoftware, clocks: Clocks
    ) -> None:
        software.posts_status("hill", "enclosure", ROOF)
        clocks.pass_by(25 * 3600)
        large = {f"key{number}": "x" * 2_000 for number in range(120)}
        for name in ("enclosure2", "enclosure3"):
            software.asks(
                "POST", "/status/hill/status", {"statusType": "enclosure", "status": {"enclosure": {name: large}}}
            )
        software.posts_status("hill", "enclosure", {"enclosure": {"enclosure2": {"shutter_status": "Closed"}}})
        clocks.pass_by(301)
        roofs = software.gets("/status/hill/enclosure")["status"]["enclosure"]
        assert roofs["enclosure2"]["shutter_status"]["val"] == "Unknown"

    def test_a_clock_that_is_set_back_makes_no_shutter_fresh(self, software: SiteSoftware, clocks: Clocks) -> None:
        software.posts_status("hill", "enclosure", ROOF)
        clocks.pass_by(400)
        clocks.set_wall(-3600)
        assert shutter(software) == "Unknown"

    def test_a_roof_in_a_status_of_any_type_is_believed_no_longer(self, software: SiteSoftware, clocks: Clocks) -> None:
        software.posts_status("hill", "device", DEVICE | ROOF)
        clocks.pass_by(301)
        roof = software.gets("/status/hill/device")["status"]["enclosure"]["enclosure1"]
        assert roof["shutter_status"]["val"] == "Unknown"
        assert roof["enclosure_mode"]["val"] == "Automatic"

    def test_after_a_restart_roof_and_weather_are_not_known_and_the_rest_has_its_old_age(self, tmp_path: Path) -> None:
        settings = databases.at(tmp_path / "instance")
        app = companion_app(**settings)
        software = SiteSoftware(app)
        software.posts_status("hill", "enclosure", ROOF)
        software.posts_status("hill", "weather", WEATHER)
        software.posts_status("hill", "obs_settings", OBS_SETTINGS)
        software.posts_status("hill", "device", DEVICE | ROOF)
        before = software.gets("/status/hill/device")
        service_of(app).storing.sync()
        service_of(app).database.close()
        app = companion_app(**settings)
        again = SiteSoftware(app)
        for kind in ("enclosure", "weather"):
            assert again.gets(f"/status/hill/{kind}/") == {}
        assert again.gets("/status/hill/obs_settings")["status"] == OBS_SETTINGS
        found = again.gets("/status/hill/device/")
        assert found["status"] == {key: value for key, value in before["status"].items() if key != "enclosure"}
        assert found["server_timestamp_ms"] == before["server_timestamp_ms"]
        assert again.gets("/status/hill/complete_status")["status"]["enclosure"] == {}
        service_of(app).database.close()

    @pytest.mark.sqlite("PostgreSQL shares it with other servers, in a table that is no history")
    def test_roof_and_weather_do_not_come_to_the_disk(self, app: Flask, software: SiteSoftware) -> None:
        from sqlalchemy import text

        from jobs_server.storage.statement import Statement

        for kind, status in (("enclosure", ROOF), ("weather", WEATHER), ("device", DEVICE)):
            software.posts_status("hill", kind, status)
        service_of(app).storing.sync()
        with service_of(app).database.reading() as connection:
            rows = connection.rows(Statement(text("SELECT status_type FROM site_status")))
        assert rows == [("device",)]


class TestWriting:
    """What it costs the disk."""

    @pytest.mark.sqlite("PostgreSQL writes at once, into a table for which nothing waits for the disk")
    def test_a_status_each_second_is_two_write_units_a_minute(
        self, app: Flask, software: SiteSoftware, clocks: Clocks
    ) -> None:
        service = service_of(app)
        commits: list[str | None] = []
        service.database.on_commit.append(commits.append)
        for second in range(120):
            for kind, status in (("device", DEVICE), ("enclosure", ROOF), ("obs_settings", OBS_SETTINGS)):
                software.posts_status("hill1", kind, status)
            line = {"site": "hill1", "log_message": f"second {second}"}
            assert software.asks("POST", "/logs/newlog", line).status_code == 200
            if second % 5 == 0:
                service.storing.sync()
            clocks.pass_by(1)
        assert 3 <= len(commits) <= 4, "two minutes"

    def test_two_servers_words_are_merged_leaf_by_leaf(self) -> None:
        one, other = Statuses(), Statuses()
        at = Now(1_000_000_000_000, 1)
        one.post("hill1", "device", {"mount": {"m": {"ra": 1, "dec": 1}}}, at)
        later = Now(at.wall_ms + 1000, 1001)
        other.post("hill1", "device", {"mount": {"m": {"ra": 2}}, "camera": {"c": {"status": "x"}}}, later)
        (theirs,) = other.due(0, ())
        row = StoredEntry("hill1", "device", json.dumps(theirs.status), later.wall_ms, later.boot_ms, None)
        one._started = Now(0, 0)
        one.hear([row])
        mine = one.entry("hill1", "device")
        assert mine
        assert mine.status["mount"]["m"] == {
            "ra": {"val": 2, "timestamp": later.wall_ms},
            "dec": {"val": 1, "timestamp": at.wall_ms},
        }
        assert one.due(0, ()) == [mine], "the other does not know of the declination"
        one.note_written([mine])
        one.hear([StoredEntry("hill1", "device", json.dumps(mine.status), later.wall_ms, later.boot_ms, None)])
        assert one.due(0, ()) == []


class TestMerging:
    """Leaf by leaf."""

    def test_of_two_words_the_later_stands_whatever_comes_first(self) -> None:
        a, b = (
            stamped({"mount": {"m": {"ra": 1}}, "plain": 1}, 100),
            stamped({"mount": {"m": {"ra": 2}}, "plain": 2}, 200),
        )
        assert newest(a, 100, b, 200) == newest(b, 200, a, 100) == b

    def test_a_forecast_keeps_the_later_word_of_an_hour_and_drops_what_is_over(self) -> None:
        hour = "2026-11-29T{:02}:00:00Z".format
        now_ms = 1_795_985_787_000
        first = with_forecast([], [{"utc_long_form": hour(h), "fitz_number": 1} for h in range(3)], now_ms)
        second = with_forecast(first, [{"utc_long_form": hour(2), "fitz_number": 5}, "odd", {"odd": ""}], now_ms)
        assert [each.get("fitz_number") for each in second] == [1, 1, 5, None]
        assert second[-1] == {"odd": "-"}
        over = now_ms + 5 * 24 * 3600 * 1000
        assert with_forecast(second, [], over) == [{"odd": "-"}]

    def test_a_forecast_is_a_list_that_grows_through_the_route_and_is_bounded(self, software: SiteSoftware) -> None:
        for number in range(3):
            hours = [{"utc_long_form": f"{number}-{each}", "temperature": 1.5} for each in range(300)]
            software.posts_status("hill", "forecast", {"forecast": hours})
        kept = software.gets("/status/hill/forecast")["status"]["forecast"]
        assert len(kept) == 500
        assert kept[-1]["utc_long_form"] == "2-299"


def deep(levels: int) -> Any:
    return {"x": deep(levels - 1)} if levels else 1


class TestBadInput:
    """What nobody should send."""

    def test_a_status_of_a_megabyte_or_ten_thousand_leaves_is_refused_and_changes_nothing(
        self, software: SiteSoftware
    ) -> None:
        software.posts_status("hill1", "device", DEVICE)
        before = software.gets("/status/hill1/device")
        large = {"statusType": "device", "status": {"mount": {"m": {"text": "x" * 1_000_000}}}}
        assert software.asks("POST", "/status/hill1/status", large).status_code == 413
        many = {"statusType": "device", "status": {"mount": {"m": {str(n): n for n in range(10_000)}}}}
        assert len(json.dumps(many)) < MOST_BYTES
        reply = software.asks("POST", "/status/hill1/status", many)
        assert reply.status_code == 400
        assert f"of at most {MOST_LEAVES}" in reply.get_data(as_text=True)
        assert software.gets("/status/hill1/device") == before

    @pytest.mark.parametrize(
        "status",
        [
            {"": {"": {"": ""}}},
            {"__proto__": {"constructor": {"toString": 1}}},
            {"mount": {"m\0": {"\0": "\0"}}, "a/b": {"c": {"d": 1}}, " x": {"y": {"z": 1}}, "x" * 500: {"y": {}}},
            {"mount": None, "camera": [1, 2], "focuser": 5, "rotator": {"r": None, "s": 7, "t": [1], "u": {}}},
            {"mount": {"m": {"val": {"val": 1, "timestamp": 2}}, "val": 1, "timestamp": 5}},
            {"enclosure": {"enclosure1": {"shutter_status": None}}, "observing_conditions": {"o": {"wx_ok": [1]}}},
            {"enclosure": {"e": {"shutter_status": {"val": "Open"}, "dome_azimuth": "x"}}},
            {"camera": {"c": {"status": "T  9" * 60_000}}},
            {"mount": {"m": {"right_ascension": 1e308, "declination": 10**400, "altitude": "up", "is_parked": "yes"}}},
            {"mount": {"m": {"x": deep(150)}}},
            {},
        ],
    )
    def test_keys_and_values_of_every_type_come_back_and_break_no_page(
        self, app: Flask, software: SiteSoftware, clocks: Clocks, status: dict[str, Any]
    ) -> None:
        for _ in range(2):
            software.posts_status("hill1", "device", status)
        assert software.gets("/status/hill1/device")["status"].keys() == status.keys()
        software.gets("/status/hill1/complete_status")
        software.gets("/status/allopenstatus")
        clocks.pass_by(400)
        software.gets("/status/hill1/complete_status")
        for page in ("/settings", "/", "/send"):
            assert app.test_client().get(f"{page}?site=hill1").status_code == 200
        service_of(app).storing.sync()

    def test_two_writers_of_one_status_lose_none_of_each_others_leaves(self, app: Flask) -> None:
        def write(name: str) -> None:
            software = SiteSoftware(app)
            for number in range(40):
                software.posts_status("hill1", "device", {"mount": {name: {f"k{number}": number}}})

        writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            for each in writers:
                each.start()
            for each in writers:
                each.join()
        finally:
            sys.setswitchinterval(before)
        mounts = SiteSoftware(app).gets("/status/hill1/device")["status"]["mount"]
        assert {name: len(leaves) for name, leaves in mounts.items()} == {"a": 40, "b": 40}

    def test_what_is_kept_of_a_site_is_bounded_and_what_is_a_day_old_makes_room(
        self, software: SiteSoftware, clocks: Clocks
    ) -> None:
        def post(instance: str) -> int:
            body = {"statusType": "device", "status": {"screen": {instance: {"text": "x" * 150_000}}}}
            return software.asks("POST", "/status/hill1/status", body).status_code

        assert [post("a"), post("b")] == [200, 409]
        for number in range(25):
            body = {"statusType": f"type {number}", "status": {"x": {}}}
            status = software.asks("POST", "/status/hill1/status", body).status_code
            assert status == (200 if number < 19 else 409)
        clocks.pass_by(25 * 3600)
        assert post("b") == 200

    def test_made_up_sites_make_room_for_each_other(self, app: Flask, software: SiteSoftware) -> None:
        for number in range(120):
            software.posts_status(f"made up {number}", "device", {"x": 1})
        found = software.gets("/status/allopenstatus")
        assert len(found) == 100
        assert "made up 119" in found


class TestOnePicture:
    """Two ways in, one store of what a site says."""

    def seen(self, service: Service, site: str = "hill1") -> dict[str, Any]:
        return {each.key: each.values for each in service.devices.seen(site)}

    def test_a_status_is_read_as_devices_and_the_cameras_temperature_out_of_its_line(
        self, app: Flask, software: SiteSoftware
    ) -> None:
        software.posts_status("hill1", "device", DEVICE)
        software.posts_status("hill1", "enclosure", ROOF)
        software.posts_status("hill1", "weather", WEATHER)
        seen = self.seen(service_of(app))
        assert seen["mount/SimMount"] == {
            "ra_hours": 5.5881,
            "dec_degrees": -5.391,
            "alt_degrees": 41.2,
            "az_degrees": 120.5,
            "airmass": 1.51,
            "pier_side": "Looking West",
            "status": "tracking",
        }
        assert seen["camera/camera_1_1"] == {
            "setpoint_c": -10.0,
            "temperature_c": -9.8,
            "cooler_percent": 35.0,
            "chip_humidity_percent": 20.0,
            "darkslide": "Open",
        }
        assert seen["filter_wheel/w1"] == {"filter": "lum", "status": "idle"}
        assert seen["focuser/f1"] == {"position_um": 5021.3, "temperature_c": 10.2}
        assert seen["rotator/r1"] == {"angle_degrees": 12.5}
        assert seen["enclosure/enclosure1"] == {"status": "open", "mode": "Automatic"}
        assert seen["observing_conditions/observing_conditions1"] == {
            "safe": True,
            "temperature_c": 11.5,
            "humidity_percent": 61.0,
            "wind_m_per_s": 3.5,
        }

    @pytest.mark.parametrize(
        ("said", "read"),
        [
            ({"is_parked": True, "is_tracking": True, "is_slewing": False}, "parked"),
            ({"is_parked": False, "is_tracking": False, "is_slewing": True}, "slewing"),
            ({"is_parked": False, "is_tracking": False, "is_slewing": False}, "idle"),
        ],
    )
    def test_a_parked_mount_that_says_it_tracks_is_parked(self, said: dict[str, Any], read: str) -> None:
        assert devices_of({"mount": {"m": said}})["mount/m"]["status"] == read

    @pytest.mark.parametrize(
        ("line", "read"),
        [
            ("SQ007, S  na, T  na, P  na, H  na, A na", None),
            ("T3, S  -10.0C, T  5C, P  0%", 5.0),
            ("status_failed", None),
            ("S  -10.0C", None),
            (None, None),
        ],
    )
    def test_a_camera_that_does_not_know_its_temperature_has_none(self, line: str | None, read: float | None) -> None:
        values = devices_of({"camera": {"c": {"status": line}}})["camera/c"]
        assert values.get("temperature_c") == read
        assert (values.get("status") == "error") == (line == "status_failed")

    @pytest.mark.parametrize(
        ("said", "status", "message"),
        [
            ("Open/NoObs", "open", "observing is switched off"),
            ("Sim. Open", "open", "simulated"),
            ("Software Fault", "error", None),
            ("Closing", "closing", None),
            ("", "unknown", None),
            ("Ajar", "Ajar", None),
        ],
    )
    def test_a_shutter_in_the_words_of_the_site_is_one_in_ours(
        self, said: str, status: str, message: str | None
    ) -> None:
        roof = devices_of({"enclosure": {"enclosure1": {"shutter_status": said}}})["enclosure/enclosure1"]
        assert (roof["status"], roof.get("message")) == (status, message)

    def test_the_strip_shows_it_with_its_age_and_grey_after_five_minutes(
        self, app: Flask, software: SiteSoftware, clocks: Clocks
    ) -> None:
        software.posts_status("hill1", "device", DEVICE)
        page = app.test_client().get("/?site=hill1").get_data(as_text=True)
        assert "tracking" in page
        assert "\u22129.8\u00a0°C" in page or "-9.8\u00a0°C" in page
        clocks.pass_by(299)
        assert not any(each.is_grey for each in service_of(app).devices.seen("hill1"))
        clocks.pass_by(2)
        devices = service_of(app).devices.seen("hill1")
        assert all(each.is_grey and each.age_ms == 301_000 for each in devices)

    def test_plots_have_its_numbers_and_it_stands_beside_what_comes_the_other_way(
        self, app: Flask, software: SiteSoftware, clocks: Clocks
    ) -> None:
        from jobs_server.state import storing

        service = service_of(app)
        app.test_client().post("/jobs/devicestate", json={"site": "hill1", "devices": {"safety/s": {"safe": True}}})
        software.posts_status("hill1", "device", DEVICE)
        assert {"safety/s", "camera/camera_1_1"} <= self.seen(service).keys()
        service.storing.sync()
        with service.database.reading() as connection:
            ((_, readings),) = storing.curves(connection, "hill1", 0, clocks.now.wall_ms + 1)
        assert readings["camera/camera_1_1"]["temperature_c"] == -9.8
        assert readings["focuser/f1"]["position_um"] == 5021.3

    def test_values_that_a_post_does_not_say_again_are_not_shown_under_its_age(
        self, app: Flask, software: SiteSoftware
    ) -> None:
        shut = {"enclosure": {"enclosure1": {"shutter_status": "Closed", "shut_reason_bad_weather": True}}}
        software.posts_status("hill1", "enclosure", shut)
        assert self.seen(service_of(app))["enclosure/enclosure1"]["message"] == "shut for bad weather"
        software.posts_status("hill1", "enclosure", ROOF)
        assert self.seen(service_of(app))["enclosure/enclosure1"] == {"status": "open", "mode": "Automatic"}

    def test_a_status_with_more_devices_than_are_shown_is_kept_all_the_same(
        self, app: Flask, software: SiteSoftware, caplog: pytest.LogCaptureFixture
    ) -> None:
        many = {"screen": {f"s{number}": {"bright": number} for number in range(150)}}
        for _ in range(2):
            software.posts_status("hill1", "device", many)
        assert len(software.gets("/status/hill1/device")["status"]["screen"]) == 150
        assert self.seen(service_of(app)) == {}
        assert len([line for line in caplog.messages if "not all of it shown" in line]) == 1
