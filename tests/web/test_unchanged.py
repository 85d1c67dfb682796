"""An open page that asks for changes gets a short answer while there are none, and itself when there are some."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from flask import Flask, before_render_template
from flask.testing import FlaskClient
from jinja2 import Template

from jobs_server.live import disconnect
from jobs_server.service import service_of
from tests.support.clocks import Clocks
from tests.support.observatory import Observatory

from ..conftest import inside

PATHS = ("/", "/part/frame", "/jobs-log", "/night", "/settings", "/reservations")


class OpenPage:
    """A page as its script keeps it."""

    def __init__(self, browser: FlaskClient, path: str, site: str = "wmd") -> None:
        self._browser = browser
        self._path = f"{path}?site={site}"
        self.body = ""
        self._read(self._path)

    def asks(self) -> bool:
        """Ask for changes; return whether the page came."""
        known = f"{self['position']} {self['mark']}"
        return self._read(self._path, **{"X-Known": known, "X-Requested-By": "script"})

    def __getitem__(self, name: str) -> str:
        found = re.search(rf' data-{name}="([^"]*)"', self.body)
        assert found is not None, (name, self.body)
        return found[1]

    @property
    def is_full(self) -> bool:
        """Whether the page is told that no place for a stream is free."""
        return " data-full" in self.body

    def _read(self, path: str, **headers: str) -> bool:
        answer = self._browser.get(path, headers=headers)
        assert answer.status_code == 200
        (self.body,) = re.findall(r"<body[^>]*>", answer.text)
        return "data-unchanged" not in self.body


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def rendered(app: Flask) -> Iterator[list[str]]:
    """The templates that are rendered."""
    names: list[str] = []

    def note(_app: Flask, template: Template, **_more: object) -> None:
        names.append(str(template.name))

    with before_render_template.connected_to(note, app):
        yield names


@pytest.mark.parametrize("path", PATHS)
def test_a_class_of_sixty_watches_without_a_rendering_while_nothing_happens(
    browser: FlaskClient, observatory: Observatory, rendered: list[str], path: str
) -> None:
    observatory.sends()
    pages = [OpenPage(browser, path) for _ in range(60)]
    rendered.clear()
    assert not any(page.asks() for page in pages)
    assert rendered == ["pages/unchanged.html"] * 60


def locks_out(site: Observatory) -> None:
    site.posts("lockout", {"site": site.site, "note": "hands on the mount", "user_id": "v", "user_name": "Tycho"})


def reserves(site: Observatory) -> None:
    made = {"event_id": "e-1", "start": "2030-11-23T20:00:00Z", "end": "2030-11-23T21:00:00Z", "creator": "Tycho"}
    more = {"creator_id": "t", "site": site.site, "title": "Later", "resourceId": site.site}
    assert site._post("/calendar/newevent", json.dumps(made | more).encode(), {}).status == 200


CHANGES: dict[str, Callable[[Observatory], object]] = {
    "a job": lambda site: site.sends(),
    "a stop": lambda site: site.sends(action="stop"),
    "a lock-out": locks_out,
    "a reservation of another day": reserves,
    "the site's software came": lambda site: site.polls(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_asks_after_a_change_gets_the_page_and_then_the_short_answer_again(
    browser: FlaskClient, observatory: Observatory, change: str
) -> None:
    page = OpenPage(browser, "/")
    assert not page.asks()
    CHANGES[change](observatory)
    assert page.asks()
    assert not page.asks()


def test_jobs_of_another_site_change_nothing_and_the_page_goes_on_from_behind_them(app: Flask) -> None:
    browser, other = app.test_client(), Observatory(inside(app)._post, "elsewhere")
    inside(app).sends()
    other.sends()
    page = OpenPage(browser, "/")
    before = page["position"]
    other.reports(other.sends(), "EXPOSING")
    assert not page.asks()
    assert (page["position"] != before) == service_of(app).database.kind.one_writer


@pytest.mark.parametrize("known", ["", "0-0", "0-0 0", "ffff-1 x"])
def test_what_a_page_may_not_know_any_more_comes_whole(browser: FlaskClient, known: str) -> None:
    answer = browser.get("/?site=wmd", headers={"X-Known": known, "X-Requested-By": "script"})
    assert (answer.status_code, "data-unchanged" in answer.text) == (200, False)


def test_the_short_answer_says_who_is_there_and_what_the_time_is(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    observatory.polls()
    page = OpenPage(browser, "/")
    known = {"X-Known": f"{page['position']} {page['mark']}", "X-Requested-By": "script"}
    clocks.pass_by(7)
    answer = browser.get("/?site=wmd", headers=known)
    assert ">last polled 7 s ago<" in answer.text
    assert f'data-now="{clocks.now.wall_ms}"' in answer.text


def test_open_pages_are_told_when_places_are_taken_and_in_how_long_to_share_out_a_change(app: Flask) -> None:
    browser, feed = app.test_client(), service_of(app).feed
    page = OpenPage(browser, "/")
    assert (page.is_full, page["pace"]) == (False, "0")
    with ExitStack() as watched:
        for number in range(feed.places):
            watched.callback(feed.leave, feed.watch("wmd", disconnect.Client("", "")))
            assert not OpenPage(browser, "/").is_full or number == feed.places - 1
        assert not page.asks()
        assert page.is_full
        assert 20 * int(page["pace"]) / 1000 > feed.places  # the streaming pages alone ask fewer than 20 times a second
    assert not page.asks()
    assert (page.is_full, page["pace"]) == (False, "0")
    feed.stop()
