"""Every page, at phone and desktop width, in each theme: whole, in bounds, readable, and from this server alone."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageStat
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, Route, expect

from tests.support.programs import needs
from tests.support.waiting import until

from . import screenshots, stage
from .conftest import Desk

NATIVE = "select, datalist, dialog, input[type=date], input[type=time], input[type=color], input[type=number]"
"""What browsers draw themselves when it is opened, in colours of their own."""
TALLEST = 12_000  # pixels; Chromium draws no layer that is much taller
SERIOUS = ("serious", "critical")
WIDTHS = {"phone": stage.PHONE, "desktop": stage.DESK}
ONCE = ("send-faulty", "send-asks", "refused", "sign-in-open", "which-site", "sign-in", "signed-in")
"""Little is on these that no other page has: they are looked at in each theme, at one width."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Guarded]:
    """A server where people must sign in."""
    with stage.guarded(tmp_path_factory.mktemp("guarded")) as made:
        yield made


@pytest.fixture(scope="module")
def urls(desk: Desk, guarded: stage.Guarded) -> dict[str, str]:
    """The pages, with something running."""
    stage.speaks(desk.server, stage.a_present(desk.at("looks")), site="looks")
    odd: dict[str, Any] = {"weather/weather1": {"safe": False, "unsafe_reason": "rain"}}
    stage.speaks(desk.server, site="looks", **odd, **{"rotator/x": {"made_up": {"a": [1]}}})
    stage.can(desk.server, "able")
    stage.has_come(desk.server, screenshots.ended(desk.observatory))
    paths = {name: path.replace("site=wmd", "site=looks") for name, path in screenshots.PAGES.items()} | {
        "night of a site with a past": "/night?site=wmd",
        "job": screenshots.job_page(desk.observatory),
        "picture": screenshots.job_page(desk.observatory).replace("?", "/picture?"),
        "send of a site with abilities": "/send?site=able",
    }
    return {name: desk.server.url + path for name, path in paths.items()} | guarded.pages


def visits(
    context: BrowserContext, guarded: stage.Guarded, theme: str, urls: dict[str, str]
) -> Iterator[tuple[str, Page]]:
    """Open one page after the other; whatever one complains of fails the test, but for what it was opened to show."""
    guarded.signs_in(context, theme)
    page = context.new_page()
    complaints: list[str] = []
    ours = {host(url) for url in urls.values()}
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type in ("error", "warning") and message.location["url"] != page.url
            else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if host(request.url) not in ours else None)
    for name, url in urls.items():
        stage.show(page, url, screenshots.PRESSED.get(name))
        if page.locator("[data-timeline]").count():
            page.locator("[data-timeline] svg .axis").wait_for(state="attached")
        yield name, page
        assert complaints == [], (name, complaints)


def some(urls: dict[str, str], *, all_of_them: bool) -> dict[str, str]:
    """Leave out what is looked at only once."""
    return {name: url for name, url in urls.items() if all_of_them or name not in ONCE}


def host(url: str) -> str:
    """The machine and port of an address."""
    return urlsplit(url).netloc


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def overlaps(page: Page) -> list[str]:
    """Name the fields of forms that lie over another, wherever the page is scrolled to."""
    found: list[str] = page.evaluate(
        """() => {
          const found = [];
          for (const part of [0, 0.5, 1]) {
            scrollTo({ top: part * document.documentElement.scrollHeight, behavior: "instant" });
            const fields = [...document.querySelectorAll("form .field")].filter((each) => each.checkVisibility());
            const boxes = fields.map((each) => each.getBoundingClientRect());
            boxes.forEach((one, index) => boxes.slice(index + 1).forEach((other) => {
              const apart = one.bottom <= other.top + 1 || other.bottom <= one.top + 1
                || one.right <= other.left + 1 || other.right <= one.left + 1;
              if (!apart) found.push(fields[index].innerText.slice(0, 40));
            }));
          }
          scrollTo(0, 0);
          return found;
        }"""
    )
    return found


