"""Bad input gets the documented answer and changes nothing, and the next good request works."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of

from ..conftest import inside
from ..support import databases
from ..support.observatory import Observatory, Reply, a_command

ROUTES = ("newjob", "getnewjobs", "startjob", "updatejobstatus", "getrecentjobs", "canceljob", "getjob")
NAMES = ("site", "device", "instance", "action", "user_name", "user_id")
PARAMS = ("required_params", "optional_params")
MEGABYTE = "x" * 1_000_000

BLANK = ["", " ", "\t\r\n", "\u00a0", "\u3000", None]
NOT_A_TEXT = [0, 1, -1.5, 10**30, True, False, [], ["wmd"], {}, {"wmd": 1}]
NOT_AN_OBJECT: list[object] = [None, "", "{}", 0, 1.5, True, [], [{}], [["a", 1]]]
WITH_NUL = ["\0", "a\0", "\0a", "a\0b"]


class Scene:
    """A site with a job of every kind, that bad input must leave as it is."""

    def __init__(self, desk: Observatory) -> None:
        self.desk = desk
        self.ended, self.running, self.waiting = (desk.sends(instance=f"camera{number}") for number in range(3))
        desk.polls(claimId="first", limit=2)
        desk.starts(self.running, claimId="first", secondsUntilComplete=60)
        desk.reports(self.ended, "COMPLETE")
        self.before = self.now()

    def now(self) -> list[dict[str, Any]]:
        return [self.desk.shows(job) for job in self.desk.lists()]

    def refuses(
        self, route: str, body: object, status: int = 400, why: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Post what must be refused."""
        reply = self.desk.posts(route, body, headers)
        assert reply.status == status, reply.text
        assert why in sentence(route, reply)

    def is_as_it_was(self) -> None:
        """Look whether nothing was changed, and whether the next good request works."""
        assert self.now() == self.before
        job = self.desk.sends("next")
        assert self.desk.polls() == [self.waiting, job]


def sentence(route: str, reply: Reply) -> str:
    """The sentence of a refusal, wherever the route puts it."""
    if route == "getnewjobs":
        assert reply.text == "[]"
        text = reply.headers["X-Error"]
    else:
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
        text = reply.text
    assert text.startswith("Error: ")
    return str(text)


@pytest.fixture
def scene(desk: Observatory) -> Iterator[Scene]:
    """A scene, of which the test's end shows that nothing in it was changed."""
    scene = Scene(desk)
    yield scene
    scene.is_as_it_was()


@pytest.fixture(scope="module")
def roomy_app() -> Iterator[Flask]:
    """An app that takes bodies of several megabytes."""
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "MAX_BODY_BYTES": 8_000_000})
    yield app
    service_of(app).database.close()


def good(scene: Scene, route: str) -> dict[str, Any]:
    """A body that the route would take."""
    if route == "newjob":
        return a_command(site=scene.desk.site)
    return {"site": scene.desk.site, "ulid": scene.running["ulid"], "newStatus": "EXPOSING"}


def needed(route: str) -> Iterable[str]:
    return {
        "newjob": (*NAMES, *PARAMS),
        "getnewjobs": ("site",),
        "getrecentjobs": ("site",),
        "updatejobstatus": ("site", "ulid", "newStatus"),
    }.get(route, ("site", "ulid"))


def named(value: object) -> str:
    return repr(value)[:24]


EVERY_KEY = [(route, key) for route in ROUTES for key in needed(route)]


@pytest.mark.parametrize(("route", "key"), EVERY_KEY)
def test_a_missing_key(scene: Scene, route: str, key: str) -> None:
    body = good(scene, route)
    del body[key]
    scene.refuses(route, body, why=f"Error: missing required key {key}")


@pytest.mark.parametrize(("route", "key"), [(route, key) for route, key in EVERY_KEY if key not in PARAMS])
def test_a_text_that_is_blank_or_none_or_no_text_or_holds_nul(scene: Scene, route: str, key: str) -> None:
    wanted = "a text of 1 to 64 characters without #" if key == "newStatus" else "a text that is not blank"
    if key in ("user_name", "user_id"):
        wanted = "a text"  # blank where a client does not know its user
    for value in [*(BLANK if wanted != "a text" else ()), *NOT_A_TEXT, *WITH_NUL]:
        scene.refuses(route, good(scene, route) | {key: value}, why=f"Error: {key} must be {wanted}")


