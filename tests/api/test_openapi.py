"""The API's description is valid, is of what there is, and holds under requests that nobody thought of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from schemathesis import GenerationMode

from jobs_server import create_app
from jobs_server.api import describe, openapi
from jobs_server.domain import commands
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..support import databases
from ..support.servers import ROOT

APP = create_app({"DATABASE_URL": "sqlite://"})
QUICK = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

# The stream has no end; its own tests follow it.
ALL = schemathesis.openapi.from_wsgi("/openapi.json", APP).exclude(path="/jobs/stream")
WITH_TIMES = "^/jobs/(newjob|newplan|editplan|savetemplate)$"
SCHEMA = ALL.exclude(path_regex=f"^/calendar/|{WITH_TIMES}")
SCHEMA.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
# 422 refuses an idempotency key that came before with another command, 403 a lock-out that is somebody else's, whatever
# the schema says of either.
SCHEMA.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "403", "404", "409", "422"]

# What no schema can say: that a day is in its month, and that a reservation ends after it begins.
CALENDAR = schemathesis.openapi.from_wsgi("/openapi.json", APP).include(path_regex="^/calendar/")
CALENDAR.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
CALENDAR.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "400", "403", "404", "409"]

# What no schema can say: that a day is in its month, that a job is held back for 36 hours at most, and that a plan ends
# after it begins, holds no stop, and is not too long with its repeats; nor that another request has locked a site out.
TIMES = schemathesis.openapi.from_wsgi("/openapi.json", APP).include(path_regex=WITH_TIMES)
TIMES.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
TIMES.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "400", "403", "404", "409", "422", "423"]


@pytest.fixture(autouse=True, scope="module")
def _closed_and_in_no_need_to_wait() -> Iterator[None]:
    startup.prepare(APP)  # it was closed where tests of this file ran before, and a later one was taken over
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "MAX_WAIT_SECONDS", 0)  # polls that wait a minute would be waited for
        yield
    service_of(APP).database.close()


@pytest.fixture
def document(app: Flask) -> dict[str, Any]:
    found = app.test_client().get("/openapi.json")
    assert found.mimetype == "application/json"
    return dict(found.get_json())


@SCHEMA.parametrize()
@QUICK
def test_every_answer_is_as_described(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate()


@TIMES.parametrize()
@QUICK
def test_every_answer_to_a_plan_or_a_job_is_as_described(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate()


@CALENDAR.parametrize()
@QUICK
def test_every_answer_of_the_calendar_is_as_described(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate()


def test_the_calendars_examples_work(app: Flask, document: dict[str, Any]) -> None:
    client = app.test_client()
    made = client.post("/calendar/newevent", json=example(document, "/calendar/newevent"))
    event_id = made.get_json()["new_calendar_event"]["event_id"]
    for path in [path for path in document["paths"] if path.startswith("/calendar/")]:
        body = example(document, path)
        body |= {"event_id": event_id} if "event_id" in body else {}
        body |= {"originalEvent": {"event_id": event_id}} if "originalEvent" in body else {}
        assert client.post(path, json=body).status_code == 200, path


def example(document: dict[str, Any], path: str) -> dict[str, Any]:
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return dict(next(iter(content["examples"].values()))["value"])


def test_the_client_of_a_queue_is_told_by_its_user_agent(document: dict[str, Any]) -> None:
    headers = {"User-Agent": "wmd-site/2.1"}
    assert APP.test_client().post("/jobs/getnewjobs", json={"site": "agents"}, headers=headers).status_code == 200
    (shown,) = (each for each in APP.test_client().get("/jobs/sites").json or [] if each["site"] == "agents")
    described = document["components"]["schemas"]["SitePresence"]["properties"]["client"]["description"]
    assert (shown["client"], "User-Agent" in described) == ("wmd-site/2.1", True)


def test_the_description_is_openapi(document: dict[str, Any]) -> None:
    validate(document)


def test_every_json_route_is_described(app: Flask) -> None:
    told = set(openapi.document(app)["paths"])
    routes = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(("jobs.", "plans.", "live.", "calendar.")) and not rule.rule.endswith(".ics")
    }
    assert "/jobs/newjob" in told
    assert routes <= told | {path.removeprefix(openapi.PREFIX) for path in told}


def test_the_examples_fit_the_schemas(document: dict[str, Any]) -> None:
    found = list(examples(document))
    assert len(found) > 10
    for schema, value in found:
        Draft202012Validator(schema | {"components": document["components"]}).validate(value)


OF_PLANS = {"newplan", "cancelplan", "pauseplan", "resumeplan", "editplan", "savetemplate", "deletetemplate"}
OF_TARGETS = {"savetargets", "deletetarget"}
OF_QUEUE = {"movejob", "editjob", "pausequeue", "resumequeue"}
OF_PEOPLE = (
    OF_PLANS
    | OF_TARGETS
    | OF_QUEUE
    | {
        "newjob",
        "canceljob",
        "lockout",
        "liftlockout",
        "newevent",
        "modifyevent",
        "delete",
    }
)
OF_THE_SITE = {"getnewjobs", "startjob", "updatejobstatus", "devicestate", "capabilities", "preview"}


def shown(document: dict[str, Any]) -> dict[str, list[str]]:
    """What one of must be shown, by the last part of the route's path; where both can be done, to post there."""
    return {
        path.rpartition("/")[2]: sorted(name for each in operation["security"] for name in each)
        for path, operations in document["paths"].items()
        for _, operation in sorted(operations.items())
    }


