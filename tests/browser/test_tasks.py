"""What people do most takes few clicks, which are counted, on a phone and at a desk.

The first picture from the demo is counted in `test_first_visit.py`, last Tuesday in `test_times.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from jobs_server.observatory import sky
from tests.support import nights
from tests.support.observatory import Observatory

from . import stage
from .conftest import Desk
from .test_targets import Clicks

SIZES = {"phone": (390, 844), "desk": stage.DESK}


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Browser, desk: Desk) -> Iterator[Page]:
    with stage.context(browser, desk.server, SIZES[request.param]) as context:
        yield context.new_page()


@pytest.fixture
def site(desk: Desk, page: Page, request: pytest.FixtureRequest) -> Observatory:
    """A site of each test's own, whose page Now is open."""
    made = desk.at(re.sub(r"\W+", "-", request.node.name)[-60:])
    made.sends(**nights.expose("Alpha"))
    page.goto(desk.address("/", made.site))
    return made


def test_send_again_takes_one_click(page: Page, site: Observatory) -> None:
    (job,) = site.polls()
    site.reports(job, "COMPLETE")
    expect(page.locator("#latest li")).to_have_count(1)
    clicks = Clicks(page)
    clicks.on("button", re.compile("^Send again: Expose"))
    expect(page.locator(".note.done")).to_contain_text("Sent again: Expose")
    assert clicks.count == 1
    (again,) = site.polls()
    assert again["required_params"] == job["required_params"]
    page.get_by_role("button", name="Cancel it").click()
    expect(page.locator("#notes")).to_contain_text("The site was asked to end it.")


def test_stop_takes_one_click(page: Page, site: Observatory) -> None:
    clicks = Clicks(page)
    clicks.on("button", "Stop now")
    expect(page.locator(".receipt").first).to_contain_text("Stop everything")
    assert clicks.count == 1
    assert [job["action"] for job in site.polls()] == ["cancel_all_commands"]


def test_cancel_takes_one_click(page: Page, site: Observatory) -> None:
    clicks = Clicks(page)
    clicks.on("button", re.compile("^Cancel Expose"))
    expect(page.locator("#queue .empty")).to_be_visible()
    assert clicks.count == 1
    assert site.polls() == []


def test_the_red_night_takes_one_click_and_the_way_back_another(page: Page, site: Observatory) -> None:
    del site
    clicks = Clicks(page)
    clicks.on("button", "Red night")
    expect(page.locator("html")).to_have_attribute("data-theme", "night")
    assert clicks.count == 1
    clicks.on("button", "Red night")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_saturday_is_reserved_in_at_most_four_clicks(
    browser: Browser, desk: Desk, size: tuple[int, int], scripts: bool
) -> None:
    tonight = sky.night_of(round(datetime.now(UTC).timestamp() * 1000), UTC)
    saturday = tonight + timedelta(days=(5 - tonight.weekday()) % 7)
    site = f"saturday-{size[0]}-{scripts}"
    with stage.context(browser, desk.server, size, java_script_enabled=scripts) as context:
        page = context.new_page()
        page.goto(desk.address("/", site))
        clicks = Clicks(page)
        if size[0] < stage.DESK[0]:
            page.locator(".thumbs summary").click()
            clicks.count += 1
        page.get_by_role("link", name="Reservations").locator("visible=true").first.click()
        clicks.count += 1
        clicks.on("link", f"Reserve Sat {saturday}")
        clicks.on("button", "Reserve as Vera")
        expect(page.locator(f"[data-key='{saturday}'] .booking")).to_contain_text("Vera")
        assert clicks.count <= 4
