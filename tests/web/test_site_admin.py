"""A site's profile and the tokens of its software are looked after on the pages, by those who may."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server.auth import site_tokens
from jobs_server.service import reading, service_of

from ..support.nights import PROFILE
from .test_pages import posts, text_of

BLANK = {"name": "", "latitude_deg": "", "longitude_deg": "", "elevation_m": "0", "timezone": "UTC"}


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A browser on the observatory's PC."""
    return app.test_client()


@pytest.fixture
def elsewhere(app: Flask) -> FlaskClient:
    """A browser of somebody on the LAN."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = "192.168.1.20"
    return client


def file_of(app: Flask) -> Path:
    return Path(service_of(app).settings.instance) / "site.toml"


def test_a_profile_is_written_and_works_at_once(browser: FlaskClient, app: Flask) -> None:
    form = BLANK | {"name": "New Dome", "latitude_deg": "47.7", "longitude_deg": "12", "timezone": "Europe/Berlin"}
    devices = {
        "device": ["camera", ""],
        "instances": ["cam1, cam2", ""],
        "filters": ["R,V", ""],
        "binnings": ["1, 2", ""],
    }
    answer = browser.post("/settings/profile", data={"site": "wmd", **form, **devices})
    assert answer.status_code == 303
    page = text_of(browser.get("/settings?site=wmd"))
    assert "New Dome" in page
    assert "filters R, V" in page
    assert "LST" in text_of(browser.get("/?site=wmd"))
    assert "no place set" not in browser.get("/?site=wmd").text
    assert 'value="cam2"' in browser.get("/send?site=wmd").text
    assert 'value="cam1, cam2"' in browser.get("/settings/profile?site=wmd").text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"latitude_deg": "91", "longitude_deg": "0"}, "less than or equal to 90"),
        ({"latitude_deg": "47"}, "give both latitude_deg and longitude_deg"),
        ({"timezone": "Mars/Olympus"}, "is no time zone"),
        ({"elevation_m": "high"}, "valid number"),
        ({"device": "", "instances": "cam1", "filters": "", "binnings": ""}, "each device needs a name"),
    ],
)
def test_a_wrong_profile_is_said_beside_its_field_and_not_kept(
    browser: FlaskClient, app: Flask, wrong: dict[str, str], said: str
) -> None:
    answer = posts(browser, "/settings/profile", **(BLANK | {"name": "Kept as typed"} | wrong))
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert 'value="Kept as typed"' in answer.text
    assert not file_of(app).exists()


def test_saving_the_form_keeps_how_plans_go_which_the_form_does_not_show(browser: FlaskClient, app: Flask) -> None:
    file_of(app).parent.mkdir(exist_ok=True)
    file_of(app).write_text('code = "wmd"\nplans = "at_once"\n', encoding="utf-8")
    assert posts(browser, "/settings/profile", **(BLANK | {"name": "New Dome"})).status_code == 303
    assert 'plans = "at_once"' in file_of(app).read_text(encoding="utf-8")
    assert service_of(app).profiles.is_at_once("wmd")


def test_a_file_that_is_wrong_already_is_not_written_over(browser: FlaskClient, app: Flask) -> None:
    file_of(app).parent.mkdir(exist_ok=True)
    file_of(app).write_text(PROFILE, encoding="utf-8")
    assert "Wendelstein" in browser.get("/?site=wmd").text
    file_of(app).write_text("code = ", encoding="utf-8")
    answer = posts(browser, "/settings/profile", **BLANK)
    assert (answer.status_code, "cannot be read" in text_of(answer)) == (400, True)
    assert file_of(app).read_text(encoding="utf-8") == "code = "


def test_a_token_is_shown_once_works_and_is_revoked(browser: FlaskClient, app: Flask) -> None:
    assert posts(browser, "/act/make-token", name=" ").status_code == 400
    made = posts(browser, "/act/make-token", name="dome pc")
    secret = re.search(r"jobs_site_[\w-]+", made.text)
    assert secret is not None
    assert f"token = &#34;{secret[0]}&#34;" in made.text
    assert f"Authorization: Bearer {secret[0]}" in made.text
    assert made.text.count("data-copy ") == 3
    page = browser.get("/settings?site=wmd").text
    assert secret[0] not in page
    assert "dome pc" in page
    with app.app_context(), reading() as connection:
        kept = site_tokens.find(connection, secret[0])
    assert kept is not None
    assert posts(browser, "/act/revoke-token", token=str(kept.id)).status_code == 303
    with app.app_context(), reading() as connection:
        assert site_tokens.find(connection, secret[0]) is None
    assert posts(browser, "/act/revoke-token", token="x").status_code == 404


def test_without_sign_in_only_the_pc_itself_looks_after_the_server(elsewhere: FlaskClient, app: Flask) -> None:
    for path, fields in (
        ("/settings/profile", BLANK),
        ("/act/make-token", {"name": "mine"}),
        ("/act/revoke-token", {"token": "1"}),
    ):
        refused = posts(elsewhere, path, **fields)
        assert (refused.status_code, "at the observatory's PC" in text_of(refused)) == (403, True), path
    assert elsewhere.get("/settings/profile?site=wmd").status_code == 403
    page = elsewhere.get("/settings?site=wmd").text
    assert "Make a token" not in page
    assert not file_of(app).exists()