def test_it_says_what_must_be_shown_as_this_server_is_set(document: dict[str, Any], tmp_path: Path) -> None:
    assert not any(shown(document).values())
    sign_in = {"OIDC_ISSUER": "https://issuer.example", "OIDC_AUDIENCE": "jobs", "SITE_TOKENS": "required"}
    locked = create_app({"DATABASE_URL": databases.fresh(), "INSTANCE": str(tmp_path)} | sign_in)
    told = openapi.document(locked)
    validate(told)
    needed = {route: ["accessToken", "session"] for route in OF_PEOPLE} | {
        route: ["siteToken"] for route in OF_THE_SITE
    }
    assert {route: schemes for route, schemes in shown(told).items() if schemes} == needed
    assert set(told["components"]["securitySchemes"]) == {"accessToken", "session", "siteToken"}
    page = locked.test_client().get("/docs").text
    assert 'href="#shown-siteToken"' in page
    assert 'id="shown-siteToken"' in page
    service_of(locked).database.close()


def test_the_commands_in_it_are_real_ones() -> None:
    corpus = (ROOT / "tests" / "data" / "commands.jsonl").read_text(encoding="utf-8")
    real = [json.loads(line) for line in corpus.splitlines()]
    assert all(example["value"] in real for example in openapi.examples().values())


def test_saying_what_a_route_takes_changes_nothing_of_it() -> None:
    def view() -> str:
        return "as it was"

    assert describe.describe(gives=str)(view) is view
    assert describe.of(view) == describe.Described(gives=str)
    assert describe.of(len) is None


def examples(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """List every example with its schema."""
    for operation in (each for path in document["paths"].values() for each in path.values()):
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [response.get("content", {}) for response in operation["responses"].values()]
        for media in (each for content in contents for each in content.values()):
            yield from ((media["schema"], example["value"]) for example in media.get("examples", {}).values())
            if "example" in media:
                yield media["schema"], media["example"]


Machine, CalendarMachine = SCHEMA.as_state_machine(), CALENDAR.as_state_machine()
Machine.TestCase.settings = settings(QUICK, max_examples=20, stateful_step_count=8)
CalendarMachine.TestCase.settings = settings(QUICK, max_examples=10, stateful_step_count=6)


class TestRequestsThatFollowTheLinks(Machine.TestCase):  # type: ignore[name-defined,misc]
    """Each request is made of the answer to the one before."""


class TestRequestsThatFollowTheCalendarsLinks(CalendarMachine.TestCase):  # type: ignore[name-defined,misc]
    """Each request is made of the answer to the one before."""


def test_people_read_the_same_from_local_files_alone(app: Flask, document: dict[str, Any]) -> None:
    page = app.test_client().get("/docs")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f"{method.upper()} {path}" in page.text
            assert f'id="{operation["operationId"]}"' in page.text
    loaded = re.findall(r'(?:src|<link[^>]* href)="([^"]*)"', page.text)
    assert loaded
    assert all(address.startswith("/") and not address.startswith("//") for address in loaded)
    assert "<script>" not in page.text
    assert " style=" not in page.text


def test_the_page_tells_how_the_stream_goes_on(app: Flask) -> None:
    page = app.test_client().get("/docs").text
    assert "text/event-stream" in page
    assert "Last-Event-ID" in page
    assert "nothing is missed and nothing comes twice" in page
