"""Whatever is sent, only documented answers come back, and what is accepted comes back equal."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from jobs_server.domain import commands, strict_json
from jobs_server.domain.values import NO_ESTIMATE
from jobs_server.errors import BadRequest

from ..support.observatory import a_command

ROUTES = ("newjob", "getnewjobs", "startjob", "updatejobstatus", "getrecentjobs", "canceljob", "getjob")
MODELS = (
    *(commands.SubmitJob, commands.ClaimJobs, commands.StartJob, commands.UpdateStatus),
    *(commands.ListRecent, commands.CancelJob, commands.ShowJob),
)
PREFIXES = ("/jobs/", "/")
ENDINGS = ("", "/", "?site=elsewhere")
ANSWERS = {200, 400, 404, 405, 409, 413, 422}

often = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
numbers = st.integers() | st.integers(-(10**400), 10**400) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=25,
)
objects = st.dictionaries(texts, values, max_size=6)
addresses = st.builds("{}{}{}".format, *map(st.sampled_from, (PREFIXES, ROUTES, ENDINGS)))
names = texts.filter(lambda text: text.strip() and "\0" not in text)

KNOWN: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("site", "device", "instance", "user_name", "user_id"), names),
    "action": names | st.sampled_from(["stop", "cancel_all_commands", "run"]),
    **dict.fromkeys(("required_params", "optional_params"), objects),
    "expiresInSeconds": st.floats(0.001, 604800) | st.integers(1, 604800) | st.none(),
    "notBeforeSeconds": st.floats(0, 86400) | st.integers(0, 86400) | st.none(),
    "notBefore": st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat()) | st.none(),
    "alternateQueue": st.booleans() | st.none(),
    "claimId": st.text("abc", min_size=1, max_size=3) | st.none(),
    "limit": st.integers(1, 1000) | st.none(),
    "before": names | st.none(),
    "timeRange": numbers | st.none(),
    "newStatus": st.sampled_from(["RECEIVED", "EXPOSING", "COMPLETE", "UNREAD"]) | names,
    "secondsUntilComplete": st.integers(-1, 10**6) | st.floats(-1, 1e6) | texts | st.none(),
    "message": texts | st.none(),
    "ulid": names,
}
"""For each key that a route knows, values that it would often take."""


@st.composite
def nearly_good(draw: st.DrawFn) -> dict[str, Any]:
    """A body in which most keys are there and most values good."""
    body = {key: draw(value) for key, value in KNOWN.items() if draw(st.integers(0, 9))}
    for key in draw(st.sets(st.sampled_from(sorted(KNOWN)), max_size=2)):
        body[key] = draw(values)
    return body | draw(st.dictionaries(texts, values, max_size=2))


def written(value: object, *, ascii_only: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False).encode()


def exactly(value: object) -> str:
    """Write a value so that two are written alike only when they are alike to the last bit, types and order too."""
    return json.dumps(value)


def post(app: Flask, path: str, body: bytes, **options: Any) -> TestResponse:
    """Post a body, and look whether the answer is one that is documented."""
    reply = app.test_client().post(path, data=body, **options)
    check_answer(path, reply)
    return reply


def check_answer(path: str, reply: TestResponse) -> None:
    assert reply.status_code in ANSWERS
    assert "Retry-After" not in reply.headers
    assert "Location" not in reply.headers
    text = reply.get_data(as_text=True)
    if reply.status_code == 200:
        json.loads(text)
    elif "getnewjobs" in path:
        assert (text, reply.headers["X-Error"][:7]) == ("[]", "Error: ")
    else:
        assert text.startswith("Error: ")
        assert text.isprintable()
        assert len(text) < 500


def names_a_site(body: bytes) -> bool:
    """Chance may write a command, such as a poll, whose only needed key is the site."""
    try:
        value = json.loads(body)
    except ValueError:
        return False
    return isinstance(value, dict) and "site" in value


@often
@given(path=addresses, body=st.binary(max_size=300))
@example(path="/jobs/getnewjobs", body=b'{"site": "wmd"}')
def test_random_bytes(shared_app: Flask, path: str, body: bytes) -> None:
    assert post(shared_app, path, body).status_code == 400 or names_a_site(body)


@often
@given(path=addresses, body=values, ascii_only=st.booleans())
def test_random_json(shared_app: Flask, path: str, body: object, ascii_only: bool) -> None:
    text = written(body, ascii_only=ascii_only)
    assert post(shared_app, path, text).status_code == 400 or names_a_site(text)


@often
@given(path=addresses, body=nearly_good(), key=st.none() | st.text(st.characters(codec="latin-1"), max_size=5))
def test_bodies_that_are_nearly_good(shared_app: Flask, path: str, body: dict[str, Any], key: str | None) -> None:
    assume(key is None or not set(key) & set("\r\n"))  # no header can hold those
    headers = {} if key is None else {"Idempotency-Key": key}
    reply = post(shared_app, path, written(body), headers=headers)
    if reply.status_code == 200 and "/newjob" in path:
        job = json.loads(reply.get_data())
        public = {"device": "deviceType", "instance": "deviceInstance"}
        sent = {public.get(field, field): body[field] for field in commands.SubmitJob.model_fields if field in body}
        assert exactly({key: job[key] for key in sent}) == exactly(sent)


@often
@given(method=st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"]), path=addresses, body=st.binary())
def test_other_methods(shared_app: Flask, method: str, path: str, body: bytes) -> None:
    reply = shared_app.test_client().open(path, method=method, data=body)
    assert reply.status_code == 405
    if method != "HEAD":
        check_answer(path, reply)


@often
@given(path=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="?#\0\r\n"), max_size=30))
def test_other_paths(shared_app: Flask, path: str) -> None:
    assume(path.strip("/") not in ROUTES)
    reply = shared_app.test_client().post(f"/jobs/{path}", data=written(a_command()))
    assert reply.status_code == 404
    check_answer(path, reply)


@often
@given(required=objects, optional=objects)
@example(required={"": "\0", "\u2028": "\U0010ffff"}, optional={"a": 10**400, "b": -0.0, "c": 5e-324, "d": 1e22})
def test_accepted_parameters_come_back_equal_everywhere(
    shared_app: Flask, required: dict[str, Any], optional: dict[str, Any]
) -> None:
    command = a_command(site="mirror", required_params=required, optional_params=optional)
    job = json.loads(post(shared_app, "/jobs/newjob", written(command)).get_data())
    shown = {"site": "mirror", "ulid": job["ulid"]}
    copies = [
        job,
        json.loads(post(shared_app, "/jobs/getjob", written(shown)).get_data()),
        *json.loads(post(shared_app, "/jobs/getnewjobs", written({"site": "mirror"})).get_data()),
        json.loads(post(shared_app, "/jobs/getrecentjobs", written({"site": "mirror", "limit": 1})).get_data())[-1],
    ]
    assert [copy["ulid"] for copy in copies] == [job["ulid"]] * 4
    for copy in copies:
        assert exactly(copy["required_params"]) == exactly(required)
        assert exactly(copy["optional_params"]) == exactly(optional)


@often
@given(data=st.data(), command=objects)
def test_good_bodies_with_a_few_bytes_changed(shared_app: Flask, data: st.DataObject, command: dict[str, Any]) -> None:
    body = bytearray(written(a_command(site="garbled", required_params=command)))
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=3)):
        body[place] = data.draw(st.integers(0, 255))
    reply = post(shared_app, "/jobs/newjob", bytes(body))
    if reply.status_code == 200:
        sent, job = json.loads(body), json.loads(reply.get_data())
        assert exactly(job["required_params"]) == exactly(sent["required_params"])
        assert (job["site"], job["user_name"]) == (sent["site"], sent["user_name"])


class TestStrictJson:
    """The reader of JSON takes what every other reader takes, and nothing that would not come back."""

    @often
    @given(value=values, ascii_only=st.booleans(), indent=st.none() | st.integers(0, 3))
    def test_it_reads_what_others_write(self, value: object, ascii_only: bool, indent: int | None) -> None:
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, allow_nan=False)
        assert exactly(strict_json.read(text.encode())) == exactly(value)

    @often
    @given(
        text=st.from_regex(r"-?(0|[1-9][0-9]{0,400})(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,6})?", fullmatch=True)
        | st.builds("{}e{}".format, st.integers(10**150, 10**250), st.integers(50, 170))
    )
    @example(text="1.7976931348623157e308")
    @example(text="1.7976931348623159e308")
    @example(text="1" + "0" * 309 + ".0")
    @example(text="9" * 299 + "e99")
    @example(text="9" * 210 + "E+99")
    @example(text="0." + "0" * 400 + "1e1000")
    def test_a_number_is_read_as_it_is_or_refused_beyond_a_double(self, text: str) -> None:
        expected = json.loads(text)
        if isinstance(expected, float) and math.isinf(expected):
            with pytest.raises(ValueError, match="beyond what a double can hold"):
                strict_json.read(f'[{{"a": {text}}}]'.encode())
        else:
            assert exactly(strict_json.read(text.encode())) == exactly(expected)

    @often
    @given(depth=st.integers(1, 5) | st.integers(195, 205), bits=st.integers(0, 2**205 - 1))
    def test_nesting_is_counted_exactly(self, depth: int, bits: int) -> None:
        kinds = [bits >> place & 1 for place in range(depth)]
        opening = "".join('{"a":' if kind else "[" for kind in kinds)
        closing = "".join("}" if kind else "]" for kind in reversed(kinds))
        text = f"{opening}0{closing}".encode()
        if depth <= strict_json.MAX_NESTING:
            assert strict_json.read(text) == json.loads(text)
        else:
            with pytest.raises(ValueError, match=r"nested deeper than 200 levels|recursion limit"):
                strict_json.read(text)


class TestCommands:
    """A body becomes a command, or is refused with every fault of it; nothing else can happen."""

    @often
    @given(model=st.sampled_from(MODELS), body=nearly_good() | values)
    def test_a_body_is_a_command_or_a_refusal_that_names_its_keys(
        self, model: type[commands.Command], body: object
    ) -> None:
        known = {field.alias or name for name, field in model.model_fields.items()}
        answer = parsed(model, body)
        if isinstance(answer, commands.Command):
            assert isinstance(body, dict)
            assert answer.site == body["site"]
            return
        keys = [fault.key for fault in answer.faults]
        assert set(keys) <= known
        assert len(keys) == len(set(keys))
        assert all(str(fault.key) in fault.sentence for fault in answer.faults)
        assert not answer.faults or answer.sentence == f"Error: {answer.faults[0].sentence}"

    @often
    @given(seconds=st.integers(-(2**53), 2**53) | st.floats(-(2.0**53), 2.0**53), quoted=st.booleans())
    def test_an_estimate_is_rounded_up(self, seconds: float, quoted: bool) -> None:
        assert estimate(str(seconds) if quoted else seconds) == math.ceil(seconds)

    @often
    @given(text=texts | st.text("0123456789+-.eE_ ", max_size=8))
    def test_an_estimate_in_a_string_is_a_number_or_nothing_or_refused(self, text: str) -> None:
        try:
            seconds = estimate(text)
        except BadRequest:
            assert not text.strip().isdecimal() or not text.isascii() or int(text) > 2**53
        else:
            assert seconds == (math.ceil(float(text)) if text.strip() else NO_ESTIMATE)

    @often
    @given(header=st.text(max_size=300))
    def test_a_key_is_visible_ascii_or_refused(self, header: str) -> None:
        try:
            key = commands.parse_key(header)
        except BadRequest:
            stripped = header.strip(" \t")  # what HTTP calls blanks, and nothing else
            assert not (0 < len(stripped) < 256 and stripped.isascii() and stripped.isprintable()) or " " in stripped
        else:
            assert key == header.strip(" \t")
            assert key


def parsed(model: type[commands.Command], body: object) -> commands.Command | BadRequest:
    try:
        return commands.parse(model, written(body))
    except BadRequest as refusal:
        return refusal


def estimate(said: object) -> int:
    """Read an estimate from a report."""
    body = {"site": "wmd", "ulid": "x", "newStatus": "y", "secondsUntilComplete": said}
    return commands.parse(commands.UpdateStatus, written(body)).seconds_until_complete
