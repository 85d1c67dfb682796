"""The first minute: from nothing to a first picture, with the clicks counted, and lines that are copied."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support import servers

from . import stage
from .conftest import Desk
from .test_looks import overflow
from .test_targets import Clicks

SERIOUS = ("serious", "critical")
PLAIN_HTTP = "Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined });"
"""What a page that came by plain http from another machine has of a clipboard."""
SIZES = [stage.PHONE, stage.DESK]


@contextmanager
def visitor(browser: Browser, size: tuple[int, int] = stage.DESK) -> Iterator[Page]:
    """Somebody whose browser has never been here."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    try:
        yield context.new_page()
    finally:
        context.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[servers.Server]:
    """A server on which nothing was set up."""
    with servers.running("flask", tmp_path / "empty") as server:
        yield server


def takes_a_picture(page: Page, clicks: Clicks) -> None:
    """Send what the form of an exposure offers, and look at the picture that comes of it."""
    page.get_by_role("button", name=stage.SEND).click()
    clicks.count += 1
    page.locator(".note.done").get_by_role("link").click()
    clicks.count += 1
    expect(page.locator("main .result").first).to_contain_text("COMPLETE")
    expect(page.locator("main img").first).to_be_visible()


@pytest.mark.parametrize("size", SIZES)
def test_from_the_demo_the_first_picture_of_ones_own_takes_at_most_five_clicks(
    browser: Browser, tmp_path: Path, size: tuple[int, int]
) -> None:
    port = servers.free_port()
    command = [sys.executable, "-m", "jobs_server", "demo", "--no-browser", "--speed", "60", "--port", str(port)]
    demo = servers.launch(command, port, servers.ROOT, servers.environment(tmp_path), tmp_path / "demo.log")
    with servers.stopped_at_the_end(demo), visitor(browser, size) as page:
        page.goto(demo.url)
        expect(page.get_by_role("img", name=re.compile("of Expose")).first).to_be_visible()
        clicks = Clicks(page)
        clicks.on("link", re.compile("^Send"))
        takes_a_picture(page, clicks)
        assert clicks.count <= 5


def test_a_first_visit_leads_through_the_set_up_to_a_first_picture(
    browser: Browser, server: servers.Server, tmp_path: Path
) -> None:
    with visitor(browser) as page:
        page.goto(server.url)
        clicks = Clicks(page)
        page.get_by_label("What is it called?").fill("Hill Top")
        page.get_by_label("Where is it?").fill("Windhoek")
        expect(page.locator("[data-place]")).to_contain_text("Africa/Windhoek")
        clicks.on("button", "Set up")
        command = page.locator("[data-copied]", has_text="simulate").inner_text().replace("--speed 20", "--speed 60")
        with (tmp_path / "simulator.log").open("wb") as log:
            environment, words = servers.environment(tmp_path), ["/bin/sh", "-c", f"exec env {command}"]
            simulator = subprocess.Popen(words, stdout=log, stderr=log, cwd=tmp_path, env=environment)
        try:
            expect(page.locator("#connected")).to_contain_text("Its software is there: pretend observatory")
            clicks.on("link", "Take a first picture")
            takes_a_picture(page, clicks)
        finally:
            simulator.kill()
            simulator.wait(20)
        assert clicks.count <= 5


def test_cities_are_offered_while_one_types_and_one_click_chooses(browser: Browser, server: servers.Server) -> None:
    with visitor(browser, stage.PHONE) as page:
        page.goto(server.url)
        page.get_by_label("Where is it?").press_sequentially("newc")
        page.get_by_role("radio", name="Newcastle, Australia").click()
        expect(page.get_by_label("Where is it?")).to_have_value("Newcastle, Australia")
        expect(page.locator("[data-place]")).to_contain_text("Australia/Sydney")


def test_the_set_up_works_without_a_script(browser: Browser, server: servers.Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("What is it called?").fill("Hill Top")
    page.get_by_label("Where is it?").fill("newcastle")
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("radio", name="Newcastle, Australia").click()
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("heading", name="Connect Hill Top")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Copy"))).to_have_count(0)
    context.close()


@pytest.mark.parametrize("clipboard", ["with a clipboard", "over plain http"])
def test_what_is_copied_is_what_stands_there(browser: Browser, desk: Desk, clipboard: str) -> None:
    context: BrowserContext = stage.context(browser, desk.server, stage.DESK)
    if clipboard == "with a clipboard":
        context.grant_permissions(["clipboard-read", "clipboard-write"])
    else:
        context.add_init_script(PLAIN_HTTP)
    with context:
        page = context.new_page()
        page.goto(desk.address("/settings"))
        page.locator("#token-name").fill("dome pc")
        page.get_by_role("button", name="Make a token").click()
        expect(page.locator(".made")).to_be_in_viewport()
        for label, begins in (("the token", "jobs_site_"), ("the line for agent.toml", 'token = "jobs_site_')):
            button = page.get_by_role("button", name=f"Copy: {label}", exact=True)
            button.click()
            expect(button).to_have_text("Copied")
            page.locator("#token-name").fill("")
            page.locator("#token-name").press("Control+V")
            expect(page.locator("#token-name")).to_have_value(re.compile(re.escape(begins)))


@pytest.mark.parametrize("theme", stage.THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_the_first_visit_are_whole_in_bounds_and_without_a_fault_that_axe_calls_serious(
    browser: Browser, server: servers.Server, theme: str, size: tuple[int, int]
) -> None:
    with stage.context(browser, server, size, theme) as context:
        page = context.new_page()
        page.goto(server.url)
        looks_right(page)
        page.get_by_label("Where is it?").fill("new")
        expect(page.locator("[data-place] .pill").first).to_be_visible()
        looks_right(page)
        page.get_by_role("button", name="Set up").click()
        expect(page.locator(".faulty").first).to_be_visible()
        looks_right(page)
        page.get_by_label("What is it called?").fill("Hill Top")
        page.get_by_label("Where is it?").fill("24.63 S, 70.40 W")
        expect(page.locator("[data-place]")).to_contain_text("America/Santiago")
        looks_right(page)
        page.get_by_role("button", name="Set up").click()
        expect(page.get_by_role("heading", name="Connect Hill Top")).to_be_visible()
        looks_right(page)


def looks_right(page: Page) -> None:
    """Hold that a page is no wider than its window, that fingers hit its fields, and that axe finds nothing serious."""
    assert overflow(page) == 0
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in SERIOUS] == []
    low = page.locator("main .btn, main .form-control, main .pill").evaluate_all(
        "all => all.filter(each => each.checkVisibility() && each.offsetHeight < 44).map(each => each.outerHTML)"
    )
    assert low == []
