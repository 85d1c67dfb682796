"""Programs written for the original service work here when only their base URL is changed.

The requests are those that its README documents and its public clients send: the site software without a content
type, the web UI through axios.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ..support import servers
from ..support.observatory import site_named

UI = "https://ui.example.org"
SECONDS = 60
DAY_MS = 1000 * 60 * 60 * 24


@pytest.fixture(scope="module", params=["flask", "gunicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    settings = {"JOBS_ALLOWED_ORIGINS": UI}
    with servers.running(request.param, tmp_path_factory.mktemp(request.param), settings) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(params=["/jobs", ""], ids=["under /jobs", "at the root"])
def base_url(request: pytest.FixtureRequest, server: servers.Server) -> str:
    return server.url + str(request.param)


@pytest.fixture
def site(request: pytest.FixtureRequest) -> str:
    """A site code of the test's own."""
    return site_named(f"saf {request.node.name}")


def ask(url: str, body: dict[str, Any]) -> requests.Response:
    """Send a request as the README's examples do, and as the site software does: no content type, no header."""
    response = requests.request("POST", url, data=json.dumps(body), timeout=SECONDS, allow_redirects=False)
    assert "Content-Type" not in response.request.headers
    return response


def a_move(site: str) -> dict[str, Any]:
    return {
        **{"site": site, "device": "focuser", "instance": "focuser1", "action": "move_relative"},
        **{"user_name": "Firstname Lastname", "user_id": "user-id-1234"},
        **{"required_params": {"position": "1"}, "optional_params": {}},
    }


def a_stop(site: str) -> dict[str, Any]:
    return a_move(site) | {"device": "camera", "instance": "camera1", "action": "stop", "required_params": {}}


class TestTheDocumentedExamples:
    """A focuser's move and a camera's stop, as the README shows them."""

    def test_new_jobs_come_as_documented(self, base_url: str, site: str) -> None:
        move = ask(f"{base_url}/newjob", a_move(site)).json()
        stop = ask(f"{base_url}/newjob", a_stop(site)).json()
        answer = ask(f"{base_url}/getnewjobs", {"site": site}).json()
        documented = {
            **{"statusId": f"UNREAD#{move['ulid']}", "action": "move_relative", "deviceType": "focuser"},
            **{"required_params": {"position": "1"}, "ulid": move["ulid"], "timestamp_ms": move["timestamp_ms"]},
            **{"deviceInstance": "focuser1", "site": site, "optional_params": {}},
            **{"user_name": "Firstname Lastname", "user_id": "user-id-1234"},
        }
        assert [job["ulid"] for job in answer] == [move["ulid"], stop["ulid"]]
        assert answer[0].items() >= documented.items()
        assert (answer[1]["action"], answer[1]["deviceType"]) == ("stop", "camera")
        assert abs(move["timestamp_ms"] - time.time() * 1000) < DAY_MS

    def test_a_status_is_updated_as_documented(self, base_url: str, site: str) -> None:
        ulid = ask(f"{base_url}/newjob", a_move(site)).json()["ulid"]
        update = {"site": site, "ulid": ulid, "newStatus": "STARTED", "secondsUntilComplete": 5}
        response = ask(f"{base_url}/updatejobstatus", update)
        assert response.status_code == 200
        promised = {"ulid": ulid, "statusId": f"STARTED#{ulid}", "secondsUntilComplete": 5}
        assert response.json().items() >= promised.items()
        (kept,) = ask(f"{base_url}/getrecentjobs", {"site": site, "timeRange": DAY_MS}).json()
        assert kept.items() >= promised.items()

    def test_recent_jobs_come_as_documented(self, base_url: str, site: str) -> None:
        jobs = [ask(f"{base_url}/newjob", body(site)).json() for body in (a_move, a_stop)]
        assert ask(f"{base_url}/getrecentjobs", {"site": site, "timeRange": DAY_MS}).json() == jobs
        assert ask(f"{base_url}/getrecentjobs", {"site": site}).json() == jobs

    def test_start_job_takes_its_estimate_in_a_string(self, base_url: str, site: str) -> None:
        ulid = ask(f"{base_url}/newjob", a_move(site)).json()["ulid"]
        started = ask(f"{base_url}/startjob", {"site": site, "ulid": ulid, "secondsUntilComplete": "60"}).json()
        assert (started["statusId"], started["secondsUntilComplete"]) == (f"STARTED#{ulid}", 60)

    def test_one_operation_on_a_queue_does_not_affect_the_other(self, base_url: str, site: str) -> None:
        ulid = ask(f"{base_url}/newjob", a_move(site)).json()["ulid"]
        assert len(ask(f"{base_url}/getnewjobs", {"site": site, "alternateQueue": True}).json()) == 1
        update = {"site": site, "ulid": ulid, "newStatus": "COMPLETE", "alternateQueue": True}
        updated = ask(f"{base_url}/updatejobstatus", update).json()
        assert (updated["statusId"], updated["replicaStatusId"]) == (f"UNREAD#{ulid}", f"COMPLETE#{ulid}")
        assert [job["ulid"] for job in ask(f"{base_url}/getnewjobs", {"site": site}).json()] == [ulid]

    def test_a_missing_key_is_named(self, base_url: str, site: str) -> None:
        body = a_move(site)
        del body["instance"]
        response = ask(f"{base_url}/newjob", body)
        assert (response.status_code, response.text) == (400, "Error: missing required key instance")


