"""A job's result and pictures come to an open page; a picture is large when it is tapped, and red and dim at night."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.support import nights

from . import stage
from .conftest import Desk


def test_what_came_of_a_job_is_on_its_open_page_as_soon_as_the_site_says_so(page: Page, desk: Desk) -> None:
    site = desk.at("results")
    job = site.sends(**nights.expose("M 31"))
    site.polls()
    page.goto(desk.address(f"/job/{job['ulid']}", site="results"))
    expect(page.locator("#result section, #pictures section")).to_have_count(0)
    site.reports(job, "EXPOSING", result={"frames": 1, "fwhm_arcsec": 2.31})
    expect(page.locator("#result")).to_contain_text("2.31″")
    stage.speaks(desk.server, job, site="results")
    expect(page.locator("#pictures img")).to_have_count(1)


def test_a_picture_is_as_large_as_the_window_when_it_is_tapped_without_a_script_too(
    browser: Browser, desk: Desk
) -> None:
    site = desk.at("tapped")
    job = site.sends(**nights.expose("M 31"))
    stage.speaks(desk.server, job, site="tapped")
    with stage.context(browser, desk.server, stage.PHONE, java_script_enabled=False) as context:
        page = stage.open_page(context, desk.address("/night", site="tapped"))
        page.locator("#contact-sheet img").click()
        large = page.locator(".picture.large img")
        expect(large).to_be_visible()
        box = large.bounding_box()
        assert box is not None
        assert box["width"] >= stage.PHONE[0] * 0.9
        expect(page.locator("main")).to_contain_text("Expose 5 × 60 s")
        page.locator("h1 a").click()
        expect(page.locator("#pictures img")).to_have_count(1)


@pytest.mark.parametrize("path", ["", "/picture"])
def test_at_night_a_white_picture_is_dim_and_red(browser: Browser, desk: Desk, path: str) -> None:
    """A picture that is white all over would blind whoever looks at it in the dark."""
    site = desk.at("white")
    job = site.sends(**nights.expose("M 31"))
    white = io.BytesIO()
    Image.new("RGB", (640, 480), "white").save(white, "JPEG")
    stage.shows(desk.server, job, "white.jpg", white.getvalue())
    with stage.context(browser, desk.server, stage.PHONE, "night") as context:
        page = stage.open_page(context, desk.address(f"/job/{job['ulid']}{path}", site="white"))
        picture = page.locator(".picture img").first
        expect(picture).to_be_visible()
        page.wait_for_function("document.querySelector('.picture img').complete")
        seen = Image.open(io.BytesIO(picture.screenshot())).convert("RGB")
        red, green, blue = seen.getpixel((seen.width // 2, seen.height // 4))  # type: ignore[misc]
        assert (green, blue) == (0, 0)
        assert 60 < red < 200


def test_the_form_says_what_the_site_is_not_known_to_have_while_it_is_filled_in(page: Page, desk: Desk) -> None:
    stage.can(desk.server, "unsure")
    page.goto(desk.address("/send", site="unsure"))
    caution = page.locator("[data-caution=beyond]")
    expect(caution).to_be_hidden()
    page.get_by_label("Which camera").fill("cam #9")
    expect(caution).to_contain_text("cam #9")
    page.get_by_label("Which camera").fill("cam1")
    expect(caution).to_be_hidden()
    page.get_by_label("Which camera").fill("cam #9")
    page.get_by_role("button", name=stage.SEND).click()
    expect(page.locator(".note.done")).to_contain_text("cam #9")
