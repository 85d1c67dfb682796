"""A refusal is one plain sentence that a person can act on, the same everywhere, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobs_server import create_app
from jobs_server.errors import JobsError, Unavailable
from jobs_server.storage.connections import Lent

from ..conftest import inside
from ..support import databases
from ..support.observatory import Observatory, a_command

PROBLEM = "application/problem+json"
NEEDED = ("site", "device", "instance", "action", "user_name", "user_id", "required_params", "optional_params")
ABOUT_A_JOB = {
    "startjob": ("site", "ulid"),
    "updatejobstatus": ("site", "ulid", "newStatus"),
    "canceljob": ("site", "ulid"),
    "getjob": ("site", "ulid"),
    "getrecentjobs": ("site",),
}
MARKUP = "<script>alert(1)</script>"
LONG = "x" * 100_000


class Refused:
    """Requests that are refused, one of each kind; `send` posts a body to a route and gives the reply."""

    def __init__(self, client: FlaskClient, desk: Observatory, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client, self.desk, self.monkeypatch = client, desk, monkeypatch
        self.headers: dict[str, str] = {}
        self.prefix = "/jobs/"

    def send(self, route: str, body: object, method: str = "POST", **headers: str) -> TestResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(self.prefix + route, method=method, data=raw, headers=sent)

    def no_json(self) -> TestResponse:
        return self.send("newjob", b"{")

    def no_object(self) -> TestResponse:
        return self.send("newjob", b"[]")

    def a_missing_key(self) -> TestResponse:
        return self.send("newjob", {"site": "wmd"})

    def a_wrong_value(self) -> TestResponse:
        return self.send("newjob", a_command(device=7))

    def a_bad_header(self) -> TestResponse:
        return self.send("newjob", a_command(site=self.desk.site), Idempotency_Key="a b")

    def no_such_job(self) -> TestResponse:
        return self.send("getjob", {"site": MARKUP, "ulid": LONG})

    def no_such_route(self) -> TestResponse:
        return self.send(f"nothing/{MARKUP}%0A%1B{LONG[:2000]}", {})

    def a_wrong_method(self) -> TestResponse:
        return self.send("newjob", {}, method="PUT")

    def a_body_too_large(self) -> TestResponse:
        return self.send("newjob", b" " * 300_000)

    def a_conflict(self) -> TestResponse:
        job = self.desk.sends()
        self.desk.reports(job, "COMPLETE")
        return self.send("startjob", {"site": self.desk.site, "ulid": job["ulid"]})

    def a_key_used_again(self) -> TestResponse:
        self.desk.posts("newjob", a_command(site=self.desk.site), {"Idempotency-Key": "used"})
        return self.send("newjob", a_command("stop", site=self.desk.site), Idempotency_Key="used")

    def a_busy_database(self) -> TestResponse:
        make_busy(self.monkeypatch)
        return self.send("newjob", a_command(site=self.desk.site))


KINDS: dict[str, tuple[int, Callable[[Refused], TestResponse]]] = {
    "no JSON": (400, Refused.no_json),
    "no object": (400, Refused.no_object),
    "a missing key": (400, Refused.a_missing_key),
    "a wrong value": (400, Refused.a_wrong_value),
    "a bad header": (400, Refused.a_bad_header),
    "no such job": (404, Refused.no_such_job),
    "no such route": (404, Refused.no_such_route),
    "a wrong method": (405, Refused.a_wrong_method),
    "a conflict": (409, Refused.a_conflict),
    "a body too large": (413, Refused.a_body_too_large),
    "a key used again": (422, Refused.a_key_used_again),
    "a busy database": (503, Refused.a_busy_database),
}


@pytest.fixture(params=["/jobs/", "/"])
def refused(
    request: pytest.FixtureRequest, shared_app: Flask, desk: Observatory, monkeypatch: pytest.MonkeyPatch
) -> Refused:
    made = Refused(shared_app.test_client(), desk, monkeypatch)
    made.prefix = request.param
    return made


def make_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every use of the database meet one that is busy."""

    def busy(_lent: Lent) -> Any:
        raise Unavailable("Error: the database cannot be used now: it is busy.")

    monkeypatch.setattr(Lent, "__enter__", busy)


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_one_plain_sentence(refused: Refused, kind: str) -> None:
    status, make = KINDS[kind]
    reply = make(refused)
    sentence = reply.get_data(as_text=True)
    assert reply.status_code == status
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"  # so that no browser takes it for HTML
    assert sentence.startswith("Error: ")
    assert sentence.isprintable(), "it is on one line"
    assert len(sentence) < 400


