"""The button that sends a job says what it does: at once, or after what runs and waits; live, and without a script."""

from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import Page, expect

from tests.support import nights
from tests.support.observatory import Observatory

from . import stage
from .conftest import Desk

numbers = itertools.count(1)
FORM = "/send?device=camera&action=expose"


@pytest.fixture
def site(desk: Desk) -> Observatory:
    return desk.at(f"word{next(numbers)}")


def test_it_follows_what_runs_and_waits_on_a_page_that_is_open(page: Page, desk: Desk, site: Observatory) -> None:
    page.goto(desk.address(FORM, site.site))
    button = page.get_by_role("button", name=stage.SEND)
    expect(button).to_have_accessible_name("Send now")
    job = site.sends(**nights.expose("M 31"))
    expect(button).to_have_accessible_name("Add to queue")
    site.polls()
    site.starts(job)
    expect(button).to_have_accessible_name("Add to queue")
    site.reports(job, "COMPLETE")
    expect(button).to_have_accessible_name("Send now")
    page.locator("#send-form summary", has_text="More").click()
    page.get_by_label("Not handed over before").fill("600")
    expect(button).to_have_accessible_name("Add to queue")
    page.get_by_label("Not handed over before").fill("")
    expect(button).to_have_accessible_name("Send now")


def test_it_is_true_without_a_script(page: Page, desk: Desk, site: Observatory) -> None:
    context = page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    plain = context.new_page()
    plain.goto(desk.address(FORM, site.site))
    plain.get_by_role("button", name="Send now").click()
    expect(plain.locator(".note.done")).to_contain_text("Sent")
    plain.goto(desk.address(FORM, site.site))
    expect(plain.get_by_role("button", name=stage.SEND)).to_have_accessible_name("Add to queue")
    plain.goto(desk.address("/send?device=camera&action=stop", site.site))
    expect(plain.get_by_role("button", name=stage.SEND)).to_have_accessible_name("Send now")
    context.close()
