"""A first visit leads on: to a page that sets the observatory up, and then to how its software is started."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Iterator
from html import unescape
from importlib.metadata import PathDistribution
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.live.presence import Presence
from jobs_server.service import service_of
from jobs_server.upkeep import startup
from jobs_server.web import start_commands
from jobs_server.web.blueprint import LINKS

from ..support import databases

ELSEWHERE = {"REMOTE_ADDR": "192.168.1.7"}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
GIVEN = {"name": "Wendelstein Dome", "place": "Munich", "devices": ["camera", "mount"], "filters": "L, R"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    yield from served(tmp_path)


def served(folder: Path, **settings: object) -> Iterator[Flask]:
    app = create_app({"TESTING": True, "BALLAST_MB": 0} | databases.at(folder) | settings)
    startup.prepare(app)
    yield app
    service_of(app).database.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


class TestFirstVisit:
    @pytest.mark.parametrize("name", [name for name, _ in LINKS])
    def test_every_page_of_an_empty_server_leads_to_the_set_up(
        self, app: Flask, client: FlaskClient, name: str
    ) -> None:
        with app.test_request_context():
            path = app.url_for(f"pages.{name}")
        answer = client.get(path)
        assert (answer.status_code, answer.location) == (302, "/set-up")
        assert "Set up your observatory" in client.get("/set-up").text

    def test_no_page_leads_there_once_a_site_is_set_up_or_has_had_a_job(self, client: FlaskClient) -> None:
        job = {"site": "wmd", "device": "camera", "instance": "c1", "action": "expose", "user_name": "Vera"}
        job |= {"user_id": "vera", "required_params": {}, "optional_params": {}}  # type: ignore[dict-item]
        assert client.post("/jobs/newjob", json=job).status_code == 200
        assert client.get("/").status_code == 200

    def test_a_phone_is_told_that_the_pc_sets_the_observatory_up(self, client: FlaskClient) -> None:
        page = client.get("/set-up", environ_base=ELSEWHERE, base_url="http://192.168.1.2:5000")
        assert "It is set up on the PC that runs this server, in a browser there: http://127.0.0.1:5000/" in text_of(
            page.text
        )
        assert "data-set-up" not in page.text
        refused = client.post("/set-up", data=GIVEN, environ_base=ELSEWHERE)
        assert refused.status_code == 403
        assert "at its own PC" in refused.text

    @pytest.mark.parametrize(
        ("host", "line"),
        [
            ("192.168.1.2:5000", "ssh -L 5000:127.0.0.1:5000 192.168.1.2"),
            ("localhost", "ssh -L 80:127.0.0.1:80 localhost"),
            ("[fd00::5]", "ssh -L 80:127.0.0.1:80 fd00::5"),
            ("[fd00::5]:5000", "ssh -L 5000:127.0.0.1:5000 fd00::5"),
        ],
    )
    def test_a_pc_without_a_screen_is_reached_by_a_line_that_ssh_takes(
        self, client: FlaskClient, host: str, line: str
    ) -> None:
        page = client.get("/set-up", environ_base=ELSEWHERE, base_url=f"http://{host}")
        assert f"<code>{line}</code>" in page.text

    def test_the_pc_itself_is_known_by_a_server_that_listens_to_both_kinds_of_addresses(
        self, client: FlaskClient
    ) -> None:
        """At `--host ::` the PC's own browser was told to go to the PC."""
        for address, may in (("::ffff:127.0.0.1", True), ("::ffff:192.168.1.7", False)):
            page = client.get("/set-up", environ_base={"REMOTE_ADDR": address})
            assert ("data-set-up" in page.text) == may, address

    def test_with_sign_in_an_admin_sets_the_observatory_up(self, tmp_path: Path) -> None:
        settings = {"OIDC_ISSUER": "http://127.0.0.1:9", "OIDC_AUDIENCE": "jobs"}
        for app in served(tmp_path, **settings):
            page = app.test_client().get("/set-up")
            assert "An admin sets it up. Sign in" in text_of(page.text)
            assert app.test_client().post("/set-up", data=GIVEN).status_code == 401


