"""The pages work as plain HTML: without a script, under a strict policy, for any text that people enter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask, before_render_template
from flask.testing import FlaskClient
from jinja2 import Template
from werkzeug.test import TestResponse

from jobs_server.errors import Unavailable
from jobs_server.jobs.desk import Desk
from jobs_server.service import service_of
from jobs_server.storage.database import Database
from jobs_server.storage.statement import Connection
from jobs_server.web import assets

from ..conftest import inside
from ..support.clocks import Clocks
from ..support.nights import PROFILE
from ..support.observatory import Observatory

TEMPLATES = sorted((Path(assets.__file__).parent / "templates" / "pages").glob("*.html"))
PAGES = (
    "/",
    "/send",
    "/insights",
    "/insights?nights=90",
    "/settings",
    "/jobs-log",
    "/night",
    "/night/2026-11-23",
    "/part/frame",
)


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A browser without scripts."""
    return app.test_client()


def text_of(response: TestResponse) -> str:
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.text)).split())


def posts(browser: FlaskClient, path: str, **fields: str) -> TestResponse:
    return browser.post(path, data={"site": "wmd", **fields}, headers={"Referer": "http://localhost/jobs-log?site=wmd"})


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_html_under_a_strict_policy(
    browser: FlaskClient, observatory: Observatory, path: str
) -> None:
    observatory.sends()
    page = browser.get(f"{path}{'&' if '?' in path else '?'}site=wmd")
    assert page.status_code == 200
    assert page.text.rstrip().endswith("</html>")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert "anyone on this network may command the telescope" in text_of(page)
    for button in ("Cancel waiting", "Stop now", "Stop and park"):
        assert button in text_of(page)


@pytest.mark.parametrize("path", [*PAGES, "/reservations", "/docs", "/sign-in", "/job/none", "/settings/profile"])
def test_no_connection_is_held_while_a_page_is_rendered(
    browser: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    database, lent, seen = service_of(app).database, list[str](), list[tuple[str, int]]()
    open_snapshot = database.snapshot

    @contextmanager
    def watched() -> Iterator[Connection]:
        with open_snapshot() as connection:
            lent.append(path)
            yield connection
        lent.pop()

    def note(_app: Flask, template: Template, **_more: object) -> None:
        seen.append((str(template.name), len(lent)))

    monkeypatch.setattr(Database, "snapshot", lambda _database: watched())
    with before_render_template.connected_to(note, app):
        assert browser.get(f"{path}{'&' if '?' in path else '?'}site=wmd").status_code in (200, 404)
    assert {held for _, held in seen} == {0}


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("/", "Now"),
        ("/send", "Send"),
        ("/jobs-log", "Jobs"),
        ("/job/{}", "Jobs"),
        ("/night/2026-11-23", "Night"),
        ("/insights", "Insights"),
        ("/reservations", "Reservations"),
        ("/settings/profile", "Site"),
    ],
)
def test_the_menu_says_where_one_is(browser: FlaskClient, observatory: Observatory, path: str, link: str) -> None:
    page = browser.get(path.format(observatory.sends()["ulid"]) + "?site=wmd")
    assert re.findall(r'<a href="[^"]+" aria-current="(?:page|true)">(\w+)</a>', page.text.split("</nav>")[0]) == [link]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.name))
def test_no_template_has_an_inline_script_or_style_or_a_foreign_address(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", source)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://|\|\s*safe", source)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_what_a_form_lacks_is_said_by_the_server_and_not_by_a_white_box_of_the_browser(template: Path) -> None:
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", template.read_text(), flags=re.DOTALL)
    forms = re.findall(r"<form([^>]*)>(.*?)</form>", text, flags=re.DOTALL)
    asking = [tag for tag, inside in forms if re.search(r"<(?:input|textarea|select)[^>]* required\b", inside)]
    assert [tag for tag in asking if "novalidate" not in tag] == []


@pytest.mark.parametrize(
    ("path", "fields", "sentence"),
    [
        ("/send", {"do": "send", "device": "camera", "action": "expose", "time": "1"}, "name the instance"),
        ("/act/name", {"name": " "}, "write a name, so that others see who commands"),
        ("/act/reserve", {"start": "", "end": ""}, "choose a night, or write when it begins"),
        ("/act/lock-out", {"note": ""}, "say why, so that others know what they would disturb"),
        ("/act/make-token", {"name": ""}, "who will use the token"),
    ],
)
def test_a_blank_field_that_is_needed_gets_a_sentence(
    browser: FlaskClient, path: str, fields: dict[str, str], sentence: str
) -> None:
    refused = posts(browser, path, site="wmd", **fields)
    assert refused.status_code == 400
    assert sentence in unescape(refused.text).replace("Write", "write").replace("Say", "say").replace(
        "Choose", "choose"
    )


