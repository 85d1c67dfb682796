"""The button of the form Send says what happens: at once, or after what runs or waits."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ..support import nights
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory

WHO = {"user_name": "Vera", "user_id": "auth0|vera"}


@pytest.fixture
def browser(app: Flask, clocks: Clocks) -> FlaskClient:
    assert clocks
    return app.test_client()


def word(browser: FlaskClient, **query: str) -> str:
    """What the button says, on a desk and at the thumb."""
    page = browser.get("/send", query_string={"site": "wmd", "device": "camera", "action": "expose"} | query).text
    words = set(re.findall(r'name="do" value="send">(.*?)</button>', page))
    shown = {re.sub(r"<span class=.when-held.*|<[^>]+>", "", text) for text in words}
    assert len(shown) == 1, words
    return shown.pop()


def test_it_says_whether_something_runs_or_waits(browser: FlaskClient, observatory: Observatory) -> None:
    """The form said "Send" whether the telescope was free or had hours of work before it."""
    assert word(browser) == "Send now"
    observatory.sends(site="mrc1")
    assert word(browser) == "Send now"
    job = observatory.sends(**nights.expose("M 31"))
    assert word(browser) == "Add to queue"
    assert word(browser, action="stop") == "Send now"
    for deed in (observatory.polls, lambda: observatory.starts(job)):
        deed()
        assert word(browser) == "Add to queue"
        assert "Add to queue" in browser.get("/part/frame?site=wmd").text
    observatory.reports(job, "COMPLETE")
    assert word(browser) == "Send now"
    observatory.posts("pausequeue", {"site": "wmd", "note": "clouds", **WHO})
    assert word(browser) == "Add to queue"


def test_what_a_site_took_long_ago_and_never_spoke_of_is_not_waited_for(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    observatory.sends()
    observatory.polls()
    clocks.pass_by(HOUR)
    assert word(browser) == "Send now"


def test_of_what_is_held_back_it_says_that_it_goes_into_the_queue(browser: FlaskClient) -> None:
    form = {"site": "wmd", "device": "camera", "action": "expose", "instance": "c1", "do": "preview"}
    page = browser.post("/send", data=form | {"not_before_seconds": "60"}).text
    assert 'name="do" value="send">Add to queue</button>' in page
