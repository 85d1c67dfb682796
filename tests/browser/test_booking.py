"""The week of reservations is drawn in: by pointer and by keyboard, and a conflict is said before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from . import stage
from .conftest import Desk

PLACE = "Number(document.querySelector('.now-mark').getAttribute('x'))"


@pytest.fixture
def page(browser: Browser, desk: Desk) -> Iterator[Page]:
    with stage.context(browser, desk.server, stage.DESK) as context:
        yield context.new_page()


def reserves(desk: Desk, site: str, who: str, nights_ahead: int, hours: tuple[int, int]) -> None:
    """Somebody reserves, in hours after the midnight of the night."""
    night = (datetime.now(UTC) - timedelta(hours=12)).date() + timedelta(days=nights_ahead)
    midnight = datetime.combine(night + timedelta(days=1), time(), UTC)
    times = {
        name: (midnight + timedelta(hours=hour)).isoformat() for name, hour in zip(("start", "end"), hours, strict=True)
    }
    body = {"site": site, "creator_id": f"lan|{who.casefold()}", "creator": who, "reservation_note": "M 31"}
    answer = desk.at(site)._post("/calendar/newevent", json.dumps(body | times).encode(), {})
    assert answer.status == 200, answer.text


def drags(page: Page, strip: Locator, start: float, end: float) -> None:
    """Drag from one part of a night to another."""
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, y, steps=6)
    page.mouse.up()


def hours_chosen(page: Page) -> float:
    """How long what was chosen is."""
    texts = [page.locator(f"#r-{name}").input_value() for name in ("start", "end")]
    start, end = (datetime.strptime(f"{text} +0000", "%Y-%m-%d %H:%M %z") for text in texts)
    return (end - start).total_seconds() / 3600


def test_a_drag_in_a_night_chooses_its_times_and_sends_nothing(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/reservations", site="dragged"))
    drags(page, page.locator(".strip").nth(2), 0.5, 0.75)
    assert hours_chosen(page) == 6
    expect(page.locator(".strip .draft")).to_have_count(1)
    expect(page.locator(".booking")).to_have_count(0)
    page.get_by_label("What for").fill("occultation")
    page.get_by_role("button", name="Reserve as Vera").click()
    expect(page.locator(".booking")).to_contain_text("occultation")


def test_a_reservation_is_dragged_longer_and_elsewhere(page: Page, desk: Desk) -> None:
    reserves(desk, "moved", "Vera", 1, (-3, 0))
    page.goto(desk.address("/reservations", site="moved"))
    strip = page.locator(".strip").nth(1)
    drags(page, strip, 10.5 / 24, 13.5 / 24)
    expect(page.get_by_role("button", name="Move it")).to_be_visible()
    assert hours_chosen(page) == 3
    assert page.locator("#r-start").input_value().endswith("00:00")
    drags(page, strip, 14.95 / 24, 17 / 24)
    assert hours_chosen(page) == 5
    page.get_by_role("button", name="Move it").click()
    expect(page.locator(".booking")).to_have_count(1)
    expect(page.locator(".booking")).to_contain_text("00:00–05:00")


def test_whose_reservation_is_in_the_way_is_said_before_sending(page: Page, desk: Desk) -> None:
    reserves(desk, "contested", "Tycho", 1, (-2, 2))
    page.goto(desk.address("/reservations", site="contested"))
    drags(page, page.locator(".strip").nth(1), 0.3, 0.6)
    expect(page.locator("[data-conflict]")).to_contain_text("Tycho has reserved")
    expect(page.locator(".strip .draft.conflict")).to_be_visible()
    drags(page, page.locator(".strip").nth(2), 0.3, 0.6)
    expect(page.locator("[data-conflict]")).to_have_text("")


def test_the_week_is_used_by_keyboard_alone(page: Page, desk: Desk) -> None:
    reserves(desk, "typed", "Vera", 1, (-3, 0))
    page.goto(desk.address("/reservations", site="typed"))
    page.locator(".strip").nth(3).focus()
    for key in ("Enter", "ArrowRight", "Shift+ArrowDown", "Shift+ArrowRight"):
        page.keyboard.press(key)
    assert hours_chosen(page) == 2.25
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Reserve as Vera")).to_be_focused()
    page.get_by_role("button", name="Move Vera, 21:00 to 00:00 UTC").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    assert page.locator("#r-start").input_value().endswith("20:00")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".booking")).to_contain_text("20:00–23:00")


def test_what_others_reserve_appears_while_a_time_is_chosen_and_takes_nothing_away(page: Page, desk: Desk) -> None:
    reserves(desk, "shared", "Vera", 0, (-3, 0))
    page.goto(desk.address("/reservations", site="shared"))
    strip = page.locator(".strip").nth(3)
    strip.focus()
    for key in ("Enter", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.locator("#r-note").fill("half typed")
    strip.focus()
    top = page.evaluate("scrollY")
    reserves(desk, "shared", "Tycho", 3, (-8, 8))
    expect(page.locator(".booking", has_text="Tycho")).to_have_count(1)
    expect(page.locator("[data-conflict]")).to_contain_text("Tycho has reserved")
    expect(page.locator(".strip .draft.conflict")).to_be_visible()
    expect(strip).to_be_focused()
    expect(page.locator("#r-note")).to_have_value("half typed")
    assert (hours_chosen(page), page.evaluate("scrollY")) == (2, top)
    expect(page.get_by_role("button", name="Move Vera")).to_have_attribute("tabindex", "0")
    page.keyboard.press("ArrowRight")
    assert hours_chosen(page) == 2
    with stage.context(page.context.browser, desk.server, stage.DESK) as context:  # type: ignore[arg-type]
        context.add_cookies([{"name": "name", "value": "Tycho", "url": desk.server.url}])
        other = stage.open_page(context, desk.address("/reservations", site="shared"))
        other.get_by_role("button", name="Delete").click()
    expect(page.locator(".booking", has_text="Tycho")).to_have_count(0)
    expect(page.locator("[data-conflict]")).to_have_text("")
    expect(page.locator(".strip .draft")).not_to_have_class("draft conflict")


def test_the_line_of_now_moves_on(page: Page, desk: Desk) -> None:
    page.clock.install()
    page.goto(desk.address("/reservations", site="moving"))
    mark = page.locator(".now-mark")
    expect(mark).to_have_count(1)
    before = page.evaluate(PLACE)
    page.route("**/reservations?**", lambda route: route.abort())  # whose answer would set the clock
    page.clock.run_for(15 * 60 * 1000)
    moved = page.evaluate(PLACE) - before
    assert round(moved) == round(1000 * 15 / (24 * 60)) or moved < 0  # the next night has begun