def test_styles_and_scripts_are_kept_for_ever_under_the_hash_of_their_content(browser: FlaskClient) -> None:
    page = browser.get("/?site=wmd").text
    addresses = set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', page))
    assert {address.rpartition("/")[2] for address in addresses} >= {"theme.css", "main.js", "bootstrap.min.css"}
    for address in addresses:
        file = browser.get(address, headers={"Accept-Encoding": "gzip"})
        assert (file.status_code, file.headers["Content-Encoding"]) == (200, "gzip")
        assert "immutable" in file.headers["Cache-Control"]
    assert browser.get("/assets/old/main.js").headers["Cache-Control"] == "no-cache"
    assert browser.get("/assets/old/none.js").status_code == 404


def test_all_that_a_page_loads_is_small() -> None:
    assert sum(len(asset.packed) for asset in assets.all_assets().values()) < 250_000


def test_without_a_site_the_page_asks_for_one(browser: FlaskClient) -> None:
    page = browser.get("/", follow_redirects=True)
    assert "What is it called?" in page.text
    assert "Stop now" not in page.text
    assert browser.get("/?site=new").status_code == 200


def test_the_page_says_what_runs_and_what_waits(browser: FlaskClient, observatory: Observatory, clocks: Clocks) -> None:
    job = observatory.sends(
        required_params={"time": 60, "image_type": "light"}, optional_params={"count": 5, "filter": "R"}
    )
    observatory.polls()
    observatory.reports(job, "EXPOSING", secondsUntilComplete=300)
    clocks.pass_by(40)
    observatory.sends("darkslide_close", user_name="Tycho")
    page = text_of(browser.get("/?site=wmd"))
    assert "Expose 5 × 60 s, filter R, light EXPOSING by Vera" in page
    assert "4 min 20 s left last word 40 s ago" in page
    assert "Queue 1" in page
    assert "Close the dark slide Tycho" in page


