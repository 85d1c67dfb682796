"""The pages speak the language that a browser wishes or that somebody chose; the wire speaks English."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.domain.language import ENGLISH, Language
from jobs_server.observatory import describe, profiles
from jobs_server.service import service_of
from jobs_server.upkeep import startup
from jobs_server.web import formats, languages, sentences

from ..conftest import inside
from ..support import databases
from ..support.nights import PROFILE
from ..support.observatory import Observatory

QUEUE = {"en": "The queue is empty.", "de": "Die Warteschlange ist leer.", "es": "La cola está vacía."}
STOP = {"en": "Stop now", "de": "STOPP sofort", "es": "DETENER ya"}
EXPOSE = {"device": "camera", "action": "expose", "instance": "camera_1_1", "time": "2.5", "count": "5", "filter": "R"}
PAGES = (
    *("/", "/send", "/send?raw=", "/send?device=mount&action=go", "/plans", "/plans/new", "/jobs-log", "/night"),
    *("/insights", "/reservations", "/settings", "/settings/profile", "/sign-in", "/job/none", "/part/frame"),
    *("/set-up/connect", "/send?device=enclosure&action=open", "/jobs-log?since=never"),
)


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def placed(tmp_path: Path) -> Iterator[Flask]:
    """A server of a site whose profile is known."""
    (tmp_path / profiles.FILE).write_text(PROFILE, encoding="utf-8")
    app = create_app({"TESTING": True, "BALLAST_MB": 0} | databases.at(tmp_path))
    startup.prepare(app)
    yield app
    service_of(app).database.close()


def shows(browser: FlaskClient, path: str, wish: str = "", **headers: str) -> str:
    """A page as a browser with a wish gets it."""
    address = f"{path}{'&' if '?' in path else '?'}site=wmd"
    return browser.get(address, headers={"Accept-Language": wish, **headers}).text


def lang(page: str) -> str:
    """The language that a page says it has."""
    found = re.search(r'<html lang="(\w+)"', page)
    assert found is not None
    return found[1]


def of(app: Flask, code: str) -> Language:
    """A language as pages have it."""
    with app.app_context():
        return languages.language(code)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ("", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("de-AT,en;q=0.5", "de"),
        ("DE", "de"),
        ("es-CL", "es"),
        ("fr-FR,es;q=0.4,de;q=0.7", "de"),
        ("fr", "en"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("nonsense;;q=,", "en"),
    ],
)
def test_a_page_has_the_language_that_the_browser_likes_best(browser: FlaskClient, wish: str, code: str) -> None:
    page = shows(browser, "/", wish)
    assert lang(page) == code
    assert QUEUE[code] in page
    assert STOP[code] in page


@pytest.mark.parametrize("code", languages.LANGUAGES)
def test_a_choice_is_kept_and_goes_before_the_browsers_wish(browser: FlaskClient, code: str) -> None:
    left = {"Referer": "http://localhost/jobs-log?site=wmd"}
    answer = browser.post("/act/language", data={"site": "wmd", "language": code}, headers=left)
    assert (answer.status_code, answer.location) == (303, "/jobs-log?site=wmd")
    assert "Max-Age=31536000" in answer.headers["Set-Cookie"]
    page = shows(browser, "/", "es" if code == "de" else "de")
    assert lang(page) == code
    assert re.search(rf'value="{code}" lang="{code}" aria-current="true"', page)


def test_a_language_that_is_not_here_is_refused_and_a_cookie_of_one_is_passed_over(browser: FlaskClient) -> None:
    assert browser.post("/act/language", data={"site": "wmd", "language": "tlh"}).status_code == 400
    browser.set_cookie("language", "tlh")
    assert lang(shows(browser, "/", "de")) == "de"


def test_caches_between_are_told_that_pages_hang_on_the_language(browser: FlaskClient) -> None:
    answer = browser.get("/?site=wmd", headers={"Accept-Language": "de"})
    assert answer.headers["Content-Language"] == "de"
    assert {"Accept-Language", "Cookie"} <= set(answer.vary)


def test_what_is_kept_of_a_page_is_kept_for_each_language(placed: Flask) -> None:
    """The menus and the sky are drawn once: not once for the first visitor's language."""
    browser = placed.test_client()
    for code in ("en", "de", "es", "en", "de"):
        page = shows(browser, "/", code)
        with placed.app_context():
            language = languages.language(code)
        for menu in re.findall(r"<nav.*?</nav>", page, re.DOTALL)[:2]:
            assert f">{language.text('Now')}</a>" in menu
        assert language.text("altitude in degrees, %(clock)s", clock="UTC") in page


def test_what_a_script_fetches_has_the_language_of_its_page_whatever_was_chosen_since(browser: FlaskClient) -> None:
    browser.set_cookie("language", "es")
    assert lang(shows(browser, "/part/frame", "en", **{"X-Language": "de", "X-Requested-By": "script"})) == "de"
    page = shows(browser, "/", "en", **{"X-Language": "de"})
    known = "{} {}".format(*(re.search(rf'data-{name}="([^"]*)"', page)[1] for name in ("position", "mark")))  # type: ignore[index]
    short = shows(browser, "/", "en", **{"X-Language": "de", "X-Known": known, "X-Requested-By": "script"})
    assert "data-unchanged" in short
    assert "Noch keine Meldung der Software der Sternwarte" in short
    done: Any = browser.post(
        "/act/stop", data={"site": "wmd", "how": "now"}, headers={"X-Language": "de", "X-Requested-By": "script"}
    ).json
    assert done["line"] == "STOPP gesendet."


