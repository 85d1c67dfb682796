"""In three languages a real browser reads Now, sends, is refused and stops; in German no word is wider than a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from . import screenshots, stage
from .conftest import Desk
from .test_looks import overflow

WORDS = {
    "en": {
        "queue": "Queue",
        "empty": "The queue is empty.",
        "send": "Send now|Add to queue",
        "seconds": "time",
        "refused": "time must be a number, not 'soon'",
        "sent": "Sent: Expose 2.5 s",
        "stop": "Stop now",
        "stopped": "Stop sent.",
        "everything": "Stop everything",
        "keys": "Press . once more",
    },
    "de": {
        "queue": "Warteschlange",
        "empty": "Die Warteschlange ist leer.",
        "send": "Jetzt senden|Einreihen",
        "seconds": "Belichtungszeit",
        "refused": "Belichtungszeit muss eine Zahl sein, nicht 'soon'",
        "sent": "Gesendet: Belichten 2,5 s",
        "stop": "STOPP sofort",
        "stopped": "STOPP gesendet.",
        "everything": "STOPP: alles",
        "keys": "Drücken Sie . noch einmal",
    },
    "es": {
        "queue": "Cola",
        "empty": "La cola está vacía.",
        "send": "Enviar ya|Añadir a la cola",
        "seconds": "tiempo de exposición",
        "refused": "tiempo de exposición debe ser un número, no 'soon'",
        "sent": "Enviado: Exponer 2,5 s",
        "stop": "DETENER ya",
        "stopped": "Parada enviada.",
        "everything": "DETENER todo",
        "keys": "Pulse . otra vez",
    },
}


@pytest.fixture(params=WORDS)
def code(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Browser, desk: Desk, code: str) -> Iterator[Page]:
    """A phone whose browser wishes the language."""
    with stage.context(browser, desk.server, stage.PHONE, locale=code) as context:
        yield context.new_page()


def test_now_is_read_a_job_is_sent_and_everything_is_stopped(page: Page, desk: Desk, code: str) -> None:
    """What the stream brings and what scripts write is in the language of the page too."""
    words, site = WORDS[code], f"tongue-{code}"
    page.goto(desk.address("/", site=site))
    expect(page.locator("html")).to_have_attribute("lang", code)
    expect(page.locator("#queue h2")).to_contain_text(words["queue"])
    expect(page.locator("#queue .empty")).to_have_text(words["empty"])
    desk.at(site).sends(required_params={"time": 7.5, "image_type": "light"})
    expect(page.locator("#queue .what")).to_contain_text("7.5 s" if code == "en" else "7,5 s")

    page.goto(desk.address("/send?device=camera&action=expose", site=site))
    page.get_by_label(words["seconds"], exact=False).first.fill("soon")
    expect(page.locator("[data-field=time] [data-message]")).to_have_text(words["refused"])
    page.get_by_label(words["seconds"], exact=False).first.fill("2.5")
    expect(page.locator("[data-lines]")).to_contain_text(words["sent"].partition(": ")[2])
    page.get_by_role("button", name=re.compile(words["send"])).locator("visible=true").first.click()
    expect(page.locator(".note.done")).to_contain_text(words["sent"])

    page.keyboard.press(".")
    expect(page.locator(".sure")).to_contain_text(words["keys"])
    page.keyboard.press("Escape")
    page.get_by_role("button", name=words["stop"]).click()
    expect(page.locator(".note.done").last).to_contain_text(words["stopped"])
    expect(page.locator(".receipt").first).to_contain_text(words["everything"])
    expect(page.locator("#queue")).not_to_contain_text("7.5 s" if code == "en" else "7,5 s")


def test_a_form_that_is_refused_says_why_and_keeps_what_was_typed(page: Page, desk: Desk, code: str) -> None:
    words = WORDS[code]
    page.goto(desk.address("/send?device=camera&action=expose", site="tongue"))
    page.get_by_label(words["seconds"], exact=False).first.fill("soon")
    page.get_by_role("button", name=re.compile(words["send"])).locator("visible=true").first.click()
    expect(page.get_by_role("alert")).to_contain_text(words["refused"])
    expect(page.get_by_label(words["seconds"], exact=False).first).to_have_value("soon")


def test_the_language_is_chosen_at_the_foot_of_a_page_without_a_script(browser: Browser, desk: Desk) -> None:
    with stage.context(browser, desk.server, stage.PHONE, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(desk.address("/jobs-log"))
        for code, heading in (("de", "Aufträge"), ("es", "Trabajos"), ("en", "Jobs")):
            page.locator(f".languages [lang={code}]").click()
            expect(page.locator("html")).to_have_attribute("lang", code)
            expect(page.locator("h1")).to_have_text(heading)
            expect(page.locator(".languages [aria-current=true]")).to_have_attribute("lang", code)


@pytest.mark.parametrize("code", ["de", "es"], indirect=True)
def test_no_page_is_wider_than_a_phone_and_no_button_is_cut_by_long_words(page: Page, desk: Desk, code: str) -> None:
    for name, path in screenshots.PAGES.items():
        stage.show(
            page, desk.server.url + path, re.compile(WORDS[code]["send"]) if name in screenshots.PRESSED else None
        )
        expect(page.locator("html")).to_have_attribute("lang", code)
        assert overflow(page) == 0, name
        cut = page.evaluate(
            """() => [...document.querySelectorAll(".stops button, .thumbs a, .thumbs summary, .btn")].filter(
              (each) => each.checkVisibility() && each.scrollWidth > each.clientWidth + 1
            ).map((each) => each.textContent.trim())"""
        )
        assert cut == [], name
