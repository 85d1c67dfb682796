"""Keys for who has a keyboard: Tab reaches Stop first; a list of single keys, and a stop that is asked twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from . import stage
from .conftest import Desk

ACTIVE = "document.activeElement.textContent.trim()"


@pytest.fixture
def desktop(browser: Browser, desk: Desk) -> Iterator[Page]:
    """A desk with a keyboard."""
    with stage.context(browser, desk.server, stage.DESK) as context:
        page = context.new_page()
        page.goto(desk.address("/jobs-log", site="keys"))
        yield page


@pytest.mark.parametrize("width", [stage.DESK, (390, 844)], ids=["desk", "phone"])
@pytest.mark.parametrize(
    "path", ["/", "/send", "/plans", "/jobs-log", "/night", "/insights", "/reservations", "/settings"]
)
def test_the_first_thing_that_tab_reaches_is_stop_now(
    browser: Browser, desk: Desk, path: str, width: tuple[int, int]
) -> None:
    with stage.context(browser, desk.server, width, java_script_enabled=True) as context:
        page = stage.open_page(context, desk.address(path, site="keys"))
        page.keyboard.press("Tab")
        assert page.evaluate(ACTIVE) == "Stop now"


def test_a_question_mark_lists_the_keys_and_escape_closes_the_list(desktop: Page) -> None:
    desktop.keyboard.press("?")
    keys = desktop.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("Stop now")
    desktop.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    desktop.locator(".me summary").click()
    desktop.get_by_role("button", name="Keys").click()
    expect(keys).to_be_visible()
    keys.get_by_role("button", name="Close").click()
    expect(keys).to_be_hidden()


def test_s_leads_to_send_and_n_to_now(desktop: Page) -> None:
    desktop.keyboard.press("s")
    desktop.wait_for_url("**/send?site=keys")
    desktop.keyboard.press("n")
    desktop.wait_for_url("**/?site=keys")


def test_a_stop_by_key_is_sent_by_the_second_press_alone(desktop: Page) -> None:
    desktop.keyboard.press(".")
    question = desktop.get_by_role("alert").filter(has_text="once more to stop")
    expect(question).to_be_visible()
    expect(desktop.locator(".receipt")).to_have_count(0)
    desktop.keyboard.press("Escape")
    expect(question).to_be_hidden()
    desktop.keyboard.down(".")
    desktop.keyboard.down(".")  # held down, a key repeats: that is no second press
    desktop.keyboard.up(".")
    expect(question).to_be_visible()
    assert desktop.locator("#notes").inner_text().strip() == ""
    desktop.keyboard.press(".")
    expect(desktop.locator("#notes")).to_contain_text("Stop sent")
    expect(desktop.locator(".receipt strong").first).to_have_text("Stop everything")


def test_what_is_typed_into_a_field_is_no_key(desktop: Page) -> None:
    desktop.locator("#f-text").fill("")
    desktop.locator("#f-text").press_sequentially("s?n..")
    expect(desktop.locator("#f-text")).to_have_value("s?n..")
    expect(desktop.locator(".sure")).to_have_count(0)
    assert "/jobs-log" in desktop.url


def test_with_control_or_alt_a_key_belongs_to_the_browser(desktop: Page) -> None:
    for chord in ("Control+s", "Alt+n", "Meta+.", "Control+."):
        desktop.evaluate(
            """(chord) => {
              const [modifier, key] = chord.split('+');
              const flags = { [{ Control: 'ctrlKey', Alt: 'altKey', Meta: 'metaKey' }[modifier]]: true };
              document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, ...flags }));
            }""",
            chord,
        )
    expect(desktop.locator(".sure")).to_have_count(0)
    assert "/jobs-log" in desktop.url


def test_single_keys_can_be_switched_off_and_stay_off(desktop: Page, desk: Desk) -> None:
    desktop.keyboard.press("?")
    desktop.get_by_label("Single keys do something").uncheck()
    desktop.get_by_role("button", name="Close").click()
    for key in ("s", "n", ".", "?"):
        desktop.keyboard.press(key)
    desktop.goto(desk.address("/plans", site="keys"))
    for key in ("s", "n", ".", "?"):
        desktop.keyboard.press(key)
    expect(desktop.locator(".sure")).to_have_count(0)
    expect(desktop.get_by_role("dialog", name="Keys")).to_be_hidden()
    assert "/plans" in desktop.url
    desktop.locator(".me summary").click()
    desktop.get_by_role("button", name="Keys").click()
    desktop.get_by_label("Single keys do something").check()
    desktop.get_by_role("button", name="Close").click()
    desktop.keyboard.press("s")
    desktop.wait_for_url("**/send?site=keys")