@pytest.mark.parametrize("value", NOT_AN_OBJECT, ids=named)
@pytest.mark.parametrize("key", PARAMS)
def test_parameters_that_are_no_object(scene: Scene, key: str, value: object) -> None:
    scene.refuses("newjob", a_command(site=scene.desk.site) | {key: value}, why=f"Error: {key} must be an object")


NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n\t ",
    "half an object": b'{"site": "wmd"',
    "two objects": b"{}{}",
    "an object and more": b"{} x",
    "a form": b"site=wmd&device=camera",
    "XML": b"<job/>",
    "Python": b"{'site': 'wmd'}",
    "a comment": b'{"site": "wmd" /* here */}',
    "a trailing comma": b'{"site": "wmd",}',
    "a bare word": b'{"site": wmd}',
    "a raw line break in a text": b'{"site": "w\nmd"}',
    "a NUL": b"\0",
    "a byte order mark": b'\xef\xbb\xbf{"site": "wmd"}',
    "UTF-16": '{"site": "wmd"}'.encode("utf-16"),
    "UTF-32": '{"site": "wmd"}'.encode("utf-32"),
    "latin-1": '{"site": "hübsch"}'.encode("latin-1"),
    "a broken UTF-8 sequence": b'{"site": "\xc3\x28"}',
    "an overlong UTF-8 sequence": b'{"site": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"site": "\xed\xa0\x80"}',
    "invalid UTF-8 in a key that is ignored": b'{"site": "wmd", "note": "\xff"}',
    "a lone high surrogate": b'{"site": "\\ud800"}',
    "a lone low surrogate": b'{"site": "\\udc00"}',
    "surrogates the wrong way round": b'{"site": "\\udc00\\ud800"}',
    "a lone surrogate in a key": b'{"\\ud800": 1}',
    "NaN": b'{"site": NaN}',
    "Infinity": b'{"site": Infinity}',
    "minus Infinity": b'{"site": -Infinity}',
    "a number beyond a double": b'{"site": 1e400}',
    "a negative number beyond a double": b'{"site": -1e400}',
    "such a number with a long exponent": b'{"site": 1e99999999999999999999}',
    "such a number with a short exponent": b'{"site": ' + b"9" * 299 + b"e99}",
    "such a number without an exponent": b'{"site": ' + b"9" * 400 + b".0}",
    "such a number deep inside": b'{"site": "wmd", "note": [[{"a": [1, 1e309]}]]}',
    "an integer longer than Python reads": b'{"site": ' + b"9" * 4301 + b"}",
    "a number with a leading zero": b'{"site": 01}',
    "nesting past 200": b'{"site": ' + b"[" * 200 + b"]" * 200 + b"}",
    "nesting 100,000 deep": b'{"site": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nesting 100,000 deep that never ends": b"[" * 100_000,
    "objects 40,000 deep": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
}


@pytest.mark.parametrize("kind", NOT_JSON)
def test_what_is_not_json(scene: Scene, kind: str) -> None:
    for route in ROUTES:
        scene.refuses(route, NOT_JSON[kind], why="Error: the body is not JSON: ")


@pytest.mark.parametrize("body", [b"null", b"true", b"5", b'"wmd"', b"[]", b'[{"site": "wmd"}]', b"[[]]"])
def test_what_is_json_and_no_object(scene: Scene, body: bytes) -> None:
    for route in ROUTES:
        scene.refuses(route, body, why="Error: the body must be a JSON object")


def test_of_duplicate_keys_the_last_is_checked(scene: Scene) -> None:
    body = json.dumps(a_command(site=scene.desk.site))
    scene.refuses("newjob", f'{body[:-1]}, "device": ""}}'.encode(), why="Error: device must be")


class TestLargeTexts:
    """A text of a megabyte is a body too large, unless larger ones are allowed; then it is kept."""

    @pytest.mark.parametrize("route", ROUTES)
    def test_past_the_limit(self, scene: Scene, route: str) -> None:
        scene.refuses(route, {"site": MEGABYTE}, 413, "Error: the body is larger than 262144 bytes")

    def test_in_parameters(self, roomy_app: Flask) -> None:
        desk = inside(roomy_app, "parameters")
        params = {"text": "☄" * 350_000, MEGABYTE: [MEGABYTE]}
        job = desk.sends(required_params=params)
        assert job["required_params"] == params
        assert desk.polls() == [job]

    @pytest.mark.parametrize("key", NAMES)
    def test_as_a_name(self, roomy_app: Flask, key: str) -> None:
        refused = inside(roomy_app, "names").asks(**{key: MEGABYTE})
        assert (refused.status, len(refused.text) < 100) == (400, True)
        assert refused.text.startswith(f"Error: {key} must be a text of at most ")

    @pytest.mark.parametrize("route", ["startjob", "canceljob", "getjob", "updatejobstatus"])
    def test_as_a_ulid(self, roomy_app: Flask, route: str) -> None:
        refusal = inside(roomy_app).posts(route, {"site": MEGABYTE, "ulid": MEGABYTE, "newStatus": "x"})
        assert refusal.status == 404
        assert len(refusal.text) < 300

    @pytest.mark.parametrize("key", ["newStatus", "message", "secondsUntilComplete"])
    def test_in_a_report(self, roomy_app: Flask, key: str) -> None:
        scene = Scene(inside(roomy_app, f"reports {key}"))
        for value in (MEGABYTE, "9" * 1_000_000):
            scene.refuses("updatejobstatus", good(scene, "updatejobstatus") | {key: value}, why=f"Error: {key} must")
        scene.is_as_it_was()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("route", ROUTES)
