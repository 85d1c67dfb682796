"""Now at one glance: all that matters above the stop bar, nothing cut off, each outcome told apart in every theme."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support import nights

from . import stage
from .conftest import Desk

WHY = "no guide star after 3 tries"
STATUS = {"done": "COMPLETE", "failed": "FAILED", "canceled": "CANCELED"}
CUT = """() => [...document.querySelectorAll('main *, header *')].filter((each) => {
  if (!each.checkVisibility() || each.closest('svg, .visually-hidden')) return false;
  const { overflowX, overflowY } = getComputedStyle(each);
  const cut = (how, inner, outer) => ['hidden', 'clip'].includes(how) && inner > outer + 1;
  return cut(overflowX, each.scrollWidth, each.clientWidth) || cut(overflowY, each.scrollHeight, each.clientHeight);
}).map((each) => `${each.className}: ${each.textContent.trim().slice(0, 60)}`)"""


@pytest.fixture(scope="module")
def site(desk: Desk) -> str:
    """A site where all is under way: a job, a plan, a queue, devices, a picture, and a failure before."""
    observatory = desk.at("glance")
    for status, more in (("FAILED", {"message": WHY}), ("COMPLETE", {}), ("CANCELED", {}), ("COMPLETE", {})):
        ended = observatory.sends(**nights.expose("M 13", 30, 2, "R"))
        observatory.polls()
        observatory.reports(ended, status, **more)
    stage.speaks(desk.server, stage.a_present(observatory), site="glance")
    stage.a_plan(observatory)
    return "glance"


@pytest.fixture
def now(browser: Browser, desk: Desk, site: str) -> Iterator[Page]:
    """The page Now on a desk's screen."""
    with stage.context(browser, desk.server, stage.DESK) as context:
        page = stage.open_page(context, desk.address("/", site=site))
        page.locator("[data-timeline] svg .axis").wait_for(state="attached")
        yield page


def bottom(part: Locator) -> float:
    """Where a part of a page ends."""
    box = part.bounding_box()
    assert box
    return box["y"] + box["height"]


def test_all_that_matters_is_in_sight_without_scrolling(now: Page) -> None:
    bar = now.locator(".stopbar").bounding_box()
    assert bar
    first = now.locator("#latest li").first
    expect(first).to_contain_text("FAILED")
    expect(first).to_contain_text(WHY)
    in_sight = (
        now.locator(".strip-of-devices"),
        now.locator("#running .job"),
        now.locator(".plan-card"),
        now.locator("#queue li").nth(2),
        now.locator("#last-picture img"),
        now.locator("#timeline"),
        first,
        now.locator("#latest li").nth(1),
    )
    for part in in_sight:
        assert bottom(part) <= bar["y"], part


@pytest.mark.parametrize("width", [(390, 844), (768, 1024), (1024, 768), stage.DESK], ids=lambda each: str(each[0]))
def test_nothing_on_now_is_cut_off(browser: Browser, desk: Desk, site: str, width: tuple[int, int]) -> None:
    with stage.context(browser, desk.server, width) as context:
        page = stage.open_page(context, desk.address("/", site=site))
        assert page.evaluate(CUT) == []


@pytest.mark.parametrize("theme", stage.THEMES)
def test_outcomes_differ_by_word_sign_and_frame_whatever_the_theme(
    browser: Browser, desk: Desk, site: str, theme: str
) -> None:
    kinds = ("done", "failed", "canceled", "expired", "lost")
    with stage.context(browser, desk.server, stage.DESK, theme) as context:
        page = stage.open_page(context, desk.address("/", site=site))
        for kind, status in STATUS.items():
            shown = page.locator(f"#latest .result.{kind}").first
            expect(shown).to_contain_text(status)
        drawn = {kind: picture_of(page, kind) for kind in kinds}
        for one in kinds:
            for other in kinds:
                assert one == other or differs(drawn[one], drawn[other]), (one, other)
        fills: list[Any] = [page.evaluate(BAR, kind) for kind in kinds]
        assert len({tuple(fill) for fill in fills}) == len(kinds)


BAR = """(kind) => {
  const holder = document.createElement('div');
  holder.className = 'timeline';
  const drawing = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  bar.setAttribute('class', `bar ${kind}`);
  drawing.append(bar);
  holder.append(drawing);
  document.querySelector('main').append(holder);
  const { fill, stroke, strokeDasharray } = getComputedStyle(bar);
  holder.remove();
  return [fill, stroke, strokeDasharray];
}"""


def picture_of(page: Page, kind: str) -> Image.Image:
    """Return how an outcome is framed, where all have the same word and sign."""
    page.evaluate(
        """(kind) => {
          document.getElementById('framed')?.remove();
          const framed = document.createElement('span');
          framed.id = 'framed';
          framed.className = `result ${kind}`;
          framed.textContent = 'WORD';
          framed.style.cssText = 'position: fixed; inset: 100px auto auto 0; width: 120px; height: 30px; z-index: 99';
          document.querySelector('main').append(framed);
        }""",
        kind,
    )
    return Image.open(io.BytesIO(page.locator("#framed").screenshot())).convert("RGB")


def differs(one: Image.Image, other: Image.Image) -> bool:
    """Whether two pictures differ by more than shades."""
    differing = ImageChops.difference(one, other).convert("L").point(lambda value: 255 if value > 20 else 0)
    return differing.histogram()[255] > 100
