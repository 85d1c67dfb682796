"""The queue on Now is put in order by mouse and keyboard, and a cancel is undone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support import nights
from tests.support.observatory import Observatory

from . import stage
from .conftest import Desk


@pytest.fixture
def site(desk: Desk, request: pytest.FixtureRequest) -> Observatory:
    found = desk.at(f"queue-{request.node.name[5:30]}")
    for name in ("Alpha", "Beta", "Gamma"):
        found.sends(**nights.expose(name))
    return found


def rows(page: Page) -> Locator:
    return page.locator("#queue li .what")


def is_in_order(page: Page, *names: str) -> None:
    for place, name in enumerate(names):
        expect(rows(page).nth(place)).to_contain_text(name)


def test_a_row_is_dragged_before_another_and_to_the_end(browser: Browser, desk: Desk, site: Observatory) -> None:
    with stage.context(browser, desk.server, stage.DESK) as context:
        page = stage.open_page(context, desk.address("/", site.site))
        row = page.locator("#queue li")
        row.nth(2).locator(".facts").drag_to(row.nth(0))
        is_in_order(page, "Gamma", "Alpha", "Beta")
        row.nth(0).locator(".facts").drag_to(row.nth(2))
        is_in_order(page, "Alpha", "Beta", "Gamma")
    assert [job["optional_params"]["object_name"] for job in site.polls()] == ["Alpha", "Beta", "Gamma"]


def test_nothing_moves_under_a_pressed_button(page: Page, desk: Desk, site: Observatory) -> None:
    page.goto(desk.address("/", site.site))
    cancel = page.get_by_role("button", name="Cancel Expose").nth(1)
    cancel.hover()
    page.mouse.down()
    site.sends(**nights.expose("Delta"))
    expect(page.locator("body")).to_have_attribute("data-mark", "")  # the page knows that it is behind
    is_in_order(page, "Alpha", "Beta", "Gamma")
    assert rows(page).count() == 3
    page.mouse.up()
    is_in_order(page, "Alpha", "Gamma", "Delta")  # the button that was pressed did its deed, and the page came after it


def test_alt_and_an_arrow_move_the_row_that_has_the_focus(page: Page, desk: Desk, site: Observatory) -> None:
    page.goto(desk.address("/", site.site))
    rows(page).nth(0).focus()
    page.keyboard.press("Alt+ArrowDown")
    is_in_order(page, "Beta", "Alpha", "Gamma")
    expect(rows(page).nth(1)).to_be_focused()  # it goes with its row
    page.keyboard.press("Alt+ArrowDown")
    is_in_order(page, "Beta", "Gamma", "Alpha")


def test_a_cancel_is_undone_by_the_button_in_its_note(page: Page, desk: Desk, site: Observatory) -> None:
    page.goto(desk.address("/", site.site))
    page.get_by_role("button", name="Cancel Expose").nth(0).click()
    is_in_order(page, "Beta", "Gamma")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".note.done")).to_contain_text("Sent again")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    is_in_order(page, "Beta", "Gamma", "Alpha")


def test_a_pause_stands_on_now_with_who_and_why(page: Page, desk: Desk, site: Observatory) -> None:
    page.goto(desk.address("/", site.site))
    page.get_by_text("Pause the queue").click()
    page.get_by_label("Why, in a few words").fill("clouds")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#queue")).to_contain_text("Paused by Vera")
    assert site.polls() == []
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#queue")).not_to_contain_text("Paused by")
    assert len(site.polls()) == 3
