"""Notifications beside the page: asked for by a button, of one's own jobs and of stops, and once however many tabs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from . import stage
from .conftest import Desk

KEEPS_WHAT_IS_SHOWN = """(() => {
  const Real = Notification;
  window.Notification = class {
    constructor(title, options) { window.keepShown({ title, ...options }); }
    static get permission() { return localStorage.permission ?? "default"; }
    static async requestPermission() {
      localStorage.asked = Number(localStorage.asked ?? 0) + 1;
      return (localStorage.permission = await Real.requestPermission());
    }
  };
})()"""
"""The browser asks the person in earnest; what it then would show is kept."""


class Phone:
    """A browser profile that keeps what it shows."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.shown: list[dict[str, Any]] = []
        context.expose_function("keepShown", self._keep)
        context.add_init_script(KEEPS_WHAT_IS_SHOWN)

    def _keep(self, shown: dict[str, Any]) -> None:
        self.shown.append(shown)

    @property
    def titles(self) -> list[str]:
        """The titles of what was shown."""
        return [each["title"] for each in self.shown]

    def turns_on(self, desk: Desk, site: str) -> Page:
        """Press the button on the page."""
        page = self.context.new_page()
        page.goto(desk.address("/notifications", site))
        page.get_by_role("button", name="Show notifications in this browser").click()
        expect(page.get_by_text("On in this browser.")).to_be_visible()
        return page


@pytest.fixture
def phone(browser: Browser, desk: Desk) -> Iterator[Phone]:
    with stage.context(browser, desk.server, stage.PHONE) as context:
        context.grant_permissions(["notifications"], origin=desk.server.url)
        yield Phone(context)


def until_shown(page: Page, phone: Phone, count: int) -> None:
    """Wait until so much was shown."""
    for _ in range(600):
        if len(phone.shown) >= count:
            return
        page.wait_for_timeout(100)
    raise AssertionError(phone.shown)


def twelve_minutes_later(route: Route) -> None:
    """Have a page say that it is later than it is."""
    answer = route.fetch()
    later = re.sub(r'data-now="(\d+)"', lambda found: f'data-now="{int(found[1]) + 720_000}"', answer.text())
    route.fulfill(response=answer, body=later)


def a_job(desk: Desk, site: str, end: str, user: str = "vera", **more: Any) -> dict[str, Any]:
    """A job of somebody ends."""
    software = desk.at(site)
    job = software.sends(user_id=f"lan|{user}", user_name=user.title())
    software.polls()
    software.reports(job, end, **more)
    return job


def test_nobody_is_asked_before_the_button_was_pressed(desk: Desk, phone: Phone) -> None:
    page = phone.context.new_page()
    for path in ("/", "/notifications"):
        page.goto(desk.address(path, "quiet"))
        page.wait_for_timeout(300)
        assert page.evaluate("localStorage.asked") is None
    phone.turns_on(desk, "quiet").close()
    assert page.evaluate("localStorage.asked") == "1"


def test_ones_own_jobs_and_stops_are_shown_and_no_others(desk: Desk, phone: Phone) -> None:
    page = phone.turns_on(desk, "mine")
    a_job(desk, "mine", "FAILED", "tycho")
    a_job(desk, "mine", "FAILED", message="the shutter is stuck")
    a_job(desk, "mine", "COMPLETE")
    desk.at("mine").sends("stop", user_id="lan|tycho", user_name="Tycho")
    until_shown(page, phone, 4)
    assert phone.titles == [
        "Notifications are on",
        "mine: your job failed",
        "mine: your job is done",
        "mine: Tycho has sent a stop",
    ]
    assert "the shutter is stuck" in phone.shown[1]["body"]


def test_several_tabs_show_each_thing_once_also_when_one_is_closed(desk: Desk, phone: Phone) -> None:
    first = phone.turns_on(desk, "tabs")
    others = [phone.context.new_page() for _ in range(2)]
    for other in others:
        other.goto(desk.address("/", "tabs"))
    a_job(desk, "tabs", "FAILED")
    until_shown(first, phone, 2)
    first.close()
    a_job(desk, "tabs", "COMPLETE")
    until_shown(others[0], phone, 3)
    a_job(desk, "tabs", "FAILED")
    until_shown(others[0], phone, 4)
    assert phone.titles[1:] == ["tabs: your job failed", "tabs: your job is done", "tabs: your job failed"]


def test_what_was_missed_for_some_minutes_is_shown_with_its_age(desk: Desk, phone: Phone) -> None:
    page = phone.turns_on(desk, "away")
    until_shown(page, phone, 1)
    page.goto("about:blank")
    a_job(desk, "away", "FAILED")
    page.route(lambda url: url.endswith("site=away") and "/stream" not in url, twelve_minutes_later)
    page.goto(desk.address("/", "away"))
    until_shown(page, phone, 2)
    assert phone.shown[1]["body"].startswith("12 min ago: ")


def test_it_is_switched_off_in_all_tabs(desk: Desk, phone: Phone) -> None:
    page = phone.turns_on(desk, "off")
    other = phone.context.new_page()
    other.goto(desk.address("/", "off"))
    page.get_by_role("button", name="Show no more in this browser").click()
    expect(page.get_by_text("Off in this browser.")).to_be_visible()
    a_job(desk, "off", "FAILED")
    other.get_by_text("Failed").first.wait_for()
    assert phone.titles == ["Notifications are on"]


def test_a_page_by_plain_http_says_what_to_do_instead(desk: Desk, browser: Browser) -> None:
    with stage.context(browser, desk.server, stage.PHONE) as context:
        page = context.new_page()
        page.add_init_script("Object.defineProperty(window, 'isSecureContext', { get: () => false })")
        page.goto(desk.address("/notifications", "plain"))
        expect(page.get_by_text("Have alerts sent to an address instead.")).to_be_visible()
        expect(page.locator("[data-notify-turn]")).to_be_hidden()


def test_the_script_is_fetched_where_it_is_switched_on_or_may_be_alone(desk: Desk, phone: Phone) -> None:
    asked: list[str] = []
    phone.context.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    visited = phone.context.new_page()
    visited.goto(desk.address("/", "first"))
    visited.locator("[data-clock=utc]").wait_for()
    assert "notify.js" not in asked
    phone.turns_on(desk, "first")
    a_job(desk, "first", "FAILED")
    until_shown(visited, phone, 2)
    assert phone.titles[1:] == ["first: your job failed"]
