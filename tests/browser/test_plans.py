"""A series is sent in few clicks, followed on Now and on its own page, changed there, and sent without a script too."""

from __future__ import annotations

import itertools
import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.observatory import Observatory

from .conftest import Desk
from .test_targets import PLACE, Clicks

numbers = itertools.count(1)


@pytest.fixture
def site(desk: Desk) -> Observatory:
    """A site of the test's own, whose place is known, with filters and binnings by its own word."""
    name = f"series{next(numbers)}"
    origin = {"Origin": desk.server.url}
    there = {"latitude_deg": "89", "longitude_deg": "0", "timezone": "Europe/Berlin", "name": "Near the pole"}
    url = desk.server.url
    saved = httpx.post(
        f"{url}/settings/profile", data={"site": name, **PLACE, **there}, headers=origin, trust_env=False
    )
    assert saved.status_code == 303, saved.text
    devices = {
        "camera/cam1": {"actions": ["expose", "stop"], "filters": ["R", "G", "B", "Ha"], "binnings": [1, 2]},
        "mount/mount1": {"actions": ["go", "park"]},
        "sequencer/seq1": {"actions": ["run"]},
    }
    said = httpx.post(f"{url}/jobs/capabilities", json={"site": name, "devices": devices}, trust_env=False)
    assert said.status_code == 200
    return desk.at(name)


def test_a_series_in_three_filters_takes_at_most_five_clicks_and_one_field(
    page: Page, desk: Desk, site: Observatory
) -> None:
    page.goto(desk.address("/", site.site))
    clicks = Clicks(page)
    clicks.on("link", "New plan")
    page.get_by_label("Target").fill("polaris")
    for number, band in enumerate("RGB", 1):
        clicks.on("button", re.compile(f"^{band}$"))
        expect(page.get_by_role("group", name=f"Row {number}")).to_be_visible()
    expect(page.locator("[data-target] svg").first).to_be_visible()
    expect(page.locator("[data-summary] .plan-lines li")).to_have_count(4)
    expect(page.locator("[data-summary] .figures")).to_contain_text(re.compile("1[5-9] min"))
    clicks.on("button", "Send")
    expect(page.locator(".note.done")).to_have_text("The plan is sent.")
    assert clicks.count <= 5
    expect(page.locator(".plan-steps li")).to_have_count(4)
    (slew,) = site.polls()
    assert (slew["action"], slew["optional_params"]["object"]) == ("go", "Polaris")
    assert slew["plan"]["title"] == "Polaris, R G B"
    site.reports(slew, "COMPLETE")
    (first,) = site.polls()
    assert (first["deviceInstance"], first["required_params"]["time"]) == ("cam1", 60)
    assert (first["optional_params"]["filter"], first["optional_params"]["count"]) == ("R", 5)
    expect(page.locator(".plan-steps .current")).to_contain_text("filter R")  # by the stream, without a reload
    page.get_by_role("button", name="Cancel the plan").click()
    expect(page.locator("#plan-head")).to_contain_text("CANCELED")


def test_rows_are_changed_in_place_and_what_they_come_to_is_said_as_one_types(
    page: Page, desk: Desk, site: Observatory
) -> None:
    page.goto(desk.address("/plans/new", site.site))
    for band in ("R", "Ha"):
        page.get_by_role("button", name=band, exact=True).click()
    page.get_by_role("button", name="Move row 2 up").click()
    expect(page.get_by_role("group", name="Row 1").get_by_label("Filter")).to_have_value("Ha")
    page.get_by_role("group", name="Row 1").get_by_label("Seconds").fill("600")
    expect(page.locator("[data-summary] .plan-lines li").first).to_contain_text("5 × 600 s, filter Ha")
    page.get_by_role("group", name="Row 2").get_by_label("Binning").select_option("2")
    page.get_by_label("Rounds").fill("3")
    expect(page.locator("[data-summary] .plan-lines li")).to_have_count(6)
    page.get_by_role("group", name="Row 1").get_by_label("Seconds").fill("a while")
    expect(page.get_by_role("group", name="Row 1").locator(".field-message")).to_contain_text("must be a number")
    page.get_by_role("button", name="Remove row 1").click()
    expect(page.get_by_role("group", name="Row 2")).to_have_count(0)
    page.get_by_label("Until").fill("2001-01-01 20:00")
    expect(page.locator("[data-field=until] [data-message]")).to_contain_text("is over already")
    expect(page.locator("[data-summary]")).to_contain_text("is over already")


def test_two_quick_taps_on_filters_make_two_rows(page: Page, desk: Desk, site: Observatory) -> None:
    page.goto(desk.address("/plans/new", site.site))
    page.evaluate("for (const band of ['R', 'G', 'B']) document.querySelector(`[value='add:${band}']`).click()")
    expect(page.get_by_role("group", name="Row 3").get_by_label("Filter")).to_have_value("B")
    expect(page.get_by_role("group", name="Row 2").get_by_label("Filter")).to_have_value("G")


def test_a_plan_that_paused_says_why_on_now_and_goes_on_by_one_button(
    page: Page, desk: Desk, site: Observatory
) -> None:
    page.goto(desk.address("/plans/new", site.site))
    for band in ("R", "G"):
        page.get_by_role("button", name=band, exact=True).click()
    expect(page.locator(".plan-lines li")).to_have_count(2)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".note.done")).to_be_visible()
    page.goto(desk.address("/", site.site))
    expect(page.locator("#plans .plan-card")).to_contain_text("step 1 of 2")
    (job,) = site.polls()
    site.reports(job, "FAILED", message="clouds")
    expect(page.locator("#plans .plan-card")).to_contain_text("PAUSED")
    expect(page.locator("#plans .plan-card")).to_contain_text("is FAILED: clouds")
    page.get_by_role("button", name="Go on with step 2").click()
    expect(page.locator("#plans .plan-card")).to_contain_text("step 2 of 2")
    (job,) = site.polls()
    assert job["optional_params"]["filter"] == "G"
    site.reports(job, "COMPLETE")
    expect(page.locator("#plans .plan-card")).to_have_count(0)


def test_without_a_script_rows_are_added_and_the_plan_is_sent_and_changed(
    page: Page, desk: Desk, site: Observatory
) -> None:
    context = page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    plain = context.new_page()
    plain.goto(desk.address("/plans/new", site.site))
    for band in "RGB":
        plain.get_by_role("button", name=band, exact=True).click()
    plain.get_by_role("button", name="Send", exact=True).click()
    expect(plain.locator(".note.done")).to_have_text("The plan is sent.")
    expect(plain.locator(".plan-steps li")).to_have_count(3)
    plain.get_by_role("button", name="Move step 3 up").click()
    expect(plain.locator(".plan-steps li").nth(1)).to_contain_text("filter B")
    plain.get_by_role("link", name="Edit step 2").click()
    plain.get_by_label("count").fill("9")
    plain.locator("#main").get_by_role("button", name="Save").click()
    expect(plain.locator(".plan-steps li").nth(1)).to_contain_text("Expose 9 × 60 s, filter B")
    plain.get_by_role("button", name="Leave step 3 out").click()
    expect(plain.locator(".plan-steps li")).to_have_count(2)
    plain.get_by_role("button", name="Pause after this step").click()
    expect(plain.locator("#plan-head")).to_contain_text("Paused by")
    plain.get_by_role("button", name="Cancel the plan").click()
    expect(plain.locator("#plan-head")).to_contain_text("CANCELED")
    assert site.polls() == []
    context.close()
