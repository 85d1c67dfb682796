"""What a site says of its devices: shown with its age, told at once, written now and then, not believed for long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.domain.state_commands import MOST_BYTES
from jobs_server.jobs import events
from jobs_server.service import service_of
from jobs_server.state import devices, storing
from jobs_server.state.storing import StoringTimes
from jobs_server.upkeep import startup

from ..support import databases
from ..support.clocks import Clocks

MOUNT = {"status": "tracking", "ra_hours": 5.588, "dec_degrees": -5.39}


class Site:
    """The software of a site, and who looks."""

    def __init__(self, app: Flask, site: str = "wmd") -> None:
        self.app, self.site = app, site
        self.client: FlaskClient = app.test_client()

    def says(self, said: dict[str, Any], status: int = 200) -> str:
        """Say how devices are, and return the answer's text."""
        reply = self.client.post("/jobs/devicestate", json={"site": self.site, "devices": said})
        assert reply.status_code == status, reply.text
        return reply.text

    def sends(self, body: bytes) -> tuple[int, str]:
        reply = self.client.post("/devicestate", data=body)
        return reply.status_code, reply.text

    @property
    def shown(self) -> dict[str, Any]:
        """All devices, as everybody is shown them."""
        reply = self.client.get(f"/jobs/devicestate?site={self.site}")
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = json.loads(reply.text)["devices"]
        return found


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


def writes(app: Flask) -> list[str | None]:
    """The commits of an app, from now on."""
    found: list[str | None] = []
    service_of(app).database.on_commit.append(found.append)
    return found


def test_each_device_is_shown_as_it_was_said_with_the_servers_time(site: Site, clocks: Clocks) -> None:
    site.says({"mount/mount1": MOUNT | {"at_ms": 5, "serial": 2**70, "ratio": 0.1}})
    now_ms = clocks.now.wall_ms
    clocks.pass_by(10)
    site.says({"camera/camera_1_1": {"temperature_c": -20}})
    assert site.shown["mount/mount1"] == MOUNT | {"at_ms": now_ms, "serial": 2**70, "ratio": 0.1}
    assert site.shown["camera/camera_1_1"] == {"temperature_c": -20, "at_ms": now_ms + 10_000}


def test_each_send_replaces_that_device_alone_and_null_forgets_it(site: Site) -> None:
    site.says({"mount/mount1": MOUNT, "camera/c1": {"frame": 1}})
    site.says({"mount/mount1": {"status": "parked"}})
    assert site.shown["mount/mount1"].keys() == {"status", "at_ms"}
    site.says({"mount/mount1": None, "focuser/never": None})
    assert site.shown.keys() == {"camera/c1"}


def test_it_is_at_the_root_too_and_other_sites_have_their_own(app: Flask, site: Site) -> None:
    site.says({"mount/mount1": MOUNT})
    assert app.test_client().get("/devicestate?site=wmd").status_code == 200
    assert Site(app, "saf").shown == {}


def test_what_a_page_shows_has_an_age_and_is_grey_when_it_is_old(site: Site, clocks: Clocks) -> None:
    site.says({"mount/mount1": MOUNT, "roof/r": {"status": "Error"}, "safety/s": {"safe": False}})
    seen = service_of(site.app).devices.seen("wmd")
    assert [(each.key, each.is_grey, each.is_alarming) for each in seen] == [
        ("mount/mount1", False, False),
        ("roof/r", False, True),
        ("safety/s", False, True),
    ]
    clocks.pass_by(60)
    assert not any(each.is_grey for each in service_of(site.app).devices.seen("wmd"))
    clocks.pass_by(1)
    (mount, *_) = service_of(site.app).devices.seen("wmd")
    assert (mount.is_grey, mount.age_ms, mount.values["status"]) == (True, 61_000, "tracking")


def test_a_clock_that_is_set_back_makes_nothing_fresh(site: Site, clocks: Clocks) -> None:
    site.says({"mount/mount1": MOUNT})
    clocks.pass_by(120)
    clocks.set_wall(-3600)
    (mount,) = service_of(site.app).devices.seen("wmd")
    assert (mount.is_grey, mount.age_ms) == (True, 120_000)


def test_what_came_another_way_is_grey_later(site: Site, clocks: Clocks) -> None:
    service_of(site.app).devices.report("wmd", {"mount/m": MOUNT}, clocks.now, grey_after_ms=300_000)
    clocks.pass_by(299)
    assert not service_of(site.app).devices.seen("wmd")[0].is_grey


NO_OBJECTS: tuple[object, ...] = (1, 1.5, True, "tracking", [], [{}])
BAD: list[tuple[dict[str, Any], str]] = [
    *(({"site": "wmd", "devices": {"mount/mount1": each}}, "mount/mount1 must be an object") for each in NO_OBJECTS),
    ({"devices": {}}, "site"),
    ({"site": "wmd"}, "devices"),
    ({"site": "wmd", "devices": []}, "devices"),
    ({"site": "wmd", "devices": "mount/mount1"}, "devices"),
    ({"site": "wmd", "devices": None}, "devices"),
    *(
        ({"site": "wmd", "devices": {key: {}}}, key.strip("\0")[:20])
        for key in ("mount", "/", "mount/", "/m", " /m", "\0/m", "mount/\0", "a" * 65 + "/m", "m/" + "a" * 129, "", "1")
    ),
]


