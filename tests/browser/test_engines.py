"""Chromium, Firefox and WebKit alike: the red night, Stop, and what Back shows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from tests.support.waiting import until

from . import engines, screenshots, stage
from .conftest import Desk
from .test_looks import contrast

PAGES = ("now", "send", "jobs", "night", "reservations", "insights", "site")
FOREIGN = "🔭🟢🟦 in the dome"
WEAKEST = 2.5
"""Contrast in a picture: colours of texts have 4.5 and more, of which small digits between two pixels lose some."""
SHORTEST = 3
"""Letters; a point or a comma may lie between pixels."""

TEXTS = """
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const box of range.getClientRects()) {
      const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      const whole = box.x >= 0 && box.y >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
      if (whole && box.width && at === walker.currentNode.parentElement) {
        found.push([walker.currentNode.data.trim(), box.x, box.y, box.right, box.bottom]);
      }
    }
  }
  return [innerWidth, found];
"""
NO_GLASS = """
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("body > * { filter: none !important; }");
  document.adoptedStyleSheets = [sheet];
"""
COLOURED = """
  const patch = document.createElement("p");
  patch.innerHTML = "<input type=search value=typed><input type=date><select><option>native</select>";
  patch.style.background = "linear-gradient(white, lime, blue)";
  document.querySelector("main").prepend(patch);
"""
IS_DRAWN = """
  const folded = ":not(details:not([open]) *)"; // what is folded away is drawn when it is unfolded
  return document.querySelectorAll(`:is([data-timeline], [data-chart])${folded}`).length
    === document.querySelectorAll("[data-timeline] svg .axis, [data-chart] svg").length;
"""


@dataclass(frozen=True)
class Visitor:
    """Somebody at a browser of one engine."""

    engine: str
    window: engines.Window
    desk: Desk

    @property
    def site(self) -> str:
        """A site of the visitor's own."""
        return f"seen-by-{self.engine}"

    def opens(self, path: str, site: str = "") -> None:
        """Go to a page, and wait until it has drawn itself."""
        self.window.open(self.desk.address(path, site or self.site))
        until(lambda: self.window.run(IS_DRAWN))

    def sees(self) -> Image.Image:
        """Return what the window shows."""
        return Image.open(io.BytesIO(self.window.picture())).convert("RGB")

    def is_at(self, path: str) -> bool:
        """Whether the page of this path is there, and whole."""
        return bool(self.window.run(f"return location.pathname === {path!r} && document.readyState === 'complete'"))

    def text(self, selector: str) -> str:
        """Return the text of an element; blank when there is none."""
        return str(self.window.run(f"return document.querySelector({selector!r})?.textContent.trim() ?? ''"))