class TestSiteSoftware:
    """The loop beside the telescope, which parses whatever comes and sorts it by timestamp."""

    def test_it_polls_and_carries_out_and_reports(self, base_url: str, site: str) -> None:
        sent = [ask(f"{base_url}/newjob", a_move(site)).json()["ulid"] for _ in range(3)]
        done: list[str] = []
        for _ in range(5):
            commands = requests.post(f"{base_url}/getnewjobs", json.dumps({"site": site}), timeout=SECONDS).json()
            commands.sort(key=lambda command: command["timestamp_ms"])
            for command in commands:
                about = {"site": site, "ulid": command["ulid"]}
                for status, seconds in (("STARTED", 5), ("MOVING", "3.2"), ("COMPLETE", 0)):
                    report = about | {"newStatus": status, "secondsUntilComplete": seconds}
                    reply = requests.post(f"{base_url}/updatejobstatus", data=json.dumps(report), timeout=SECONDS)
                    assert reply.status_code == 200
                done.append(command["ulid"])
        assert done == sent
        recent = ask(f"{base_url}/getrecentjobs", {"site": site}).json()
        assert {job["statusId"] for job in recent} == {f"COMPLETE#{ulid}" for ulid in sent}

    @pytest.mark.parametrize("body", ["", "{", "{}", '{"site": ""}', "[]"])
    def test_what_it_parses_of_a_refusal_is_no_command(self, base_url: str, body: str) -> None:
        reply = requests.post(f"{base_url}/getnewjobs", data=body, timeout=SECONDS)
        assert (reply.status_code, reply.json()) == (400, [])


class TestWebUi:
    """A browser's page of another origin, through axios."""

    def axios(self, url: str, body: dict[str, Any]) -> requests.Response:
        headers = {
            "Accept": "application/json, text/plain, */*",
            "Authorization": "Bearer undefined",
            "Content-Type": "application/json;charset=UTF-8",
            "Origin": UI,
        }
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return requests.post(url, data=text, headers=headers, timeout=SECONDS)

    def test_it_asks_first_and_then_sends(self, base_url: str, site: str) -> None:
        asked = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight = requests.options(f"{base_url}/newjob", headers={"Origin": UI} | asked, timeout=SECONDS)
        assert preflight.ok
        assert preflight.headers["Access-Control-Allow-Origin"] == UI
        extra = {"mount": "mount1", "timestamp": 1795400000, "user_roles": ["admin"]}
        reply = self.axios(f"{base_url}/newjob", a_move(site) | extra | {"user_name": "Zoë Müller"})
        assert reply.headers["Access-Control-Allow-Origin"] == UI
        job = reply.json()
        assert (job["user_name"], job["user_roles"]) == ("Zoë Müller", [])
        assert self.axios(f"{base_url}/getrecentjobs", {"site": site, "timeRange": DAY_MS}).json() == [job]

    def test_its_toast_shows_a_sentence(self, base_url: str, site: str) -> None:
        body = a_move(site)
        del body["user_id"]
        reply = self.axios(f"{base_url}/newjob", body)
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert reply.headers["Access-Control-Allow-Origin"] == UI
        assert (reply.status_code, reply.text) == (400, "Error: missing required key user_id")

    def test_cancel_all_leaves_history(self, base_url: str, site: str) -> None:
        done = self.axios(f"{base_url}/newjob", a_move(site)).json()
        ask(f"{base_url}/updatejobstatus", {"site": site, "ulid": done["ulid"], "newStatus": "COMPLETE"})
        waiting = self.axios(f"{base_url}/newjob", a_move(site)).json()
        everything = {"device": "all", "instance": "all", "action": "cancel_all_commands", "required_params": {}}
        stop = self.axios(f"{base_url}/newjob", a_move(site) | everything).json()
        assert [job["ulid"] for job in ask(f"{base_url}/getnewjobs", {"site": site}).json()] == [stop["ulid"]]
        statuses = {
            job["ulid"]: job["statusId"].split("#")[0]
            for job in ask(f"{base_url}/getrecentjobs", {"site": site}).json()
        }
        assert statuses == {done["ulid"]: "COMPLETE", waiting["ulid"]: "CANCELED", stop["ulid"]: "RECEIVED"}