@pytest.mark.parametrize(("body", "named"), BAD)
def test_keys_of_every_type_are_refused_in_words_and_nothing_is_lost(
    site: Site, body: dict[str, Any], named: str
) -> None:
    site.says({"mount/mount1": MOUNT})
    status, text = site.sends(json.dumps(body).encode())
    assert (status, text[:7]) == (400, "Error: ")
    assert named in text
    assert site.shown["mount/mount1"]["status"] == "tracking"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_nan_is_refused_and_named(site: Site, number: str) -> None:
    body = b'{"site": "wmd", "devices": {"mount/m": {"ra_hours": %b}}}' % number.encode()
    status, text = site.sends(body)
    assert (status, "devices.mount/m.ra_hours" in text) == (400, True)


def test_devices_that_change_their_type_and_dates_are_shown_as_they_are(site: Site) -> None:
    site.says({"mount/m": {"status": "tracking", "when": "2027-01-15T08:00:00Z"}})
    site.says({"mount/m": {"status": {"deep": [1, None]}, "when": 5, "safe": "no", "unsafe_reason": []}})
    assert site.shown["mount/m"]["status"] == {"deep": [1, None]}
    assert not service_of(site.app).devices.seen("wmd")[0].is_alarming


def test_a_state_of_1_mb_is_refused(site: Site) -> None:
    status, text = site.sends(json.dumps({"site": "wmd", "devices": {"mount/m": {"text": "x" * 10**6}}}).encode())
    assert (status, text) == (413, f"Error: the body is larger than {MOST_BYTES} bytes")


def test_ten_thousand_devices_are_refused(site: Site) -> None:
    status, _ = site.sends(json.dumps({"site": "wmd", "devices": {f"a/{n}": {} for n in range(10_000)}}).encode())
    assert status == 413
    assert "at most 100" in site.says({f"a/{number}": {} for number in range(101)}, 400)
    site.says({f"a/{number}": {} for number in range(100)})
    assert "send null" in site.says({"b/1": {}}, 409)
    assert len(site.shown) == 100
    site.says({"b/1": {}, "a/0": None})
    assert len(site.shown) == 100


def test_what_is_said_of_a_site_together_is_bounded_and_old_devices_make_room(site: Site, clocks: Clocks) -> None:
    site.says({"a/1": {"text": "x" * 40_000}})
    site.says({"a/2": {"text": "x" * 40_000}}, 409)
    assert site.shown.keys() == {"a/1"}
    clocks.pass_by(24 * 3600)
    site.says({"a/2": {"text": "x" * 40_000}})
    assert site.shown.keys() == {"a/2"}


def test_sites_that_anybody_makes_up_are_forgotten_past_a_bound(clocks: Clocks) -> None:
    states = devices.DeviceStates()
    for number in range(devices._MOST_SITES + 5):
        states.report(f"site{number}", {"a/b": {}}, clocks.now)
    assert not states.at("site4")
    assert states.at("site5")


def test_devices_that_come_and_are_forgotten_leave_little_behind(clocks: Clocks) -> None:
    states = devices.DeviceStates()
    for number in range(1000):
        states.report("wmd", {f"a/{number}": {}}, clocks.now)
        states.report("wmd", {f"a/{number}": None}, clocks.now)
    assert len(states.since("wmd", 0)) <= devices._MOST_FORGOTTEN