@pytest.fixture(scope="module", params=engines.ENGINES)
def visitor(request: pytest.FixtureRequest, desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A person with a phone who has chosen the red night, for each engine."""
    folder = tmp_path_factory.mktemp(request.param)
    with engines.window(request.param, folder, lambda: request.getfixturevalue("chromium")) as window:
        for name, value in {"theme": "night", "name": "Vera"}.items():
            window.choose(desk.server.url, name, value)
        window.resize(390, 844)
        yield Visitor(request.param, window, desk)


def unreadable(visitor: Visitor) -> list[tuple[str, float]]:
    """Return the texts whose contrast in the picture is too weak, with it."""
    wide, found, picture = still(visitor)
    scale = picture.width / wide
    assert len(found) > 20
    measured = [(text, measure(picture.crop([round(edge * scale) for edge in box]))) for text, *box in found]  # type: ignore[arg-type]
    return [(text, ratio) for text, ratio in measured if len(text) >= SHORTEST and ratio < WEAKEST]


def still(visitor: Visitor) -> tuple[float, list[Any], Image.Image]:
    """Return the window's width, the texts with their places, and a picture while no text of the live page moved."""
    seen: list[tuple[float, list[Any], Image.Image]] = []

    def stood() -> bool:
        wide, before = visitor.window.run(TEXTS)
        picture = visitor.sees()
        seen[:] = [(wide, before, picture)]
        return [box for _, *box in before] == [box for _, *box in visitor.window.run(TEXTS)[1]]

    until(stood)
    return seen[0]


def stands(visitor: Visitor) -> tuple[float, float, float, Image.Image]:
    """Return the window's width, where the white picture lies, and a look during which that did not move."""
    found: list[tuple[float, float, float, Image.Image]] = []

    def stood() -> bool:
        assert visitor.window.run(IS_SEEN)
        before = visitor.window.run(WHERE)
        found[:] = [(*before, visitor.sees())]
        return bool(before == visitor.window.run(WHERE))

    until(stood)
    return found[0]


def measure(piece: Image.Image) -> float:
    """Return the contrast between the brightest and the darkest pixel; at night both are red."""
    low, high = piece.getextrema()[0]  # type: ignore[misc]
    return contrast(f"#{int(low):02x}0000", f"#{int(high):02x}0000")


def green_and_blue(picture: Image.Image) -> tuple[Any, ...]:
    """Return the brightest green and the brightest blue."""
    return tuple(channel[1] for channel in picture.getextrema()[1:])  # type: ignore[index]


def test_the_red_night_is_red_and_readable_in_every_engine(visitor: Visitor) -> None:
    wrong: list[Any] = []
    stage.speaks(visitor.desk.server, visitor.desk.observatory.sends())
    for name in PAGES:
        visitor.opens(screenshots.PAGES[name].split("?")[0], "wmd")
        wrong += [(name, *weak) for weak in unreadable(visitor)]
        with_glass = green_and_blue(visitor.sees())
        visitor.window.run(NO_GLASS)
        wrong += [(name, seen) for seen in (with_glass, green_and_blue(visitor.sees())) if seen != (0, 0)]
    assert wrong == []


IS_SEEN = """
  const picture = document.querySelector(".picture img");
  picture?.scrollIntoView({ block: "center", behavior: "instant" });
  return Boolean(picture?.complete && picture.naturalWidth);
"""
WHERE = """
  const { left, top, width } = document.querySelector(".picture img").getBoundingClientRect();
  return [innerWidth, left + width / 2, top + 20];
"""


@pytest.mark.parametrize("page", ["/picture", "/night"])
def test_at_night_a_white_picture_is_dim_and_red_in_every_engine(visitor: Visitor, page: str) -> None:
    job = visitor.desk.at(f"white-by-{visitor.engine}").sends()
    white = io.BytesIO()
    Image.new("RGB", (640, 480), "white").save(white, "PNG")
    stage.shows(visitor.desk.server, job, "white", white.getvalue())
    visitor.opens(f"/job/{job['ulid']}{page}" if page == "/picture" else page, job["site"])
    until(lambda: visitor.window.run(IS_SEEN))
    for glass in ("", NO_GLASS):
        visitor.window.run(glass)
        wide, x, y = visitor.window.run(WHERE)
        seen = visitor.sees()
        red, green, blue = seen.getpixel((round(x * seen.width / wide), round(y * seen.width / wide)))  # type: ignore[misc]
        assert (green, blue) == (0, 0)
        assert 60 < red < 200


def test_at_night_emoji_and_what_the_engine_draws_itself_are_red(visitor: Visitor) -> None:
    visitor.desk.at(visitor.site).sends(user_name=FOREIGN, device="🟩")
    visitor.opens("/")
    visitor.window.run(COLOURED)
    visitor.window.run("document.querySelector('main').scrollIntoView()")
    first = visitor.sees()
    visitor.window.run("document.getElementById('queue').scrollIntoView()")
    assert (green_and_blue(first), green_and_blue(visitor.sees())) == ((0, 0), (0, 0))
    visitor.window.run(NO_GLASS)
    assert green_and_blue(visitor.sees()) != (0, 0)  # what was looked at has colours


def test_at_night_an_open_menu_lies_over_the_page_and_under_no_stop(visitor: Visitor) -> None:
    visitor.opens("/")
    visitor.window.press(".me > summary")
    visitor.window.press(".me [value=night]")
    assert visitor.window.run("return document.documentElement.dataset.theme") == "night"
    assert unreadable(visitor) == []


def test_at_night_stop_is_seen_and_pressed_in_every_engine(visitor: Visitor) -> None:
    waiting = visitor.desk.at(visitor.site).sends()
    visitor.opens("/")
    seen = visitor.window.run(TEXTS)[1]
    assert "Stop now" in [text for text, *_ in seen]
    assert unreadable(visitor) == []
    visitor.window.press(".stop.hard")
    until(lambda: visitor.text(".receipt strong") == "Stop everything")
    assert visitor.desk.at(visitor.site).status(waiting) == "CANCELED"


FORM = "/send?device=camera&action=expose"
STANDS = """
  const form = document.querySelector("[data-send]");
  return [...new FormData(form)].filter(([name]) => name === "time").map(([, value]) => value)[0];
"""


def sends(visitor: Visitor) -> None:
    """Press Send, and wait until another page has come."""
    visitor.window.press("[name=do][value=send]")
    until(lambda: visitor.is_at("/"))


def goes_back(visitor: Visitor) -> float:
    """Go back to the form, and return for how many seconds the form that is there would expose."""
    visitor.window.back()
    until(lambda: visitor.is_at("/send"))
    return float(visitor.window.run(STANDS))


def times(visitor: Visitor, site: str) -> list[float]:
    """Return for how many seconds each job of a site exposes, in the order in which they were sent."""
    return [job["required_params"]["time"] for job in visitor.desk.at(site).lists()]


def test_send_back_send_sends_two_jobs_and_another_time_is_a_third(visitor: Visitor) -> None:
    visitor.opens(FORM, site := f"sent-by-{visitor.engine}")
    visitor.window.write("[name=time]", "30")
    expected = [30.0]
    sends(visitor)
    for changed in (False, True):
        stands = goes_back(visitor)
        if changed:
            visitor.window.write("[name=time]", "45")
            stands = 45.0
        expected.append(stands)
        sends(visitor)
    assert times(visitor, site) == expected


def test_after_back_what_goes_out_is_what_is_shown(visitor: Visitor) -> None:
    visitor.opens(FORM, site := f"shown-by-{visitor.engine}")
    visitor.window.write("[name=time]", "30")
    sends(visitor)
    stands = goes_back(visitor)
    until(lambda: f"Expose {stands:g} s" in visitor.text("[data-lines]"))
    sends(visitor)
    assert times(visitor, site) == [30, stands]


def test_a_blank_field_gets_the_servers_sentence_and_no_box_of_the_browsers_own(visitor: Visitor) -> None:
    visitor.opens(FORM, f"blank-by-{visitor.engine}")
    visitor.window.write("[name=instance]", "")
    visitor.window.press("[name=do][value=send]")
    until(lambda: "name the instance" in visitor.text(".note.refused"))
    assert green_and_blue(visitor.sees()) == (0, 0)


def test_at_night_the_small_calendar_of_a_time_is_red_readable_and_chosen_from_in_every_engine(
    visitor: Visitor,
) -> None:
    visitor.opens("/reservations")
    visitor.window.write("#r-start", "2027-01-14 21:00")
    visitor.window.press(".time-field .btn")
    until(lambda: visitor.text(".calendar strong") == "January 2027")
    assert green_and_blue(visitor.sees()) == (0, 0)
    visitor.window.run("document.querySelector('.calendar').scrollIntoView({ block: 'center', behavior: 'instant' })")
    assert unreadable(visitor) == []
    visitor.window.run(NO_GLASS)
    assert green_and_blue(visitor.sees()) == (0, 0)
    visitor.window.press(".calendar-days button:nth-of-type(15)")
    visitor.window.press(".calendar-hours button:nth-child(23)")
    assert visitor.window.run("return document.getElementById('r-start').value") == "2027-01-11 22:00"
