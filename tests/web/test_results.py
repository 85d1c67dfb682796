"""A job's page shows what came of it: results in words and units, its pictures, and whatever a site makes of both."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.domain.actors import said
from jobs_server.domain.commands import SubmitJob
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..conftest import inside
from ..state.pictures import picture
from ..support import databases
from ..support.clocks import Clocks
from ..support.nights import expose
from ..support.observatory import Observatory

RESULT = {
    "files": ["m31-r-001.fits", "m31-r-002.fits"],
    "frames": 2,
    "fwhm_arcsec": 2.3149999,
    "ra": 0.7123,
    "dec": 41.269,
    "sky_adu": 812,
    "guided": True,
    "focus": {"best_um": 5021},
}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A browser without scripts."""
    return app.test_client()


def text_of(page: str) -> str:
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def part(page: str, name: str) -> str:
    """One part of a page that stays true while the page is open."""
    found = re.search(rf'<div id="{name}" data-live>(.*?)\n</div>', page, re.DOTALL)
    assert found is not None, name
    return found[1]


def job_page(browser: FlaskClient, job: dict[str, Any]) -> str:
    answer = browser.get(f"/job/{job['ulid']}", query_string={"site": job["site"]})
    assert answer.status_code == 200
    return answer.text


def sends_picture(browser: FlaskClient, job: dict[str, Any], name: str = "M 31, R", data: bytes | None = None) -> None:
    query = {"site": job["site"], "ulid": job["ulid"], "name": name}
    answer = browser.post("/jobs/preview", data=data or picture(), query_string=query)
    assert answer.status_code == 200, answer.text


def sources(page: str) -> list[str]:
    return [unescape(each) for each in re.findall(r'<img src="([^"]+)"', page)]