class TestOnDisk:
    """How it comes to the disk and back."""

    def test_a_report_every_second_writes_nothing_and_a_look_at_most_twice_a_minute(self, site: Site) -> None:
        committed = writes(site.app)
        for _ in range(100):
            site.says({"mount/mount1": MOUNT, "camera/c1": {"frame": 2}})
        assert committed == []
        storing_of = service_of(site.app).storing
        if service_of(site.app).database.kind.one_writer:
            assert storing_of.times.write_seconds * 2 > 60
        for _ in range(10):
            site.says({"mount/mount1": MOUNT})
            storing_of.sync()
        assert len(committed) == (1 if service_of(site.app).database.kind.one_writer else 10)

    def test_nothing_new_is_not_written(self, site: Site) -> None:
        site.says({"mount/mount1": MOUNT})
        sync_at_once(site.app)
        committed = writes(site.app)
        sync_at_once(site.app)
        assert committed == []

    def test_after_a_restart_it_has_its_old_age_and_no_roof_weather_or_safety(
        self, tmp_path: Path, clocks: Clocks
    ) -> None:
        first = opened(tmp_path)
        kinds = ["enclosure", "weather", "safety", "Dome", "mount"]
        Site(first).says({f"{kind}/one": {"status": "open", "safe": True} for kind in kinds})
        sync_at_once(first)
        close(first)
        clocks.pass_by(45)
        second = opened(tmp_path)
        (mount,) = service_of(second).devices.seen("wmd")
        assert (mount.key, mount.age_ms, mount.is_grey) == ("mount/one", 45_000, False)
        Site(second).says({"enclosure/one": {"status": "closed"}})
        assert Site(second).shown.keys() == {"enclosure/one", "mount/one"}
        sync_at_once(second)
        assert Site(second).shown["enclosure/one"]["status"] == "closed"
        close(second)

    @pytest.mark.parametrize(
        "kind", ["ObservingConditions", "observing_conditions", "SafetyMonitor", "safety-monitor", "Safety Monitor"]
    )
    def test_after_a_restart_weather_and_safety_are_not_shown_however_their_kind_is_written(
        self, tmp_path: Path, kind: str
    ) -> None:
        first = opened(tmp_path)
        Site(first).says({f"{kind}/one": {"safe": True}, "mount/m": MOUNT})
        sync_at_once(first)
        close(first)
        second = opened(tmp_path)
        assert Site(second).shown.keys() == {"mount/m"}
        close(second)

    def test_a_device_that_is_forgotten_is_so_after_a_restart(self, tmp_path: Path) -> None:
        first = opened(tmp_path)
        Site(first).says({"mount/m": MOUNT, "camera/c": {}})
        sync_at_once(first)
        Site(first).says({"mount/m": None})
        sync_at_once(first)
        close(first)
        second = opened(tmp_path)
        assert Site(second).shown.keys() == {"camera/c"}
        close(second)

    def test_one_sample_a_minute_is_kept_of_numbers_that_are_news(self, site: Site, clocks: Clocks) -> None:
        databases.put_on_duty(site.app)
        begin_ms = clocks.now.wall_ms
        for minute in range(3):
            for _ in range(3):
                weather = {"temperature_c": 5.123456 + minute, "safe": True, "name": "x", "rain_mm_per_h": None}
                site.says({"weather/w": weather | {"wind_m_per_s": True}, "mount/m": {"status": "parked"}})
                sync_at_once(site.app)
            clocks.pass_by(60)
        clocks.pass_by(60)
        sync_at_once(site.app)
        with service_of(site.app).database.reading() as connection:
            found = list(storing.curves(connection, "wmd", begin_ms - 60_000, clocks.now.wall_ms))
        assert [readings for _, readings in found] == [
            {"weather/w": {"temperature_c": 5.1235 + minute}} for minute in range(3)
        ]

    def test_samples_are_kept_for_14_days(self, site: Site, clocks: Clocks) -> None:
        databases.put_on_duty(site.app)
        begin_ms = clocks.now.wall_ms
        site.says({"weather/w": {"temperature_c": 5}})
        sync_at_once(site.app)
        database = service_of(site.app).database

        def left() -> int:
            with database.reading() as connection:
                return len(list(storing.curves(connection, "wmd", begin_ms - 60_000, begin_ms + 60_000)))

        storing.prune(database, begin_ms + storing.KEPT_MS - 60_000)
        assert left() == 1
        storing.prune(database, begin_ms + storing.KEPT_MS + 60_000)
        assert left() == 0

    def test_a_database_that_is_away_loses_nothing(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        site.says({"mount/m": MOUNT})
        database, states = service_of(site.app).database, service_of(site.app).devices
        with monkeypatch.context() as patch:
            patch.setattr(type(database), "transaction", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                sync_at_once(site.app)
        assert states.due(0.0)["wmd"]
        sync_at_once(site.app)
        assert not states.due(0.0)

    def test_it_adds_nothing_to_the_feed_of_jobs(self, site: Site) -> None:
        site.says({"mount/m": MOUNT})
        sync_at_once(site.app)
        with service_of(site.app).database.reading() as connection:
            assert events.newest(connection) == 0


def sync_at_once(app: Flask) -> None:
    """Write what is to be written, however lately something was."""
    service_of(app).storing.times = StoringTimes(write_seconds=0)
    service_of(app).storing.sync()


def opened(folder: Path) -> Flask:
    app = create_app({"TESTING": True} | databases.at(folder / "instance"))
    startup.prepare(app)
    return app


def close(app: Flask) -> None:
    service_of(app).database.close()


@pytest.fixture
def locked() -> Iterator[Flask]:
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "SITE_TOKENS": "required"})
    startup.prepare(app)
    yield app
    service_of(app).database.close()


def test_where_tokens_are_set_the_sites_software_alone_may_say_it(locked: Flask) -> None:
    made = locked.test_cli_runner().invoke(args=["tokens", "create", "--site", "wmd", "--name", "dome pc"])
    token = made.stdout.splitlines()[0]
    client = locked.test_client()
    for route, body in (("devicestate", {"mount/m": MOUNT}), ("capabilities", {"mount/m": {"actions": []}})):
        for shown, site, status in ((None, "wmd", 401), (token, "saf", 403), (token, "wmd", 200)):
            headers = {"Authorization": f"Bearer {shown}"} if shown else {}
            reply = client.post(f"/jobs/{route}", json={"site": site, "devices": body}, headers=headers)
            assert (route, site, reply.status_code) == (route, site, status)
    assert client.post("/jobs/preview?site=wmd&ulid=x", data=b"").status_code == 401
    assert list(Site(locked).shown) == ["mount/m"]
    assert Site(locked, "saf").shown == {}