def test_a_wrong_method(shared_app: Flask, scene: Scene, route: str, method: str) -> None:
    reply = shared_app.test_client().open(f"/jobs/{route}", method=method, data=json.dumps(good(scene, route)))
    assert reply.status_code == 405


@pytest.mark.parametrize(
    "path", ["/jobs/newjobs", "/jobs/new job", "/jobs/newjob/1", "/jobs/%00", "/jobs/%ff", "/jobs/../newjob", "/jobs/☄"]
)
def test_an_unknown_path(shared_app: Flask, scene: Scene, path: str) -> None:
    reply = shared_app.test_client().post(path, data=json.dumps(a_command(site=scene.desk.site)))
    assert reply.status_code == 404
    assert reply.get_data(as_text=True).startswith("Error: there is nothing at /jobs/")


@pytest.mark.parametrize("status", ["#", "a#", "#a", "COMPLETE#01ARZ3NDEKTSV4RRFFQ69G5FAV", "x" * 65, "☄" * 65])
def test_a_status_with_a_hash_or_too_long(scene: Scene, status: str) -> None:
    body = good(scene, "updatejobstatus") | {"newStatus": status}
    scene.refuses("updatejobstatus", body, why="Error: newStatus must be a text of 1 to 64 characters without #")


@pytest.mark.parametrize(
    "estimate",
    [
        *(
            "soon",
            "1_000",
            "\uff11\uff12",
            "0x10",
            "1,5",
            "1 2",
            "nan",
            "NaN",
            "inf",
            "-Infinity",
            "1e400",
            "1e",
            "--1",
            ".",
        ),
        *("9" * 5000, "9007199254740993", 2**53 + 1, -(2**53) - 1, 10**30, 1e300, True, False, [], [1], {}),
    ],
    ids=named,
)
@pytest.mark.parametrize("route", ["startjob", "updatejobstatus"])
def test_an_estimate_that_is_no_number_of_seconds(scene: Scene, route: str, estimate: object) -> None:
    body = good(scene, route) | {"secondsUntilComplete": estimate}
    scene.refuses(route, body, why="Error: secondsUntilComplete must be a whole number of seconds")


@pytest.mark.parametrize("time_range", ["", "5", "day", True, False, [], [1], {}], ids=named)
def test_a_time_range_that_is_no_number(scene: Scene, time_range: object) -> None:
    body = {"site": scene.desk.site, "timeRange": time_range}
    scene.refuses("getrecentjobs", body, why="Error: timeRange must be a number of milliseconds")


@pytest.mark.parametrize("value", ["", "true", 0, 1, [], {}], ids=named)
@pytest.mark.parametrize("route", ["getnewjobs", "startjob", "updatejobstatus"])
def test_a_queue_that_is_neither_true_nor_false(scene: Scene, route: str, value: object) -> None:
    body = good(scene, route) | {"alternateQueue": value}
    scene.refuses(route, body, why="Error: alternateQueue must be true or false")


