"""First configs for the public site software: drawn by a command or on the page Site, changed and restored there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.observatory import profiles
from jobs_server.observatory.first_configs import first_configs
from jobs_server.observatory.profiles import Profile
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..support import databases

NOW_MS = 1_796_031_222_237
HILL = Profile.model_validate(
    {
        "code": "hill1",
        "name": "Hill one",
        "latitude_deg": -41.05,
        "longitude_deg": 145.9,
        "elevation_m": 120,
        "timezone": "Australia/Hobart",
        "devices": {
            "camera": {"instances": ["c1"], "binnings": [1, 2]},
            "filter_wheel": {"instances": ["w1"], "filters": ["lum", "Red"]},
            "mount": {"instances": ["m1"]},
        },
    }
)
READ_OF_A_WEMA = {
    *("latitude", "longitude", "elevation", "reference_ambient", "reference_pressure", "TZ_database_name"),
    *("time_offset", "timezone", "eve_cool_down_open", "morn_close_and_park", "events"),
}
"""What the site software reads of its wema before its mount is made, without which it ends."""
PANELS = {"mount", "telescope", "rotator", "focuser", "filter_wheel", "camera", "screen", "sequencer"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    profiles.save(tmp_path / "instance", HILL)
    app = create_app({"TESTING": True, "COMPANION": "on"} | databases.at(tmp_path / "instance"))
    startup.prepare(app)
    yield app
    service_of(app).database.close()


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A browser on the observatory's PC."""
    return app.test_client()


def in_force(browser: FlaskClient) -> Any:
    return browser.get("/api/all/config").get_json()


def check(configs: dict[str, Any], site: str, wema: str) -> None:
    """Check what the clients read of configs, from which boots and panels hang."""
    assert configs[wema].keys() >= READ_OF_A_WEMA
    assert configs[wema]["events"]["day_directory"] == "20261130"
    one = configs[site]
    assert one["wema_name"] == wema
    assert one["camera"]["camera_1_1"]["settings"]["dark_exposure"] > 0
    assert isinstance(one["eve_sky_flat_sunset_offset"], float)
    assert one["defaults"].keys() & one.keys() >= PANELS
    assert all(one["defaults"][kind] in one[kind] for kind in PANELS)
    assert {each["wema_name"] for each in configs.values()} <= configs.keys(), "the public UI throws such entries away"


class TestDrawing:
    """What is in them."""

    def test_a_site_with_a_wema_of_its_own_program_gets_two(self) -> None:
        configs = first_configs(HILL, "hill", NOW_MS)
        assert configs.keys() == {"hill", "hill1"}
        check(configs, "hill1", "hill")
        wema = configs["hill"]
        assert (wema["time_offset"], wema["timezone"], wema["obsp_ids"]) == (11.0, "AEDT", ["hill1"])
        assert wema["reference_pressure"] == 998.9

    def test_a_site_can_be_its_own_wema(self) -> None:
        configs = first_configs(HILL, "hill1", NOW_MS)
        assert configs.keys() == {"hill1"}
        check(configs, "hill1", "hill1")

    def test_lists_of_the_ui_are_the_profiles(self) -> None:
        site = first_configs(HILL, "hill", NOW_MS)["hill1"]
        assert [each[0] for each in site["filter_wheel"]["w1"]["settings"]["filter_data"]] == ["lum", "Red"]
        assert site["camera"]["c1"]["settings"]["bin_modes"] == [[1, 1, 1.0], [2, 2, 2.0]]
        assert (site["defaults"]["camera"], site["defaults"]["mount"]) == ("c1", "m1")

    def test_a_profile_without_anything_gives_configs_with_which_both_boot(self) -> None:
        bare = Profile(code="bare")
        check(first_configs(bare, "bare", NOW_MS), "bare", "bare")


