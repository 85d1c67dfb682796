"""Forms and cookies that no page of ours would send get a sentence, and no bare 500."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from flask import Flask

from ..support.observatory import Observatory


@pytest.mark.parametrize("ulid", ["", " ", "\0", "\0" * 26, "x\0y"])
def test_a_cancel_of_a_job_that_is_none_is_refused_in_words(app: Flask, observatory: Observatory, ulid: str) -> None:
    job = observatory.sends()
    reply = app.test_client().post("/act/cancel", data={"site": "wmd", "ulid": ulid})
    assert reply.status_code == 400
    assert "Ulid must be a text that is not blank" in reply.text
    assert observatory.status(job) == "UNREAD"


@pytest.mark.parametrize("name", ["\0", "Ve\0ra", "%00", "\udcff".encode("utf-8", "surrogatepass").decode("latin-1")])
@pytest.mark.parametrize("path", ["/act/stop", "/act/cancel"])
def test_a_stop_passes_whatever_name_a_cookie_holds(app: Flask, observatory: Observatory, path: str, name: str) -> None:
    job = observatory.sends()
    browser = app.test_client()
    browser.set_cookie("name", quote(name))
    reply = browser.post(path, data={"site": "wmd", "ulid": job["ulid"]})
    assert reply.status_code == 303
    assert observatory.status(job) == "CANCELED"


@pytest.mark.parametrize("site", ["\0", "w\0d", "x" * 3000])
@pytest.mark.parametrize("path", ["/act/stop", "/act/cancel"])
def test_an_odd_site_is_no_bare_500(app: Flask, path: str, site: str) -> None:
    reply = app.test_client().post(path, data={"site": site, "ulid": "x"})
    assert reply.status_code < 500
