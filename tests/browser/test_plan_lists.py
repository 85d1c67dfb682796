"""A list and a sequence become a plan in a browser: chosen, looked at, changed and sent, with a script and without."""

from __future__ import annotations

import itertools
import re

import httpx
import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.observatory.test_sequences import LIST, ONE, QUEUE
from tests.support.observatory import Observatory

from .conftest import Desk
from .test_targets import PLACE, Clicks

numbers = itertools.count(1)
NAMES = "# tonight\npolaris\nHigh field; 3h +88d\n"


@pytest.fixture
def site(desk: Desk) -> Observatory:
    """A site of the test's own near the pole, with filters by its own word."""
    name = f"lists{next(numbers)}"
    there = {"latitude_deg": "89", "longitude_deg": "0", "timezone": "Europe/Berlin", "name": "Near the pole"}
    url, origin = desk.server.url, {"Origin": desk.server.url}
    saved = httpx.post(
        f"{url}/settings/profile", data={"site": name, **PLACE, **there}, headers=origin, trust_env=False
    )
    assert saved.status_code == 303, saved.text
    devices = {"camera/cam1": {"filters": ["R", "B"], "binnings": [1, 2]}, "mount/mount1": {"actions": ["go"]}}
    said = httpx.post(f"{url}/jobs/capabilities", json={"site": name, "devices": devices}, trust_env=False)
    assert said.status_code == 200
    return desk.at(name)


def a_file(name: str, text: str) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": text.encode()}


def test_a_list_is_brought_in_gets_a_filter_and_is_sent_in_few_clicks(
    page: Page, desk: Desk, site: Observatory
) -> None:
    page.goto(desk.address("/plans/new", site.site))
    clicks = Clicks(page)
    page.get_by_label("Files of Ekos").set_input_files(
        [a_file("list.csv", "name,ra,dec\npolaris,,\nB,3 0 0,+88 0 0\n")]
    )
    clicks.on("button", "Fill the form")
    expect(page.locator(".note", has_text="Nothing is sent yet")).to_contain_text(
        "2 targets; say below what is to be taken at each"
    )
    expect(page.get_by_label("One a line")).to_have_value(
        re.compile(r"^polaris; 2\.53\d+h \+89\.26\d+d\nB; 3\.000000h \+88\.000000d$")
    )
    clicks.on("button", re.compile("^R$"))
    expect(page.locator("[data-summary] .plan-lines li")).to_have_count(4)
    clicks.on("button", "Send")
    expect(page.locator(".note.done")).to_have_text("The plan is sent.")
    assert clicks.count <= 4
    expect(page.locator("h1")).to_have_text("list")
    expect(page.locator("#sky")).to_contain_text("B planned")
    (slew,) = site.polls()
    assert slew["optional_params"]["object"] == "polaris"


def test_lines_are_read_while_they_are_typed_and_what_is_none_is_said_beside_them(
    page: Page, desk: Desk, site: Observatory
) -> None:
    page.goto(desk.address("/plans/new", site.site))
    page.get_by_text("Several targets").click()
    page.get_by_role("button", name="B", exact=True).click()
    lines = page.get_by_label("One a line")
    lines.fill(NAMES + "no such thing\n")
    expect(page.locator("[data-field=targets] [data-message]")).to_contain_text(
        "line 4: no such thing has no coordinates"
    )
    lines.fill(NAMES)
    expect(page.locator("[data-field=targets] [data-message]")).to_be_empty()
    expect(page.locator("[data-summary] .plan-lines li")).to_have_count(4)
    expect(page.locator("#title")).to_have_attribute("placeholder", "polaris, High field, B")
    assert site.polls() == []


@pytest.mark.parametrize("script", [True, False])
def test_a_scheduler_list_with_its_sequences_is_shown_as_steps(
    page: Page, desk: Desk, site: Observatory, script: bool
) -> None:
    context = page.context.browser.new_context(java_script_enabled=script)  # type: ignore[union-attr]
    plain = context.new_page()
    plain.goto(desk.address("/plans/new", site.site))
    north = LIST.replace("<J2000DE>31.6<", "<J2000DE>88<").replace("<Name>m31<", "<Name>polaris<")
    files = [
        a_file("night.esl", north.replace("2026-12-0", "2126-12-0")),
        a_file("red.esq", QUEUE),
        a_file("blue.esq", ONE),
    ]
    plain.get_by_label("Files of Ekos").set_input_files(files)
    plain.get_by_role("button", name="Fill the form").click()
    expect(plain.locator(".note", has_text="Nothing is sent yet")).to_contain_text(
        "line 8 (job 2): its coordinates are no numbers", ignore_case=True
    )
    expect(plain.get_by_label("Not before")).to_have_value("2126-12-01 20:15")
    expect(plain.get_by_label("The steps as JSON")).to_contain_text("East edge")
    plain.get_by_role("button", name="Send", exact=True).click()
    expect(plain.locator(".note.done")).to_have_text("The plan is sent.")
    assert site.polls() == []  # it begins in a hundred years
    context.close()


def test_the_page_site_makes_a_plan_of_a_list_too(page: Page, desk: Desk, site: Observatory) -> None:
    page.goto(desk.address("/settings", site.site))
    page.get_by_text("Bring in a list").click()
    page.get_by_label("A file of Telescopius").set_input_files([a_file("names.txt", "polaris\n")])
    page.get_by_role("button", name="Make a plan of it").click()
    expect(page.locator("h1")).to_have_text("New plan")
    expect(page.get_by_label("One a line")).to_have_value(re.compile("^polaris; 2"))