@pytest.mark.parametrize("kind", KINDS)
def test_asked_for_it_comes_as_problem_details(refused: Refused, kind: str) -> None:
    status, make = KINDS[kind]
    refused.headers["Accept"] = f"{PROBLEM}, application/json;q=0.5"
    reply = make(refused)
    problem = json.loads(reply.get_data())
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, PROBLEM)
    assert set(problem) == {"type", "title", "status", "detail", "code", "errors"}
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["detail"].startswith("Error: ")
    assert problem["title"]
    assert not problem["title"].endswith(".")
    assert problem["code"] == problem["code"].lower()
    assert all(set(fault) == {"key", "detail"} for fault in problem["errors"])


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        *((None, "text/plain"), ("*/*", "text/plain"), ("text/html,*/*;q=0.8", "text/plain"), ("", "text/plain")),
        *(("application/json, text/plain, */*", "text/plain"), ("application/json", "text/plain")),
        *(
            (PROBLEM, PROBLEM),
            (f"{PROBLEM}, text/plain;q=0.9", PROBLEM),
            (f"{PROBLEM};q=0.5, text/plain", "text/plain"),
        ),
        *((f"{PROBLEM};q=0", "text/plain"), ("nonsense;;q=x", "text/plain"), (f"text/plain, {PROBLEM}", PROBLEM)),
    ],
)
def test_the_sentence_is_what_browsers_and_old_clients_get(
    refused: Refused, accept: str | None, content_type: str
) -> None:
    if accept is not None:
        refused.headers["Accept"] = accept
    assert refused.no_json().headers["Content-Type"].split(";")[0] == content_type


@pytest.mark.parametrize("kind", [kind for kind, (status, _) in KINDS.items() if status != 503])
def test_only_what_passes_by_itself_says_when_to_try_again(refused: Refused, kind: str) -> None:
    assert "Retry-After" not in KINDS[kind][1](refused).headers


@pytest.mark.parametrize("accept", ["*/*", PROBLEM])
def test_a_busy_database_says_when_to_try_again(refused: Refused, accept: str) -> None:
    refused.headers["Accept"] = accept
    assert int(refused.a_busy_database().headers["Retry-After"]) >= 1


def test_a_wrong_method_names_the_right_one(refused: Refused) -> None:
    reply = refused.a_wrong_method()
    path = f"{refused.prefix}newjob"
    assert reply.get_data(as_text=True) == f"Error: {path} takes POST, not PUT"
    assert reply.headers["Allow"] == "OPTIONS, POST"


def test_a_long_name_is_shown_in_part(desk: Observatory) -> None:
    assert desk.posts("getjob", {"site": "wmd", "ulid": LONG}).text == f"Error: site wmd has no job {LONG[:100]}..."


def test_a_name_of_several_lines_is_shown_on_one(desk: Observatory) -> None:
    refusal = desk.posts("getjob", {"site": "w\nmd\x1b[2J", "ulid": "\u202e"})
    assert refusal.text == "Error: site w md [2J has no job  "


def test_every_refusal_has_a_code_of_its_own() -> None:
    classes = JobsError.__subclasses__()
    assert len({refusal.code for refusal in classes}) == len(classes)
    assert all(400 <= refusal.status < 500 or refusal.status == 503 for refusal in classes)


class TestFaults:
    """All faults of a body are reported together; the sentence names the first."""

    def problem(self, refused: Refused, route: str, body: object) -> dict[str, Any]:
        refused.headers["Accept"] = PROBLEM
        reply = refused.send(route, body)
        assert reply.status_code == 400
        problem: dict[str, Any] = json.loads(reply.get_data())
        return problem

    def test_each_missing_key_in_the_routes_order(self, refused: Refused) -> None:
        problem = self.problem(refused, "newjob", {})
        assert problem["errors"] == [{"key": key, "detail": f"missing required key {key}"} for key in NEEDED]
        assert problem["detail"] == "Error: missing required key site"

    def test_what_is_missing_goes_before_what_is_wrong(self, refused: Refused) -> None:
        body = a_command(site=5, expiresInSeconds="soon")
        del body["user_id"]
        problem = self.problem(refused, "newjob", body)
        assert [fault["key"] for fault in problem["errors"]] == ["user_id", "site", "expiresInSeconds"]
        assert problem["detail"] == "Error: missing required key user_id"

    def test_each_key_is_named_once(self, refused: Refused) -> None:
        body = {"site": "", "timeRange": "x", "limit": 1.5, "before": []}
        assert [fault["key"] for fault in self.problem(refused, "getrecentjobs", body)["errors"]] == list(body)

    @pytest.mark.parametrize(
        ("value", "wrong"),
        [
            *(("NaN", "NaN, which JSON does not have"), ("1e400", "infinite, or beyond what a double can hold")),
            *((sign + "Infinity", "infinite, or beyond what a double can hold") for sign in ("", "-")),
        ],
    )
    @pytest.mark.parametrize(
        ("body", "key"),
        [
            ('{"site": "wmd", "timeRange": HERE, "limit": 5}', "timeRange"),
            ('{"limit": 5, "required_params": {"dec": 1, "ra": HERE}}', "required_params.ra"),
            ('{"optional_params": {"targets": [1, {"dec": HERE}, NaN]}}', "optional_params.targets[1].dec"),
            ('{"a\\u001b[2J": HERE}', "a [2J"),
        ],
    )
    def test_a_number_that_json_has_not_is_named_with_its_key(
        self, refused: Refused, body: str, key: str, value: str, wrong: str
    ) -> None:
        """NaN in a body is refused as "expected value at line 1 column 119"."""
        reply = refused.send("newjob", body.replace("HERE", value).encode(), Accept=PROBLEM)
        problem = json.loads(reply.get_data())
        assert problem["errors"] == [{"key": key, "detail": f"{key} is {wrong}"}]
        assert problem["detail"] == f"Error: the body is not JSON: {key} is {wrong}"

    def test_a_fault_of_the_whole_body_has_no_key(self, refused: Refused) -> None:
        assert self.problem(refused, "newjob", [])["errors"] == []

    @pytest.mark.parametrize("key", NEEDED)
    def test_the_wording_for_a_missing_key(self, refused: Refused, key: str) -> None:
        body = a_command()
        del body[key]
        assert refused.send("newjob", body).get_data(as_text=True) == f"Error: missing required key {key}"

    @pytest.mark.parametrize(("route", "key"), [(route, key) for route, keys in ABOUT_A_JOB.items() for key in keys])
    def test_the_same_on_the_other_routes(self, refused: Refused, route: str, key: str) -> None:
        body = {"site": "wmd", "ulid": "x", "newStatus": "y"}
        del body[key]
        assert refused.send(route, body).get_data(as_text=True) == f"Error: missing required key {key}"


