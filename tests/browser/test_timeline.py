"""The timeline is read by pointing, zoomed and moved by mouse, keys and fingers, and follows what happens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.support import nights

from . import stage
from .conftest import Desk


@pytest.fixture
def context(browser: Browser, desk: Desk) -> Iterator[BrowserContext]:
    with stage.context(browser, desk.server, stage.DESK, has_touch=True) as made:
        yield made


@pytest.fixture
def page(context: BrowserContext, desk: Desk) -> Page:
    """A night with work in it, and no now-line over it, at whatever time of the day this runs."""
    page = stage.open_page(context, desk.address(stage.last_night()))
    page.locator("[data-timeline] .bar").first.wait_for(state="attached")
    return page


def drawing(page: Page) -> Locator:
    return page.locator("[data-timeline] svg")


def axis(page: Page) -> list[str]:
    """The times that are written below."""
    return page.locator("[data-timeline] .axis text").all_text_contents()


def spreads(page: Page, x: float, y: float, *distances: float) -> None:
    """Put two fingers down and spread them."""
    session = page.context.new_cdp_session(page)
    for kind, distance in zip(("touchStart", *["touchMove"] * (len(distances) - 1)), distances, strict=True):
        points = [{"x": x - distance, "y": y, "id": 0}, {"x": x + distance, "y": y, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_pointing_at_a_job_tells_of_it_and_a_click_opens_it(page: Page) -> None:
    bar = page.locator("[data-timeline] .bar.done").first
    bar.hover()
    tip = page.locator(".timeline-tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("UTC")
    expect(tip).to_contain_text("COMPLETE")
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()
    bar.click()
    page.wait_for_url("**/job/*")


def test_it_is_zoomed_by_wheel_and_keys_and_moved_by_dragging(page: Page) -> None:
    whole = axis(page)
    box = drawing(page).bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] * 0.6, box["y"] + box["height"] - 10)
    page.mouse.move(*middle)
    for _ in range(6):
        page.mouse.wheel(0, -100)
    page.wait_for_function(
        "(old) => document.querySelector('[data-timeline] .axis').textContent !== old", arg="".join(whole)
    )
    zoomed = axis(page)
    assert zoomed != whole
    page.mouse.down()
    page.mouse.move(middle[0] - 300, middle[1], steps=5)
    page.mouse.up()
    assert axis(page) != zoomed
    drawing(page).focus()
    page.keyboard.press("0")
    night = axis(page)
    page.keyboard.press("+")
    assert axis(page) != night
    page.keyboard.press("ArrowRight")
    page.keyboard.press("0")
    assert axis(page) == night


def test_two_fingers_zoom_and_a_tap_tells_of_a_job_before_a_second_opens_it(page: Page) -> None:
    before, address = axis(page), page.url
    box = drawing(page).bounding_box()
    assert box is not None
    spreads(page, box["x"] + box["width"] / 2, box["y"] + 20, 20, 60, 120, 200)
    assert axis(page) != before
    drawing(page).focus()
    page.keyboard.press("0")
    bar = page.locator("[data-timeline] .bar.done").first.bounding_box()
    assert bar is not None
    page.touchscreen.tap(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)
    expect(page.locator(".timeline-tip")).to_contain_text("tap again to open it")
    assert page.url == address
    page.touchscreen.tap(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)
    page.wait_for_url("**/job/*")


def test_what_happens_is_drawn_without_the_whole_night_again(context: BrowserContext, desk: Desk) -> None:
    site = desk.at("drawn")
    site.sends(**nights.expose("First"))
    page = context.new_page()
    replies: list[dict[str, object]] = []
    page.on("response", lambda reply: replies.append(reply.json()) if "/timeline.json" in reply.url else None)
    page.goto(desk.address("/", site="drawn"))
    expect(page.locator("[data-timeline] .bar.waiting")).to_have_count(1)
    job = site.sends("go", device="mount", instance="mount1")
    site.reports(job, "COMPLETE")
    expect(page.locator("[data-timeline] .bar.done")).to_have_count(1)
    expect(page.locator("[data-timeline] .device")).to_have_text(["camera", "mount"])
    later = [reply for reply in replies if reply.get("changed")]
    assert later
    assert all(len(lane["jobs"]) == 1 for reply in later for lane in reply["lanes"])  # type: ignore[attr-defined]