@pytest.mark.parametrize("code", languages.LANGUAGES)
def test_a_refused_form_says_so_in_the_language_of_the_page(browser: FlaskClient, code: str) -> None:
    words = {
        "en": "time must be a number, not &#39;soon&#39;",
        "de": "Belichtungszeit muss eine Zahl sein, nicht &#39;soon&#39;",
        "es": "tiempo de exposición debe ser un número, no &#39;soon&#39;",
    }
    form = {"site": "wmd", "do": "send", **EXPOSE, "time": "soon"}
    answer = browser.post("/send", data=form, headers={"Accept-Language": code})
    assert answer.status_code == 400
    assert words[code] in answer.text
    preview: Any = browser.post(
        "/send", data=form | {"do": "preview"}, headers={"X-Language": code, "X-Requested-By": "script"}
    ).json
    assert preview["faults"]["time"] == words[code].replace("&#39;", "'")


@pytest.mark.parametrize("code", languages.LANGUAGES)
def test_what_is_typed_is_read_the_same_way_in_every_language(browser: FlaskClient, code: str) -> None:
    for text, status in (("2.5", 303), ("2,5", 303), ("1,200", 400)):
        form = {"site": "wmd", "do": "send", **EXPOSE, "time": text}
        assert browser.post("/send", data=form, headers={"Accept-Language": code}).status_code == status, text
    page = browser.post(
        "/send", data={"site": "wmd", "do": "send", **EXPOSE, "count": "?"}, headers={"Accept-Language": code}
    ).text
    assert 'value="2.5"' in page


def test_numbers_days_and_sides_follow_the_language(placed: Flask) -> None:
    german, spanish = (formats.Formats(of(placed, code)) for code in ("de", "es"))
    english = formats.Formats(ENGLISH)
    assert [each.duration(2500) for each in (english, german, spanish)] == ["2.5 s", "2,5 s", "2,5 s"]
    assert [each.size(1_234_567) for each in (english, german, spanish)] == ["1.23 MB", "1,23 MB", "1,23 MB"]
    assert english.size(1_234_567_890_000) == "1,234.57 GB"
    assert german.size(1_234_567_890_000) == "1\u202f234,57 GB"
    assert german.place(-47.5, 12.25) == "47,5000° S, 12,2500° O"
    day = date(2026, 11, 30)
    assert [each.weekday(day) for each in (english, german, spanish)] == ["Monday", "Montag", "lunes"]
    assert [each.short_weekday(day) for each in (english, german, spanish)] == ["Mon", "Mo", "lun"]
    week = shows(placed.test_client(), "/reservations", "de")
    assert re.search(r"<h2>(Mo|Di|Mi|Do|Fr|Sa|So) \d{4}-", week)


def test_jobs_are_described_in_the_language_and_names_that_people_gave_stay(app: Flask) -> None:
    expose = ("camera", "camera_1_1", "expose", {"time": 2.5, "image_type": "light"}, {"count": 3, "filter": "open"})
    assert describe.describe(*expose) == "Expose 3 × 2.5 s, filter open, light"
    assert describe.describe(*expose, of(app, "de")) == "Belichten 3 × 2,5 s, Filter open, light"
    go: tuple[str, str, str, dict[str, Any], dict[str, Any]]
    go = ("mount", "mount1", "go", {"ra": 0.5, "dec": 41.0}, {"object": "Now"})
    assert describe.describe(*go, of(app, "es")).startswith("Apuntar a Now (")
    assert describe.describe("all", "all", "cancel_all_commands", {}, {}, of(app, "de")) == "STOPP: alles"
    own: tuple[str, str, str, dict[str, Any], dict[str, Any]] = ("heater", "h1", "warm_up", {"level": 2}, {})
    assert describe.describe(*own, of(app, "de")) == "Warm up (heater): level 2"
    assert describe.describe("heater", "h1", "_", {}, {}, of(app, "de")) == " (heater)"


def test_a_sites_own_words_are_never_translated(app: Flask, observatory: Observatory, browser: FlaskClient) -> None:
    """A note that is a word of the catalogues, a status, a name: all stay as somebody wrote them."""
    job = observatory.sends()
    observatory.polls()
    observatory.starts(job)
    observatory.reports(job, "Queue")
    browser.post("/act/lock-out", data={"site": "wmd", "note": "Now"})
    page = shows(browser, "/", "de")
    assert "<bdi>Queue</bdi>" in page
    assert "<bdi>Now</bdi>" in page


