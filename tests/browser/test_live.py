"""A page that is open stays true: through bad gateways, dead networks, sleep, hiding, and clocks that differ."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Route, expect

from tests.conftest import over_http
from tests.support import gateway, nights, servers
from tests.support.gateway import Gateway, Mood
from tests.support.observatory import Observatory
from tests.support.waiting import until

from . import stage
from .conftest import Desk

SLOW_MS = 60_000
HIDE = "['hidden', true], ['visibilityState', 'hidden']"
SHOW = "['hidden', false], ['visibilityState', 'visible']"
TURN = """for (const [name, value] of [%s]) Object.defineProperty(document, name, {value, configurable: true});
document.dispatchEvent(new Event('visibilitychange'))"""

SAME = "document.getElementById('presence').textContent === document.getElementById('presence-here').textContent"


@pytest.fixture
def between(desk: Desk) -> Iterator[Gateway]:
    """A gateway between the browser and the server."""
    with gateway.before(desk.server.port) as made:
        yield made


@pytest.fixture
def context(browser: Browser, desk: Desk) -> Iterator[BrowserContext]:
    with stage.context(browser, desk.server, stage.PHONE) as made:
        yield made


def streams(desk: Desk) -> int:
    """How many streams the server has open."""
    metrics = httpx.get(f"{desk.server.url}/metrics", trust_env=False, timeout=60).text
    found = re.search(r"^jobs_streams (\d+)", metrics, re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("mood", [Mood.BAD_GATEWAY, Mood.UNAVAILABLE])
def test_a_bad_gateway_shows_at_once_and_the_page_mends_itself(
    context: BrowserContext, desk: Desk, between: Gateway, mood: Mood
) -> None:
    site = desk.at(f"gateway-{mood.name.lower()}")
    until(lambda: streams(desk) == 0)
    page = stage.open_page(context, f"{between.url}/?site={site.site}")
    until(lambda: streams(desk) == 1)
    between.becomes(mood)
    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("#lost")).to_contain_text("What you see is from")
    until(lambda: streams(desk) == 0)
    site.sends(**nights.expose("Meanwhile"))
    between.becomes(Mood.PASSES)
    expect(page.locator("#queue")).to_contain_text("Meanwhile")
    expect(page.locator("#lost")).to_be_hidden()
    until(lambda: streams(desk) == 1)


def test_a_network_that_says_nothing_is_noticed(context: BrowserContext, desk: Desk, between: Gateway) -> None:
    page = stage.open_page(context, f"{between.url}/?site=silence")
    # The browser keeps these connections for later, and none of them tells that it is dead then.
    page.evaluate(
        "Promise.all(Array.from({length: 5}, () => fetch(location, {cache: 'no-store'}).then(reply => reply.text())))"
    )
    between.becomes(Mood.SILENT)
    expect(page.locator("#lost")).to_be_visible(timeout=SLOW_MS)
    between.becomes(Mood.PASSES)
    expect(page.locator("#lost")).to_be_hidden(timeout=SLOW_MS)


def test_what_happens_before_the_stream_is_open_is_shown_too(context: BrowserContext, desk: Desk) -> None:
    site, page, asked = desk.at("between"), context.new_page(), list[str]()

    def meanwhile(route: Route) -> None:
        asked.append(route.request.url)
        site.sends(**nights.expose("Just now"))
        route.continue_()

    page.route("**/stream?**", meanwhile)
    page.goto(desk.address("/", site="between"))
    expect(page.locator("#queue")).to_contain_text("Just now")
    assert re.search(r"lastEventId=\w+-\d+", asked[0])


def test_who_is_in_control_is_seen_at_once(context: BrowserContext, desk: Desk) -> None:
    page = stage.open_page(context, desk.address("/", site="control"))
    body = {"site": "control", "note": "hands on the mount", "user_id": "v", "user_name": "Tycho"}
    assert desk.at("control").posts("lockout", body).status == 200
    expect(page.locator("#banners")).to_contain_text("Locked out by Tycho")


def test_the_log_the_night_and_the_site_page_stay_true_while_somebody_types(
    context: BrowserContext, desk: Desk
) -> None:
    site = desk.at("true")
    job = site.sends(**nights.expose("M 31"))
    log, night, settings = (
        stage.open_page(context, desk.address(path, site="true"))
        for path in ("/jobs-log?user=vera", "/night", "/settings")
    )
    log.locator("#f-text").fill("half typed")
    settings.locator("#note").fill("half written")
    site.reports(job, "COMPLETE")
    other = site.sends(**nights.expose("NGC 891"))
    rows = log.locator("#found tbody tr:not(.day)")
    expect(rows).to_have_count(2, timeout=SLOW_MS)
    expect(rows.first).to_contain_text("NGC 891")
    expect(rows.last).to_contain_text("COMPLETE")
    expect(log.locator("#f-text")).to_have_value("half typed")
    expect(night.locator("#figures .done dd")).to_have_text("1", timeout=SLOW_MS)
    expect(night.locator("#rows tbody tr")).to_have_count(2)
    body = {"site": "true", "note": "hands on the mount", "user_id": "v", "user_name": "Tycho"}
    assert site.posts("lockout", body).status == 200
    expect(settings.locator("#banners")).to_contain_text("Locked out by Tycho", timeout=SLOW_MS)
    expect(settings.locator("#note")).to_have_value("half written")
    settings.locator("#note").fill("")
    expect(settings.locator("#lock-out")).to_contain_text("Locked out by Tycho", timeout=SLOW_MS)
    site.reports(other, "FAILED")
    expect(night.locator("#figures .failed dd")).to_have_text("1", timeout=SLOW_MS)


@contextmanager
def polling(site: Observatory) -> Iterator[None]:
    """Have a site poll again and again for the length of a block, so that it is there however slow the browser is."""
    stop = threading.Event()

    def poll() -> None:
        site.polls()
        while not stop.wait(0.5):
            site.polls()

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_who_is_about_to_send_is_told_at_once_when_the_site_falls_silent_and_comes_back(
    browser: Browser, tmp_path: Path
) -> None:
    settings = {"JOBS_SILENT_AFTER_SECONDS": "4"}
    with (
        servers.running("flask", tmp_path, settings) as server,
        httpx.Client(trust_env=False, timeout=60) as client,
        stage.context(browser, server, stage.DESK) as context,
    ):
        site = over_http(server.url, client)
        page = stage.open_page(context, f"{server.url}/send?site=wmd")
        caution, head, beside = page.locator("#silence"), page.locator("#presence"), page.locator("#presence-here")
        expect(caution).to_contain_text("the job will wait")
        for _ in range(2):
            with polling(site):
                expect(beside).to_contain_text("last polled")
                expect(caution).to_be_hidden()
                page.wait_for_function(SAME)
            expect(beside).to_contain_text("silent for", timeout=SLOW_MS)
            expect(caution).to_contain_text("unless it comes back", timeout=SLOW_MS)
        page.goto(f"{server.url}/send?site=wmd&device=enclosure&action=open")
        expect(head).to_contain_text("silent for", timeout=SLOW_MS)
        page.get_by_role("button", name=stage.SEND).click()
        expect(page.get_by_role("alert")).to_contain_text("The roof moves.")
        expect(caution).to_contain_text("unless it comes back", timeout=SLOW_MS)


def test_a_hidden_tab_closes_its_stream_and_is_right_when_it_is_shown(context: BrowserContext, desk: Desk) -> None:
    site = desk.at("hidden")
    until(lambda: streams(desk) == 0)
    page = stage.open_page(context, desk.address("/", site="hidden"))
    until(lambda: streams(desk) == 1)
    page.evaluate(TURN % HIDE)
    until(lambda: streams(desk) == 0)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    site.sends(**nights.expose("While it was hidden"))
    assert "While it was hidden" not in page.inner_text("#queue")
    assert asked == []
    page.evaluate(TURN % SHOW)
    expect(page.locator("#queue")).to_contain_text("While it was hidden")
    until(lambda: streams(desk) == 1)


def test_after_sleep_the_page_is_right_although_its_connections_are_dead(
    browser: Browser, context: BrowserContext, desk: Desk, between: Gateway
) -> None:
    site = desk.at("asleep")
    page = stage.open_page(context, f"{between.url}/?site=asleep")
    between.becomes(Mood.SILENT)
    page.evaluate("document.dispatchEvent(new CustomEvent('jobs:changed'))")  # a fetch that will never be answered
    with stage.asleep(browser):
        site.sends(**nights.expose("While it slept"))
        time.sleep(6)  # longer than a busy page ever holds still
        between.becomes(Mood.PASSES)
    expect(page.locator("#queue")).to_contain_text("While it slept")
    expect(page.locator("#lost")).to_be_hidden()


def counts(session: CDPSession) -> dict[str, int]:
    """Collect the garbage, and count what the page holds once what it fetched last is gone."""
    while True:
        session.send("HeapProfiler.collectGarbage")
        metrics = {each["name"]: round(each["value"]) for each in session.send("Performance.getMetrics")["metrics"]}
        if metrics["Documents"] == 1:
            return metrics


def test_a_page_that_stays_open_holds_no_more_than_it_shows(context: BrowserContext, desk: Desk) -> None:
    site, page = desk.at("flat"), context.new_page()
    for _ in range(30):
        site.reports(site.sends(**nights.expose("Before")), "COMPLETE")
    page.clock.install()
    page.goto(desk.address("/", site="flat"))
    page.wait_for_load_state("load")
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    held = []
    for number in range(40):
        job = site.sends(**nights.expose(f"Target {number}"))
        site.reports(job, "EXPOSING", secondsUntilComplete=10)
        site.reports(job, "COMPLETE")
        with page.expect_response(lambda reply: "/?site=" in reply.url):
            page.clock.run_for(11_000)
        if number in (15, 39):
            held.append(counts(session))
    expect(page.locator("#latest li").first).to_contain_text("Target 39")
    before, after = held
    assert after["Nodes"] - before["Nodes"] < 100, (before, after)
    assert after["JSEventListeners"] - before["JSEventListeners"] < 10
