"""A page that says that the database cannot be used needs no database."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server.errors import DatabaseUnavailable
from jobs_server.storage.connections import Connections
from jobs_server.web.context import Page

from .test_pages import posts, text_of

SENTENCE = "Error: the database cannot be used now: the disk is full. Nothing was changed; try again in a moment."
PAGES = ("/", "/docs", "/send", "/jobs-log", "/night", "/insights", "/reservations", "/settings", "/part/frame")


@pytest.fixture
def asked(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of a database that refuses all of it."""
    found: list[str] = []

    def refuse(_connections: Connections, **_how: object) -> None:
        found.append("a connection")
        raise DatabaseUnavailable(SENTENCE)

    monkeypatch.setattr(Connections, "take", refuse)
    return found


@pytest.mark.parametrize("path", PAGES)
def test_a_refusal_for_which_the_database_is_the_reason_asks_nothing_more_of_it(
    app: Flask, asked: list[str], path: str
) -> None:
    """What hangs for one time-out is not to hang for a second one, only to draw the frame of the refusal."""
    answer = app.test_client().get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "The database cannot be used now: the disk is full." in text_of(answer)
    assert answer.text.rstrip().endswith("</html>")
    assert asked == ["a connection"]


def test_a_stop_asks_the_database_for_nothing_but_to_keep_it(app: Flask, asked: list[str]) -> None:
    answer = posts(app.test_client(), "/act/stop", how="now")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "the disk is full" in text_of(answer)
    assert asked == ["a connection"]


def stop_of(browser: FlaskClient) -> bool:
    page = browser.get("/").text
    return 'name="how" value="now"' in page and '<input type="hidden" name="site" value="wmd">' in page


@pytest.mark.usefixtures("asked")
def test_the_stop_stays_on_a_page_for_the_site_that_the_browser_had_last(app: Flask) -> None:
    browser = app.test_client()
    browser.set_cookie("site", "wmd")
    assert stop_of(browser)


@pytest.mark.usefixtures("asked")
def test_a_refusal_stands_without_its_frame_when_who_is_signed_in_cannot_be_read(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_page: Page) -> str:
        raise DatabaseUnavailable(SENTENCE)

    monkeypatch.setattr(Page, "caller", property(unreadable))
    browser = app.test_client()
    browser.set_cookie("site", "wmd")
    answer = browser.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "The database cannot be used now: the disk is full." in text_of(answer)
    assert stop_of(browser)