def test_the_wire_and_what_is_downloaded_stay_english(
    app: Flask, observatory: Observatory, browser: FlaskClient
) -> None:
    observatory.sends()
    browser.set_cookie("language", "de")
    german = {"Accept-Language": "de", "X-Language": "de"}
    refusal = browser.post("/jobs/newjob", json={"site": "wmd"}, headers=german)
    assert refusal.status_code == 400
    assert refusal.text == "Error: missing required key device"
    assert "Content-Language" not in refusal.headers
    assert "Expose" in browser.get("/jobs-log.csv?site=wmd", headers=german).text


def test_no_page_in_english_and_no_api_loads_what_other_languages_need(tmp_path: Path) -> None:
    program = f"""
import sys
from jobs_server import create_app
app = create_app({{"TESTING": True, "BALLAST_MB": 0}} | {databases.at(tmp_path)!r})
from jobs_server.upkeep import startup
startup.prepare(app)
browser = app.test_client()
def loaded(): return sorted(name for name in sys.modules if name.partition(".")[0] in ("babel", "flask_babel", "pytz"))
assert browser.get("/?site=wmd").status_code == 200
assert browser.get("/send?site=wmd").status_code == 200
browser.post("/jobs/getnewjobs", json={{"site": "wmd"}}, headers={{"Accept-Language": "de"}})
assert loaded() == [], loaded()
assert "Warteschlange" in browser.get("/?site=wmd", headers={{"Accept-Language": "de"}}).text
assert "flask_babel" in loaded()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_refusal_that_is_known_is_said_in_the_language_and_another_stays(app: Flask) -> None:
    german = of(app, "de")
    assert sentences.said("Error: name a site", german) == "nennen Sie eine Sternwarte"
    assert sentences.said("Name a site", german) == "Nennen Sie eine Sternwarte"
    assert sentences.said("row 2: time is needed", german) == "Zeile 2: Belichtungszeit fehlt"
    low = "M 31 stands 12.5° high, below this site's limit of 20°"
    assert sentences.said(low, german) == "M 31 steht 12,5° hoch, unter der Grenze dieser Sternwarte von 20°"
    assert sentences.said("nobody has translated this", german) == "nobody has translated this"
    assert sentences.said(low, ENGLISH) == low
    assert sentences.said("", german) == ""


class Reading(HTMLParser):
    """What people read of a page, without what sites and people wrote, and without code and times."""

    SILENT = ("bdi", "code", "pre", "time", "script", "style", "kbd", "textarea", "title")

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag in self.SILENT
        self.said += [value or "" for name, value in attrs if name in ("aria-label", "placeholder", "alt") and value]

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag in self.SILENT

    def handle_data(self, data: str) -> None:
        if not self.depth:
            self.said.append(data)


def in_brackets(text: str) -> str:
    return f"⟦{text}⟧"


BRACKETS = replace(
    ENGLISH,
    code="zz",
    gettext=in_brackets,
    ngettext=lambda one, many, num: in_brackets(one if num == 1 else many),
    named=in_brackets,
    days=tuple(map(in_brackets, ENGLISH.days)),
    short_days=tuple(map(in_brackets, ENGLISH.short_days)),
)
"""A language in which every text that is looked up shows that it was."""
SAME_EVERYWHERE = re.compile(
    r"\b(UTC|LST|JSON|CSV|ULID|English|Deutsch|Español|jobs_server|wmd|min|Vera|Europe/Berlin"
    r"|camera\w*|mount\w*|expose|EXPOSING|GB|MB|kB|px|yes|no|somebody on the LAN|Wendelstein Dome|NGC"
    r"|jupiter|optimal|auto|empty|light|ICRS|SQLite .*|dome pc)\b"
)


@pytest.mark.parametrize("path", PAGES)
def test_all_that_a_page_says_was_looked_up(placed: Flask, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Also what Python writes into it: in a language of brackets nothing that people read stands outside of them."""
    browser, observatory = placed.test_client(), inside(placed)
    done, failed, _ = (observatory.sends() for _ in range(3))
    for job, status in ((done, "COMPLETE"), (failed, "FAILED")):
        observatory.polls()
        observatory.starts(job)
        observatory.reports(job, status)
    monkeypatch.setattr(languages, "language", lambda _code: BRACKETS)
    reading = Reading()
    reading.feed(shows(browser, path, "de"))
    text = "\n".join(reading.said)
    while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", text)) != text:
        text = shorter
    left = [line.strip() for line in SAME_EVERYWHERE.sub("", text).splitlines()]
    assert [line for line in left if re.search(r"[A-Za-z]{3}", line)] == []


def test_what_is_not_looked_up_would_be_found() -> None:
    reading = Reading()
    reading.feed('<p>⟦Sent⟧ <bdi>by Vera</bdi> and seen</p><input placeholder="none">')
    assert "".join(reading.said) == "⟦Sent⟧  and seennone"


def test_what_a_plan_waits_for_is_said_in_the_language(app: Flask) -> None:
    waits = "the site to take step 2 (expose of camera camera_1_1)"
    german, spanish = (sentences.said(waits, of(app, code)) for code in ("de", "es"))
    assert german == "die Sternwarte, die Schritt 2 (expose of camera camera_1_1) holen soll"
    assert spanish == "que el observatorio tome el paso 2 (expose of camera camera_1_1)"
