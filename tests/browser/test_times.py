"""The switch of times on every page, the small calendar, and how soon a night of the last week is found."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from jobs_server.observatory import sky
from jobs_server.observatory.profiles import Profile
from jobs_server.web import wall_clocks
from tests.support import nights

from . import screenshots, stage
from .conftest import Desk
from .test_looks import overflow
from .test_targets import Clicks

PHONE = (390, 844)
SIZES = {"phone": PHONE, "desk": stage.DESK}
PAGES = ("now", "send", "plan-new", "plans", "jobs", "night", "reservations", "insights", "site")
TIMES = "[...document.querySelectorAll('time[datetime]')].map((each) => [each.dateTime, each.textContent])"
AXIS = "[...document.querySelectorAll('[data-timeline] .axis text')].map((each) => each.textContent)"
ZONES = ("Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC")
CONVERT = """async ([zone, moments]) => {
  const { name } = performance.getEntriesByType('resource').find((each) => each.name.includes('/zones.js'));
  const { read, written } = await import(name);
  return moments.map((ms) => [written(ms, zone), read(written(ms, zone), zone)]);
}"""
READ = """async ([zone, texts]) => {
  const { name } = performance.getEntriesByType('resource').find((each) => each.name.includes('/zones.js'));
  const { read } = await import(name);
  return texts.map((text) => read(text, zone)).map((ms) => (Number.isNaN(ms) ? null : ms));
}"""


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Browser, desk: Desk) -> Iterator[Page]:
    """Somebody who has chosen nothing yet, at a phone or at a desk."""
    with stage.context(browser, desk.server, SIZES[request.param]) as context:
        yield context.new_page()


def switches(page: Page, to: str) -> None:
    """Choose a clock in the menu that is on every page."""
    page.locator(".me > summary").click()
    with page.expect_navigation():
        page.locator(".clock-switch").get_by_role("button", name=to, exact=True).click()
    page.locator(".me > summary").click()
    chosen = page.locator(".clock-switch").get_by_role("button", name=to, exact=True)
    expect(chosen).to_have_attribute("aria-pressed", "true")
    page.locator(".me > summary").click()


def is_by(page: Page, zone: Any) -> int:
    """Hold that each time on a page is by the clocks of a zone, and return how many there are."""
    found = page.evaluate(TIMES)
    wrong = [
        (moment, text)
        for moment, text in found
        if f"{datetime.fromisoformat(moment).astimezone(zone):%H:%M}" not in text
    ]
    assert wrong == []
    return len(found)


@pytest.mark.parametrize("name", PAGES)
def test_the_switch_is_on_every_page_changes_its_times_and_leads_back_to_it(page: Page, desk: Desk, name: str) -> None:
    page.goto(desk.server.url + screenshots.PAGES[name])
    address = page.url
    is_by(page, UTC)
    switches(page, "Site time")
    assert page.url == address
    assert page.evaluate("document.body.dataset.zone") == "Europe/Berlin"
    found = is_by(page, nights.ZONE)
    assert found or name in ("send", "plan-new", "plans", "reservations", "insights", "site")
    assert overflow(page) <= 0
    for field in page.locator("[data-time-field]").all():
        label = field.evaluate("(field) => field.labels[0].textContent")
        assert "site time, Europe/Berlin" in label
    switches(page, "UTC")
    is_by(page, UTC)
    for field in page.locator("[data-time-field]").all():
        assert "UTC" in field.evaluate("(field) => field.labels[0].textContent")


def test_what_a_script_draws_and_what_comes_live_is_by_the_same_clock(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/"))
    switches(page, "Site time")
    page.locator("[data-timeline] svg .axis").wait_for(state="attached")
    *hours, unit = page.evaluate(AXIS)
    assert unit == "site time"
    assert hours
    assert all(re.fullmatch(r"\d\d:[0-5]0", each) for each in hours)  # full hours of that clock, not of UTC
    page.goto(desk.address("/jobs-log", site="wmd"))
    job = desk.observatory.sends(**nights.expose("M 51"))
    row = page.locator(f"tr[data-key='{job['ulid']}']")
    expect(row).to_be_visible()
    at = datetime.fromtimestamp(job["timestamp_ms"] / 1000, nights.ZONE)
    expect(row.locator(".when")).to_have_text(f"{at:%H:%M:%S}")
    desk.observatory.asks_to_cancel(job)


def test_a_page_that_is_open_stays_by_its_clock_when_another_is_chosen_in_another_tab(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/jobs-log"))
    other = page.context.new_page()
    other.goto(desk.address("/jobs-log"))
    switches(other, "Site time")
    job = desk.observatory.sends(**nights.expose("M 52"))
    for each, zone in ((page, UTC), (other, nights.ZONE)):
        row = each.locator(f"tr[data-key='{job['ulid']}']")
        expect(row).to_be_visible()
        at = datetime.fromtimestamp(job["timestamp_ms"] / 1000, zone)
        expect(row.locator(".when")).to_have_text(f"{at:%H:%M:%S}")
        is_by(each, zone)
    desk.observatory.asks_to_cancel(job)


def test_the_switch_works_without_a_script(browser: Browser, desk: Desk) -> None:
    with stage.context(browser, desk.server, PHONE, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(desk.address("/jobs-log?status=done"))
        address = page.url
        page.locator(".me > summary").click()
        page.get_by_role("button", name="Site time").click()
        assert page.url == address
        expect(page.locator(".log-table thead .unit")).to_have_text("site time")


def test_a_form_that_is_half_filled_in_stays_when_the_clock_is_switched(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/plans/new"))
    page.locator("#until").fill("2027-01-30 21:00")
    page.locator(".me > summary").click()
    page.get_by_role("button", name="Site time").click()
    expect(page.locator(".note.done")).to_contain_text("Site time from the next page on")
    expect(page.locator("#until")).to_have_value("2027-01-30 21:00")
    expect(page.locator("label[for=until]")).to_contain_text("UTC")
    page.goto(desk.address("/plans/new"))
    expect(page.locator("label[for=until]")).to_contain_text("site time, Europe/Berlin")


def test_where_no_time_zone_is_known_the_switch_says_so(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/", site="placeless"))
    page.locator(".me > summary").click()
    expect(page.locator(".clock-switch")).to_contain_text("No time zone is set for this site")
    expect(page.get_by_role("button", name="Site time")).to_be_disabled()


def moments() -> list[int]:
    """Times of these years, many of them near the changes of clocks."""
    chance, first = random.Random(6), datetime(2020, 1, 1, tzinfo=UTC)
    found = [
        round((first + timedelta(minutes=chance.randrange(12 * 365 * 1440))).timestamp()) * 1000 for _ in range(300)
    ]
    for year in (2026, 2027):
        for month in (3, 4, 9, 10):
            begin = datetime(year, month, 1, tzinfo=UTC)
            found += [round((begin + timedelta(hours=hour, minutes=30)).timestamp()) * 1000 for hour in range(30 * 24)]
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_a_browser_writes_and_reads_times_as_the_server_does(browser: Browser, desk: Desk, zone: str) -> None:
    asked, by = moments(), wall_clocks.called(zone, Profile(code="x"))
    typed = sorted({f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}" for ms in asked})
    with stage.context(browser, desk.server, stage.DESK) as context:
        page = stage.open_page(context, desk.address("/reservations"))
        assert page.evaluate(CONVERT, [zone, asked]) == [[by.written(ms), ms // 60_000 * 60_000] for ms in asked]
        read = page.evaluate(READ, [zone, typed])
    expected: list[int | None] = []
    for text in typed:
        try:
            expected.append(by.read(text, 0))
        except ValueError:
            expected.append(None)
    assert read == expected


@pytest.mark.parametrize(("link", "begins"), [("Jobs", "/jobs-log"), ("Night", "/night")])
def test_last_tuesday_takes_two_clicks(browser: Browser, desk: Desk, link: str, begins: str) -> None:
    tonight = sky.night_of(round(datetime.now(UTC).timestamp() * 1000), nights.ZONE)
    ago = (tonight.weekday() - 1) % 7 or 7
    tuesday = tonight - timedelta(days=ago)
    with stage.context(browser, desk.server, stage.DESK) as context:
        page = stage.open_page(context, desk.address("/"))
        clicks = Clicks(page)
        clicks.on("link", link)
        page.wait_for_url(f"**{begins}?**")
        clicks.on("link", "last night" if ago == 1 else f"Tue {tuesday:%d}")
        expect(page.locator("main .chip[aria-current][title]")).to_have_attribute("title", f"Tue {tuesday}")
        assert clicks.count == 2
        found = page.evaluate(TIMES)
    for moment, _ in found:
        at_ms = round(datetime.fromisoformat(moment).timestamp() * 1000)
        assert sky.night_of(at_ms, ZoneInfo("Europe/Berlin")) == tuesday


def test_a_day_and_an_hour_are_chosen_in_the_small_calendar(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/reservations"))
    field = page.locator("#r-start")
    field.fill("2027-01-30 21:00")
    button, calendar = page.locator("#r-start + .btn"), page.locator(".calendar")
    expect(button).to_have_accessible_name("Calendar")
    expect(button).to_have_accessible_description("From UTC")
    button.click()
    expect(calendar).to_contain_text("January 2027")
    calendar.get_by_role("button", name="The next month").click()
    expect(calendar).to_contain_text("February 2027")
    calendar.get_by_role("button", name="Sunday 14 February 2027").or_(
        calendar.get_by_role("button", name="Sunday, February 14, 2027")
    ).click()
    expect(field).to_have_value("2027-02-14 21:00")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(field).to_have_value("2027-02-15 21:00")
    calendar.get_by_role("button", name="22:00").click()
    expect(field).to_have_value("2027-02-15 22:00")
    expect(calendar).to_have_count(0)
    button.click()
    assert overflow(page) <= 0
    page.keyboard.press("Escape")
    expect(calendar).to_have_count(0)
    expect(button).to_be_focused()


def test_the_calendar_of_a_narrow_field_is_whole(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/jobs-log?device=camera"))
    for name in ("since", "until"):
        page.locator(f"#f-{name} + .btn").click()
        box = page.locator(".calendar").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.evaluate("innerWidth")
        page.keyboard.press("Escape")


def test_a_reservation_is_drawn_and_made_in_site_time(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/reservations?from=2027-07-10"))
    switches(page, "Site time")
    page.locator("#r-start").fill("2027-07-10 23:00")
    page.locator("#r-end").fill("2027-07-11 01:00")
    night = page.locator("[data-key='2027-07-10']")
    draft = night.locator(".draft")
    expect(draft).to_be_visible()
    assert abs(float(draft.get_attribute("x") or 0) - 1000 * 11 / 24) < 2  # 23 o'clock, eleven hours after noon
    page.get_by_role("button", name="Reserve as Vera").click()
    expect(night.locator(".booking")).to_contain_text("23:00–01:00")
    switches(page, "UTC")
    expect(night.locator(".booking")).to_contain_text("21:00–23:00")
    night.get_by_role("button", name="Delete").click()
    expect(night.locator(".booking")).to_have_count(0)