def test_what_came_of_a_job_is_shown_in_words_and_units(browser: FlaskClient, observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls()
    observatory.reports(job, "COMPLETE", result=RESULT)
    said = text_of(part(job_page(browser, job), "result"))
    for each in (
        *("Files m31-r-001.fits m31-r-002.fits", "Frames 2", "FWHM 2.315″", "Sky 812 ADU", "Guided yes"),
        *("Pointed at RA 00h 42m 44.3s, Dec +41° 16′ 08″", '"best_um": 5021'),
    ):
        assert each in said


def test_a_job_of_which_nothing_came_shows_nothing_superfluous(browser: FlaskClient, observatory: Observatory) -> None:
    page = job_page(browser, observatory.sends())
    assert part(page, "result").strip() == part(page, "pictures").strip() == ""


def test_results_and_pictures_come_while_the_job_still_runs(browser: FlaskClient, observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls()
    observatory.reports(job, "EXPOSING", result={"frames": 1})
    sends_picture(browser, job)
    page = job_page(browser, job)
    assert "Frames 1" in text_of(part(page, "result"))
    assert len(sources(part(page, "pictures"))) == 1
    observatory.reports(job, "EXPOSING", result={"frames": 2})
    assert "Frames 2" in text_of(part(job_page(browser, job), "result"))


def test_a_result_that_comes_after_the_end_makes_no_job_run_longer(
    browser: FlaskClient, observatory: Observatory, clocks: Clocks
) -> None:
    """A job that ran 60 s and whose result came 20 minutes later "ran 21 min"."""
    job = observatory.sends()
    observatory.polls()
    observatory.reports(job, "EXPOSING")
    clocks.pass_by(60)
    observatory.reports(job, "COMPLETE", message="done")
    clocks.pass_by(1200)
    observatory.reports(job, "COMPLETE", result={"frames": 2})
    said = text_of(job_page(browser, job))
    assert "Ran 1 min 00 s." in said
    assert "Frames 2" in said


def test_a_picture_leads_to_the_picture_as_large_as_the_window_with_what_it_is(
    browser: FlaskClient, observatory: Observatory
) -> None:
    job = observatory.sends()
    sends_picture(browser, job, "first")
    sends_picture(browser, job, "R, 60 s #2")
    shown = part(job_page(browser, job), "pictures")
    first, second = (unescape(each) for each in re.findall(r'<a href="([^"]+)"><img', shown))
    large = browser.get(first)
    assert large.status_code == 200
    said = text_of(large.text)
    assert "Expose 2 × 1.5 s" in said
    assert "R, 60 s #2" in said
    assert "Earlier" in said
    assert "Later" not in said
    (source,) = sources(large.text)
    assert browser.get(source).mimetype == "image/png"
    assert "Later" in text_of(browser.get(second).text)


def test_a_picture_that_is_not_kept_any_more_is_said_and_is_no_failure(
    browser: FlaskClient, observatory: Observatory
) -> None:
    job = observatory.sends()
    for path in (f"/job/{job['ulid']}/picture", f"/job/{job['ulid']}/picture?name=none", "/job/none/picture"):
        assert browser.get(path, query_string={"site": "wmd"} if "?" not in path else None).status_code == 404


def test_another_site_s_job_shows_no_picture(browser: FlaskClient, app: Flask) -> None:
    job = inside(app, site="mrc").sends()
    sends_picture(browser, job)
    assert browser.get(f"/job/{job['ulid']}/picture?site=wmd").status_code == 404


def test_where_pictures_are_for_who_signs_in_a_stranger_sees_that_there_are_some_and_none_of_them(
    tmp_path: Path,
) -> None:
    settings = {"TESTING": True, "JOBS_PICTURES_FROM": "signed-in", "JOBS_OIDC_ISSUER": "http://127.0.0.1:9"}
    app = create_app(settings | {"JOBS_OIDC_AUDIENCE": "jobs"} | databases.at(tmp_path / "instance"))
    startup.prepare(app)
    job = kept_job(app)
    stranger = app.test_client()
    shown = part(job_page(stranger, job), "pictures")
    assert sources(shown) == []
    assert "signs in sees the picture" in text_of(shown)
    assert stranger.get(f"/job/{job['ulid']}/picture?site=wmd").status_code == 401


def kept_job(app: Flask) -> dict[str, Any]:
    """A job with a picture where people must sign in: posted at the server's own desk."""
    with app.app_context():
        command = SubmitJob.model_validate({"site": "wmd", "user_name": "Vera", "user_id": "lan|vera"} | expose("M 31"))
        (row,) = service_of(app).desk.post_all([(command, None)], said("lan|vera", "Vera", ()))
    job = {"site": row.site, "ulid": row.ulid}
    sends_picture(app.test_client(), job)
    return job


ODD: tuple[dict[str, Any], ...] = (
    {"files": 7, "frames": "many", "fwhm_arcsec": "sharp", "ra": "x", "dec": None},
    {"files": [1, None, {}], "ra": 1e308, "dec": [41], "frames": {"deep": [[[]]]}},
    {"files": [], "frames": 1e-300, "fwhm_arcsec": -0.0, "ra": -1, "dec": 91},
    {HOSTILE: HOSTILE, "files": [HOSTILE] * 300},
    {"text": "n" * 15_000, "": "", "_c": 1, "__": True},
    {"frames": int("9" * 4000), "ra": "5.5", "dec": "-5"},
    {str(number): number for number in range(1000)},
    {},
)


@pytest.mark.parametrize("result", ODD, ids=range(len(ODD)))
def test_whatever_a_site_calls_a_result_leaves_the_page_whole(
    browser: FlaskClient, observatory: Observatory, result: dict[str, Any]
) -> None:
    job = observatory.sends()
    assert observatory.reports(job, "EXPOSING", result=result).status == 200
    page = job_page(browser, job)
    assert "<script>alert" not in page
    assert len(page) < 300_000


def test_whatever_a_picture_is_called_is_text(browser: FlaskClient, observatory: Observatory) -> None:
    job = observatory.sends()
    name = f'"{HOSTILE}/../?&#'
    sends_picture(browser, job, name)
    page = job_page(browser, job)
    assert "<script>alert" not in page
    (href,) = (unescape(each) for each in re.findall(r'<a href="([^"]+)"><img', part(page, "pictures")))
    large = browser.get(href)
    assert large.status_code == 200
    assert "<script>alert" not in large.text
    assert name in unescape(large.text)