def crowded(page: Page) -> list[str]:
    """Name the buttons that touch another one, and what is written in a drawing and cut off at its edge."""
    found: list[str] = page.evaluate(
        """() => {
          const seen = (selector) => [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility());
          const box = (each) => each.getBoundingClientRect();
          const buttons = seen("main .btn").filter((each) => !each.closest(".input-group"));
          const touching = buttons.filter((each, index) => buttons.slice(index + 1).some((other) => {
            const [a, b] = [box(each), box(other)];
            return a.left < b.right + 3 && b.left < a.right + 3 && a.top < b.bottom + 3 && b.top < a.bottom + 3;
          }));
          const cut = seen("svg text").filter((each) => {
            const drawn = each.ownerSVGElement;
            const around = getComputedStyle(drawn).overflow === "visible" ? drawn.closest(".panel") : drawn;
            const [text, drawing] = [box(each), box(around)];
            return text.left < drawing.left - 1 || text.right > drawing.right + 1;
          });
          return [...touching, ...cut].map((each) => each.textContent.trim().slice(0, 40));
        }"""
    )
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_serious_is_wrong_with_any_page(
    browser: Browser, desk: Desk, guarded: stage.Guarded, urls: dict[str, str], theme: str, width: str
) -> None:
    wrong: list[tuple[str, str, list[str]]] = []
    urls = some(urls, all_of_them=(theme == "light") == (width == "phone"))
    with stage.context(browser, desk.server, WIDTHS[width], theme, reduced_motion="reduce") as context:
        for name, page in visits(context, guarded, theme, urls):
            assert overflow(page) <= 0, name
            assert overlaps(page) == [], name
            assert crowded(page) == [], name
            assert page.locator(NATIVE).count() == 0, name
            for found in Axe().run(page).response["violations"]:
                if found["impact"] in SERIOUS:
                    wrong.append((name, found["id"], [node["html"][:200] for node in found["nodes"][:3]]))
    assert wrong == []


@pytest.mark.parametrize("width", WIDTHS)
def test_at_night_no_pixel_is_green_or_blue(
    browser: Browser, desk: Desk, guarded: stage.Guarded, urls: dict[str, str], width: str
) -> None:
    wrong: list[str] = []
    urls = some(urls, all_of_them=width == "phone")
    with stage.context(browser, desk.server, WIDTHS[width], "night") as context:
        for name, page in visits(context, guarded, "night", urls):
            assert overflow(page) <= 0, name
            for more in page.locator("main details > summary").all():
                more.click()
            page.locator(".me > summary").click()
            page.locator(".me .sheet :is(input, button, a)").locator("visible=true").first.focus()
            wrong += [name] if colours(page) else []
    assert wrong == []


def test_at_night_even_emoji_and_what_the_browser_draws_are_red(browser: Browser, desk: Desk) -> None:
    desk.at("bright").sends(user_name="🔭🟢🟦 in the dome", device="🟩")
    with stage.context(browser, desk.server, stage.PHONE, "night") as context:
        page = stage.open_page(context, desk.address("/", site="bright"))
        page.locator("#queue li").wait_for()
        page.evaluate("""() => {
          const patch = document.createElement('p');
          patch.innerHTML = '<input type=search value=typed><input type=date><select><option>native</select>';
          patch.style.background = 'linear-gradient(white, lime, blue)';
          document.querySelector('main').prepend(patch);
        }""")
        assert colours(page) == []


@pytest.mark.parametrize("theme", ["dark", "night"])
def test_a_new_page_never_flashes_white(browser: Browser, desk: Desk, theme: str) -> None:
    frames: list[bytes] = []
    with stage.context(browser, desk.server, stage.PHONE, theme) as context:
        page = stage.open_page(context, desk.address("/"))
        page.route("**/*.css", late)
        session = context.new_cdp_session(page)
        session.on("Page.screencastFrame", lambda frame: keep(session, frame, frames))
        session.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})
        for number, path in enumerate(("/jobs-log", "/reservations", "/"), 1):
            page.goto(desk.address(path))
            until(lambda number=number: shows(page, frames, number))  # type: ignore[misc]
        session.send("Page.stopScreencast")
    for frame in frames:
        picture = Image.open(io.BytesIO(frame)).convert("RGB")
        assert max(ImageStat.Stat(picture).mean) < 80
        assert theme == "dark" or picture.getextrema()[1:] == ((0, 0), (0, 0))


def shows(page: Page, frames: list[bytes], count: int) -> bool:
    """Let the browser go on for a moment, and return whether it has shown so many pictures."""
    page.wait_for_timeout(200)
    return len(frames) >= count


def late(route: Route) -> None:
    time.sleep(0.3)
    route.continue_()


def keep(session: CDPSession, frame: dict[str, Any], frames: list[bytes]) -> None:
    frames.append(base64.b64decode(frame["data"]))
    session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})