POLLS: Mapping[str, tuple[int, dict[str, Any], str]] = {
    "no JSON": (400, {"data": b"{"}, "the body is not JSON"),
    "no body": (400, {}, "it is empty"),
    "no object": (400, {"data": b'["wmd"]'}, "must be a JSON object"),
    "no site": (400, {"data": b"{}"}, "missing required key site"),
    "a null site": (400, {"data": b'{"site": null}'}, "site must be a text that is not blank"),
    "a wrong claim id": (400, {"data": b'{"site": "wmd", "claimId": ""}'}, "claimId must be"),
    "a wrong queue": (
        400,
        {"data": b'{"site": "wmd", "alternateQueue": "yes"}'},
        "alternateQueue must be true or false",
    ),
    "a wrong method": (405, {"method": "GET"}, "takes POST, not GET"),
    "another wrong method": (405, {"method": "DELETE"}, "takes POST, not DELETE"),
    "a body too large": (413, {"data": b" " * 300_000}, "larger than 262144 bytes"),
    "a busy database": (503, {"data": b'{"site": "wmd"}'}, "it is busy"),
}


@pytest.mark.parametrize("accept", ["*/*", PROBLEM])
@pytest.mark.parametrize("path", ["/jobs/getnewjobs", "/getnewjobs", "/jobs/getnewjobs/", "/getnewjobs?site=wmd"])
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.sqlite("the line of its writers") if status == 503 else ())
        for kind, (status, *_) in POLLS.items()
    ],
)
def test_a_refused_poll_is_an_empty_list_and_says_why_in_a_header(
    shared_app: Flask, monkeypatch: pytest.MonkeyPatch, kind: str, path: str, accept: str
) -> None:
    status, request, reason = POLLS[kind]
    if status == 503:
        make_busy(monkeypatch)
    reply = shared_app.test_client().open(path, **({"method": "POST", "headers": {"Accept": accept}} | request))
    assert (reply.status_code, reply.get_data()) == (status, b"[]")
    assert reply.headers["Content-Type"] == "application/json"
    assert reason in reply.headers["X-Error"]
    assert ("Retry-After" in reply.headers) == (status == 503)


def test_the_reason_in_the_header_is_ascii_and_short() -> None:
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "SITES": ("☄",)})
    refusal = inside(app).posts("getnewjobs", {"site": "ü\r\nSet-Cookie: x=1" + LONG})
    assert refusal.text == "[]"
    assert "Set-Cookie" not in refusal.headers
    assert refusal.headers["X-Error"].startswith("Error: site must be one of \\u2604, not \\xfc  Set-Cookie: x=1xxx")
    assert len(refusal.headers["X-Error"]) < 400


@pytest.mark.parametrize("route", ["newjob", "getnewjobs", "startjob", "updatejobstatus", "getrecentjobs"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_a_route_takes_post_only(refused: Refused, route: str, method: str) -> None:
    reply = refused.send(route, {"site": "wmd"}, method=method)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("route", ["newjob", "getnewjobs"])
def test_options_tells_what_a_route_takes(refused: Refused, route: str) -> None:
    reply = refused.send(route, b"", method="OPTIONS")
    assert (reply.status_code, set(reply.headers["Allow"].split(", "))) == (200, {"OPTIONS", "POST"})


def test_a_failure_of_the_server_itself_says_so_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app({"DATABASE_URL": databases.fresh()})

    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("jobs_server.jobs.operations.submit", fail)
    refusal = inside(app).asks()
    assert (refusal.status, refusal.text) == (500, "Error: the server failed, its log says why")
