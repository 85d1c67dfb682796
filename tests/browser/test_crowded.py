"""What people and programs send, however long, odd or much of it, leaves the pages readable and within bounds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from jobs_server.observatory import sky
from tests.support import nights
from tests.support.servers import Server

from . import stage
from .conftest import Desk
from .test_looks import overflow

CROWD = 10_000
WEEK_SECONDS = 7 * 24 * 3600


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A site with a night of ten thousand jobs."""
    folder = tmp_path_factory.mktemp("crowd")
    nights.a_site(folder)
    now_ms = time.time_ns() // 1_000_000
    begun_ms, _ = sky.night_span(sky.night_of(now_ms, nights.ZONE), nights.ZONE)
    every_ms = max(1, min(100, (now_ms - begun_ms) // (CROWD + 100)))  # however short it is after noon
    nights.HistoryWriter(folder).crowd(now_ms - CROWD * every_ms - 1000, CROWD, every_ms)
    with stage.served(folder, past=False) as (server, _):
        yield server


def test_a_night_of_ten_thousand_jobs_is_drawn_and_listed_in_pages(browser: Browser, crowded: Server) -> None:
    with stage.context(browser, crowded, stage.PHONE) as context:
        page = stage.open_page(context, f"{crowded.url}/night?site=wmd")
        expect(page.locator(".figures")).to_contain_text(f"{CROWD}")
        expect(page.locator(".log-table tbody tr")).to_have_count(500)
        expect(page.locator("main")).to_contain_text("load the page again for new ones")
        bars = page.locator("[data-timeline] .bar")
        bars.first.wait_for(state="attached")
        assert bars.count() < 1000
        expect(page.locator(".timeline-legend")).to_contain_text("older ones are in the report")
        page.get_by_role("link", name="log of this night").click()
        expect(page.locator(".log-table tbody tr:not(.day)")).to_have_count(50)
        page.get_by_role("link", name="Older").click()
        expect(page.get_by_role("link", name="Newest")).to_be_visible()
        page.goto(f"{crowded.url}/?site=wmd")
        expect(page.locator("#latest li").first).to_contain_text(f"Field {CROWD - 1}")
        page.goto(f"{crowded.url}/insights?site=wmd")
        expect(page.locator("main")).to_contain_text(f"{CROWD} jobs")
        assert overflow(page) <= 0


def visits(page: Page, desk: Desk, site: str, *paths: str) -> Iterator[str]:
    """Open pages; none is wider than the phone."""
    for path in paths:
        page.goto(desk.address(path, site=site))
        page.wait_for_load_state("load")
        assert overflow(page) <= 0, path
        yield page.inner_text("main")


@pytest.mark.parametrize(
    "name",
    ["n" * 200, "a name " * 28, "\u05d0\u05d1\u05d2 \u05d3\u05d4 (1)", "🔭" * 60, "<b>bold</b> & 'quoted'"],
    ids=["200 letters", "200 letters in words", "right to left", "emoji", "markup"],
)
def test_a_name_of_any_kind_is_shown_whole_and_within_bounds(page: Page, desk: Desk, name: str) -> None:
    site = desk.at(f"names-{len(name)}")
    short = name[:64].strip()
    job = site.sends(user_name=name, device=short, instance=short, action=short, required_params={name: name})
    texts = list(visits(page, desk, site.site, "/", "/jobs-log", "/night", "/reservations", f"/job/{job['ulid']}"))
    assert name.strip() in texts[0]
    assert name.strip() in texts[-1]


def test_a_right_to_left_name_turns_nothing_beside_it_around(page: Page, desk: Desk) -> None:
    desk.at("turned").sends(**nights.expose("M 31"), user_name="\u05d0\u05d1\u05d2 (1)")
    page.goto(desk.address("/", site="turned"))
    row = page.locator("#queue li")
    what, who, age = (row.locator(part).bounding_box() for part in (".what", ".by", ".facts"))
    assert what
    assert who
    assert age
    assert what["x"] < age["x"]
    assert abs(who["x"] - what["x"]) < 2


def test_nested_parameters_of_ten_kilobytes_scroll_in_their_box(page: Page, desk: Desk) -> None:
    nested = {
        "plan": [{"target": f"NGC {number}", "exposures": [{"filter": "R", "time": 60}]} for number in range(150)]
    }
    job = desk.at("nested").sends(required_params=nested)
    texts = list(visits(page, desk, "nested", "/", f"/job/{job['ulid']}"))
    assert "NGC 149" in texts[1]
    box = page.locator("pre.nested").bounding_box()
    assert box is not None
    assert box["height"] <= stage.PHONE[1]


def test_a_status_of_64_characters_and_estimates_of_nothing_and_of_a_week(page: Page, desk: Desk) -> None:
    site = desk.at("estimates")
    job = site.sends(**nights.expose("M 31"))
    status = "EXPOSING_" * 7 + "X"
    site.reports(job, status, secondsUntilComplete=WEEK_SECONDS)
    [text] = visits(page, desk, "estimates", "/")
    assert status in text
    assert "6 d 23 h left" in text or "7 d 0 h left" in text
    site.reports(job, status, secondsUntilComplete=-1)
    expect(page.locator("#running")).to_contain_text("no estimate")
    expect(page.locator("#running progress")).to_have_count(0)


def test_a_site_without_a_profile_says_what_is_missing_and_works(page: Page, desk: Desk) -> None:
    site = desk.at("unknown")
    site.sends(device="spectrograph", instance="sp1", action="take_arc", required_params={"lamp": "ThAr"})
    page.goto(desk.address("/", site="unknown"))
    expect(page.locator(".clocks")).to_contain_text("no place set")
    expect(page.locator("main")).to_contain_text("Twilight and sidereal time need the site’s latitude and longitude")
    expect(page.locator("#queue")).to_contain_text("Take arc (spectrograph): lamp ThAr")
    expect(page.locator("[data-timeline] .device")).to_have_text("spectrograph")
    page.get_by_role("link", name="Send a job").click()
    expect(page.get_by_label("Which camera")).to_be_visible()


def test_two_sites_on_one_server_are_told_apart(page: Page, desk: Desk) -> None:
    desk.at("east").sends(**nights.expose("In the east"))
    desk.at("west").sends(**nights.expose("In the west"))
    page.goto(desk.address("/", site="east"))
    expect(page.locator("#queue")).to_contain_text("In the east")
    page.get_by_text("Other sites").click()
    page.get_by_role("link", name="west", exact=True).click()
    expect(page.locator("#queue")).to_contain_text("In the west")
    expect(page.locator("#queue")).not_to_contain_text("In the east")
    page.get_by_role("button", name="Cancel Expose").click()
    expect(page.locator("#queue .empty")).to_be_visible()
    assert len(desk.at("east").lists()) == 1
    assert desk.at("east").lists()[0]["statusId"].startswith("UNREAD")
