"""Slews to a name, to what moves and to a pasted pair, in at most four clicks, with what is down acknowledged."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from . import stage
from .conftest import Desk

SITE = "pointing"
PLACE = {"latitude_deg": "47.7", "longitude_deg": "12.0", "timezone": "Europe/Berlin", "name": "Far north of Crux"}


class Clicks:
    """Somebody at a page, whose clicks are counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def on(self, role: Any, name: str | re.Pattern[str]) -> None:
        """Click one thing."""
        self.page.get_by_role(role, name=name).first.click()
        self.count += 1


@pytest.fixture(scope="module", autouse=True)
def _a_place(desk: Desk) -> None:
    origin = {"Origin": desk.server.url}
    saved = httpx.post(
        f"{desk.server.url}/settings/profile", data={"site": SITE, **PLACE}, headers=origin, trust_env=False
    )
    assert saved.status_code == 303, saved.text


def slews(page: Page, desk: Desk, target: str) -> tuple[dict[str, Any], int, str]:
    """Slew to what is typed as the target; return the job, how many clicks that took, and what was acknowledged."""
    page.goto(desk.address("/", SITE))
    clicks = Clicks(page)
    clicks.on("link", re.compile("^Send"))
    clicks.on("link", "mount")
    page.get_by_label("Target").fill(target)
    expect(page.locator("[data-target] svg").first).to_be_visible()
    expect(page.locator("#p-ra")).not_to_have_value("")
    clicks.on("button", stage.SEND)
    asked = page.get_by_role("button", name=re.compile("^Yes"))
    expect(asked.or_(page.locator(".note.done"))).to_be_visible()
    said = ""
    if asked.is_visible():
        said = page.get_by_role("alert").inner_text()
        clicks.on("button", re.compile("^Yes"))
    expect(page.locator(".note.done")).to_contain_text("Sent")
    (job,) = desk.at(SITE).polls()
    return job, clicks.count, said


@pytest.mark.parametrize(
    ("typed", "named"),
    [("m31", "M 31"), ("jupiter", "Jupiter"), ("00 42 44.3 +41 16 09", "empty"), ("acrux", "Acrux")],
)
def test_a_slew_to_what_is_typed_takes_at_most_four_clicks(page: Page, desk: Desk, typed: str, named: str) -> None:
    job, clicks, said = slews(page, desk, typed)
    assert clicks <= 4
    assert job["optional_params"]["object"] == named
    assert 0 <= job["required_params"]["ra"] < 24
    if named == "Acrux":  # It never rises there.
        assert "below the horizon" in said


def test_half_a_name_is_chosen_from_a_list(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/send?device=mount&action=go", SITE))
    page.get_by_label("Target").fill("ngc 700")
    page.get_by_role("radio", name=re.compile("NGC 7001")).check()
    expect(page.get_by_label("Target")).to_have_value("NGC 7001")
    expect(page.locator("#p-object")).to_have_value("NGC 7001")
    expect(page.locator("[data-lines]")).to_contain_text("NGC 7001")
    shown = json.loads(page.locator("[data-preview]").text_content() or "")
    assert page.locator("#p-ra").input_value() == str(shown["required_params"]["ra"])
    page.get_by_label("Target").fill("ngc 700x")
    expect(page.locator("[data-field=target] [data-message]")).to_contain_text("no target here is called")


def test_without_a_script_a_name_takes_one_page_more(page: Page, desk: Desk) -> None:
    context = page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    plain = context.new_page()
    plain.goto(desk.address("/send?device=mount&action=go", SITE))
    plain.get_by_label("Target").fill("acrux")
    plain.get_by_role("button", name="Find it").click()
    expect(plain.locator("#p-object")).to_have_value("Acrux")
    plain.get_by_role("button", name=stage.SEND).click()
    plain.get_by_role("button", name=re.compile("^Yes")).click()
    expect(plain.locator(".note.done")).to_contain_text("Sent")
    assert [job["optional_params"]["object"] for job in desk.at(SITE).polls()] == ["Acrux"]
    context.close()