class TestClaims:
    """What a site can say wrongly of its claims."""

    @pytest.mark.parametrize("claim_id", ["", " ", "x" * 65, "a\0", 7, 1.5, True, [], {}], ids=named)
    @pytest.mark.parametrize("route", ["getnewjobs", "startjob"])
    def test_a_claim_id_that_is_no_text_of_1_to_64_characters(self, scene: Scene, route: str, claim_id: object) -> None:
        body = good(scene, route) | {"claimId": claim_id}
        scene.refuses(route, body, why="Error: claimId must be a text of 1 to 64 characters")

    def test_another_sites_claim_gives_none_of_its_jobs(self, scene: Scene) -> None:
        assert scene.desk.posts("getnewjobs", {"site": f"not {scene.desk.site}", "claimId": "first"}).jobs == []

    def test_a_job_of_another_site(self, scene: Scene) -> None:
        for route in ("startjob", "updatejobstatus", "canceljob", "getjob"):
            body = {"site": "elsewhere", "ulid": scene.running["ulid"], "newStatus": "x", "claimId": "first"}
            scene.refuses(route, body, 404, f"Error: site elsewhere has no job {scene.running['ulid']}")

    def test_another_claims_job(self, scene: Scene) -> None:
        body = {"site": scene.desk.site, "ulid": scene.running["ulid"], "claimId": "second"}
        scene.refuses("startjob", body, 409, "must not start: it was handed over to another claim and is STARTED")

    def test_a_job_that_waits(self, scene: Scene) -> None:
        body = {"site": scene.desk.site, "ulid": scene.waiting["ulid"], "claimId": "first"}
        scene.refuses("startjob", body, 409, "must not start: it was not handed over yet")

    def test_a_job_that_has_ended(self, scene: Scene) -> None:
        about = {"site": scene.desk.site, "ulid": scene.ended["ulid"]}
        scene.refuses("startjob", about | {"claimId": "first"}, 409, "must not start: it is COMPLETE")
        scene.refuses("startjob", about, 409, "is COMPLETE and cannot become STARTED")
        scene.refuses("updatejobstatus", about | {"newStatus": "FAILED"}, 409, "is COMPLETE and cannot become FAILED")
        scene.refuses("canceljob", about, 409, "is COMPLETE; there is nothing left to cancel")

    @pytest.mark.parametrize("limit", [0, -1, 0.0, 1.5, "1", True, [], 10**30], ids=named)
    def test_a_limit_that_is_no_whole_number_from_1(self, scene: Scene, limit: object) -> None:
        body = {"site": scene.desk.site, "limit": limit}
        scene.refuses("getnewjobs", body, why="Error: limit must be a whole number, 1 or more")


@pytest.mark.parametrize("value", [0, -1, -1e300, 604801, 10**30, 1e300, "60", "soon", "", True, [], {}], ids=named)
def test_a_time_to_live_that_is_none(scene: Scene, value: object) -> None:
    body = a_command(site=scene.desk.site, expiresInSeconds=value)
    scene.refuses("newjob", body, why="Error: expiresInSeconds must be a number of seconds, at most 7 days")


@pytest.mark.parametrize("value", [-1, -0.1, 86401, 86400.1, 10**30, "30", "", True, [], {}], ids=named)
def test_a_time_to_hold_back_that_is_none(scene: Scene, value: object) -> None:
    body = a_command(site=scene.desk.site, notBeforeSeconds=value)
    scene.refuses("newjob", body, why="Error: notBeforeSeconds must be a number of seconds from 0 to 86400")


@pytest.mark.parametrize("message", ["x" * 501, "☄" * 501, "a\0", 5, True, [], {}], ids=named)
def test_a_message_that_is_too_long_or_no_text(scene: Scene, message: object) -> None:
    body = good(scene, "updatejobstatus") | {"message": message}
    scene.refuses("updatejobstatus", body, why="Error: message must be a text of at most 500 characters")


class TestKeys:
    """What a client can do wrongly with an idempotency key."""

    @pytest.mark.parametrize("key", ["", " ", "x" * 256, "two words", "a\tb", "zwölf", "a\x7f"])
    def test_a_key_that_is_not_1_to_255_visible_characters(self, scene: Scene, key: str) -> None:
        why = "Error: Idempotency-Key must be 1 to 255 visible ASCII characters"
        scene.refuses("newjob", a_command(site=scene.desk.site), why=why, headers={"Idempotency-Key": key})

    def test_a_key_used_again_with_another_body(self, desk: Observatory) -> None:
        key = {"Idempotency-Key": "k"}
        desk.posts("newjob", a_command(site=desk.site), key)
        scene = Scene(desk)
        body = a_command("stop", site=desk.site)
        scene.refuses("newjob", body, 422, "was sent before with another command", key)
        assert scene.now() == scene.before

    def test_another_users_key_is_no_fault(self, desk: Observatory) -> None:
        key = {"Idempotency-Key": "k"}
        first = desk.posts("newjob", a_command(site=desk.site), key).job
        other = desk.posts("newjob", a_command(site=desk.site, user_id="auth0|tycho"), key).job
        assert first["ulid"] != other["ulid"]