class TestSettingUp:
    def test_a_site_is_written_with_its_place_time_zone_and_devices_and_the_way_goes_on(
        self, client: FlaskClient, tmp_path: Path
    ) -> None:
        answer = client.post("/set-up", data=GIVEN)
        assert (answer.status_code, answer.location) == (303, "/set-up/connect?site=wendelstein")
        assert tomllib.loads((tmp_path / "site.toml").read_text(encoding="utf-8")) == {
            "code": "wendelstein",
            "name": "Wendelstein Dome",
            "latitude_deg": 48.14,
            "longitude_deg": 11.58,
            "timezone": "Europe/Berlin",
            "devices": {
                "camera": {"instances": ["camera_1_1"], "filters": ["L", "R"]},
                "mount": {"instances": ["mount1"]},
            },
        }
        assert client.get("/set-up").location == "/set-up/connect?site=wendelstein"

    @pytest.mark.parametrize(
        ("place", "said"),
        [("-33.92, 18.42", "33.9200° S, 18.4200° E"), ("19.72 N 155.08 W", "19.7200° N, 155.0800° W")],
    )
    def test_the_page_site_says_on_which_side_of_equator_and_greenwich_it_is(
        self, client: FlaskClient, place: str, said: str
    ) -> None:
        client.post("/set-up", data=GIVEN | {"place": place})
        assert said in text_of(client.get("/settings?site=wendelstein").text)

    def test_coordinates_get_the_time_zone_of_the_nearest_city(self, client: FlaskClient, tmp_path: Path) -> None:
        client.post("/set-up", data=GIVEN | {"place": "24.63 S 70.40 W", "code": "vlt"})
        written = tomllib.loads((tmp_path / "site.toml").read_text(encoding="utf-8"))
        assert (written["latitude_deg"], written["longitude_deg"]) == (-24.63, -70.4)
        assert (written["code"], written["timezone"]) == ("vlt", "America/Santiago")

    def test_of_cities_with_one_name_one_is_chosen(self, client: FlaskClient, tmp_path: Path) -> None:
        asked = client.post("/set-up", data=GIVEN | {"place": "Newcastle"})
        assert asked.status_code == 400
        assert 'name="choose" value="Newcastle, Australia"' in asked.text
        chosen = client.post("/set-up", data=GIVEN | {"place": "Newcastle", "choose": "Newcastle, Australia"})
        assert chosen.status_code == 303
        assert tomllib.loads((tmp_path / "site.toml").read_text(encoding="utf-8"))["timezone"] == "Australia/Sydney"

    def test_a_place_may_stay_blank(self, client: FlaskClient, tmp_path: Path) -> None:
        assert client.post("/set-up", data=GIVEN | {"place": " "}).status_code == 303
        assert "latitude_deg" not in (tmp_path / "site.toml").read_text(encoding="utf-8")

    def test_a_name_that_begins_with_all_makes_another_code(self, client: FlaskClient, tmp_path: Path) -> None:
        assert client.post("/set-up", data=GIVEN | {"name": "All Saints", "code": ""}).status_code == 303
        assert 'code = "all2"' in (tmp_path / "site.toml").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"name": " "}, "Write how people call the observatory."),
            ({"name": "Hill\0Top"}, "Write how people call the observatory."),
            ({"place": "Atlantis"}, "This city is not in the list: write a larger one near it, or coordinates."),
            ({"place": "95 N 12 E"}, "A latitude is from -90 to 90 degrees, and 95 is none; it comes first."),
            ({"code": "a" * 300}, "Write a short code without a slash, such as wmd."),
            ({"code": "hill/1"}, "Write a short code without a slash, such as wmd."),
            ({"code": "all"}, "The public site software says all for every site at once; write another code."),
            ({"name": "Hill " * 20}, "Write how people call the observatory, in at most 80 characters."),
        ],
    )
    def test_what_is_wrong_is_said_beside_its_field_and_what_was_written_stays(
        self, client: FlaskClient, tmp_path: Path, given: dict[str, str], says: str
    ) -> None:
        answer = client.post("/set-up", data=GIVEN | given)
        assert answer.status_code == 400
        assert says in text_of(answer.text)
        assert 'value="L, R"' in answer.text
        assert not (tmp_path / "site.toml").exists()

    @pytest.mark.parametrize("filters", ["L\x1b[31m, R", "L\0", "L, " * 300])
    def test_filters_that_no_page_or_terminal_can_show_are_refused(
        self, client: FlaskClient, tmp_path: Path, filters: str
    ) -> None:
        answer = client.post("/set-up", data=GIVEN | {"filters": filters})
        assert answer.status_code == 400
        assert "Write the filters' names, parted by commas, in at most 500 characters." in text_of(answer.text)
        assert not (tmp_path / "site.toml").exists()

    def test_a_site_of_the_setting_is_chosen_and_none_beside(self, tmp_path: Path) -> None:
        for app in served(tmp_path, SITES=("wmd", "saf")):
            client = app.test_client()
            page = client.get("/set-up").text
            assert re.findall(r"<option[^>]*>(\w+)", page) == ["wmd", "saf"]
            assert client.post("/set-up", data=GIVEN | {"code": "other"}).status_code == 400
            assert client.post("/set-up", data=GIVEN | {"code": "saf"}).location == "/set-up/connect?site=saf"

    def test_a_site_that_is_set_up_is_not_written_over(self, client: FlaskClient, tmp_path: Path) -> None:
        client.post("/set-up", data=GIVEN)
        before = (tmp_path / "site.toml").read_bytes()
        again = client.post("/set-up", data=GIVEN | {"code": "wendelstein", "name": "Another"})
        assert again.status_code == 400
        assert "A site wendelstein is set up already" in again.text
        assert (tmp_path / "site.toml").read_bytes() == before
        assert client.post("/set-up", data=GIVEN).location == "/set-up/connect?site=wendelstein2"

    def test_what_a_place_means_is_shown_while_it_is_typed(self, client: FlaskClient) -> None:
        assert "48.1400° N, 11.5800° E; Europe/Berlin" in text_of(client.get("/set-up/place?place=munich").text)
        assert client.get("/set-up/place?place=new").text.count('type="radio"') > 2
        assert client.get("/set-up/place?place=").text.strip() == ""


