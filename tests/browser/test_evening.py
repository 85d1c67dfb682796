"""An evening's work goes the same way in each theme, on a phone and at a desk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support import nights
from tests.support.observatory import Observatory
from tests.support.waiting import until

from . import stage
from .conftest import Desk, at_work

SLOW_MS = 60_000
SCROLLED_TO = """(element) => {
    element.scrollIntoView({block: 'center'});
    const box = element.getBoundingClientRect();
    return box.top >= 0 && box.bottom <= innerHeight;
}"""


@pytest.fixture(params=["phone", "desktop"])
def width(request: pytest.FixtureRequest) -> tuple[int, int]:
    return stage.PHONE if request.param == "phone" else stage.DESK


@pytest.fixture(params=stage.THEMES)
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Browser, desk: Desk, width: tuple[int, int], theme: str) -> Iterator[Page]:
    with stage.context(browser, desk.server, width, theme) as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def evening(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observatory]:
    """A site of its own at work, so that the others' night stays as their tests know it."""
    site = desk.at("evening")
    with at_work(tmp_path_factory.mktemp("evening"), desk.server.url, site.site):
        yield site


def is_seen(shown: Locator, theme: str) -> None:
    """It can be seen, in a page that is no wider than its window and in the theme's colours."""
    expect(shown).to_be_visible()
    until(lambda: shown.evaluate(SCROLLED_TO))  # again while what comes late above it still moves it
    stage.is_in_its_theme(shown.page, theme)


def test_a_job_is_sent_watched_to_its_end_and_a_long_one_stopped(
    page: Page, desk: Desk, evening: Observatory, theme: str
) -> None:
    page.goto(desk.address("/send", site=evening.site))
    page.get_by_label("time", exact=False).first.fill("45")
    page.get_by_label("object name").fill(f"NGC {theme}")
    page.get_by_role("button", name=stage.SEND).click()
    is_seen(page.locator(".note.done"), theme)
    ended = page.locator("#latest li", has_text=f"NGC {theme}").first
    expect(ended).to_contain_text("COMPLETE", timeout=SLOW_MS)
    is_seen(ended, theme)
    evening.sends(**nights.expose("Long one", 600, 5))
    running = page.locator("#running .line", has_text="Long one")
    expect(running).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="Stop now").click()
    receipt = page.locator(".receipt").first
    expect(receipt).to_contain_text("acted on: COMPLETE", timeout=SLOW_MS)
    is_seen(receipt, theme)
    expect(running).to_be_hidden(timeout=SLOW_MS)


def test_what_waits_is_canceled_a_night_is_reserved_and_the_telescope_locked_out(
    page: Page, desk: Desk, width: tuple[int, int], theme: str
) -> None:
    site = desk.at(f"evening-{theme}-{width[0]}")
    job = site.sends(**nights.expose("Never mind"))
    page.goto(desk.address("/", site=site.site))
    page.get_by_role("button", name="Cancel Expose").click()
    is_seen(page.locator(".note.done"), theme)
    assert site.status(job) == "CANCELED"

    page.goto(desk.address("/reservations", site=site.site))
    for end, hour in (("From UTC", 20), ("To UTC", 22)):  # in one night, whatever the time is now
        page.get_by_label(end).fill(f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d} {hour}:00")
    page.get_by_label("What for").fill("occultation")
    page.get_by_role("button", name="Reserve as Vera").click()
    is_seen(page.locator(".booking"), theme)

    page.goto(desk.address("/settings", site=site.site))
    page.get_by_label("Why, in a few words").fill("hands on the mount")
    page.get_by_role("button", name="Lock out as Vera").click()
    is_seen(page.locator("#banners", has_text="Locked out by Vera"), theme)
    assert site.asks(**nights.expose("Not now")).status == 423
    page.get_by_role("button", name="Lift the lock-out").click()
    expect(page.locator("#banners")).not_to_contain_text("Locked out")