def test_an_estimate_that_ran_out_and_one_of_a_week(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    job = observatory.sends()
    observatory.reports(job, "EXPOSING", secondsUntilComplete=60)
    clocks.pass_by(100)
    assert "over its estimate by 40 s" in text_of(browser.get("/?site=wmd"))
    observatory.reports(job, "EXPOSING", secondsUntilComplete=7 * 86400)
    assert "7 d 0 h left" in text_of(browser.get("/?site=wmd"))
    observatory.reports(job, "EXPOSING", secondsUntilComplete=-1)
    assert "no estimate" in text_of(browser.get("/?site=wmd"))


def test_software_that_reports_nothing(browser: FlaskClient, observatory: Observatory, clocks: Clocks) -> None:
    observatory.sends()
    observatory.polls()
    clocks.pass_by(180)
    assert "handed over 3 min ago, no word from the site" in text_of(browser.get("/?site=wmd"))


def test_stop_goes_out_and_shows_its_receipt(browser: FlaskClient, observatory: Observatory, clocks: Clocks) -> None:
    waiting = observatory.sends()
    answer = posts(browser, "/act/stop", how="now")
    assert (answer.status_code, answer.location) == (303, "/jobs-log?site=wmd")
    page = text_of(browser.get("/jobs-log?site=wmd"))
    assert "Stop sent." in page
    assert "Stop everything by somebody on the LAN sent" in page
    assert "not seen yet" in page
    clocks.pass_by(11)
    loud = browser.get("/jobs-log?site=wmd").text
    assert re.search(r'class="loud">The site has not taken this stop .*for 11 s', loud)
    [stop] = observatory.polls()
    assert (stop["deviceType"], stop["action"]) == ("all", "cancel_all_commands")
    observatory.reports(stop, "COMPLETE")
    page = text_of(browser.get("/jobs-log?site=wmd"))
    assert "seen by the site" in page
    assert "acted on: COMPLETE" in page
    assert observatory.status(waiting) == "CANCELED"


def test_stop_and_park_parks_later(browser: FlaskClient, observatory: Observatory, clocks: Clocks) -> None:
    observatory.sends("go", device="mount", instance="eastpier")
    posts(browser, "/act/stop", how="park")
    assert [job["action"] for job in observatory.polls()] == ["cancel_all_commands"]
    clocks.pass_by(29)
    assert observatory.polls() == []
    clocks.pass_by(1)
    assert [(job["action"], job["deviceInstance"]) for job in observatory.polls()] == [("park", "eastpier")]


def test_a_park_that_is_refused_takes_no_stop_back(browser: FlaskClient, observatory: Observatory) -> None:
    waiting = observatory.sends()
    lockout = {"site": "wmd", "note": "hands on the mount", "user_id": "auth0|vera", "user_name": "Vera"}
    assert observatory.posts("lockout", lockout).status == 200
    pressed = {"site": "wmd", "how": "park"}
    answer = browser.post("/act/stop", data=pressed, headers={"X-Requested-By": "script"})
    assert answer.json is not None
    assert answer.json["line"].startswith("Stop sent. The park was refused: wmd is locked out by Vera")
    assert "Stop sent. The park was refused." in browser.post("/act/stop", data=pressed, follow_redirects=True).text
    assert observatory.status(waiting) == "CANCELED"
    assert {job["action"] for job in observatory.polls()} == {"cancel_all_commands"}


def test_a_stop_goes_out_whatever_name_the_browser_holds(browser: FlaskClient, observatory: Observatory) -> None:
    browser.set_cookie("name", "a%00b")
    assert posts(browser, "/act/stop", how="now").status_code == 303
    assert [job["action"] for job in observatory.polls()] == ["cancel_all_commands"]


def test_cancel_waiting_leaves_what_runs(browser: FlaskClient, observatory: Observatory) -> None:
    running = observatory.sends()
    observatory.polls()
    observatory.starts(running)
    first, second = observatory.sends(), observatory.sends()
    answer = browser.post("/act/stop", data={"site": "wmd", "how": "waiting"}, headers={"X-Requested-By": "script"})
    assert answer.json == {"done": "waiting", "count": 2, "line": "2 waiting jobs were canceled."}
    assert [observatory.status(job) for job in (running, first, second)] == ["STARTED", "CANCELED", "CANCELED"]
    assert "cancelRequested" not in observatory.shows(running)
    assert observatory.polls() == []


@pytest.mark.parametrize("action", ["cancel_all_commands", "stop"])
def test_a_stop_is_never_taken_away_by_cancel_waiting(
    browser: FlaskClient, observatory: Observatory, action: str
) -> None:
    stop, job = observatory.sends(action), observatory.sends()
    answer = browser.post("/act/stop", data={"site": "wmd", "how": "waiting"}, headers={"X-Requested-By": "script"})
    assert answer.json["count"] == 1  # type: ignore[index]
    assert [observatory.status(each) for each in (stop, job)] == ["UNREAD", "CANCELED"]
    assert [each["ulid"] for each in observatory.polls(alternateQueue=True)] == [stop["ulid"]]


def test_one_job_is_canceled_under_the_name_of_who_did_it(browser: FlaskClient, observatory: Observatory) -> None:
    job = observatory.sends()
    posts(browser, "/act/name", name="  Caroline   H. ")
    posts(browser, "/act/cancel", ulid=job["ulid"])
    last = observatory.shows(job)["history"][-1]
    assert last["by"]["name"] == "Caroline H."
    refused = posts(browser, "/act/cancel", ulid="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert refused.status_code == 404
    assert "has no job" in text_of(refused)


def test_a_refusal_shows_what_every_page_shows(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    posts(browser, "/act/lock-out", note="hands on the mount")

    def no_calendar(*_what: object) -> None:
        raise Unavailable("Error: the calendar that says who has reserved wmd cannot be reached")

    monkeypatch.setattr(Desk, "cancel", no_calendar)
    refused = posts(browser, "/act/cancel", ulid="x")
    assert refused.status_code == 503
    assert "The calendar that says who has reserved wmd cannot be reached" in text_of(refused)
    assert "hands on the mount" in text_of(refused)


def test_a_refusal_is_a_line_for_a_script(browser: FlaskClient) -> None:
    headers = {"X-Requested-By": "script"}
    refused = browser.post("/act/cancel", data={"site": "wmd", "ulid": "x"}, headers=headers)
    assert (refused.status_code, refused.mimetype, refused.text) == (404, "text/plain", "Site wmd has no job x")


def test_what_was_done_is_said_once_by_the_page_that_comes_though_the_one_that_goes_renews_itself(
    browser: FlaskClient, observatory: Observatory
) -> None:
    job = observatory.sends()
    posts(browser, "/act/cancel", ulid=job["ulid"])
    browser.get("/?site=wmd", headers={"X-Requested-By": "script"})
    said = [browser.get("/?site=wmd").text.count('class="note done"') for _ in range(2)]
    assert said == [1, 0]


def test_without_sign_in_the_page_asks_for_a_name_until_it_has_one(
    browser: FlaskClient, observatory: Observatory
) -> None:
    question = "Which name shall your jobs carry"
    assert question in text_of(browser.get("/?site=wmd"))
    assert question in text_of(browser.get("/send?site=wmd"))
    posts(browser, "/act/name", name="Vera")
    for path in ("/", "/send", "/part/frame"):
        assert question not in text_of(browser.get(f"{path}?site=wmd"))
    browser.post("/send", data={"site": "wmd", "do": "send", "device": "d", "instance": "i", "action": "a"})
    assert [job["user_name"] for job in observatory.polls()] == ["Vera"]


def test_the_theme_is_remembered(browser: FlaskClient) -> None:
    assert "data-theme=" not in browser.get("/?site=wmd").text
    posts(browser, "/act/theme", theme="night")
    page = browser.get("/?site=wmd").text
    assert 'data-theme="night"' in page
    assert 'bgcolor="#000000"' in page
    assert posts(browser, "/act/theme", theme="pink").status_code == 400


@pytest.mark.parametrize(
    "left", ["https://evil.example/", "http://localhost//evil.example/", "http://localhost/act/stop", "", "http://[::1"]
)
def test_a_form_leads_back_only_to_a_page_of_ours(browser: FlaskClient, left: str) -> None:
    answer = browser.post("/act/theme", data={"site": "wmd", "theme": "dark"}, headers={"Referer": left})
    assert answer.location == "/?site=wmd"


def test_a_stop_is_answered_whatever_page_is_said_to_be_left(browser: FlaskClient) -> None:
    """The stop was done, and the page said that the server had failed."""
    answer = browser.post("/act/stop", data={"site": "wmd", "how": "now"}, headers={"Referer": "http://[::1"})
    assert (answer.status_code, answer.location) == (303, "/?site=wmd")


@pytest.mark.parametrize("ra", ["NaN", 1e308, "1e308", "-Infinity", "9" * 400])
def test_a_number_that_is_none_leaves_every_page_whole(
    browser: FlaskClient, observatory: Observatory, ra: object
) -> None:
    """RA `1e308` and NaN: a job that held one made every page 500, those with the stop button too."""
    job = observatory.sends("go", device="mount", instance="m1", required_params={"ra": ra, "dec": "0"})
    for path in ("/", "/night", "/jobs-log", "/timeline.json", f"/job/{job['ulid']}", f"/send?again={job['ulid']}"):
        page = browser.get(f"{path}{'&' if '?' in path else '?'}site=wmd")
        assert page.status_code == 200
    assert posts(browser, "/act/stop").status_code == 303


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "\u202eright to left\u202c \u05d0\u05d1\u05d2",
    "🔭" * 50,
    "n" * 64,
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_any_text_is_shown_as_text(browser: FlaskClient, observatory: Observatory, hostile: str) -> None:
    observatory.sends(
        user_name=hostile,
        device=hostile,
        instance=hostile,
        required_params={hostile: {"deep": [hostile] * 3}},
        action=hostile,
    )
    job = observatory.sends(user_name=hostile, optional_params={"object_name": hostile, "filter": hostile})
    observatory.polls()
    observatory.reports(job, "EXPOSING", message=hostile)
    for path in ("/", "/jobs-log", "/night", f"/job/{job['ulid']}"):
        page = browser.get(f"{path}?site=wmd")
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
    assert hostile in unescape(browser.get(f"/job/{job['ulid']}?site=wmd").text)


def test_names_of_sites_are_text_too(browser: FlaskClient, app: Flask) -> None:
    name = '<b>"site"</b>/../%2e'
    inside(app, site=name).sends()
    page = browser.get(f"/?site={quote(name)}")
    assert page.status_code == 200
    assert "<b>" not in page.text


def test_two_sites_are_kept_apart(browser: FlaskClient, app: Flask) -> None:
    inside(app, site="wmd").sends()
    other = inside(app, site="mrc").sends("darkslide_open")
    assert "Open the dark slide" in text_of(browser.get("/?site=mrc"))
    assert "Open the dark slide" not in text_of(browser.get("/?site=wmd"))
    assert browser.get(f"/job/{other['ulid']}?site=wmd").status_code == 404
    assert "mrc" in text_of(browser.get("/?site=wmd"))


def test_pages_are_compressed_for_who_takes_it(browser: FlaskClient) -> None:
    packed = browser.get("/?site=wmd", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < len(browser.get("/?site=wmd").data) / 2


def test_200_jobs_are_a_small_page(browser: FlaskClient, observatory: Observatory) -> None:
    for _ in range(200):
        observatory.sends()
    assert len(browser.get("/?site=wmd").data) < 100_000


def test_lock_out_is_on_every_page_until_the_same_person_lifts_it(
    browser: FlaskClient, app: Flask, observatory: Observatory
) -> None:
    posts(browser, "/act/name", name="Vera")
    assert posts(browser, "/act/lock-out", note=" ").status_code == 400
    posts(browser, "/act/lock-out", note="hands on the mount")
    for path in ("/", "/send", "/jobs-log"):
        assert "Locked out by Vera" in text_of(browser.get(f"{path}?site=wmd"))
        assert "hands on the mount" in text_of(browser.get(f"{path}?site=wmd"))
    expose = {"device": "camera", "action": "expose", "instance": "c", "do": "send"}
    refused = posts(browser, "/send", **expose)
    assert (refused.status_code, "is locked out by Vera" in text_of(refused)) == (423, True)
    assert posts(browser, "/act/stop", how="now").status_code == 303
    other = app.test_client()
    posts(other, "/act/name", name="Tycho")
    assert posts(other, "/act/lift-lock-out").status_code == 403
    assert posts(browser, "/act/lift-lock-out").status_code == 303
    assert "Locked out" not in text_of(browser.get("/?site=wmd"))
    assert "lifted by Vera" in text_of(browser.get("/settings?site=wmd"))


def test_the_night_says_when_it_is_dark_and_when_the_moon_is_up(browser: FlaskClient, app: Flask) -> None:
    file = Path(service_of(app).settings.instance) / "site.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(PROFILE, encoding="utf-8")
    page = text_of(browser.get("/night/2026-11-24?site=wmd"))
    assert "Dark from 17:16 to 04:41 UTC. Moon up from 14:39 to 08:04 UTC, 100 % lit." in page
    assert "Moon up from 12:07 to 22:53 UTC, 55 % lit." in text_of(browser.get("/night/2026-11-17?site=wmd"))


def test_a_reservation_is_made_shown_moved_and_deleted(browser: FlaskClient, app: Flask, clocks: Clocks) -> None:
    posts(browser, "/act/name", name="Vera")
    posts(browser, "/act/reserve", start="2027-01-15 07:00", end="2027-01-15 10:00", reservation_note="M 31")
    assert "Reserved by Vera until 10:00 UTC" in text_of(browser.get("/?site=wmd"))
    calendar = browser.get("/reservations?site=wmd").text
    event = re.search(r'name="event_id" value="([^"]+)">Delete', calendar)
    assert event is not None

    other = app.test_client()
    posts(other, "/act/name", name="Tycho")
    times = {"start": "2027-01-15 09:00", "end": "2027-01-15 11:00"}
    script = {"X-Requested-By": "script"}
    checked = other.post("/act/reserve", data={"site": "wmd", "do": "check", **times}, headers=script).json
    assert checked == {"fault": "Vera has reserved 2027-01-15 07:00 to 2027-01-15 10:00 UTC"}
    refused = posts(other, "/act/reserve", **times)
    assert (refused.status_code, "is reserved by Vera" in text_of(refused)) == (409, True)
    assert 'value="2027-01-15 09:00"' in refused.text
    assert posts(other, "/act/unreserve", event_id=event[1]).status_code == 403
    expose = {"device": "camera", "action": "expose", "instance": "c", "do": "send"}
    assert posts(other, "/send", **expose).status_code == 401
    assert posts(browser, "/send", **expose).status_code == 303

    assert 'value="2027-01-15 07:00"' in browser.get(f"/reservations?site=wmd&edit={event[1]}&from=2027-01-14").text
    posts(browser, "/act/reserve", start="2027-01-15 07:00", end="2027-01-15 08:30", event_id=event[1])
    assert "until 08:30 UTC" in text_of(browser.get("/?site=wmd"))
    posts(browser, "/act/unreserve", event_id=event[1])
    assert "Reserved by" not in text_of(browser.get("/?site=wmd"))


@pytest.mark.sqlite("its file")
@pytest.mark.parametrize("path", ["/", "/send", "/settings", "/docs", "/part/frame"])
def test_a_page_says_why_while_the_database_cannot_be_read(file_app: Flask, path: str) -> None:
    browser = file_app.test_client()
    browser.get("/?site=wmd")
    database = service_of(file_app).database
    database.close()
    file = Path(database.engine.url.database or "")
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()
    file.mkdir()
    page = browser.get(path)
    assert page.status_code == 503
    assert "The database cannot be used now: its file cannot be opened" in text_of(page)
    assert page.text.rstrip().endswith("</html>")
