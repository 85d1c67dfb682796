"""What went wrong stands first and with its reason, in every list: a word, a sign and a colour."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ..support import nights
from ..support.clocks import Clocks
from ..support.observatory import Observatory

WHY = "no guide star after 3 tries"


@pytest.fixture
def browser(app: Flask, clocks: Clocks) -> FlaskClient:
    del clocks
    return app.test_client()


def ends(observatory: Observatory, clocks: Clocks, name: str, status: str, **more: Any) -> dict[str, Any]:
    """Let a job of a name end."""
    job = observatory.sends(**nights.expose(name))
    observatory.polls()
    observatory.reports(job, status, **more)
    clocks.pass_by(5)
    return job


def rows(page: str) -> list[str]:
    """The rows of Results, without their tags."""
    (found,) = re.findall(r'<section id="latest".*?</section>', page, re.DOTALL)
    return [
        " ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in re.findall(r"<li.*?</li>", found, re.DOTALL)
    ]


def test_a_failure_stands_first_among_the_results_until_somebody_has_seen_it(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    ends(observatory, clocks, "Field 1", "FAILED", message=WHY)
    ends(observatory, clocks, "Field 2", "COMPLETE")
    ends(observatory, clocks, "Field 3", "CANCELED")
    page = browser.get("/?site=wmd").text
    shown = rows(page)
    assert [re.findall(r"Field (\d)", row)[0] for row in shown] == ["1", "3", "2"]
    assert WHY in shown[0]
    assert "1 failed" in page
    until = re.findall(r'name="until" value="(\d+)"', page)[0]
    seen = browser.post("/act/see-failures", data={"site": "wmd", "until": until}, headers={"Host": "localhost"})
    assert seen.status_code == 303
    page = browser.get("/?site=wmd").text
    assert [re.findall(r"Field (\d)", row)[0] for row in rows(page)] == ["3", "2", "1"]
    assert WHY in rows(page)[2]
    ends(observatory, clocks, "Field 4", "FAILED")
    ends(observatory, clocks, "Field 5", "COMPLETE")
    assert "Field 4" in rows(browser.get("/?site=wmd").text)[0]


def test_what_was_seen_at_one_site_hides_nothing_of_another(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    ends(observatory, clocks, "Field 1", "FAILED")
    browser.post("/act/see-failures", data={"site": "other; site=x", "until": "9999999999999"})
    assert "1 failed" in browser.get("/?site=wmd").text
    browser.post("/act/see-failures", data={"site": "wmd", "until": "9999999999999"})
    assert "1 failed" not in browser.get("/?site=wmd").text


def test_what_was_seen_is_remembered_at_sites_with_long_names_in_other_scripts(browser: FlaskClient) -> None:
    """Browsers keep no cookie of more than 4096 bytes, so that nothing was ever seen there."""
    for number in range(8):
        site = f"{number}{chr(0x1F52D) * 63}"
        answer = browser.post("/act/see-failures", data={"site": site, "until": "9999999999999"})
        cookies = [each for each in answer.headers.getlist("Set-Cookie") if each.startswith("seen=")]
        assert len(cookies[0].partition(";")[0]) < 4000
    kept = browser.get_cookie("seen")
    assert kept is not None
    assert parse_qsl(unquote(kept.value))[0] == (site, "9999999999999")


@pytest.mark.parametrize("until", ["", "soon", "-1", "²", "1" * 400])
def test_a_time_that_is_none_is_refused(browser: FlaskClient, until: str) -> None:
    refused = browser.post("/act/see-failures", data={"site": "wmd", "until": until})
    assert (refused.status_code, "until must be a time in ms" in refused.text.lower()) == (400, True)


@pytest.mark.parametrize("cookie", ["", "wmd", "wmd=soon", "wmd=1&wmd=2", "%00", "=" * 500])
def test_a_browser_that_remembers_nonsense_sees_the_page(browser: FlaskClient, cookie: str) -> None:
    browser.set_cookie("seen", cookie)
    assert browser.get("/?site=wmd").status_code == 200


def test_the_night_tells_what_went_wrong_before_all_else(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    ends(observatory, clocks, "Field 1", "COMPLETE")
    ends(observatory, clocks, "Field 2", "FAILED", message=WHY)
    page = browser.get("/night?site=wmd").text
    wrong = page.split('id="failures"')[1].split('id="rows"')[0]
    assert "Field 2" in wrong
    assert WHY in wrong
    assert "Field 1" not in wrong
    assert page.split('id="rows"')[1].count(WHY) == 1


def test_the_log_and_the_plan_have_the_reason_too(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    steps = [nights.expose("M 31", 10, 1, "R"), nights.expose("M 31", 10, 1, "V")]
    who = {"user_name": "Tycho", "user_id": "lan|tycho"}
    plan = observatory.posts("newplan", {"site": "wmd", "title": "M 31", "steps": steps} | who).job
    (first,) = observatory.polls()
    observatory.reports(first, "FAILED", message=WHY)
    clocks.pass_by(1)
    assert WHY in browser.get("/jobs-log?site=wmd").text
    page = browser.get(f"/plans/{plan['id']}?site=wmd").text
    (step,) = re.findall(r'<li data-key="[^"]+"[^>]*>\s*<span class="number">1</span>.*?</li>', page, re.DOTALL)
    assert f'<span class="why"><bdi>{WHY}' in step
