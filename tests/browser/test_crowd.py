"""More pages are open than there are places for streams: all stay true, and a class of sixty keeps no server busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.conftest import over_http
from tests.support import nights, servers
from tests.support.observatory import Observatory, site_named
from tests.support.servers import Server
from tests.support.streams import Viewer
from tests.support.waiting import until

from . import stage

MINUTE = 60
IN_ALL = 20  # a second, of sixty pages: so that each may ask so often a minute


HEARS = """window.heard = 0;
const Plain = EventSource;
window.EventSource = class extends Plain {
  constructor(url) {
    super(url);
    this.addEventListener("message", (event) => (window.heard += JSON.parse(event.data).topic === "jobs"));
  }
};"""
"""Counts the jobs that a page hears of."""


class OpenPage:
    """A page whose time goes on as the test says, and what it asks of the server."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.streams = self.requests = self.renderings = 0
        self._pending: set[Request] = set()
        page.clock.install()
        page.add_init_script(HEARS)
        page.on("request", self._begins)
        for end in ("requestfinished", "requestfailed"):
            page.on(end, self._ends)
        page.goto(url)
        page.wait_for_load_state("load")
        self.settle()
        self.streams = self.requests = self.renderings = 0

    def passes(self, seconds: int) -> None:
        """Let time go by, and each question be answered in its second."""
        for _ in range(seconds):
            self.page.clock.run_for(1000)
            self.settle()

    def settle(self) -> None:
        """Wait until all is answered but the stream, which goes on."""
        until(lambda: (self.page.evaluate("0"), not self._pending)[1])

    def _begins(self, request: Request) -> None:
        self.requests += 1
        if "/stream?" in request.url:
            self.streams += 1
        else:
            self._pending.add(request)

    def _ends(self, request: Request) -> None:
        if request not in self._pending:
            return
        self._pending.remove(request)
        answer = request.response()
        if answer is not None and request.headers.get("x-requested-by") and "timeline" not in request.url:
            self.renderings += "data-unchanged" not in answer.text()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one place for a stream."""
    with servers.running("flask", tmp_path_factory.mktemp("small"), {"JOBS_THREADS": "4"}) as server:
        yield server


@pytest.fixture
def page(browser: Browser, small: Server) -> Iterator[Page]:
    with stage.context(browser, small, stage.DESK) as context:
        yield context.new_page()


@pytest.fixture
def site(small: Server, request: pytest.FixtureRequest) -> Iterator[Observatory]:
    """A site of the test's own."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield over_http(small.url, client, site=site_named(request.node.name))


def test_a_page_without_a_stream_asks_for_changes_and_is_true_within_5_s(
    page: Page, small: Server, site: Observatory
) -> None:
    with Viewer(small.url, site.site):
        opened = OpenPage(page, f"{small.url}/?site={site.site}")
        opened.passes(MINUTE)
        assert opened.streams == 0  # the server says that all places are taken
        assert MINUTE / 5 <= opened.requests <= IN_ALL
        assert opened.renderings <= 1
        site.sends(**nights.expose("M 31"))
        opened.passes(5)
        assert "M 31" in page.inner_text("#queue")
    until(lambda: not httpx.get(f"{small.url}/part/frame", trust_env=False).text.count("data-full"))
    opened.passes(5)
    assert opened.streams == 1
    site.sends(**nights.expose("NGC 891"))
    page.clock.resume()
    expect(page.locator("#queue")).to_contain_text("NGC 891")


def test_a_stream_that_is_refused_is_tried_at_most_once_in_4_s_and_ever_less(
    page: Page, small: Server, site: Observatory
) -> None:
    page.route("**/stream?**", lambda route: route.fulfill(status=503, body="all places are taken"))
    opened = OpenPage(page, f"{small.url}/?site={site.site}")
    counts = []
    for _ in range(3):
        before = opened.streams
        opened.passes(20)
        counts.append(opened.streams - before)
    assert 1 <= counts[0] <= 5
    assert counts[0] >= counts[1] >= counts[2]
    assert opened.requests <= IN_ALL + opened.streams
    assert opened.renderings <= 1


def test_a_stream_that_begins_and_is_dropped_each_time_is_tried_as_seldom(
    page: Page, small: Server, site: Observatory
) -> None:
    def drops(route: Route) -> None:
        body = 'retry: 1000\n\nevent: dropped\ndata: {"reason": "it was read too slowly"}\n\n'
        route.fulfill(status=200, content_type="text/event-stream", body=body)

    page.route("**/stream?**", drops)
    opened = OpenPage(page, f"{small.url}/?site={site.site}")
    opened.passes(20)
    assert opened.streams <= 5


def test_among_many_viewers_a_page_shows_each_change_and_asks_no_more_often(browser: Browser, tmp_path: Path) -> None:
    with (
        servers.running("gunicorn", tmp_path) as server,
        httpx.Client(trust_env=False, timeout=60) as client,
        stage.context(browser, server, stage.DESK) as context,
        ExitStack() as viewers,
    ):
        for _ in range(47):
            viewers.enter_context(Viewer(server.url, "wmd", keeps=False))
        opened = OpenPage(context.new_page(), f"{server.url}/?site=wmd")
        site = over_http(server.url, client)
        for second in range(MINUTE):
            site.sends(**nights.expose(f"Field {second}"))
            opened.passes(1)
        assert opened.requests <= IN_ALL
        until(lambda: opened.page.evaluate("window.heard") >= MINUTE)
        opened.passes(5)
        assert opened.page.inner_text("#queue .count") == str(MINUTE)
