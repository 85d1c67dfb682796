"""A phone at night: one thumb reaches every page, Send and the stops; one tap makes the page red, one takes it back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from . import screenshots, stage
from .conftest import Desk
from .test_looks import overflow

PHONE, LANDSCAPE = (390, 844), (844, 390)
WIDTHS = (320, 360, 390, 480, 600, 767, 768, 844, 991, 992, 1100, 1280, 1375, 1376, 1440, 1920)
TARGETS = "a, button, summary, input:not([type=hidden]), select, textarea"
SMALL = """async (selector) => {
  const found = [];
  const inText = (each) => each.localName === 'a' && each.closest('p, td, dd, li:not(.jobs > li)')
    && !each.closest('.menu, .thumbs, .send-links');
  for (const each of document.querySelectorAll(selector)) {
    if (!each.checkVisibility() || each.closest('.skip, .visually-hidden') || each.disabled || inText(each)) continue;
    each.scrollIntoView({ block: 'center', behavior: 'instant' });
    const box = (each.closest('label') ?? each).getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const hit = (atX, atY) => {
      const at = document.elementFromPoint(atX, atY);
      const isItsLabel = at?.closest('label')?.contains(each) || (at?.contains(each) && at.localName === 'label');
      return at && (each === at || each.contains(at) || isItsLabel);
    };
    const reach = (stepX, stepY) => {
      let far = 0;
      while (far < 50 && hit(x + stepX * far, y + stepY * far)) far++;
      return far;
    };
    const tall = reach(0, -1) + reach(0, 1) >= 44;
    const wide = reach(-1, 0) + reach(1, 0) >= 44;
    if (!tall || !wide) found.push(`${each.outerHTML.slice(0, 90)} ${Math.round(box.width)}x${Math.round(box.height)}`);
  }
  return found;
}"""
SEEN_LINKS = """() => [...document.querySelectorAll('.pages a, .thumbs a')].filter((link) => {
  const box = link.getBoundingClientRect();
  const at = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return box.width && box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight && link.contains(at);
}).map((link) => link.textContent)"""
INSIDE = "(each) => { const { left, right } = each.getBoundingClientRect(); return left >= 0 && right <= innerWidth; }"
ALL = ["Now", "Send", "Plans", "Jobs", "Night", "Insights", "Reservations", "Site"]


@pytest.fixture
def phone(browser: Browser, desk: Desk) -> Iterator[Page]:
    """A phone in the dome, with a finger."""
    with stage.context(browser, desk.server, PHONE, has_touch=True, is_mobile=True) as context:
        yield context.new_page()


@pytest.mark.parametrize(
    "name", ["now", "send", "plan-new", "plans", "jobs", "night", "insights", "reservations", "site"]
)
def test_whatever_a_finger_points_at_is_44_px(phone: Page, desk: Desk, name: str) -> None:
    stage.a_present(desk.at("thumbs"))
    phone.goto(desk.server.url + screenshots.PAGES[name].replace("site=wmd", "site=thumbs"))
    phone.wait_for_timeout(300)
    assert phone.evaluate(SMALL, TARGETS) == []


def test_the_menu_loses_no_link_at_any_width_with_a_reservation_and_three_clocks(browser: Browser, desk: Desk) -> None:
    with reserved(desk), stage.context(browser, desk.server, PHONE) as context:
        page = stage.open_page(context, desk.address("/"))
        expect(page.locator(".held-by")).to_contain_text("Reserved by")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 844})
            assert page.locator("[data-clock]").locator("visible=true").count() == 3
            assert overflow(page) <= 0
            more = page.locator(".thumbs summary")
            if more.is_visible():
                assert more.inner_text() == "More"
                more.click()
            assert page.evaluate(SEEN_LINKS) == ALL, width
            for part in page.locator(".top :is(.clocks div, .presence, .me summary, .red)").all():
                assert part.evaluate(INSIDE), (width, part.inner_text())
            if more.is_visible():
                more.click()


@contextmanager
def reserved(desk: Desk) -> Iterator[None]:
    """Let somebody with a long name have the telescope for an hour."""
    now = datetime.now(UTC)
    span = {"start": now - timedelta(minutes=5), "end": now + timedelta(minutes=55)}
    body = {key: at.strftime("%Y-%m-%dT%H:%M:%SZ") for key, at in span.items()}
    who = {"site": "wmd", "creator": "Hildegard Maximiliane von Sternwarte", "creator_id": "lan|hildegard"}
    event = post(desk, "newevent", body | who)["new_calendar_event"]["event_id"]
    try:
        yield
    finally:
        post(desk, "delete", {"event_id": event, "start": body["start"], **who})


def post(desk: Desk, route: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask the calendar for something."""
    answer = httpx.post(f"{desk.server.url}/calendar/{route}", json=body, trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_phone_that_keeps_the_page_on_its_screen_finds_its_name_icons_and_first_page(
    browser: Browser, desk: Desk
) -> None:
    with stage.context(browser, desk.server, PHONE) as context:
        page = stage.open_page(context, desk.address("/"))
        touch = page.locator("link[rel=apple-touch-icon]").evaluate("(link) => link.href")
        address = page.locator("link[rel=manifest]").evaluate("(link) => link.href")
        assert page.locator("meta[name=theme-color]").get_attribute("content") == "#ffffff"
        answer = page.request.get(address)
        assert answer.headers["content-type"].startswith("application/manifest+json")
        manifest = answer.json()
        assert manifest["display"] == "standalone"
        assert urljoin(address, manifest["start_url"]) == f"{desk.server.url}/"
        assert {icon.get("purpose", "any") for icon in manifest["icons"]} == {"any", "maskable"}
        sizes = {urljoin(address, icon["src"]): icon["sizes"] for icon in manifest["icons"]} | {touch: "180x180"}
        for src, size in sizes.items():
            picture = Image.open(io.BytesIO(page.request.get(src).body()))
            assert f"{picture.width}x{picture.height}" == size


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without a script"])
@pytest.mark.parametrize("path", ["/", "/send", "/jobs-log", "/insights", "/docs"])
def test_one_tap_makes_any_page_red_and_another_takes_that_back(
    browser: Browser, desk: Desk, path: str, *, script: bool
) -> None:
    with stage.context(browser, desk.server, PHONE, "dark", java_script_enabled=script) as context:
        page = context.new_page()
        page.goto(desk.address(path))
        red = page.get_by_role("button", name="Red night")
        expect(red).to_have_attribute("aria-pressed", "false")
        for theme, pressed in (("night", "true"), ("dark", "false"), ("night", "true")):
            with page.expect_response("**/act/theme"):
                red.click()
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
            expect(red).to_have_attribute("aria-pressed", pressed)
        page.goto(desk.address("/reservations"))
        expect(page.locator("html")).to_have_attribute("data-theme", "night")


def test_who_never_chose_a_theme_comes_back_from_the_red_night_to_the_browsers_own(
    browser: Browser, desk: Desk
) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.goto(desk.address("/"))
        for _ in range(2):
            with page.expect_response("**/act/theme"):
                page.get_by_role("button", name="Red night").click()
        assert page.locator("html").get_attribute("data-theme") is None
        page.reload()
        assert page.locator("html").get_attribute("data-theme") is None


def test_send_is_at_the_thumb_above_a_stop_bar_of_64_px(phone: Page, desk: Desk) -> None:
    phone.goto(desk.address("/send?device=camera&action=expose", site="thumbs"))
    for where in ("0", "document.documentElement.scrollHeight / 2", "document.documentElement.scrollHeight"):
        phone.evaluate(f"scrollTo({{ top: {where}, behavior: 'instant' }})")
        send = phone.get_by_role("button", name=stage.SEND).bounding_box()
        bar = phone.locator(".stopbar").bounding_box()
        assert send
        assert bar
        assert bar["height"] <= 64
        assert send["height"] >= 44
        assert bar["y"] - 120 < send["y"] < bar["y"] - 44
    phone.get_by_role("button", name=stage.SEND).tap()
    expect(phone.locator("#notes")).to_contain_text("Sent")


def test_from_any_page_send_is_one_tap_away_and_its_button_is_not_where_the_tap_was(phone: Page, desk: Desk) -> None:
    phone.goto(desk.address("/jobs-log", site="thumbs"))
    link = phone.locator(".thumbs").get_by_role("link", name="Send").bounding_box()
    assert link
    phone.touchscreen.tap(link["x"] + link["width"] / 2, link["y"] + link["height"] / 2)
    phone.wait_for_url("**/send?*")
    button = phone.get_by_role("button", name=stage.SEND).bounding_box()
    assert button
    assert button["y"] + button["height"] <= link["y"]  # a second tap at the same place sends nothing


def test_a_phone_on_its_side_stays_usable_after_a_stop_that_was_not_taken(browser: Browser, desk: Desk) -> None:
    desk.at("asleep").sends()
    with stage.context(browser, desk.server, LANDSCAPE, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        page.clock.install()
        page.goto(desk.address("/", site="asleep"))
        page.get_by_role("button", name="Stop now").tap()
        expect(page.locator(".receipt strong").first).to_have_text("Stop everything")
        page.clock.fast_forward(30_000)
        expect(page.locator(".receipt .loud")).to_be_visible()
        bar = page.locator(".dock").bounding_box()
        assert bar
        assert bar["height"] <= LANDSCAPE[1] / 4
        for stop in page.locator(".stop").all():
            box = stop.bounding_box()
            assert box
            assert box["height"] >= 44
            assert box["y"] + box["height"] <= LANDSCAPE[1]


@pytest.mark.parametrize("width", [PHONE, stage.DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("path", ["/insights", "night"])
def test_a_report_is_two_screens_long_until_its_details_are_opened(
    browser: Browser, desk: Desk, path: str, width: tuple[int, int]
) -> None:
    with stage.context(browser, desk.server, width) as context:
        page = stage.open_page(context, desk.address(stage.last_night() if path == "night" else path))
        page.locator("svg:is(.timeline svg, .chart svg)").first.wait_for()
        assert page.locator("main details[open]").count() == 0
        ends = page.evaluate("document.querySelector('main').getBoundingClientRect().bottom + scrollY")
        assert ends <= 2 * width[1]
        if path == "night":
            page.get_by_text("All jobs").last.click()
            assert page.locator("#rows tbody tr").first.is_visible()


def test_in_a_tunnel_send_keeps_what_was_filled_in_and_says_that_nothing_went_out(phone: Page, desk: Desk) -> None:
    phone.goto(desk.address("/send?device=camera&action=expose", site="tunnel"))
    seconds = phone.locator("form#send-form [name=time]")
    seconds.fill("77")
    phone.context.set_offline(True)
    expect(phone.locator("#lost")).to_be_visible()
    phone.get_by_role("button", name=stage.SEND).tap()
    expect(phone.get_by_role("alert")).to_contain_text("no connection to the server")
    expect(seconds).to_have_value("77")
    phone.context.set_offline(False)
    phone.get_by_role("button", name=stage.SEND).tap()
    expect(phone.locator("#notes")).to_contain_text("Sent: Expose 77 s")
    assert len(desk.at("tunnel").lists()) == 1