FOCUS = """() => {
  const at = document.activeElement;
  const outlined = (item) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(item);
    return outlineStyle !== 'none' && outlineWidth !== '0px';
  };
  const shows = [at, at.nextElementSibling].some((item) => item && outlined(item));
  const drawn = at.closest('svg') && getComputedStyle(at).strokeWidth === '3px';
  return [at === document.body ? '' : at.outerHTML.slice(0, 120), Boolean(shows || drawn)];
}"""
LINES = """(cell) => {
  const [range, texts, boxes] = [document.createRange(), document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), []];
  while (texts.nextNode()) {
    range.selectNode(texts.currentNode);
    boxes.push(...range.getClientRects());
  }
  let [lines, end] = [0, -Infinity];
  for (const box of boxes.sort((one, other) => one.top - other.top)) {
    if ((box.top + box.bottom) / 2 > end) lines++;
    end = Math.max(end, box.bottom);
  }
  return lines;
}"""
MOVING = """[...document.querySelectorAll('*')].filter(
  (item) => parseFloat(getComputedStyle(item).transitionDuration)).length"""


@pytest.mark.parametrize("name", ["now", "send", "jobs", "reservations", "insights", "profile"])
def test_whatever_has_the_focus_shows_it(browser: Browser, desk: Desk, urls: dict[str, str], name: str) -> None:
    with stage.context(browser, desk.server, stage.DESK) as context:
        page = stage.open_page(context, urls[name])
        page.keyboard.press("Tab")
        reached, hidden = dict[str, None](), []
        for _ in range(150):
            item, shows = page.evaluate(FOCUS)
            if not item or (item in reached and len(reached) > 10 and item == next(iter(reached))):
                break
            reached[item] = None
            hidden += [] if shows else [item]
            page.keyboard.press("Tab")
    assert hidden == []
    assert any("Stop now" in item or 'value="now"' in item for item in reached)


def test_who_wants_no_motion_gets_none(browser: Browser, desk: Desk) -> None:
    with stage.context(browser, desk.server, stage.PHONE, reduced_motion="reduce") as context:
        page = stage.open_page(context, desk.address("/"))
        assert page.evaluate(MOVING) == 0
        page.evaluate("document.querySelector('h1').className = 'note fading'")
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).animationName") == "none"


def colours(page: Page) -> list[tuple[int, int]]:
    """The extremes of green and blue on the whole page, when they are not nothing."""
    size, height = page.viewport_size, page.evaluate("document.documentElement.scrollHeight")
    assert size is not None
    if height <= TALLEST:
        return bright(page.screenshot(full_page=True))
    found = []
    page.set_viewport_size({"width": size["width"], "height": TALLEST})
    for top in range(0, height, TALLEST):
        page.evaluate("(top) => scrollTo(0, top)", top)
        found += bright(page.screenshot())
    page.set_viewport_size(size)
    return found


def bright(screenshot: bytes) -> list[tuple[int, int]]:
    extremes = Image.open(io.BytesIO(screenshot)).convert("RGB").getextrema()[1:]
    return [] if extremes == ((0, 0), (0, 0)) else list(extremes)  # type: ignore[arg-type]


INKS = ("--ink", "--soft", "--edge", "--accent", "--good", "--bad", "--warn", "--focus")
GROUNDS = ("--ground", "--surface", "--raised", "--sunk", "--accent-wash", "--bad-wash", "--warn-wash")
BARS = ("--bar-done", "--bar-runs", "--bar-edge", "--now")
SKIES = ("--light-day", "--light-civil", "--light-nautical", "--light-astronomical", "--light-night", "--sunk")
DRAWN = [(bar, sky) for bar in BARS for sky in (*SKIES, "--surface")]
ON = [("--on-accent", "--accent"), ("--on-bad", "--bad"), *((ink, ground) for ink in INKS for ground in GROUNDS)]
COLOURS = """(theme) => {
  document.documentElement.dataset.theme = theme;
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries([...style].filter((name) => name.startsWith('--')).map(
    (name) => [name, style.getPropertyValue(name).trim()]));
}"""