class TestGoingOn:
    @pytest.mark.parametrize("sites", [(), ("wmd",)])
    def test_a_link_to_a_site_that_nobody_knows_makes_no_commands_to_copy(
        self, tmp_path: Path, sites: tuple[str, ...]
    ) -> None:
        for app in served(tmp_path, SITES=sites):
            answer = app.test_client().get("/set-up/connect?site=a%26calc")
            assert (answer.status_code, answer.location) == (302, "/set-up?site=a%26calc")
            assert app.test_client().get(answer.location).status_code == 200

    def test_a_site_that_has_a_profile_and_is_none_of_the_setting_leads_to_no_circle(self, tmp_path: Path) -> None:
        for app in served(tmp_path):
            app.test_client().post("/set-up", data=GIVEN)
        for app in served(tmp_path, SITES=("wmd",)):
            assert app.test_client().get("/set-up/connect?site=wendelstein").status_code == 200

    def test_each_way_has_commands_with_the_servers_own_address(self, client: FlaskClient, tmp_path: Path) -> None:
        client.post("/set-up", data=GIVEN)
        page = client.get("/set-up/connect?site=wendelstein", base_url="http://127.0.0.1:5123")
        commands = [unescape(each) for each in re.findall(r"data-copied>([^<]+)<", page.text)]
        (simulate,) = [each for each in commands if " simulate " in each]
        assert simulate.endswith("simulate --site wendelstein --speed 20 --url http://127.0.0.1:5123")
        assert f"JOBS_INSTANCE={tmp_path.resolve()}" in simulate
        assert any("agent find --site wendelstein --url http://127.0.0.1:5123" in each for each in commands)
        assert any("companion seed --site wendelstein" in each for each in commands)
        assert "http://127.0.0.1:5123/jobs" in commands
        assert "Press" not in page.text

    def test_what_the_agent_needs_is_installed_from_where_this_program_was(
        self, client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Installed from a folder, it is in no index of packages, where another one may have its name."""
        folder, elsewhere = tmp_path / "a checkout", tmp_path / "site-packages" / "jobs_server" / "web"
        folder.mkdir()
        (folder / "setup.cfg").touch()
        noted = json.dumps({"url": folder.as_uri(), "dir_info": {}})
        monkeypatch.setattr(start_commands, "find_spec", lambda _: None)
        monkeypatch.setattr(start_commands, "__file__", str(elsewhere / "start_commands.py"))
        monkeypatch.setattr(PathDistribution, "read_text", lambda _self, _name: noted)
        client.post("/set-up", data=GIVEN)
        page = unescape(client.get("/set-up/connect?site=wendelstein").text)
        assert f"-m pip install '{folder}[agent]'" in page

    @pytest.mark.parametrize(
        ("site", "written"),
        [
            ("wmd", "wmd"),
            ("hill 1", '"hill 1"'),
            ("a&calc", '"a&calc"'),
            ('a"&calc&"', '"a&calc&"'),
            ("%PATH%", "PATH"),
            ("a\ncalc", "acalc"),
        ],
    )
    def test_no_sites_code_ends_a_command_of_windows_and_begins_another(
        self, monkeypatch: pytest.MonkeyPatch, site: str, written: str
    ) -> None:
        """Anybody who may send a job makes up a code, and an admin copies the command with it."""
        monkeypatch.setattr(start_commands, "os", SimpleNamespace(name="nt"))
        program = r"C:\Program Files\desk\jobs-server.exe"
        command = start_commands._written([program, "simulate", "--site", site], {"JOBS_COMPANION": "on"})
        assert command == f'set "JOBS_COMPANION=on" && "{program}" simulate --site {written}'

    def test_the_commands_are_for_who_may_set_up(self, client: FlaskClient) -> None:
        client.post("/set-up", data=GIVEN)
        page = client.get("/set-up/connect?site=wendelstein", environ_base=ELSEWHERE)
        assert page.status_code == 200
        assert "data-copied" not in page.text
        assert "on the PC that runs this server" in page.text

    def test_software_that_has_asked_for_jobs_is_seen(self, client: FlaskClient) -> None:
        client.post("/set-up", data=GIVEN)
        assert "Its software is there" not in client.get("/set-up/connect?site=wendelstein").text
        client.post("/jobs/getnewjobs", json={"site": "wendelstein"})
        assert "Its software is there" in client.get("/set-up/connect?site=wendelstein").text


class TestNothingIsRedBeforeItWasThere:
    def test_software_that_was_never_there_is_not_called_silent(
        self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.post("/set-up", data=GIVEN)
        began = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: began + 3600)
        for path in ("/", "/send", "/night", "/insights", "/settings"):
            page = client.get(f"{path}?site=wendelstein").text
            assert "Site software: no word yet" in text_of(page), path
            assert "silent for" not in page, path

    def test_software_that_had_jobs_before_the_server_began_is_called_silent(
        self, client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.post("/set-up", data=GIVEN)
        who = {"site": "wendelstein", "user_name": "Vera", "user_id": "vera"}
        what = {"device": "camera", "instance": "c1", "action": "expose", "required_params": {}, "optional_params": {}}
        client.post("/jobs/newjob", json=who | what)
        client.post("/jobs/getnewjobs", json={"site": "wendelstein"})
        service_of(app).feed.presence = Presence(30)
        began = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: began + 3600)
        assert "since this server began" in client.get("/?site=wendelstein").text

    def test_a_backup_is_missed_only_where_there_is_something_to_back_up(self, client: FlaskClient) -> None:
        client.post("/set-up", data=GIVEN)
        assert "none yet; the first is made after noon" in client.get("/settings?site=wendelstein").text


class TestAddressOfTheApi:
    @pytest.mark.parametrize("path", ["/jobs", "/jobs/"])
    def test_a_browser_that_was_given_the_address_of_the_api_comes_to_the_pages(
        self, client: FlaskClient, path: str
    ) -> None:
        answer = client.get(path, headers={"Accept": BROWSER})
        assert (answer.status_code, answer.location) == (302, "/")

    @pytest.mark.parametrize(
        ("method", "path", "accept"),
        [
            ("GET", "/jobs", "*/*"),
            ("GET", "/jobs", "application/json"),
            ("POST", "/jobs", BROWSER),
            ("GET", "/x", BROWSER),
        ],
    )
    def test_all_else_is_refused_as_an_address_of_nothing(
        self, client: FlaskClient, method: str, path: str, accept: str
    ) -> None:
        answer = client.open(path, method=method, headers={"Accept": accept})
        assert answer.status_code == 404
        assert answer.text == f"Error: there is nothing at {path}; the routes are under /jobs, such as /jobs/newjob"
