"""Several servers on one PostgreSQL show the same state of devices, for which nothing waits for the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from jobs_server import clock, create_app
from jobs_server.service import service_of
from jobs_server.state import storing
from jobs_server.upkeep import startup

from ..conftest import inside
from ..state.pictures import picture
from ..support import postgres, servers
from ..support.streams import Viewer
from ..support.waiting import until

MOUNT = {"status": "tracking"}


@pytest.fixture
def url() -> str:
    return postgres.shared().database()


@pytest.fixture
def apps(url: str, tmp_path: Path) -> Iterator[list[Flask]]:
    made = [create_app({"TESTING": True, "DATABASE_URL": url, "INSTANCE": str(tmp_path)}) for _ in range(2)]
    startup.prepare(made[0])
    yield made
    for app in made:
        service_of(app).database.close()


def says(app: Flask, devices: dict[str, Any]) -> None:
    service_of(app).devices.report("wmd", devices, clock.read())


def share(*apps: Flask) -> None:
    for app in apps:
        service_of(app).storing.sync()


def shown(app: Flask) -> dict[str, Any]:
    return {each.key: each.values for each in service_of(app).devices.seen("wmd")}


def test_what_one_hears_the_other_shows(apps: list[Flask]) -> None:
    first, second = apps
    share(second)
    says(first, {"mount/m": MOUNT, "enclosure/e": {"status": "open"}})
    share(first, second)
    assert shown(second) == shown(first) == {"mount/m": MOUNT, "enclosure/e": {"status": "open"}}
    says(second, {"mount/m": {"status": "parked"}})
    share(second, first)
    assert shown(first)["mount/m"] == {"status": "parked"}
    says(first, {"mount/m": None})
    share(first, second)
    assert shown(second).keys() == {"enclosure/e"}


def test_what_was_heard_before_is_not_taken_for_newer(apps: list[Flask]) -> None:
    first, second = apps
    now = clock.read()
    before = clock.Now(now.wall_ms - 500, now.boot_ms - 500)
    service_of(first).devices.report("wmd", {"mount/m": MOUNT}, before)
    says(second, {"mount/m": {"status": "parked"}})
    share(second, first, second)  # The later word is written first.
    assert shown(first) == shown(second) == {"mount/m": {"status": "parked"}}


def test_a_server_that_starts_shows_no_roof_that_nobody_has_reported_since(
    apps: list[Flask], url: str, tmp_path: Path
) -> None:
    first, _ = apps
    says(first, {"mount/m": MOUNT, "enclosure/e": {"status": "open"}})
    share(first)
    third = create_app({"TESTING": True, "DATABASE_URL": url, "INSTANCE": str(tmp_path)})
    assert shown(third).keys() == {"mount/m"}
    says(first, {"enclosure/e": {"status": "open"}})
    share(first, third)
    assert shown(third).keys() == {"mount/m", "enclosure/e"}
    service_of(third).database.close()


def test_what_is_so_at_the_moment_is_unlogged_and_no_other_table_is(url: str) -> None:
    tables = postgres.shared().run(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relpersistence = 'u'", url.rpartition("/")[2]
    )
    assert set(tables) == {("device_state",), ("site_status",)}


def test_what_was_forgotten_long_ago_leaves_the_table(apps: list[Flask], url: str) -> None:
    first, _ = apps
    says(first, {"mount/m": MOUNT, "camera/c": {}})
    share(first)
    says(first, {"mount/m": None})
    share(first)
    name = url.rpartition("/")[2]
    storing.prune(service_of(first).database, clock.now_ms())
    assert len(postgres.shared().run("SELECT device FROM device_state", name)) == 2
    storing.prune(service_of(first).database, clock.now_ms() + 2 * storing._FORGOTTEN_MS)
    assert postgres.shared().run("SELECT device FROM device_state", name) == [("camera/c",)]


def test_pictures_that_one_takes_are_told_by_the_other(apps: list[Flask]) -> None:
    first, second = apps
    share(first, second)
    job = inside(first).sends()
    sent = first.test_client().post(f"/jobs/preview?site=wmd&ulid={job['ulid']}", data=picture())
    assert sent.status_code == 200
    news: list[str] = []
    service_of(second).previews.on_news.append(news.append)
    share(second, first, second)
    (row,) = service_of(second).previews.since("wmd", 0)
    assert (row.ulid, news) == (job["ulid"], ["wmd"])
    assert second.test_client().get(row.address).status_code == 200


def test_real_servers_tell_it_to_each_others_viewers(url: str, tmp_path: Path) -> None:
    settings = {"JOBS_DATABASE_URL": url, "JOBS_WORKERS": "1"}
    with (
        servers.running("gunicorn", tmp_path / "instance", settings) as first,
        servers.running("gunicorn", tmp_path / "instance", settings) as second,
        Viewer(second.url) as viewer,
    ):
        body = {"site": "wmd", "devices": {"mount/m": MOUNT}}
        assert httpx.post(f"{first.url}/jobs/devicestate", json=body, trust_env=False).status_code == 200
        (told,) = viewer.sees(1, "devices")
        assert told.data["data"]["devices"]["mount/m"]["status"] == "tracking"
        address = f"{second.url}/jobs/devicestate?site=wmd"
        until(lambda: httpx.get(address, trust_env=False).json()["devices"])