class TestCommand:
    """`flask companion seed`."""

    def runs(self, app: Flask, *arguments: str) -> Any:
        del app
        from jobs_server.__main__ import main

        return CliRunner().invoke(main, ["companion", "seed", *arguments])

    def test_it_breaks_the_circle_of_the_first_boot_and_leaves_what_is_there(
        self, app: Flask, browser: FlaskClient
    ) -> None:
        done = self.runs(app, "--wema", "hill")
        assert done.exit_code == 0, done.output
        assert in_force(browser).keys() == {"hill", "hill1"}
        mine = {"mine": 1}
        assert browser.put("/api/hill/config/", data=json.dumps(mine)).status_code == 200
        assert "which stays" in self.runs(app, "--wema", "hill").output
        assert in_force(browser)["hill"] == mine
        assert self.runs(app, "--wema", "hill", "--replace").exit_code == 0
        assert in_force(browser)["hill"]["instance_type"] == "wema"

    def test_it_prints_and_keeps_nothing_when_asked_to(self, app: Flask, browser: FlaskClient) -> None:
        done = self.runs(app, "--print")
        assert json.loads(done.output)["hill1"]["instance_type"] == "obs"
        assert in_force(browser) == {}

    def test_it_says_that_nothing_is_served_yet_and_which_sites_it_knows_nothing_of(self, app: Flask) -> None:
        assert "JOBS_COMPANION=on" in self.runs(app).output
        done = self.runs(app, "--site", "moor")
        assert (done.exit_code, "does not describe moor" in done.output) == (1, True)


class TestPage:
    """The page Site."""

    def test_it_says_who_may_write_without_a_token(self, browser: FlaskClient, tmp_path: Path) -> None:
        page = browser.get("/settings?site=hill1").text
        assert "192.168.0.0/16" in page
        assert "none yet: neither boots" in page
        app = create_app({"TESTING": True, "COMPANION": "on", "SITE_TOKENS": "required"} | databases.at(tmp_path / "b"))
        startup.prepare(app)
        assert "from nowhere" in app.test_client().get("/settings?site=hill1").text
        service_of(app).database.close()

    def test_first_configs_are_drawn_changed_and_restored(self, browser: FlaskClient) -> None:
        assert browser.post("/act/draw-configs", data={"site": "hill1", "wema": "hill"}).status_code == 303
        configs = in_force(browser)
        assert configs.keys() == {"hill", "hill1"}
        page = browser.get("/settings/configs?site=hill1&name=hill").text
        assert "reference_pressure" in page
        changed = {"site": "hill1", "name": "hill", "config": '{"a": "<b>"}'}
        assert browser.post("/settings/configs", data=changed).status_code == 303
        assert in_force(browser)["hill"] == {"a": "<b>"}
        page = browser.get("/settings/configs?site=hill1&name=hill").text
        assert "&lt;b&gt;" in page
        number = page.split('name="config" value="')[1].split('"')[0]
        restored = browser.post("/act/restore-config", data={"site": "hill1", "name": "hill", "config": number})
        assert restored.status_code == 303
        assert in_force(browser) == configs

    @pytest.mark.parametrize("text", ["", "not json", "[1]", '{"a": ' + "[" * 300 + "]" * 300 + "}", "\ud800"])
    def test_what_is_no_config_is_shown_again_with_what_is_wrong(self, browser: FlaskClient, text: str) -> None:
        form = {"site": "hill1", "config": text.encode("utf-8", "replace")}
        answer = browser.post("/settings/configs", data=form)
        assert answer.status_code == 400
        assert "Not saved" in answer.text
        assert in_force(browser) == {}

    def test_somebody_on_the_lan_looks_after_none_of_it(self, app: Flask) -> None:
        elsewhere = app.test_client()
        elsewhere.environ_base["REMOTE_ADDR"] = "192.168.1.20"
        assert elsewhere.get("/settings/configs?site=hill1").status_code == 403
        for path in ("/settings/configs", "/act/restore-config", "/act/draw-configs"):
            assert elsewhere.post(path, data={"site": "hill1", "config": "{}"}).status_code == 403
        assert "Draw, change or restore" not in elsewhere.get("/settings?site=hill1").text

    def test_without_the_companion_there_is_no_such_page(self, shared_app: Flask) -> None:
        browser = shared_app.test_client()
        assert browser.get("/settings/configs?site=hill1").status_code == 404
        assert 'id="companion"' not in browser.get("/settings?site=hill1").text
