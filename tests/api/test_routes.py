"""The routes as clients written years ago speak them: what goes in, what comes out, under both prefixes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from ulid import ULID

from jobs_server import clock, create_app
from jobs_server.domain import actors, commands
from jobs_server.jobs import operations
from jobs_server.service import service_of, transaction

from ..conftest import inside
from ..support import databases
from ..support.clocks import HOUR, START_MS, Clocks
from ..support.observatory import Observatory, a_command

ROUTES = ("newjob", "getnewjobs", "startjob", "updatejobstatus", "getrecentjobs", "canceljob", "getjob")
PREFIXES = ("/jobs/", "/")
KEYS_OF_A_JOB = {
    *("site", "ulid", "statusId", "replicaStatusId", "user_name", "user_id", "user_roles", "timestamp_ms"),
    *("deviceType", "deviceInstance", "action", "required_params", "optional_params"),
}
DAY_MS = 24 * 60 * 60 * 1000


@pytest.fixture
def client(shared_app: Flask) -> FlaskClient:
    return shared_app.test_client()


def post(client: FlaskClient, path: str, body: object, **options: Any) -> Any:
    reply = client.post(path, data=json.dumps(body), **options)
    assert reply.status_code == 200, reply.get_data()
    return reply.get_json()


class TestEveryRequest:
    """The rules that hold for all routes alike."""

    @pytest.mark.parametrize("ending", ["", "/", "?site=elsewhere", "/?x=1&x=2"])
    @pytest.mark.parametrize("prefix", PREFIXES)
    def test_the_whole_life_of_a_job_under_each_address(self, client: FlaskClient, prefix: str, ending: str) -> None:
        site = {"site": f"life at {prefix} {ending}"}
        job = post(client, f"{prefix}newjob{ending}", a_command() | site)
        about = site | {"ulid": job["ulid"]}
        assert post(client, f"{prefix}getnewjobs{ending}", site) == [job]
        assert post(client, f"{prefix}startjob{ending}", about)["statusId"] == f"STARTED#{job['ulid']}"
        ended = post(client, f"{prefix}updatejobstatus{ending}", about | {"newStatus": "COMPLETE"})
        assert post(client, f"{prefix}getrecentjobs{ending}", site) == [ended]

    @pytest.mark.parametrize(
        "path", ["", "/", "/jobs", "/jobs/", "/jobs//newjob", "//newjob", "/jobs/newjob//", "/job"]
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_there_is_never_a_redirect(self, client: FlaskClient, path: str, method: str) -> None:
        reply = client.open(path, method=method, data=json.dumps(a_command()))
        assert "Location" not in reply.headers
        assert not 300 <= reply.status_code < 400

    @pytest.mark.parametrize(
        "content_type",
        [
            *(None, "application/json;charset=UTF-8", "text/plain", "application/x-www-form-urlencoded"),
            *("multipart/form-data; boundary=x", "application/json; charset=latin-1", "nonsense"),
        ],
    )
    def test_the_content_type_is_not_looked_at(self, client: FlaskClient, content_type: str | None) -> None:
        job = post(client, "/jobs/newjob", a_command(user_name="Zoë ☄"), content_type=content_type)
        assert job["user_name"] == "Zoë ☄"

    @pytest.mark.parametrize("route", ROUTES)
    def test_unknown_keys_are_ignored(self, client: FlaskClient, route: str) -> None:
        ulid = post(client, "/jobs/newjob", a_command())["ulid"]
        extra = {"mount": "mount1", "timestamp": 1, "user_roles": ["admin"], "": None, "status": 5, "ULID": []}
        body = a_command() | {"ulid": ulid, "newStatus": "EXPOSING"} | extra
        assert post(client, f"/jobs/{route}", body)

    def test_what_a_body_says_of_roles_is_not_believed(self, desk: Observatory) -> None:
        assert desk.sends(user_roles=["admin"])["user_roles"] == []

    def test_roles_come_from_the_setting_while_no_sign_in_is_set(self) -> None:
        app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "OPEN_ROLES": ("admin", "owner")})
        assert inside(app).sends(user_roles=["king"])["user_roles"] == ["admin", "owner"]

    @pytest.mark.parametrize("authorization", ["Bearer undefined", "Basic !!", "", "Bearer a.b.c"])
    def test_without_sign_in_no_authorization_is_looked_at(self, desk: Observatory, authorization: str) -> None:
        headers = {"Authorization": authorization}
        assert desk.posts("newjob", a_command(site=desk.site), headers).status == 200
        assert desk.posts("getnewjobs", {"site": desk.site}, headers).status == 200

    @pytest.mark.parametrize("route", ROUTES)
    def test_good_replies_are_json(self, client: FlaskClient, route: str) -> None:
        ulid = post(client, "/jobs/newjob", a_command())["ulid"]
        body = a_command() | {"ulid": ulid, "newStatus": "EXPOSING"}
        assert client.post(f"/jobs/{route}", data=json.dumps(body)).headers["Content-Type"] == "application/json"

    @pytest.mark.parametrize("name", ["Devices", "a b", "ünïcödé", "😀", "a/b", "\t\n x", "<b>", "'; --", "x" * 64])
    @pytest.mark.parametrize("key", ["site", "device", "instance", "action", "user_name", "user_id"])
    def test_any_name_is_taken_and_given_back(self, desk: Observatory, key: str, name: str) -> None:
        job = desk.sends(**{key: name})
        public = {"device": "deviceType", "instance": "deviceInstance"}.get(key, key)
        assert job[public] == name
        assert desk.polls(site=job["site"]) == [job]


class TestParameters:
    """Whatever a command says comes back as it went in."""

    @pytest.mark.parametrize(
        "text",
        [
            *("0", "-0.0", "5e-324", "1.7976931348623157e308", "0.1", "1e22", "1e23", "123456789.12345678", "1E5"),
            *("9007199254740993", "-9223372036854775809", "123456789012345678901234567890", "9" * 4300),
            *('""', '"\\u0000"', '"\\u2028\\u0085"', '"\\ud83d\\ude00"', '"\x7f"', '"</script>"'),
            *("null", "true", "[]", "{}", '[[],{},""]', '{"": {"\\u0000": 1}, "a": [1, 1.0, true, "1", null]}'),
        ],
        ids=lambda text: text[:24],
    )
    def test_a_value_survives_to_the_last_bit(self, desk: Observatory, text: str) -> None:
        body = json.dumps(a_command(site=desk.site, required_params="HERE")).replace('"HERE"', f'{{"value": {text}}}')
        job = desk.posts("newjob", body.encode()).job
        for seen in (job, desk.polls()[0], desk.lists()[0], desk.shows(job)):
            assert repr(seen["required_params"]["value"]) == repr(json.loads(text))

    def test_of_duplicate_keys_the_last_wins(self, desk: Observatory) -> None:
        body = json.dumps(a_command(site=desk.site, optional_params="HERE")).replace('"HERE"', '{"a": 1, "a": 2}')
        body = body.replace('{"site":', '{"site": "elsewhere", "site":')
        job = desk.posts("newjob", body.encode()).job
        assert (job["site"], job["optional_params"]) == (desk.site, {"a": 2})

    def test_the_order_of_keys_stays(self, desk: Observatory) -> None:
        params = {"z": 1, "a": 2, "m": {"y": 1, "b": 2}}
        assert json.dumps(desk.sends(required_params=params)["required_params"]) == json.dumps(params)

    def test_nesting_up_to_200_is_taken(self, desk: Observatory) -> None:
        body = nested(200)
        job = desk.posts("newjob", body).job
        assert job["required_params"] == json.loads(body)["required_params"]
        assert desk.posts("newjob", nested(201)).status == 400

    def test_many_brackets_side_by_side_are_no_nesting(self, desk: Observatory) -> None:
        params = {"pairs": [[n, {"n": n}] for n in range(500)], "text": "[" * 500}
        assert desk.sends(required_params=params)["required_params"] == params


def nested(depth: int) -> bytes:
    """A command whose objects and lists stand `depth` deep within each other."""
    deep = '{"a": ' + "[" * (depth - 2) + "]" * (depth - 2) + "}"
    return json.dumps(a_command(required_params="HERE")).replace('"HERE"', deep).encode()


class TestNewJob:
    """`newjob`: what a job is on the wire."""

    def test_a_job_has_these_keys_and_no_others(self, desk: Observatory) -> None:
        job = desk.sends()
        assert set(job) == KEYS_OF_A_JOB
        assert set(desk.polls()[0]) == KEYS_OF_A_JOB
        assert set(desk.starts(job).job) == KEYS_OF_A_JOB | {"secondsUntilComplete"}

    def test_it_says_what_was_asked(self, clocks: Clocks, observatory: Observatory) -> None:
        job = observatory.sends()
        ulid = str(ULID.from_str(job["ulid"]))
        assert job == {
            **{"site": "wmd", "ulid": ulid, "statusId": f"UNREAD#{ulid}", "replicaStatusId": f"UNREAD#{ulid}"},
            **{"user_name": "Vera", "user_id": "auth0|vera", "user_roles": [], "timestamp_ms": START_MS},
            **{"deviceType": "camera", "deviceInstance": "camera_1_1", "action": "expose"},
            **{"required_params": {"time": 1.5, "image_type": "light"}, "optional_params": {"count": 2, "filter": "R"}},
        }
        assert ULID.from_str(job["ulid"]).milliseconds == START_MS

    def test_a_clock_set_back_reorders_nothing_that_waits(self, clocks: Clocks, observatory: Observatory) -> None:
        first = observatory.sends()
        clocks.set_wall(-30)
        second = observatory.sends()
        assert second["timestamp_ms"] == first["timestamp_ms"]
        assert observatory.polls() == [first, second]


class TestGetNewJobs:
    """`getnewjobs`: a bare list, each job once on each queue."""

    def test_the_copies_show_the_status_they_were_read_with(self, desk: Observatory) -> None:
        job = desk.sends()
        assert desk.polls()[0]["statusId"] == f"UNREAD#{job['ulid']}"
        assert desk.shows(job)["statusId"] == f"RECEIVED#{job['ulid']}"

    def test_so_do_those_of_the_alternate_queue(self, desk: Observatory) -> None:
        job = desk.sends()
        desk.polls()
        (copy,) = desk.polls(alternateQueue=True)
        assert (copy["statusId"], copy["replicaStatusId"]) == (f"RECEIVED#{job['ulid']}", f"UNREAD#{job['ulid']}")
        assert desk.shows(job)["replicaStatusId"] == f"RECEIVED#{job['ulid']}"

    def test_an_unknown_site_has_nothing(self, desk: Observatory) -> None:
        assert desk.posts("getnewjobs", {"site": "nowhere"}).text == "[]"

    @pytest.mark.parametrize("no", [False, None])
    def test_alternate_queue_false_or_null_is_the_first_queue(self, desk: Observatory, no: object) -> None:
        job = desk.sends()
        assert desk.polls(alternateQueue=no) == [job]
        assert desk.polls() == []


class TestReports:
    """`updatejobstatus` and `startjob`: what a site says."""

    @pytest.mark.parametrize(
        ("said", "kept"),
        [
            *((0, 0), (30, 30), (-1, -1), (2**53, 2**53), ("30", 30), (" 30 ", 30), ("+30", 30), ("030", 30)),
            *(("", -1), ("  ", -1), (None, -1), (29.1, 30), ("29.1", 30), (29.0, 29), ("1e2", 100), (".5", 1)),
            *((0.0001, 1), (-0.5, 0), ("-1", -1), ("9007199254740991", 2**53 - 1)),
        ],
    )
    @pytest.mark.parametrize("route", ["updatejobstatus", "startjob"])
    def test_an_estimate_in_whatever_form(self, desk: Observatory, route: str, said: object, kept: int) -> None:
        job = desk.sends()
        body = {"site": desk.site, "ulid": job["ulid"], "newStatus": "EXPOSING", "secondsUntilComplete": said}
        after = desk.posts(route, body).job
        assert (after["secondsUntilComplete"], type(after["secondsUntilComplete"])) == (kept, int)

    @pytest.mark.parametrize("route", ["updatejobstatus", "startjob"])
    def test_without_an_estimate_it_is_unknown(self, desk: Observatory, route: str) -> None:
        job = desk.sends()
        desk.reports(job, "EXPOSING", secondsUntilComplete=30)
        body = {"site": desk.site, "ulid": job["ulid"], "newStatus": "READING OUT"}
        assert desk.posts(route, body).job["secondsUntilComplete"] == -1

    @pytest.mark.parametrize("status", ["x", "x" * 64, "☄" * 64, "😀" * 64, "EXPOSING 2/5", "a\nb", "<b>", "1", " x "])
    def test_any_status_is_stored_as_sent(self, desk: Observatory, status: str) -> None:
        job = desk.sends()
        assert desk.reports(job, status).job["statusId"] == f"{status}#{job['ulid']}"
        assert desk.lists()[0]["statusId"] == f"{status}#{job['ulid']}"

    @pytest.mark.parametrize("word", ["complete", "COMPLETE", "Complete", "cOMPLETE"])
    def test_statuses_are_compared_without_case(self, desk: Observatory, word: str) -> None:
        job = desk.sends()
        assert desk.reports(job, word).job["statusId"] == f"{word}#{job['ulid']}"
        assert desk.reports(job, "EXPOSING").status == 409

    def test_a_retried_report_of_an_end_makes_no_second_event(self, desk: Observatory) -> None:
        job = desk.sends()
        first = desk.reports(job, "COMPLETE", secondsUntilComplete=0).job
        assert desk.reports(job, "complete", secondsUntilComplete=5).job == first
        assert desk.history(job) == ["UNREAD", "COMPLETE"]

    @pytest.mark.parametrize("ulid", ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense", "x" * 1000, "☄", "' OR 1=1 --"])
    @pytest.mark.parametrize("route", ["startjob", "updatejobstatus", "canceljob", "getjob"])
    def test_an_unknown_job_is_404_and_no_ghost_is_made(self, desk: Observatory, route: str, ulid: str) -> None:
        refusal = desk.posts(route, {"site": desk.site, "ulid": ulid, "newStatus": "STARTED"})
        assert refusal.status == 404
        assert refusal.text.startswith(f"Error: site {desk.site} has no job ")
        assert desk.lists() == []

    @pytest.mark.parametrize("status", ["UNREAD", "unread", " Unread "])
    @pytest.mark.parametrize("alternate", [False, True])
    def test_only_the_server_says_unread(self, desk: Observatory, status: str, alternate: bool) -> None:
        job = desk.sends()
        desk.polls(alternateQueue=alternate)
        assert desk.reports(job, status, alternateQueue=alternate).status == 409
        assert desk.polls(alternateQueue=alternate) == []


class TestGetRecentJobs:
    """`getrecentjobs`: the last while, oldest first."""

    def test_by_default_it_is_a_day(self, clocks: Clocks, observatory: Observatory) -> None:
        observatory.sends()
        clocks.pass_by(1)
        newer = observatory.sends()["ulid"]
        clocks.pass_by(24 * HOUR - 1)
        assert len(observatory.lists()) == len(observatory.lists(timeRange=None)) == 2
        clocks.pass_by(1)
        assert [job["ulid"] for job in observatory.lists()] == [newer]

    @pytest.mark.parametrize(
        ("time_range", "count"),
        [
            *((0, 0), (-1, 0), (-0.0, 0), (-(10**30), 0), (-1e300, 0), (1999, 1), (1999.5, 2), (2000, 2)),
            *((3000, 3), (DAY_MS, 3), (10**30, 3), (2**63, 3), (1e300, 3), (5e-324, 1)),
        ],
    )
    def test_it_reaches_as_far_back_as_asked(
        self, clocks: Clocks, observatory: Observatory, time_range: float, count: int
    ) -> None:
        for age in (3, 2, 0):
            clocks.now = clocks.now._replace(wall_ms=START_MS - age * 1000)
            observatory.sends()
        assert len(observatory.lists(timeRange=time_range)) == count

    def test_other_sites_are_not_in_it(self, desk: Observatory) -> None:
        desk.sends(site="elsewhere")
        assert desk.lists() == []

    def test_a_list_of_thousands_is_streamed_and_complete(self, shared_app: Flask, desk: Observatory) -> None:
        sent = send_many(shared_app, a_command(site=desk.site), 3001)
        reply = shared_app.test_client().post("/jobs/getrecentjobs", json={"site": desk.site}, buffered=False)
        pieces = [piece for piece in reply.response if isinstance(piece, bytes)]
        assert reply.headers["Content-Type"] == "application/json"
        assert "Content-Length" not in reply.headers
        assert len(pieces) > 3
        assert max(map(len, pieces)) < sum(map(len, pieces)) / 3
        assert [job["ulid"] for job in json.loads(b"".join(pieces))] == sent


def send_many(app: Flask, command: dict[str, Any], count: int) -> list[str]:
    """Queue the same command many times over, in one transaction."""
    submitted = commands.parse(commands.SubmitJob, json.dumps(command).encode())
    settings = service_of(app).settings
    with app.app_context(), transaction() as connection:
        rows = [operations.submit(connection, submitted, actors.SERVER, clock.read(), settings) for _ in range(count)]
    return [row.ulid for row in rows]


class TestPages:
    """`getrecentjobs` with `limit` or `before`: the newest page first, for browsing."""

    def test_one_leafs_from_the_newest_page_back_to_the_first_job(self, desk: Observatory) -> None:
        sent = [desk.sends()["ulid"] for _ in range(7)]
        pages: list[list[str]] = []
        where: dict[str, str] = {}
        while page := [job["ulid"] for job in desk.lists(limit=3, **where)]:
            pages.append(page)
            where = {"before": page[0]}
        assert pages == [sent[4:], sent[1:4], sent[:1]]

    def test_a_page_is_what_the_whole_list_shows(self, desk: Observatory) -> None:
        for _ in range(3):
            desk.sends()
        desk.polls()
        assert desk.lists(limit=2) == desk.lists()[1:]

    def test_jobs_of_one_millisecond_are_neither_lost_nor_doubled(
        self, clocks: Clocks, observatory: Observatory
    ) -> None:
        sent = [observatory.sends()["ulid"] for _ in range(5)]
        newest, before = observatory.lists(limit=2), observatory.lists(limit=10, before=sent[3])
        assert [job["ulid"] for job in [*before, *newest]] == sent

    def test_pages_reach_back_without_end_unless_told(self, clocks: Clocks, observatory: Observatory) -> None:
        old = observatory.sends()["ulid"]
        clocks.pass_by(300 * 24 * HOUR)
        new = observatory.sends()["ulid"]
        assert [job["ulid"] for job in observatory.lists(limit=9)] == [old, new]
        assert [job["ulid"] for job in observatory.lists(before=new)] == [old]
        assert [job["ulid"] for job in observatory.lists(limit=9, timeRange=DAY_MS)] == [new]
        assert observatory.lists(limit=9, timeRange=0) == []

    def test_without_a_limit_a_page_holds_100(self, desk: Observatory) -> None:
        sent = [desk.sends()["ulid"] for _ in range(102)]
        assert [job["ulid"] for job in desk.lists(before=sent[-1])] == sent[1:-1]

    def test_other_sites_are_not_in_it(self, desk: Observatory) -> None:
        elsewhere = desk.sends(site="elsewhere")["ulid"]
        assert desk.lists(limit=5) == []
        refusal = desk.posts("getrecentjobs", {"site": desk.site, "before": elsewhere})
        assert (refusal.status, refusal.text) == (
            404,
            f"Error: site {desk.site} has no job {elsewhere}, before which to list",
        )

    @pytest.mark.parametrize("limit", [0, -1, 1001, 1.5, "5", True, [], 10**30])
    def test_a_limit_is_a_whole_number_from_1_to_1000(self, desk: Observatory, limit: object) -> None:
        refusal = desk.posts("getrecentjobs", {"site": desk.site, "limit": limit})
        assert (refusal.status, refusal.text) == (400, "Error: limit must be a whole number from 1 to 1000")

    @pytest.mark.parametrize("before", ["", " ", 5, [], "a\0"])
    def test_before_is_the_ulid_of_a_job(self, desk: Observatory, before: object) -> None:
        refusal = desk.posts("getrecentjobs", {"site": desk.site, "before": before})
        assert (refusal.status, refusal.text) == (400, "Error: before must be the ulid of a job")


class TestSites:
    """With `JOBS_SITES` only these site codes are accepted, against typos."""

    @pytest.fixture
    def chosen(self) -> Observatory:
        return inside(create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "SITES": ("wmd", "mrc1")}))

    @pytest.mark.parametrize("route", [route for route in ROUTES if route != "getnewjobs"])
    def test_another_site_is_refused_by_name(self, chosen: Observatory, route: str) -> None:
        body = a_command(site="wmd1", ulid="x", newStatus="y")
        refusal = chosen.posts(route, body)
        assert (refusal.status, refusal.text) == (400, "Error: site must be one of wmd, mrc1, not wmd1")

    def test_a_poll_is_told_in_a_header(self, chosen: Observatory) -> None:
        refusal = chosen.posts("getnewjobs", {"site": "WMD"})
        assert (refusal.status, refusal.text) == (400, "[]")
        assert refusal.headers["X-Error"] == "Error: site must be one of wmd, mrc1, not WMD"

    def test_these_are_accepted(self, chosen: Observatory) -> None:
        assert chosen.sends(site="mrc1")["site"] == "mrc1"