def test_everything_that_is_written_or_drawn_keeps_its_contrast(browser: Browser, desk: Desk) -> None:
    with stage.context(browser, desk.server, stage.PHONE) as context:
        page = stage.open_page(context, desk.address("/"))
        weak = []
        for theme in stage.THEMES:
            colours = page.evaluate(COLOURS, theme)
            for one, other in DRAWN + ON:
                least = 4.5 if one in ("--ink", "--soft", "--good", "--bad", "--warn") else 3
                weak += [(theme, one, other)] if contrast(colours[one], colours[other]) < least else []
    assert weak == []


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2 between two colours written #rrggbb."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_theme_changes_at_once_and_stays(browser: Browser, desk: Desk) -> None:
    with stage.context(browser, desk.server, stage.DESK, "light") as context:
        page = stage.open_page(context, desk.address("/"))
        page.locator("summary", has_text="Vera").click()
        with page.expect_response("**/act/theme"):
            page.get_by_role("button", name="Night", exact=True).click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(0, 0, 0)"
        page.goto(desk.address("/jobs-log"))
        assert page.evaluate("document.documentElement.dataset.theme") == "night"


def test_the_night_report_prints_black_on_white_whatever_the_theme(browser: Browser, desk: Desk) -> None:
    with stage.context(browser, desk.server, (718, 1000), "night") as context:  # as wide as a page of A4
        page = stage.open_page(context, desk.address(stage.last_night()))
        page.emulate_media(media="print")
        for part in (".top", ".stopbar", ".nights", "[data-timeline]"):
            assert not page.locator(part).is_visible(), part
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 0, 0)"
        heads = page.locator("#rows .log-table thead th")
        assert [head.is_visible() for head in heads.all()] == [True] * 6
        assert overflow(page) <= 0
        for cell in page.locator(".log-table .person, .log-table .outcome, .figures dd").all()[:40]:
            assert cell.evaluate(LINES) == 1, cell.inner_text()
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
        common = max(picture.getcolors(2**24) or [], key=lambda found: found[0])
        assert common[1] == (255, 255, 255)


CUT = """[...document.querySelectorAll('.stop')].filter((stop) => {
  const [box, bar] = [stop.getBoundingClientRect(), stop.closest('.stopbar').getBoundingClientRect()];
  const outside = box.left < 0 || box.right > innerWidth || box.top < bar.top || box.bottom > innerHeight;
  return outside || stop.scrollWidth > stop.clientWidth || stop.scrollHeight > stop.clientHeight;
}).map((stop) => stop.textContent)"""


def test_on_a_phone_at_twice_the_size_the_stops_are_whole_and_leave_room_for_the_page(
    browser: Browser, desk: Desk
) -> None:
    with stage.context(browser, desk.server, (195, 422)) as context:
        page = stage.open_page(context, desk.address("/", site="narrow"))
        assert page.evaluate(CUT) == []
        bar = page.locator(".stopbar").bounding_box()
        assert bar is not None
        assert bar["height"] <= 422 / 3
        expect(page.get_by_text("No emergency stop").locator("visible=true")).to_have_count(1)
        page.locator(".stop.hard").click()
        expect(page.locator(".receipt strong").first).to_have_text("Stop everything")


COLOURED = ".key, progress, .chip[aria-current], .segments [aria-current], .pill input:checked + span"
EXACT = (
    """(selector) => [...document.querySelectorAll(selector)].map((each) => getComputedStyle(each).printColorAdjust)"""
)


def test_on_paper_what_a_colour_says_is_there_without_background_graphics(
    browser: Browser, desk: Desk, urls: dict[str, str]
) -> None:
    with stage.context(browser, desk.server, stage.DESK) as context:
        page = context.new_page()
        for name in ("now", "insights", "jobs", "send"):
            page.goto(urls[name].replace("insights?site=looks", "insights?site=wmd"))
            page.emulate_media(media="print")
            kept = page.evaluate(EXACT, COLOURED)
            assert set(kept) == {"exact"}, name


def test_at_night_scroll_bars_are_red_too(browser: Browser, desk: Desk) -> None:
    with_bars = browser.browser_type.launch(
        executable_path=needs("chromium"), args=list(stage.FLAGS), ignore_default_args=["--hide-scrollbars"]
    )
    try:
        with stage.context(with_bars, desk.server, stage.DESK, "night") as context:
            page = stage.open_page(context, desk.address("/jobs-log"))
            inner = int(page.evaluate("document.documentElement.clientWidth"))
            assert inner < stage.DESK[0]
            picture = page.screenshot()
            assert bright(picture) == []
            bar = Image.open(io.BytesIO(picture)).convert("RGB").crop((inner, 0, *stage.DESK))
            assert ImageStat.Stat(bar).extrema[0][1] > 150  # it is seen
    finally:
        with_bars.close()
