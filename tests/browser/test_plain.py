"""Without JavaScript the pages are read, jobs are sent and canceled, and stop works."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import nights

from . import screenshots, stage
from .conftest import Desk


@pytest.fixture
def page(browser: Browser, desk: Desk) -> Iterator[Page]:
    """A phone whose browser runs no scripts."""
    with stage.context(browser, desk.server, stage.PHONE, java_script_enabled=False) as context:
        yield context.new_page()


def test_every_page_can_be_read_and_has_stop(page: Page, desk: Desk) -> None:
    for name, path in screenshots.PAGES.items():
        stage.show(page, desk.server.url + path, screenshots.PRESSED.get(name))
        assert len(page.locator("main").inner_text()) > 80, name
        expect(page.get_by_role("button", name="Stop now")).to_be_visible()
    page.goto(desk.address("/insights"))
    page.locator("summary", has_text="Table").first.click()
    expect(page.locator("#t-nights")).to_be_visible()
    page.goto(desk.address("/jobs-log?text=M+31&status=done"))
    expect(page.locator(".log-table tbody tr:not(.day)").first).to_contain_text("M 31")


def test_what_only_a_script_draws_leaves_no_empty_box_and_no_advice(page: Page, desk: Desk) -> None:
    for path in ("/night", "/", "/insights"):
        page.goto(desk.address(path))
        assert [
            each for each in page.locator("[data-timeline], [data-chart], .legend.scripted").all() if each.is_visible()
        ] == []
        empty = [
            panel for panel in page.locator(".panel").all() if panel.is_visible() and not panel.inner_text().strip()
        ]
        assert empty == [], path
    expect(page.get_by_text("Point at a chart")).to_be_hidden()
    expect(page.get_by_text("The tables have all numbers.")).to_be_visible()


def test_a_job_is_sent_and_canceled(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/send", site="scriptless"))
    page.get_by_label("object name").fill("M 1")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("[data-lines]")).to_contain_text("M 1")
    page.get_by_role("button", name=stage.SEND).click()
    expect(page.locator(".note.done")).to_contain_text("Sent: Expose")
    expect(page.locator("#queue")).to_contain_text("M 1")
    page.get_by_role("button", name="Cancel Expose").click()
    expect(page.locator("#queue .empty")).to_have_text("The queue is empty.")


def test_stop_works(page: Page, desk: Desk) -> None:
    plain = desk.at("plain")
    waiting = plain.sends(**nights.expose("Plain"))
    page.goto(desk.address("/", site="plain"))
    expect(page.locator("#queue")).to_contain_text("Plain")
    page.get_by_role("button", name="Stop now").click()
    expect(page.locator(".receipt").first).to_contain_text("Stop everything by Vera")
    assert plain.status(waiting) == "CANCELED"


def test_a_night_is_reserved(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/reservations", site="scriptless"))
    for each in page.locator("main .scripted").all():
        expect(each).to_be_hidden()
    night = datetime.now(UTC).date() + timedelta(days=30)
    page.locator("#r-start").fill(f"{night} 20:00")
    page.locator("#r-end").fill(f"{night} 22:00")
    page.get_by_role("button", name="Reserve as Vera").click()
    page.goto(desk.address(f"/reservations?from={night}", site="scriptless"))
    expect(page.locator(".booking")).to_contain_text("20:00–22:00")
