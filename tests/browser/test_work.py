"""What people do at the pages, in a real browser, while a pretend observatory does the work."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, Response, Route, expect

from tests.conftest import over_http
from tests.support import nights, servers

from . import stage
from .conftest import Desk

MARK = "window.mark = 'not loaded anew'"
SLOW_MS = 60_000
UNHIDDEN = """() => {
  const box = document.activeElement.getBoundingClientRect();
  return box.top > 0 && box.bottom <= document.querySelector('.stopbar').getBoundingClientRect().top;
}"""


def test_a_job_is_sent_and_watched_to_its_end_without_a_reload(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/send"))
    page.get_by_label("time", exact=False).first.fill("90")
    page.get_by_label("object name").fill("NGC 7331")
    page.get_by_role("group", name="filter").get_by_role("radio", name="Ha").check()
    expect(page.locator("[data-lines]")).to_have_text("Expose 90 s, filter Ha, light, NGC 7331")
    shown = json.loads(page.locator("[data-preview]").text_content() or "")
    assert shown["optional_params"]["filter"] == "Ha"
    page.get_by_role("button", name=stage.SEND).click()
    expect(page.locator(".note.done")).to_contain_text("Sent: Expose")
    page.evaluate(MARK)
    expect(page.locator("#running .line", has_text="NGC 7331")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#running progress")).to_be_visible()
    expect(page.locator("#latest li", has_text="NGC 7331")).to_contain_text("COMPLETE", timeout=SLOW_MS)
    assert page.evaluate("window.mark") == "not loaded anew"


def previewed(response: Response) -> bool:
    """Whether a page was told what a form would send."""
    return response.url.endswith("/send") and "x-requested-by" in response.request.headers


def test_what_is_wrong_and_what_is_risky_is_said_where_it_is_seen(page: Page, desk: Desk) -> None:
    with page.expect_response(previewed, timeout=SLOW_MS):
        page.goto(desk.address("/send?device=mount&action=go", site="careful"))
    with page.expect_response(previewed, timeout=SLOW_MS):  # the page that came back has asked again
        page.get_by_role("button", name=stage.SEND).click()
    expect(page.get_by_role("alert")).to_contain_text("ra is needed")
    said = page.locator("[data-field=ra] [data-message]")
    expect(said).to_have_text("ra is needed")
    page.locator("#p-ra").fill("1 30")
    expect(said).to_contain_text("01h 30m")
    page.goto(desk.address("/send?device=enclosure&action=open", site="careful"))
    page.get_by_role("button", name=stage.SEND).click()
    no = page.get_by_role("link", name="No", exact=True)
    expect(no).to_be_focused()
    page.wait_for_function(UNHIDDEN)
    # A glide that meets the layout of a slow page ends past what it goes to.
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.goto(desk.address("/send?raw=", site="careful"))
    page.locator("#raw").fill('{"device": "mount", "instance": "m", "action": "park"}')
    expect(page.locator("[data-caution=roles]")).to_contain_text("wants the role admin")


def test_stop_goes_out_at_the_first_tap_and_its_receipt_is_followed(page: Page, desk: Desk) -> None:
    long = desk.observatory.sends(**nights.expose("Long one", 600, 5))
    page.goto(desk.address("/"))
    expect(page.locator("#running .line", has_text="Long one")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="Stop now").click()
    receipt = page.locator(".receipt").first
    expect(receipt).to_contain_text("Stop everything by Vera")
    expect(receipt).to_contain_text("seen by the site", timeout=SLOW_MS)
    expect(receipt).to_contain_text("acted on: COMPLETE", timeout=SLOW_MS)
    expect(page.locator("#running .line", has_text="Long one")).to_be_hidden(timeout=SLOW_MS)
    assert desk.observatory.status(long) in ("CANCELED", "STOPPED", "ABORTED")


def test_what_waits_is_canceled_in_one_tap_and_stop_and_park_says_that_the_park_follows(page: Page, desk: Desk) -> None:
    site = desk.at("taps")
    first, second = site.sends(**nights.expose("One")), site.sends(**nights.expose("Two"))
    page.goto(desk.address("/", site="taps"))
    page.get_by_role("button", name="Cancel waiting").click()
    expect(page.locator(".note.done")).to_contain_text("2 waiting jobs were canceled.")
    expect(page.locator("#queue .empty")).to_have_text("The queue is empty.")
    assert [site.status(job) for job in (first, second)] == ["CANCELED", "CANCELED"]
    site.sends("go", device="mount", instance="eastpier")
    page.get_by_role("button", name="Stop and park").click()
    expect(page.locator(".note.done", has_text="the park follows in 30 s")).to_be_visible()
    expect(page.locator(".receipt").first).to_contain_text("Stop everything by Vera")
    expect(page.locator("#queue li", has_text="Park")).to_contain_text("held for")
    assert [job["action"] for job in site.polls()] == ["cancel_all_commands"]


def test_there_is_no_sound_unless_it_is_switched_on(page: Page, desk: Desk) -> None:
    site = desk.at("quiet")
    page.add_init_script(
        "window.tones = 0; const { start } = OscillatorNode.prototype;"
        "OscillatorNode.prototype.start = function () { window.tones += 1; return start.call(this); }"
    )
    page.goto(desk.address("/", site="quiet"))
    site.reports(site.sends(), "FAILED")
    expect(page.locator("#latest .result.failed").first).to_be_visible()
    assert page.evaluate("window.tones") == 0
    page.locator("summary", has_text="Vera").click()
    page.get_by_label("Sound when a job fails").check()
    page.wait_for_function("() => window.tones === 1")  # so that one knows it
    site.reports(site.sends(**nights.expose("Lost in clouds")), "ERROR")
    expect(page.locator("#latest li", has_text="Lost in clouds")).to_be_visible()
    page.wait_for_function("() => window.tones === 2")


def test_who_says_a_name_is_asked_once_and_a_lock_out_takes_no_letter_of_it(browser: Browser, desk: Desk) -> None:
    site = desk.at("names")
    with browser.new_context() as context:
        page = stage.open_page(context, desk.address("/", site="names"))
        page.locator("#ask-name").fill("Caro")
        body = {"site": "names", "note": "hands on the mount", "user_id": "v", "user_name": "Tycho"}
        assert site.posts("lockout", body).status == 200
        expect(page.locator("#banners")).to_contain_text("Locked out by Tycho")
        assert site.posts("liftlockout", body).status == 200
        expect(page.locator("#banners")).not_to_contain_text("Locked out by Tycho")
        expect(page.locator("#ask-name")).to_have_value("Caro")
        page.locator("#ask-name").press("End")
        page.keyboard.type("line")
        page.locator("#banners").get_by_role("button", name="Save").click()
        expect(page.locator("#ask-name")).to_have_count(0)
        page.goto(desk.address("/send", site="names"))
        expect(page.locator("#ask-name")).to_have_count(0)
        expect(page.locator(".preview")).to_contain_text("Sent as Caroline.")


def test_a_waiting_job_is_canceled_and_a_typed_field_keeps_its_text(page: Page, desk: Desk) -> None:
    quiet = desk.at("quiet")
    job = quiet.sends(**nights.expose("Never mind"))
    page.goto(desk.address("/", site="quiet"))
    page.locator("summary", has_text="Vera").click()
    page.get_by_label("Your jobs carry the name").fill("half typed")
    page.get_by_role("button", name="Cancel Expose").press("Enter")  # on a phone the menu lies over it
    expect(page.locator(".note.done")).to_contain_text("Canceled; the site never got it.")
    expect(page.locator("#queue .empty")).to_have_text("The queue is empty.")
    expect(page.get_by_label("Your jobs carry the name")).to_have_value("half typed")
    assert quiet.status(job) == "CANCELED"


def test_a_stop_that_the_site_does_not_take_becomes_loud(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/", site="quiet"))
    page.get_by_role("button", name="Stop now").click()
    loud = page.locator(".receipt .loud").first
    expect(page.locator(".receipt").first).to_contain_text("not seen yet")
    expect(loud).to_be_hidden()
    expect(loud).to_be_visible(timeout=SLOW_MS)
    expect(loud).to_contain_text("Use the stop at the telescope.")


def test_a_refusal_stays_until_it_is_dismissed(page: Page, desk: Desk) -> None:
    quiet = desk.at("quiet")
    job = quiet.sends()

    def without_work(route: Route) -> None:
        asks_for_itself = route.request.resource_type == "fetch" and route.request.method == "GET"
        frame = desk.address("/part/frame", site="quiet")
        route.continue_(url=frame if asks_for_itself else None)

    page.route("**/?site=quiet", without_work)  # from the first on, so that the button stays when the job has ended
    page.goto(desk.address("/", site="quiet"))
    quiet.polls()
    quiet.reports(job, "COMPLETE")
    page.get_by_role("button", name="Cancel Expose").first.click()
    refused = page.get_by_role("alert")
    expect(refused).to_contain_text("there is nothing left to cancel")
    refused.get_by_role("button", name="Dismiss").click()
    expect(refused).to_have_count(0)


def test_everything_is_reached_by_the_keyboard(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/"))
    outlines: dict[str, str] = {}
    for _ in range(80):  # after the last element the keyboard leaves the page, and comes back to the first
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            "[document.activeElement.textContent.trim().slice(0, 30),"
            " getComputedStyle(document.activeElement).outlineStyle]"
        )
        outlines.setdefault(name, outline)
    assert next(iter(outlines)) == "Stop now"
    for name in ("Skip to the page", "Send", "Cancel waiting", "Stop now"):
        assert outlines[name] != "none"


def test_a_lock_out_shows_though_it_came_between_the_page_and_its_stream(page: Page, desk: Desk) -> None:
    def locks_out_first(route: Route) -> None:
        body = {"site": "early", "note": "hands on the mount", "user_id": "tycho", "user_name": "Tycho"}
        assert desk.at("early").posts("lockout", body).status == 200
        route.continue_()

    page.add_init_script("window.setInterval = () => 0")  # nothing is read anew by the clock
    page.route("**/stream?*", locks_out_first, times=1)
    page.goto(desk.address("/", site="early"))
    expect(page.locator("#banners")).to_contain_text("hands on the mount", timeout=SLOW_MS)


def test_a_lock_out_shows_on_a_page_that_is_open(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/", site="locked"))
    expect(page.locator("#banners")).not_to_contain_text("Locked out")
    with stage.context(page.context.browser, desk.server, stage.DESK) as context:  # type: ignore[arg-type]
        other = context.new_page()
        other.goto(desk.address("/settings", site="locked"))
        other.get_by_label("Why, in a few words").fill("hands on the mount")
        other.get_by_role("button", name="Lock out as Vera").click()
        expect(other.locator("#banners")).to_contain_text("Locked out by Vera")
    expect(page.locator("#banners")).to_contain_text("hands on the mount", timeout=SLOW_MS)


def test_a_lost_connection_shows_at_once_and_mends_itself(browser: Browser, tmp_path: Path) -> None:
    server = servers.start("flask", tmp_path)
    with httpx.Client(trust_env=False, timeout=60) as client, stage.context(browser, server, stage.PHONE) as context:
        page = context.new_page()
        page.goto(f"{server.url}/?site=wmd")
        page.evaluate(MARK)
        expect(page.locator("#lost")).to_be_hidden()
        server.kill()
        expect(page.locator("#lost")).to_be_visible(timeout=SLOW_MS)
        with servers.stopped_at_the_end(servers.start("flask", tmp_path, port=server.port)):
            expect(page.locator("#lost")).to_be_hidden(timeout=SLOW_MS)
            over_http(server.url, client).sends(**nights.expose("After the storm"))
            expect(page.locator("#queue")).to_contain_text("After the storm", timeout=SLOW_MS)
        assert page.evaluate("window.mark") == "not loaded anew"


def test_clocks_that_differ_change_no_age(browser: Browser, desk: Desk) -> None:
    quiet = desk.at("clocks")
    quiet.sends(**nights.expose("Aging"))
    with stage.context(browser, desk.server, stage.PHONE) as context:
        page = context.new_page()
        page.add_init_script("const now = Date.now; Date.now = () => now() - 7200000")
        page.goto(desk.address("/", site="clocks"))
        page.wait_for_timeout(2500)
        age = page.locator("#queue .facts").first.text_content() or ""
        assert int(age.split()[0]) < 100
        assert age.endswith(" s")
