"""Fields of pages and exports: what is too long or no text for a database is refused in words."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ..support.observatory import Observatory

LOG = ("/jobs-log", "/jobs-log.csv", "/jobs-log.json")
FIELDS = {"text": "Search", "device": "Device", "action": "Action", "user": "User", "status": "Status"}
TIMES = {"since": "From", "until": "Until"}


@pytest.fixture
def browser(app: Flask, observatory: Observatory) -> FlaskClient:
    observatory.sends(user_name="x" * 200, required_params={"note": "%" * 200})
    return app.test_client()


@pytest.mark.parametrize("path", LOG)
@pytest.mark.parametrize(("field", "label"), (FIELDS | TIMES).items())
def test_51000_characters_in_a_field_of_the_log_are_refused(
    browser: FlaskClient, path: str, field: str, label: str
) -> None:
    """It was 503, "the database cannot be used": SQLite looks for no text that is so long."""
    for text in ("x" * 51_000, "%" * 201):
        answer = browser.get(path, query_string={"site": "wmd", field: text})
        assert answer.status_code == 400
        assert f"{label} must be at most 200 characters" in answer.text
        assert text not in answer.text


@pytest.mark.parametrize("path", LOG)
@pytest.mark.parametrize("field", FIELDS)
def test_200_characters_are_looked_for(browser: FlaskClient, path: str, field: str) -> None:
    for text in ("x" * 200, "%" * 200, "!" * 200):
        assert browser.get(path, query_string={"site": "wmd", field: text}).status_code == 200
    found = browser.get("/jobs-log.json", query_string={"site": "wmd", "text": "%" * 200}).get_json()
    assert len(found) == 1


@pytest.mark.parametrize("path", LOG)
@pytest.mark.parametrize("field", [*FIELDS, "since", "site", "before"])
def test_a_nul_is_in_no_text(browser: FlaskClient, path: str, field: str) -> None:
    """PostgreSQL keeps none; an export broke off in the middle."""
    answer = browser.get(path, query_string={"site": "wmd"} | {field: "1-a\0b"})
    assert answer.status_code == (200 if field == "before" else 400)


@pytest.mark.parametrize("path", ["/", "/send", "/night", "/insights", "/reservations", "/settings", "/docs"])
def test_a_site_with_a_nul_is_refused_on_every_page(browser: FlaskClient, path: str) -> None:
    answer = browser.get(path, query_string={"site": "w\0md"})
    assert (answer.status_code, "Name a site" in answer.text) == (400, True)


def test_a_stop_for_a_site_with_a_nul_reaches_no_other(browser: FlaskClient, observatory: Observatory) -> None:
    browser.get("/?site=wmd")
    assert browser.post("/act/stop", data={"site": "w\0md", "how": "now"}).status_code == 400
    assert [job["action"] for job in observatory.lists()] == ["expose"]
